"""The way in: the chain opened when it is needed, a node that is not there, and what status readers see."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_crashes import open_chain
from chain_world import LOG, ORIGIN, REGISTRY, MovingClock, drawing, memory_node, uniform_proof, uniform_root
from json_rpc import JsonRpc

from chain.account import open_account
from chain.errors import ChainError, ChainUnavailableError, OutcomeUnknownError, WrongContractError
from chain.node import connect
from chain.opening import Chain
from chain.sender import Patience

ITEM, OURS = b"\x33" * 32, b"\x44" * 32
NOBODY_LISTENS = "http://127.0.0.1:9"


@pytest.fixture
def server() -> Iterator[JsonRpc]:
    node = memory_node()
    server = JsonRpc(node)
    yield server
    server.close()


def remote_chain(url: str, folder: Path, timeout_seconds: float = 10) -> Chain:
    """A chain on a node by URL; the account is the one that eth-tester gave funds to."""
    folder.mkdir(exist_ok=True)
    (folder / "account.key").write_text((1).to_bytes(32).hex(), encoding="ascii")
    return Chain(
        url,
        folder,
        origin=ORIGIN,
        registry_code=REGISTRY,
        clock=MovingClock(),
        draw=drawing("account"),
        patience=Patience(timeout_seconds=timeout_seconds, poll_seconds=0.01),
    )


def test_a_chain_opens_at_the_first_call_and_closes(tmp_path: Path) -> None:
    chain = open_chain(tmp_path)
    assert (chain.status().state, chain.height()) == ("down", None)
    assert not (tmp_path / "chain.db").exists()
    assert chain.latest() is None
    anchor = chain.anchor(5, uniform_root(5), 0, [])
    assert anchor.log_id == LOG
    assert chain.find(5, uniform_root(5)) == anchor
    assert chain.consume(ITEM, OURS) == chain.find_first_use(ITEM)
    assert chain.members().find(REGISTRY) is not None
    chain.close()
    chain.close()
    assert chain.status().state == "down"
    again = open_chain(tmp_path)
    assert again.anchor(9, uniform_root(9), 5, uniform_proof(5, 9)).chain_id == anchor.chain_id
    again.close()


def test_status_shows_height_and_time_of_the_newest_block(tmp_path: Path) -> None:
    chain = open_chain(tmp_path)
    deployment = chain.open()
    status = chain.status()
    assert (status.state, status.chain_id, status.height) == ("up", deployment.chain_id, 8)
    assert (status.unconfirmed, status.message) == (0, None)
    assert status.block_at == MovingClock()()
    chain.close()


def test_status_does_not_wait_behind_transactions(tmp_path: Path) -> None:
    chain = open_chain(tmp_path)
    chain.open()
    stop = threading.Event()

    def work() -> None:
        number = 1
        while not stop.is_set():
            chain.consume(number.to_bytes(32), OURS)
            number += 1

    worker = threading.Thread(target=work)
    worker.start()
    slowest = 0.0
    for _ in range(200):
        begun = time.perf_counter()
        assert chain.status().state == "up"
        slowest = max(slowest, time.perf_counter() - begun)
        time.sleep(0.001)
    stop.set()
    worker.join()
    chain.close()
    assert slowest < 0.5


def test_two_processes_cannot_have_one_chain(tmp_path: Path) -> None:
    chain, other = open_chain(tmp_path), open_chain(tmp_path)
    chain.open()
    with pytest.raises(ChainUnavailableError):
        other.open()
    assert "另一个进程" in (other.status().message or "")
    chain.close()
    other.open()
    other.close()


def test_a_node_that_is_not_there_is_unavailable_and_can_come_later(tmp_path: Path, server: JsonRpc) -> None:
    chain = remote_chain(NOBODY_LISTENS, tmp_path)
    for act in (chain.open, chain.latest, lambda: chain.consume(ITEM, OURS), lambda: chain.find(5, uniform_root(5))):
        with pytest.raises(ChainUnavailableError):
            act()
    assert chain.status().state == "down"
    chain.close()
    chain = remote_chain(server.url, tmp_path)
    assert chain.latest() is None
    chain.close()


def test_the_whole_way_over_json_rpc(tmp_path: Path, server: JsonRpc) -> None:
    chain = remote_chain(server.url, tmp_path)
    anchor = chain.anchor(5, uniform_root(5), 0, [])
    assert chain.find(5, uniform_root(5)) == anchor
    chain.anchor(9, uniform_root(9), 5, uniform_proof(5, 9))
    assert chain.find(5, uniform_root(5)) == anchor
    assert chain.consume(ITEM, OURS).commitment == OURS
    assert chain.status().state == "up"
    chain.close()
    again = remote_chain(server.url, tmp_path)
    assert again.latest() == (9, uniform_root(9))
    again.close()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_node_that_answers_with_an_error_page_is_unavailable(tmp_path: Path, server: JsonRpc, status: int) -> None:
    node = connect(server.url)
    assert node.height() == 0
    server.status = status
    with pytest.raises(ChainUnavailableError):
        node.height()


def test_a_slow_node_is_unavailable_in_time(server: JsonRpc) -> None:
    answer, asked_on = server.answer, threading.Event()

    def answer_in_the_end(asked: dict[str, object]) -> dict[str, object]:
        asked_on.wait(60)
        return answer(asked)

    server.answer = answer_in_the_end  # type: ignore[method-assign]
    with pytest.raises(ChainUnavailableError):
        connect(server.url, timeout_seconds=0.1).height()
    asked_on.set()


def test_a_node_that_dies_after_it_was_opened_shows_in_the_status(tmp_path: Path, server: JsonRpc) -> None:
    chain = remote_chain(server.url, tmp_path, timeout_seconds=30)
    chain.open()
    server.status = 503
    with pytest.raises(ChainUnavailableError):
        chain.anchor(5, uniform_root(5), 0, [])
    status = chain.status()
    assert (status.state, status.message is not None) == ("down", True)
    server.status = 200
    assert chain.anchor(5, uniform_root(5), 0, []).size == 5
    chain.close()


def test_an_answer_lost_on_the_wire_leaves_the_outcome_unknown_and_find_tells(tmp_path: Path, server: JsonRpc) -> None:
    chain = remote_chain(server.url, tmp_path, timeout_seconds=30)
    chain.open()
    plain = server.answer

    def lose_the_answer(asked: dict[str, object]) -> dict[str, object]:
        said = plain(asked)
        if asked["method"] == "eth_sendRawTransaction":
            server.status = 503
        return said

    server.answer = lose_the_answer  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknownError):
        chain.anchor(5, uniform_root(5), 0, [])
    server.status, server.answer = 200, plain
    anchor = chain.find(5, uniform_root(5))
    assert anchor is not None
    assert chain.anchor(5, uniform_root(5), 0, []) == anchor
    chain.close()


def test_another_chain_behind_the_same_address_stops_the_process(tmp_path: Path, server: JsonRpc) -> None:
    chain = remote_chain(server.url, tmp_path)
    chain.open()
    chain.close()
    time.sleep(1.1)
    impostor = JsonRpc(memory_node())
    chain = remote_chain(impostor.url, tmp_path)
    with pytest.raises(WrongContractError) as caught:
        chain.latest()
    assert caught.value.expected != caught.value.found
    assert chain.status().state == "wrong"
    chain.close()
    impostor.close()


def test_a_chain_file_that_was_taken_away_stops_the_process(tmp_path: Path) -> None:
    chain = open_chain(tmp_path)
    chain.open()
    chain.close()
    for file in tmp_path.glob("chain.db*"):
        file.unlink()
    later = open_chain(tmp_path)
    later._clock.forward(days=1)
    with pytest.raises(WrongContractError):
        later.open()
    later.close()


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "account.key"
    made = open_account(file, drawing("account"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert open_account(file, drawing("another")).address == made.address
    file.write_text("short", encoding="ascii")
    with pytest.raises(WrongContractError):
        open_account(file, drawing("another"))


def test_a_key_that_is_no_number_of_the_curve_is_drawn_again(tmp_path: Path) -> None:
    drawn = iter([bytes(32), b"\xff" * 32, b"\x01" * 32])
    made = open_account(tmp_path / "account.key", lambda count: next(drawn))
    assert made.address == open_account(tmp_path / "account.key", drawing("unused")).address


def test_every_error_of_the_chain_tells_people_and_programs_what_happened() -> None:
    errors = [ChainUnavailableError("node_unreachable", "没有应答"), OutcomeUnknownError(b"\x01" * 32, "尚未确认")]
    errors.append(WrongContractError("链标识", "1", "2"))
    for error in errors:
        assert isinstance(error, ChainError)
        assert error.reason.isascii()
        assert not error.message.isascii()


def test_importing_the_errors_loads_no_chain_library() -> None:
    code = "import sys, chain.errors; sys.exit(bool({'web3', 'eth', 'eth_tester', 'sqlite3'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
