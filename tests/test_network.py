"""A network of four real validators: made, started, disturbed and stopped."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
import time
from pathlib import Path

import pytest
from chain_world import HANGS_AFTER_SECONDS, drawing

from api.cli.main import main
from chain.network import Network, NetworkError
from chain.network.genesis import GENESIS_AT, clique_genesis
from chain.network.ports import free_ports
from chain.network.processes import Process
from chain.network.programs import GETH, find
from chain.node import connect

pytest_plugins = ["network_stage"]


def test_all_validators_answer_on_loopback_and_agree(four_validators: Network) -> None:
    statuses, deadline = four_validators.status(), time.monotonic() + HANGS_AFTER_SECONDS
    # A busy node says nothing for a moment.
    while {one.peers for one in statuses} != {3}:
        assert time.monotonic() < deadline, f"the nodes do not know one another: {statuses}"
        time.sleep(0.2)
        statuses = four_validators.status()
    assert [one.state for one in statuses] == ["running"] * 4
    assert all(one.url.startswith("http://127.0.0.1:") for one in statuses)
    four_validators.wait_for_agreement(max(one.height for one in statuses), timeout_seconds=HANGS_AFTER_SECONDS)
    nodes = [connect(url) for url in four_validators.urls]
    assert len({node.block(0).hash for node in nodes}) == 1
    assert {node.gas_price() for node in nodes} == {0}
    assert {node.chain_id() for node in nodes} == {310105}


def test_the_same_draws_make_the_same_genesis(tmp_path: Path) -> None:
    one = Network.make(tmp_path / "one", draw=drawing("same"))
    other = Network.make(tmp_path / "other", draw=drawing("same"))
    assert one.layout.genesis.read_bytes() == other.layout.genesis.read_bytes()
    third = Network.make(tmp_path / "third", draw=drawing("different"))
    assert third.layout.genesis.read_bytes() != one.layout.genesis.read_bytes()


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    network = Network.make(tmp_path / "network")
    folder = network.layout.folder_of(network.layout.members[0])
    for secret in (folder / "password", folder / "data" / "keystore" / "validator.json", folder / "data/geth/nodekey"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    password = (folder / "password").read_text()
    assert password not in (folder.parent / "network.json").read_text()


def test_a_genesis_names_the_validators_in_order_and_nobody_owns_anything() -> None:
    validators = ["0x" + "cC" * 20, "0x" + "aA" * 20]
    genesis = clique_genesis(validators, 310105, 1)
    assert genesis["extraData"] == "0x" + "00" * 32 + "aa" * 20 + "cc" * 20 + "00" * 65
    assert genesis["alloc"] == {}
    assert genesis["timestamp"] == hex(GENESIS_AT)
    assert "londonBlock" not in json.dumps(genesis)


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("here")
    with pytest.raises(NetworkError) as caught:
        Network.make(tmp_path)
    assert caught.value.reason == "folder_taken"
    with pytest.raises(NetworkError) as caught:
        Network.open(tmp_path)
    assert caught.value.reason == "no_network"


def test_a_port_in_use_and_a_missing_or_wrong_program_are_named_with_what_to_do(
    tmp_path: Path, four_validators: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        network = Network.make(tmp_path / "one", validators=1, ports=[port, port])
        with pytest.raises(NetworkError, match=str(port)) as caught:
            network.up()
        assert caught.value.reason == "port_taken"
    for program, reason in (("/bin/true", "program_version"), (str(tmp_path / "none"), "program_broken")):
        monkeypatch.setenv(GETH.variable, program)
        with pytest.raises(NetworkError, match="make tools") as caught:
            find(GETH)
        assert caught.value.reason == reason
    monkeypatch.delenv(GETH.variable)
    monkeypatch.setattr("chain.network.programs._BUILT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NetworkError, match="make tools") as caught:
        find(GETH)
    assert caught.value.reason == "program_missing"


def test_a_node_that_ends_at_once_is_told_with_its_own_words_and_none_is_left_behind(
    tmp_path: Path, four_validators: Network
) -> None:
    network = Network.make(tmp_path / "network", validators=2)
    (network.layout.folder_of(network.layout.members[1]) / "geth.toml").write_text("not a configuration")
    with pytest.raises(NetworkError, match=r"geth\.toml") as caught:
        network.up()
    assert caught.value.reason == "node_ended"
    assert [one.state for one in network.status()] == ["stopped", "stopped"]


def test_a_lone_validator_begins_to_seal_only_when_its_account_is_unlocked(
    tmp_path: Path, four_validators: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chain.network.clique._SCRYPT_ROUNDS", 2**18)
    network = Network.make(tmp_path / "network", validators=1)
    try:
        network.up(HANGS_AFTER_SECONDS)
        network.wait_for_height(2, timeout_seconds=HANGS_AFTER_SECONDS)
    finally:
        network.down()


def test_ports_are_chosen_where_no_outgoing_connection_takes_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = tmp_path / "range"
    monkeypatch.setattr("chain.network.ports._OUTGOING", said)
    for text, outgoing in (("13000\t65535\n", range(13_000, 65_536)), ("not numbers", range(49_152, 65_536))):
        said.write_text(text)
        ports = free_ports(64)
        assert len(set(ports)) == 64
        assert not [port for port in ports if port in outgoing or port < 12_000]


def test_a_pid_that_another_process_has_by_now_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "process.pid").write_text(f"{os.getpid()} 1\n")
    process = Process(tmp_path)
    assert process.state() == "stopped"
    process.kill()
    process.start([sys.executable, "-c", "import time; time.sleep(60)"])
    assert Process(tmp_path).pid() == process.pid() != os.getpid()
    process.stop()
    assert Process(tmp_path).state() == "stopped"


def test_the_command_starts_shows_and_stops_a_network(
    tmp_path: Path, four_validators: Network, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def suizheng(*arguments: str) -> tuple[int, str]:
        status = main(["network", *arguments, "--folder", "here"])
        return status, "".join(capsys.readouterr())

    monkeypatch.chdir(tmp_path)
    assert suizheng("status")[0] == 64
    http, peer = map(str, free_ports(2))
    try:
        status, said = suizheng("up", "--validators", "1", "--port", http, "--peer-port", peer)
        assert (status, f"SUIZHENG_CHAIN=http://127.0.0.1:{http} suizheng serve" in said) == (0, True), said
        assert suizheng("up")[0] == 0
        status, said = suizheng("up", "--validators", "3")
        assert (status, "已有 1 个验证节点" in said) == (64, True)
        status, said = suizheng("status")
        assert (status, "node1" in said) == (0, True)
    finally:
        assert suizheng("down")[0] == 0
    status, said = suizheng("status")
    assert (status, "至少需要 1 个" in said) == (1, True)
