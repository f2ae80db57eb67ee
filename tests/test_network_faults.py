"""What a registry on four real validators goes through when some of them do."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from api_office import Office, open_office, register, settings_in
from chain_world import HANGS_AFTER_SECONDS, ORIGIN, REGISTRY, UNHURRIED, World, drawing, uniform_proof, uniform_root

from chain import artifacts
from chain.errors import ChainUnavailableError, OutcomeUnknownError, WrongContractError
from chain.network import Network
from chain.node import connect
from chain.opening import Chain
from chain.sender import Patience
from verifier import State, TrustBundle, verify

pytest_plugins = ["network_stage"]

# An absent signer's turn is taken within three seconds, if anyone is left to take it.
TIME_TO_TELL_SECONDS = 4


@pytest.fixture
def office_on_network(four_validators: Network, tmp_path: Path) -> Iterator[Office]:
    """A whole registry whose only difference to any other is the address of its chain."""
    with open_office(settings_in(tmp_path, chain=four_validators.urls[0])) as office:
        yield office


def eventually(holds: Callable[[], bool], seconds: float = HANGS_AFTER_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come about in {seconds} seconds"
        time.sleep(0.05)


def newest(network: Network, number: int) -> int:
    return connect(network.urls[number]).height()


def chain_at(url: str, folder: Path, patience: Patience = UNHURRIED) -> Chain:
    return Chain(
        url, folder, origin=f"{ORIGIN}/{folder.name}", registry_code=REGISTRY, clock=lambda: datetime.now(UTC),
        draw=secrets.token_bytes, patience=patience,
    )  # fmt: skip


def heads_on_chain(network: Network, folder: Path) -> int:
    """How often the log's head advanced, each by a transaction of its own."""
    contract = json.loads((folder / "deployment.json").read_text())["heads"]
    node = connect(network.urls[0])
    return len(node.events(contract, [artifacts.load("heads").topic("Advanced")], 0, node.height()))


def test_a_certificate_is_anchored_and_verified_offline_while_one_validator_is_dead_and_after_two_were(
    four_validators: Network, office_on_network: Office, tmp_path: Path
) -> None:
    office = office_on_network
    made = register(office, 1)
    office.settle()
    standing = office.client.get("/api/v1/status").json()
    assert (standing["chain"]["state"], standing["chain"]["chain_id"]) == ("up", 310105)
    assert standing["anchored_size"] == standing["size"] > 0
    bundle = office.send("GET", f"{made['status_url']}/evidence", "registrar").content
    trust = TrustBundle.open(office.client.get("/api/v1/trust").content)
    assert verify(bundle, trust, datetime.now(UTC)).state is State.VALID

    four_validators.kill(3)
    register(office, 2)
    office.settle()

    four_validators.kill(2)
    eventually(lambda: _is_halted(four_validators))
    advanced = heads_on_chain(four_validators, tmp_path / "chain")
    made = register(office, 3)
    eventually(lambda: _log_is_ahead(office))
    for number in range(4, 10):
        register(office, number)
    halted = newest(four_validators, 0)
    time.sleep(TIME_TO_TELL_SECONDS)
    # Nothing claims to be anchored, and whoever asks is answered.
    assert newest(four_validators, 0) == halted
    assert _log_is_ahead(office)
    assert office.client.get("/healthz").status_code == 200

    four_validators.start(2)
    office.settle()
    # The one that was waiting, and one for everything since.
    assert heads_on_chain(four_validators, tmp_path / "chain") <= advanced + 2
    bundle = office.send("GET", f"{made['status_url']}/evidence", "registrar").content
    trust = TrustBundle.open(office.client.get("/api/v1/trust").content)
    assert verify(bundle, trust, datetime.now(UTC)).state is State.VALID


def _is_halted(network: Network) -> bool:
    """Whether the two that are left sealed the last two blocks: who did may seal neither of the next two (EIP-225)."""
    one, other = (_last_two_blocks(url) for url in network.urls[:2])
    return one == other and len({sealer for _, sealer in one}) == 2


def _last_two_blocks(url: str) -> list[tuple[str, str]]:
    """The hashes of a node's newest block and of its parent, and who sealed them."""
    node = connect(url)
    newest = node.ask("eth_getBlockByNumber", "latest", False)
    return [(block, node.ask("clique_getSigner", block)) for block in (newest["hash"], newest["parentHash"])]


def _log_is_ahead(office: Office) -> bool:
    standing = office.client.get("/api/v1/status").json()
    return bool(standing["size"] > standing["anchored_size"])


def test_nothing_that_was_anchored_is_lost_when_all_validators_are_killed_at_once(
    four_validators: Network, network_world_on_four: World
) -> None:
    world = network_world_on_four
    anchor = world.anchors.anchor(5, uniform_root(5), 0, [])
    four_validators.wait_for_agreement(anchor.block_number, timeout_seconds=HANGS_AFTER_SECONDS)
    for number in range(four_validators.size):
        four_validators.kill(number)
    with pytest.raises(ChainUnavailableError):
        world.anchors.latest()
    four_validators.up(HANGS_AFTER_SECONDS)
    assert world.anchors.find(5, uniform_root(5)) == anchor
    assert world.anchors.anchor(9, uniform_root(9), 5, uniform_proof(5, 9)).size == 9
    world.close()


def test_a_node_cut_off_from_the_others_confirms_nothing_and_catches_up_when_they_are_back(
    four_validators: Network, tmp_path: Path
) -> None:
    """With as many confirmations as there are signers in a majority, a lone validator cannot make an anchor."""
    chain = chain_at(four_validators.urls[3], tmp_path / "chain", Patience(confirmations=3, timeout_seconds=120))
    chain.open()
    four_validators.partition([0, 1, 2], [3])
    lonely, others = newest(four_validators, 3), newest(four_validators, 0)
    chain.close()
    hasty = chain_at(four_validators.urls[3], tmp_path / "chain", Patience(confirmations=3, timeout_seconds=6))
    with pytest.raises(OutcomeUnknownError):
        hasty.anchor(5, uniform_root(5), 0, [])
    four_validators.wait_for_height(others + 4, [0, 1, 2], HANGS_AFTER_SECONDS)
    assert newest(four_validators, 3) <= lonely + 2
    four_validators.heal()
    hasty.close()
    again = chain_at(four_validators.urls[3], tmp_path / "chain", Patience(confirmations=3, timeout_seconds=120))
    anchor = again.anchor(5, uniform_root(5), 0, [])
    four_validators.wait_for_agreement(anchor.block_number, timeout_seconds=HANGS_AFTER_SECONDS)
    elsewhere = connect(four_validators.urls[0]).block(anchor.block_number)
    assert elsewhere is not None
    assert elsewhere.hash == anchor.block_hash
    again.close()


def test_a_suspended_node_is_a_silent_one_and_the_rest_go_on(four_validators: Network) -> None:
    four_validators.suspend(1)
    assert [one.state for one in four_validators.status()] == ["running", "suspended", "running", "running"]
    others = newest(four_validators, 0)
    four_validators.wait_for_height(others + 3, [0, 2, 3], HANGS_AFTER_SECONDS)
    four_validators.resume(1)
    four_validators.wait_for_agreement(others + 3, timeout_seconds=HANGS_AFTER_SECONDS)


def test_a_validator_is_voted_out_and_in_again(four_validators: Network) -> None:
    leaving = four_validators.layout.members[3].address.lower()
    for number in (0, 1, 2):
        four_validators.vote(number, leaving, belongs=False)
    eventually(lambda: leaving not in four_validators.validators())
    assert len(four_validators.validators()) == 3
    for number in (0, 1):
        four_validators.vote(number, leaving, belongs=True)
    eventually(lambda: leaving in four_validators.validators())


# the wrong chain


@pytest.fixture(scope="module")
def another_network(tmp_path_factory: pytest.TempPathFactory, _session_network: Network) -> Iterator[Network]:
    """A network of one validator with the same chain id and another genesis."""
    network = Network.make(tmp_path_factory.mktemp("another"), validators=1, draw=drawing("another"))
    try:
        network.up(HANGS_AFTER_SECONDS)
        yield network
    finally:
        network.down()


def test_a_registry_that_is_pointed_at_another_network_stops_and_says_which_it_expected(
    four_validators: Network, another_network: Network, tmp_path: Path
) -> None:
    chain = chain_at(four_validators.urls[0], tmp_path / "chain")
    expected = chain.open().genesis
    chain.close()
    strayed = chain_at(another_network.urls[0], tmp_path / "chain")
    with pytest.raises(WrongContractError) as caught:
        strayed.open()
    assert (caught.value.expected, caught.value.found) == (
        expected,
        connect(another_network.urls[0]).block(0).hash.hex(),
    )
    assert strayed.status().state == "wrong"
    assert expected in str(strayed.status().message)
    strayed.close()
