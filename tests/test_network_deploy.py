"""What `deploy/` gives an operator, read or started by the programs that it is for, as far as they are here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import rlp
from conftest import missing

from api.cli.main import main
from chain.network import Network
from chain.network.genesis import besu_genesis, is_address, kaia_genesis
from chain.network.ipc import ask
from chain.network.programs import GETH, look_for

pytest_plugins = ["network_stage"]

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
VALIDATORS = ["0x" + "cc" * 20, "0x" + "aa" * 20, "0x" + "bb" * 20, "0x" + "dd" * 20]


def geth(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = look_for(GETH)
    if program is None:
        missing("geth (make tools)")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


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
def test_the_configuration_is_one_that_geth_reads(name: str) -> None:
    done = geth("--config", DEPLOY / "clique" / name, "dumpconfig")
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


def test_a_validator_is_told_to_seal_without_fees_by_the_script_of_its_unit(four_validators: Network) -> None:
    socket = four_validators.layout.socket_of(four_validators.layout.members[0])
    ask(socket, "miner_stop")
    ask(socket, "miner_setGasPrice", "0x3b9aca00")
    done = subprocess.run(
        [DEPLOY / "clique" / "begin-sealing", f"../{socket.parent.name}/{socket.name}"],
        cwd=socket.parent,
        env={**os.environ, "GETH": str(look_for(GETH))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ask(socket, "eth_mining") is True
