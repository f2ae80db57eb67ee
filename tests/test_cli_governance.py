"""`suizheng governance`: governors with keys of their own, on a node by URL and on an embedded chain at rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_world import OTHER, REGISTRY, World, account, new_world
from test_chain_opening import JsonRpc

from api.cli.governing_words import describe
from api.cli.main import main
from chain import changes
from chain.changes import NOBODY, Change, EntryKind, MemberState

TYPE = "11100000000013338W001"
LOG = "ab" * 32


class Network:
    """A node by URL; account 1 is its only governor. Each governor works in a folder of his own."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.server = JsonRpc(world.node)
        # The governor's commands hold the outbox of account 1 themselves.
        world.outboxes.pop(1).close()

    def folder_of(self, number: int) -> Path:
        folder = self.folder / f"governor-{number}"
        if not folder.exists():
            folder.mkdir()
            (folder / "account.key").write_text(number.to_bytes(32).hex(), encoding="ascii")
        return folder

    def run(self, number: int, *arguments: str) -> int:
        folder = self.folder_of(number)
        more = (
            []
            if (folder / "deployment.json").exists()
            else ["--deployment", str(self.world.folder / "deployment.json")]
        )
        return main(["governance", *arguments, "--folder", str(folder), "--node", self.server.url, *more])


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    world = new_world("memory", tmp_path / "world")
    network = Network(world, tmp_path)
    yield network
    network.server.close()
    world.node.close()


def open_id(network: Network, capsys: pytest.CaptureFixture[str]) -> str:
    """The number that `list` shows for the one open proposal."""
    capsys.readouterr()
    assert network.run(3, "list") == 0
    shown = capsys.readouterr().out.split("待批准的提案 1 项")[1]
    return shown.split()[1]


def test_two_of_three_governors_add_a_department(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    council = [account(number).address for number in (1, 2, 3)]
    assert network.run(1, "propose", "governors", *council, "--threshold", "2") == 0
    assert "已执行：治理成员改为 3 名，须 2 名批准" in capsys.readouterr().out
    assert network.run(1, "propose", "add", OTHER, "--level", "street") == 0
    assert "待其他治理成员批准（1/2）" in capsys.readouterr().out
    assert network.world.members.find(OTHER) is None
    number = open_id(network, capsys)
    # Nobody approves what he has not confirmed.
    assert network.run(2, "approve", number) == 64
    shown = capsys.readouterr()
    assert f"增加部门 {OTHER}（街道（镇），无链账户）" in shown.out
    assert "--yes" in shown.err
    assert network.run(2, "approve", number, "--yes") == 0
    assert "已执行" in capsys.readouterr().out
    assert network.world.members.find(OTHER) is not None
    assert network.run(3, "approve", number, "--yes") == 0
    assert network.run(3, "list", "--all") == 0
    assert capsys.readouterr().out.count("执行") >= 2


def test_every_kind_of_change_can_be_proposed(network: Network, tmp_path: Path) -> None:
    entry = tmp_path / "duties.json"
    entry.write_text('{ "b": 1, "a": [2] }', encoding="utf-8")
    plain = tmp_path / "standard.txt"
    plain.write_bytes(b"text")
    for arguments in (
        ("add", OTHER, "--account", account(4).address),
        ("suspend", OTHER),
        ("reinstate", OTHER),
        ("rotate", OTHER, "--account", account(5).address),
        ("grant", OTHER, TYPE, "both", "--from", "2026-11-22", "--to", "2026-12-31"),
        ("end-scope", OTHER, TYPE, "0", "--at", "2026-12-01T00:00:00+08:00"),
        ("publish", "duties", f"{OTHER}001", "1", str(entry)),
        ("publish", "standard", "DB31-1", "1", str(plain)),
        ("join", f"{REGISTRY[:-1]}X", "--account", account(6).address, "--log", LOG),
    ):
        assert network.run(1, "propose", *arguments) == 0, arguments
    world = network.world
    standing = world.members.find(OTHER)
    assert standing is not None
    assert (standing.state, standing.account) == (MemberState.ACTIVE, account(5).address.lower())
    (scope,) = world.members.scopes(OTHER, TYPE)
    assert str(scope.window.not_after_at) == "2026-11-30 16:00:00+00:00"
    published = world.catalogue.find(EntryKind.DUTIES, f"{OTHER}001", 1)
    assert published is not None
    assert published.digest == hashlib.sha256(b'{"a":[2],"b":1}').digest()
    assert world.ask("heads", "writer", bytes.fromhex(LOG)) == account(6).address.lower()


def test_an_approval_is_withdrawn(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    council = [account(number).address for number in (1, 3)]
    network.run(1, "propose", "governors", *council, "--threshold", "2")
    network.run(1, "propose", "add", OTHER)
    number = open_id(network, capsys)
    assert network.run(1, "withdraw", number) == 0
    assert "（0/2）" in capsys.readouterr().out
    network.run(3, "approve", number, "--yes")
    assert network.world.members.find(OTHER) is None


@pytest.mark.parametrize(
    ("number", "arguments", "message"),
    [
        (9, ("propose", "add", OTHER), "不是治理成员"),
        (1, ("propose", "suspend", OTHER), "请先增加"),
        (1, ("propose", "governors", "0x12", "--threshold", "1"), "40 位十六进制"),
        (1, ("propose", "governors", "0x" + "1" * 40, "--threshold", "2"), "批准人数"),
        (1, ("propose", "publish", "data", "D", "2", __file__), "紧接"),
        (1, ("propose", "publish", "data", "D", "1", "nowhere.json"), "无法读取"),
        (1, ("propose", "grant", OTHER, TYPE, "use", "--from", "2026-12-02", "--to", "2026-12-01"), "早于"),
        (1, ("approve", "ffff", "--yes"), "没有编号以"),
    ],
)
def test_what_cannot_be_is_said_in_chinese_with_what_to_do(
    network: Network, capsys: pytest.CaptureFixture[str], number: int, arguments: tuple[str, ...], message: str
) -> None:
    assert network.run(number, *arguments) == 64
    assert message in capsys.readouterr().err


def test_without_a_deployment_record_one_is_asked_for(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["governance", "list", "--folder", str(tmp_path / "new"), "--node", network.server.url]) == 64
    assert "--deployment" in capsys.readouterr().err


def test_a_governor_on_an_embedded_chain_at_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = new_world("file", tmp_path / "chain")
    world.close()
    (tmp_path / "chain" / "account.key").write_text((1).to_bytes(32).hex(), encoding="ascii")
    (tmp_path / "chain" / "outbox-1.db").rename(tmp_path / "chain" / "outbox.db")
    theirs, ours = tmp_path / "theirs", tmp_path / "chain"
    assert main(["governance", "account", "--folder", str(theirs)]) == 0
    address = capsys.readouterr().out.strip()
    at = ["--embedded", str(ours)]
    council = [account(1).address, address, "--threshold", "2"]
    assert main(["governance", "propose", "governors", *council, "--folder", str(ours), *at]) == 0
    assert main(["governance", "propose", "add", OTHER, "--folder", str(ours), *at]) == 0
    capsys.readouterr()
    assert main(["governance", "list", "--folder", str(theirs), *at]) == 0
    number = capsys.readouterr().out.split("待批准的提案 1 项")[1].split()[1]
    assert main(["governance", "approve", number, "--yes", "--folder", str(theirs), *at]) == 0
    assert f"✓ 提案 {number} 已执行：增加部门 {OTHER}" in capsys.readouterr().out
    assert json.loads((theirs / "deployment.json").read_text(encoding="utf-8"))["version"] == 2


def test_every_change_reads_in_chinese_and_a_strange_call_is_marked() -> None:
    key, window = b"\1" * 32, changes.Window.of_seconds(0, 2**64 - 1)
    for change in (
        changes.add_key(OTHER, key, window),
        changes.end_key(OTHER, key, window.not_before_at),
        changes.rotate_key(OTHER, key, key, window),
        changes.accept_governor(),
        changes.replace_writer(key, NOBODY),
        Change("members", "propose_governor", (NOBODY,)),
        Change("members", "add_key", (key, key, 0, 2**63)),
    ):
        assert "不认识" not in describe(change)
    assert "不认识" in describe(Change("0x" + "1" * 40, "a9059cbb", (b"",)))
