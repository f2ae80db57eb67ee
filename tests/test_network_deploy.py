"""What `deploy/` gives an operator, read or started by the programs that it is for, as far as they are here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import rlp
from conftest import missing

from api.cli.main import main
from chain.network import Network, NetworkError
from chain.network.genesis import Key, besu_genesis, is_address, kaia_genesis
from chain.network.ipc import ask
from chain.network.programs import GETH, look_for
from chain.node import connect

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
VALIDATORS = ["0x" + "cc" * 20, "0x" + "aa" * 20, "0x" + "bb" * 20, "0x" + "dd" * 20]


def geth(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = look_for(GETH)
    if program is None:
        missing("geth (make tools)")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=240, check=False)


def test_the_genesis_of_a_real_network_is_accepted_by_geth_and_never_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "genesis.json"
    asked = ["network", "genesis", "--engine", "clique", "--chain-id", "310105", "--period", "5", "--out", str(out)]
    for address in VALIDATORS:
        asked += ["--validator", address]
    assert main(asked) == 0
    made = out.read_bytes()
    assert main(asked) == 64
    assert out.read_bytes() == made
    done = geth("init", "--datadir", tmp_path / "data", "--state.scheme", "hash", out)
    assert "Successfully wrote genesis state" in done.stderr


def test_an_address_that_is_mistyped_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "genesis.json")
    common = ["network", "genesis", "--engine", "besu", "--chain-id", "1", "--out", out, "--validator"]
    right = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
    assert is_address(right)
    for wrong in ("7E5F4552091A69125d5DfCb7b8C2659029395Bdf", right.replace("7E", "7e", 1), right[:-1], "0x"):
        assert main([*common, wrong]) == 64
    assert main([*common, right, "--validator", right.lower()]) == 64
    assert "两次" in capsys.readouterr().err
    assert not Path(out).exists()


def test_the_bft_genesis_files_list_the_validators_in_order_under_each_engines_own_format() -> None:
    ordered = sorted(bytes.fromhex(address[2:]) for address in VALIDATORS)
    besu = bytes.fromhex(str(besu_genesis(VALIDATORS, 310105, 2)["extraData"])[2:])
    assert rlp.decode(besu) == [bytes(32), ordered, [], b"", []]
    # The example of Besu's documentation for four validators starts and ends so.
    assert besu.hex().startswith("f87aa0" + "00" * 32 + "f854")
    assert besu.hex().endswith("c080c0")
    kaia = bytes.fromhex(str(kaia_genesis(VALIDATORS, 310105)["extraData"])[2:])
    assert kaia[:32] == bytes(32)
    assert rlp.decode(kaia[32:]) == [ordered, bytes(65), []]


@pytest.mark.parametrize("name", ["validator.toml", "node.toml"])
def test_the_configuration_is_one_that_geth_reads(name: str, tmp_path: Path) -> None:
    done = geth("--config", DEPLOY / "clique" / name, "--datadir", tmp_path, "dumpconfig")
    assert done.returncode == 0, done.stderr
    read = tomllib.loads(done.stdout)
    assert read["Node"]["P2P"]["ListenAddr"] == ":30303"
    assert int(read["Eth"]["GPO"]["Default"]) == 0


def test_the_files_for_besu_are_well_formed() -> None:
    for name in ("besu.toml", "permissions.toml"):
        assert tomllib.loads((DEPLOY / "besu" / name).read_text(encoding="utf-8"))
    assert json.loads((DEPLOY / "besu" / "static-nodes.json").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("unit", sorted(path.name for path in (DEPLOY / "systemd").iterdir()))
def test_the_units_are_accepted_by_systemd(unit: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze")
    text = (DEPLOY / "systemd" / unit).read_text(encoding="utf-8")
    # The programs are not installed here; everything else is as it is.
    for line in text.splitlines():
        if line.startswith(("ExecStart=", "ExecStartPost=")):
            text = text.replace(line.partition("=")[2].split()[0], "/bin/true")
    (tmp_path / unit).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert unit not in done.stderr, done.stderr


# the units' own command lines


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for sockets, whose paths may hold 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="sz-") as folder:
        yield Path(folder)


def line_of(unit: str, key: str) -> str:
    text = (DEPLOY / "systemd" / unit).read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if line.startswith(f"{key}=")]
    return line.partition("=")[2]


@contextmanager
def unit_running(unit: str, places: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """What the unit would run, with these places instead of its own."""
    line = line_of(unit, "ExecStart")
    for place, here in places.items():
        line = line.replace(place, here)
    with log.open("wb") as said:
        process = subprocess.Popen(line.split(), stdout=said, stderr=said)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(120)


def wait_for_blocks(socket: Path) -> None:
    deadline = time.monotonic() + 240
    while True:
        with suppress(NetworkError):
            if int(ask(socket, "eth_blockNumber"), 16) >= 2:
                return
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_validator_seals_and_a_node_follows_it_by_the_command_lines_of_their_units(
    tmp_path: Path, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = look_for(GETH)
    if program is None:
        missing("geth (make tools)")
    # The node answers long before its account is unlocked.
    monkeypatch.setattr("chain.network.clique._SCRYPT_ROUNDS", 2**18)
    made = Network.make(tmp_path / "made", validators=1)
    member = made.layout.members[0]
    home = made.layout.folder_of(member)
    assert geth("init", "--datadir", home / "data", "--state.scheme", "hash", made.layout.genesis).returncode == 0
    assert geth("init", "--datadir", tmp_path / "node", "--state.scheme", "hash", made.layout.genesis).returncode == 0
    key = Key(b"\x07" * 32)
    (tmp_path / "node" / "geth" / "nodekey").write_text(key.secret.hex(), encoding="ascii")
    for name in ("validator", "node"):
        text = (DEPLOY / "clique" / f"{name}.toml").read_text(encoding="utf-8")
        port = member.peer_port if name == "validator" else 0
        text = text.replace('":30303"', f'"127.0.0.1:{port}"')
        if name == "validator":
            # A node that is not listed is not let in: every place is for those that the validator may call.
            text = text.replace("TrustedNodes = []", f'TrustedNodes = ["enode://{key.node_id}@127.0.0.1:1?discport=0"]')
        else:
            text = text.replace("StaticNodes = []", f'StaticNodes = ["{member.enode}"]')
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    common = {"/opt/suizheng/bin/geth": str(program), "${CHAIN_ID}": str(made.layout.chain_id)}
    common |= {"--nat none": "--nat none --netrestrict 127.0.0.0/8", "--authrpc.port 8551": "--authrpc.port 0"}
    validator = common | {
        "/etc/suizheng/validator.toml": str(tmp_path / "validator.toml"),
        "/var/lib/suizheng-chain": str(home / "data"),
        "/run/suizheng-chain": str(short),
        "${VALIDATOR}": member.address,
        "${CREDENTIALS_DIRECTORY}": str(home),
    }
    node = common | {
        "/etc/suizheng/node.toml": str(tmp_path / "node.toml"),
        "/var/lib/suizheng-node": str(tmp_path / "node"),
        "/run/suizheng-node": str(short),
        "--authrpc.port 8552": "--authrpc.port 0",
        "--http.port 8545": f"--http.port {member.http_port}",
    }
    begin = line_of("suizheng-validator.service", "ExecStartPost").replace("/run/suizheng-chain", str(short))
    with unit_running("suizheng-validator.service", validator, tmp_path / "validator.log"):
        begun = subprocess.run(
            [DEPLOY / "clique" / "begin-sealing", begin.split()[1]],
            env={**os.environ, "GETH": str(program)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert begun.returncode == 0, begun.stderr + (tmp_path / "validator.log").read_text()
        wait_for_blocks(short / "validator.ipc")
        with unit_running("suizheng-node.service", node, tmp_path / "node.log"):
            wait_for_blocks(short / "node.ipc")
            assert connect(f"http://127.0.0.1:{member.http_port}").gas_price() == 0
