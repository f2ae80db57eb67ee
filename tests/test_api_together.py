"""Requests that arrive together: one transaction for all of them, an answer for each, whoever fails or dies."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import kill_tally
from api_office import ISSUER, Office, furnish, licence
from httpx import Client, HTTPError, Response
from killable_server import Server
from registry_house import CARE, MARKET, NOON, House, actor, food
from sqlalchemy import func, select

from api.http.registrations import Registration, Written, write_together
from api.http.together import Together
from registry.accounts import tokens
from registry.certificates.outcomes import Registered
from registry.certificates.tables import Certificate
from registry.errors import (
    AuthenticationError,
    BusyError,
    ConflictError,
    DuplicateError,
    InvalidDraftError,
    NotPermittedError,
)
from registry.idempotency import service as idempotency
from registry.idempotency.service import Answer, Claim
from registry.idempotency.tables import IdempotencyKey
from registry.log.tables import LogEntry
from registry.work import Actor

pytest_plugins = ("registry_fixtures",)

# Groups of anything.


def run_all(
    together: Together[int, str], items: Sequence[int], first_is_held: threading.Event, groups: list[list[int]]
) -> list[object]:
    """The outcomes of items that all come while the first one is being handled."""
    handled_before = len(groups)

    async def run() -> list[object]:
        first = asyncio.create_task(together.do(items[0]))
        while len(groups) == handled_before:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(together.do(item)) for item in items[1:]]
        # Each has its turn, and then waits for its outcome.
        await asyncio.sleep(0)
        first_is_held.set()
        return list(await asyncio.gather(first, *others, return_exceptions=True))

    return asyncio.run(run())


def holding(handle: Callable[[Sequence[int]], list[str | Exception]], most: int) -> tuple[
    Together[int, str], threading.Event, list[list[int]]
]:  # fmt: skip
    """What handles nothing before the event; and the groups that it had."""
    go, groups = threading.Event(), list[list[int]]()

    def handle_when_told(group: Sequence[int]) -> list[str | Exception]:
        groups.append(list(group))
        assert go.wait(60)
        return handle(group)

    return Together("test", handle_when_told, most), go, groups


def test_what_comes_while_a_group_is_handled_makes_the_next_groups_in_order() -> None:
    together, go, groups = holding(lambda group: [f"{item} of {len(group)}" for item in group], 3)
    assert run_all(together, range(6), go, groups) == ["0 of 1", "1 of 3", "2 of 3", "3 of 3", "4 of 2", "5 of 2"]
    assert groups == [[0], [1, 2, 3], [4, 5]]
    together.close()


def test_an_exception_reaches_the_one_it_is_for_and_no_other() -> None:
    wrong = InvalidDraftError([])
    together, go, groups = holding(lambda group: [wrong if item == 2 else str(item) for item in group], 9)
    assert run_all(together, range(4), go, groups) == ["0", "1", wrong, "3"]
    together.close()


def test_a_handler_that_fails_fails_its_group_and_the_next_group_is_handled() -> None:
    failed = RuntimeError("the whole group")

    def handle(group: Sequence[int]) -> list[str | Exception]:
        if len(group) > 1:
            raise failed
        return [str(item) for item in group]

    together, go, groups = holding(handle, 2)
    assert run_all(together, range(4), go, groups) == ["0", failed, failed, "3"]
    assert groups == [[0], [1, 2], [3]]
    together.close()


def test_the_end_handles_what_waits_and_a_new_beginning_is_possible() -> None:
    together, go, groups = holding(lambda group: [str(item) for item in group], 9)

    async def run() -> list[str]:
        waiting = [asyncio.create_task(together.do(item)) for item in range(3)]
        await asyncio.sleep(0.05)
        threading.Timer(0.05, go.set).start()
        await asyncio.to_thread(together.close)
        return [await one for one in waiting]

    assert asyncio.run(run()) == ["0", "1", "2"]
    assert run_all(together, [7], go, groups) == ["7"]
    together.close()


def test_who_goes_away_does_not_stop_the_work_of_the_others() -> None:
    together, go, groups = holding(lambda group: [str(item) for item in group], 9)

    async def run() -> str:
        gone, stays = asyncio.create_task(together.do(1)), asyncio.create_task(together.do(2))
        await asyncio.sleep(0.05)
        gone.cancel()
        go.set()
        return await stays

    assert asyncio.run(run()) == "2"
    assert sorted(item for group in groups for item in group) == [1, 2]
    together.close()


# Groups of registrations.

ELSEWHERE = {**food().extend_info, "premises": "上海市长宁区示例路 2 号"}
OTHER = replace(actor(MARKET), id="token:other")


def registration(number: int, key: str | None = None, who: Actor | None = None, **changes: object) -> Registration:
    who = who or actor(MARKET)
    claim = None if key is None else Claim(who.id, key, sha256(f"{number} {changes}".encode()).digest())
    return Registration(who, claim, food(number, **changes), (), lambda done: Answer(202, {"id": done.id}))


def answered(outcome: Written | Exception) -> str:
    assert isinstance(outcome, Written), outcome
    assert outcome.answer.status == 202
    return str(outcome.answer.body["id"])


def count(house: House, table: type[Certificate] | type[LogEntry] | type[IdempotencyKey]) -> int:
    return int(house.see(lambda work: work.session.scalar(select(func.count()).select_from(table))))


def test_each_of_a_group_gets_what_it_would_have_got_alone(house: House) -> None:
    [before] = write_together(house.registry, [registration(1, "known-key-1")])
    entries = count(house, LogEntry)
    group = [
        registration(1, "known-key-1"),
        registration(2, "known-key-1"),
        registration(3, "fresh-key-3"),
        registration(4, "wrong-key-4", valid_to="20200101"),
        registration(1, "taken-key-5", extend_info=ELSEWHERE),
        registration(6, "other-key-6", who=actor(CARE)),
        registration(7),
        registration(3, "known-key-1", who=OTHER),
        registration(8, "fresh-key-8"),
        registration(8, "twice-key-8", extend_info=ELSEWHERE),
    ]
    outcomes = write_together(house.registry, group)
    assert outcomes[0] == Written(before.answer, is_replay=True) if isinstance(before, Written) else False
    assert [type(outcome) for outcome in outcomes] == [
        Written, ConflictError, Written, InvalidDraftError, DuplicateError, NotPermittedError, Written, Written,
        Written, DuplicateError,
    ]  # fmt: skip
    # The other actor handed in the same content: the same certificate.
    assert answered(outcomes[7]) == answered(outcomes[2])
    ids = {answered(outcomes[place]) for place in (0, 2, 6, 8)}
    assert len(ids) == count(house, Certificate) == 4
    assert count(house, LogEntry) == entries + 3
    # What was refused holds no key; what stands answers again, also from another group.
    assert count(house, IdempotencyKey) == 4
    again = write_together(house.registry, [registration(3, "fresh-key-3"), registration(8, "fresh-key-8")])
    assert [(answered(one), one.is_replay) for one in again if isinstance(one, Written)] == [
        (answered(outcomes[2]), True),
        (answered(outcomes[8]), True),
    ]
    corrected = write_together(house.registry, [registration(4, "wrong-key-4"), registration(9)])
    assert all(isinstance(outcome, Written) and not outcome.is_replay for outcome in corrected)


def test_one_that_nobody_foresaw_is_undone_alone(house: House) -> None:
    def fail(done: Registered) -> Answer:
        raise LookupError(done.id)

    bad = replace(registration(2, "bad-one-key"), answer=fail)
    outcomes = write_together(house.registry, [registration(1, "good-key-1"), bad, registration(3, "good-key-3")])
    assert [type(outcome) for outcome in outcomes] == [Written, LookupError, Written]
    assert count(house, Certificate) == count(house, IdempotencyKey) == 2
    assert house.see(lambda work: set(work.session.scalars(select(Certificate.number)))) == {
        food(1).number,
        food(3).number,
    }


def test_a_rival_elsewhere_under_the_same_key_is_waited_for_and_answered_alike(house: House) -> None:
    rival_holds, rival_may_end = threading.Event(), threading.Event()
    one = registration(1, "rival-key-1")
    assert one.claim is not None

    def rival() -> None:
        with house.work(actor(MARKET)) as work:
            assert idempotency.claim(work, "rival-key-1", one.claim.request_sha256 if one.claim else b"") is None
            idempotency.record(work, "rival-key-1", 202, {"id": "the rival's"})
            rival_holds.set()
            assert rival_may_end.wait(60)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(rival)
        assert rival_holds.wait(60)
        group = pool.submit(write_together, house.registry, [registration(2, "other-key-2"), one])
        rival_may_end.set()
        first.result()
        outcomes = group.result()
    assert answered(outcomes[1]) == "the rival's"
    assert answered(outcomes[0]) != "the rival's"
    assert count(house, Certificate) == 1


def test_a_database_that_gave_way_is_told_to_all_and_nothing_is_written(house: House) -> None:
    def give_way(done: Registered) -> Answer:
        raise BusyError("database_busy", done.id)

    busy = replace(registration(2, "busy-key-2"), answer=give_way)
    outcomes = write_together(house.registry, [registration(1, "busy-key-1"), busy])
    assert [type(outcome) for outcome in outcomes] == [BusyError, BusyError]
    assert count(house, Certificate) == count(house, IdempotencyKey) == 0


def test_tokens_are_looked_up_together_and_judged_apart(house: House) -> None:
    made = [house.do(tokens.create, f"系统 {n}", MARKET, ["registrar"], NOON + timedelta(days=n)) for n in (1, 9, 9)]
    house.do(tokens.revoke, made[1].token.id)
    house.clock.pass_by(days=2)
    secrets = [made[2].secret, made[0].secret, "szt_" + "A" * 43, made[1].secret, made[2].secret]
    found = house.see(tokens.authenticate_many, secrets)
    assert [one.reason if isinstance(one, AuthenticationError) else one.id for one in found] == [
        f"token:{made[2].token.id}", "token_expired", "token_unknown", "token_revoked", f"token:{made[2].token.id}",
    ]  # fmt: skip


# Over HTTP, with a kill.

#: Seconds from the sending of registrations to the kill.
KILLS, LONGEST_SECONDS = 2, 0.4


def test_single_registrations_in_flight_when_the_server_dies_are_whole_and_once(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    try:
        with Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client:
            office = Office(client, has_chain=False)
            furnish(office, server.first_password)
            draws, turn, before, killed = kill_tally.chance("server of many"), 0, 0, 0
            while turn < KILLS or not killed:
                # Where everything was faster than its kill, the next is killed at once.
                delay = draws.uniform(0, LONGEST_SECONDS) if turn < KILLS else 0.0
                numbers = range(1 + 60 * turn, 61 + 60 * turn)
                turn += 1
                first = send_and_kill(server, office, numbers, delay)
                server.start()
                with ThreadPoolExecutor(16) as pool:
                    again = list(pool.map(lambda number: send(office, number), numbers))
                for number, answer in zip(numbers, again, strict=True):
                    assert answer.status_code == (422 if number % 10 == 0 else 202), answer.text
                    if number in first and first[number].status_code == 202:
                        # Acknowledged before the kill: the very same answer is there after it.
                        assert answer.json() == first[number].json()
                        assert answer.headers["idempotency-replayed"] == "true"
                killed += len(numbers) - len(first)
                before += sum(answer.status_code == 202 for answer in again)
            assert before == 54 * turn
            lines = office.send("GET", "/api/v1/certificates?limit=200", "auditor").json()["items"]
            assert len({line["number"] for line in lines}) == len(lines) == min(before, 200)
    finally:
        server.close()


def send(office: Office, number: int) -> Response:
    """Register a licence; every tenth is not in order."""
    body = licence(number, **({"valid_to": "20200101"} if number % 10 == 0 else {}))
    headers = {**office.as_role("registrar", ISSUER), "Idempotency-Key": f"killed-single-{number:04d}"}
    return office.client.post("/api/v1/certificates", json=body, headers=headers)


def send_and_kill(server: Server, office: Office, numbers: range, delay: float) -> dict[int, Response]:
    """The answers that came before the server was killed."""
    answers: dict[int, Response] = {}

    def post(number: int) -> None:
        with suppress(HTTPError):
            answers[number] = send(office, number)

    with ThreadPoolExecutor(16) as pool:
        kill = threading.Timer(delay, lambda: kill_tally.count("registry", server.kill(), drawn=True))
        kill.start()
        list(pool.map(post, numbers))
        kill.join()
    return answers
