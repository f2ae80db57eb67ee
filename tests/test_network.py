"""A network of four real validators: made, started, disturbed and stopped."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from chain_world import drawing

from chain.network import Network, NetworkError
from chain.network.genesis import GENESIS_AT, clique_genesis
from chain.node import connect

pytest_plugins = ["network_stage"]


def test_all_validators_answer_on_loopback_and_agree(four_validators: Network) -> None:
    statuses = four_validators.status()
    assert [one.state for one in statuses] == ["running"] * 4
    assert all(one.url.startswith("http://127.0.0.1:") for one in statuses)
    assert {one.peers for one in statuses} == {3}
    height = max(one.height for one in statuses)
    four_validators.wait_for_agreement(height)
    nodes = [connect(url) for url in four_validators.urls]
    assert len({node.block(height).hash for node in nodes}) == 1
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
