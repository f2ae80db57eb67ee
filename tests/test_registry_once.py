"""One-time items: exactly one winner, between threads, processes and kills."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import kill_tally
from registry_house import (
    CARE,
    ELDER,
    MARKET,
    MATTER,
    OTHER_ELDER,
    PROOF,
    PURPOSE,
    SENIOR,
    House,
    actor,
    proof,
    request,
    senior,
)  # fmt: skip
from sqlalchemy import func, select

from registry.authorisations import service as authorisations
from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot
from registry.certificates import service as certificates
from registry.departments import service as departments
from registry.errors import ReuseRefusedError
from registry.log.tables import LogEntry
from registry.materials import service as materials
from registry.uses import rules
from registry.uses import service as uses
from registry.uses.tables import Consumption, Use, UseRefusal
from verifier.entry import Kind

pytest_plugins = ["registry_fixtures"]

TESTS = Path(__file__).resolve().parent


# One-time items.


def _contend(
    house: House, count: int, wanted: Callable[[int], rules.ReuseRequest], departments_: tuple[str, ...] = (CARE,)
) -> list[str]:
    outcomes: list[str] = []
    barrier = threading.Barrier(count)

    def contend(number: int) -> None:
        barrier.wait()
        try:
            house.use(wanted(number), departments_[number % len(departments_)])
            outcomes.append("won")
        except ReuseRefusedError as refused:
            outcomes.append(refused.reason)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == count
    return outcomes


def _one_time(house: House) -> tuple[str, str]:
    item = str(house.do(materials.register, proof()).id)
    return item, house.grant(item, item_kind="material")


def test_a_one_time_item_is_used_once_and_the_loser_sees_the_first_use(house: House) -> None:
    item, grant = _one_time(house)
    first = house.use(request(item, grant, item_kind="material"))
    refused = house.refused(request(item, grant, item_kind="material", case_no="2026-000002"))
    assert refused.reason == "already_used"
    assert (refused.evidence["first_use_id"], refused.evidence["first_department"]) == (first.id, CARE)
    assert refused.evidence["first_entry_id"] == first.entry_id
    consumption: Consumption = house.see(uses.consumption_of, "material", item)
    assert consumption.use_id == first.id and consumption.chain_first is None
    assert house.see(authorisations.get, grant).used == 1
    # A certificate of a type that is not once-only is used again and again.
    lasting, again = house.certificate().id, house.grant()
    assert house.use(request(lasting, again)).id != house.use(request(lasting, again)).id


def test_the_last_use_of_an_authorisation_has_one_winner(house: House) -> None:
    item, grant = house.certificate().id, house.grant(max_uses=3)
    outcomes = _contend(house, 8, lambda number: request(item, grant, case_no=f"2026-{number}"))
    assert sorted(outcomes) == ["authorisation_exhausted"] * 5 + ["won"] * 3
    assert house.see(authorisations.get, grant).used == 3


def test_the_nullifier_tells_nothing_without_the_evidence(house: House) -> None:
    item, grant = _one_time(house)
    house.use(request(item, grant, item_kind="material"))
    consumption: Consumption = house.see(uses.consumption_of, "material", item)
    with house.registry.read(actor()) as work:
        material = materials.get(work, item)
    from registry.ids import id_bytes

    assert material.salts is not None
    assert consumption.nullifier == rules.nullifier(id_bytes(item), material.salts)
    assert consumption.nullifier != rules.nullifier(id_bytes(item), bytes(len(material.salts)))


def test_twenty_threads_of_two_departments_have_one_winner(house: House) -> None:
    item, grant = _one_time(house)
    house.do(departments.grant_scope, MARKET, PROOF, "use")
    house.do(catalogue.register_matter, "MK-0001", "示例", MARKET, PURPOSE, (Slot("CL01", "证明", (PROOF,)),))
    other = house.grant(item, item_kind="material", grantee=MARKET, matter_code="MK-0001")

    def wanted(number: int) -> rules.ReuseRequest:
        mine = (grant, MATTER) if number % 2 else (other, "MK-0001")
        return request(item, mine[0], item_kind="material", case_no=f"2026-{number}", matter_code=mine[1])

    outcomes = _contend(house, 20, wanted, (MARKET, CARE))
    assert sorted(outcomes) == ["already_used"] * 19 + ["won"]
    with house.registry.read(actor()) as work:
        assert work.session.scalar(select(func.count(Use.id))) == 1
        assert work.session.scalar(select(func.count(UseRefusal.id))) == 19
        assert work.session.scalar(select(func.count(LogEntry.id)).where(LogEntry.kind == int(Kind.USE))) == 1


def _start(house: House, item: str, grant: str, number: int, kill: str = "") -> subprocess.Popen[str]:
    url = house.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, str(TESTS / "registry_contender.py"), url, item, grant, f"2026-{number}", kill]
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def test_processes_have_one_winner_also_when_one_is_killed_with_everything_written(house: House) -> None:
    item, grant = _one_time(house)
    doomed = _start(house, item, grant, 0, "before-commit")
    doomed.communicate("go\n")
    kill_tally.count("registry", -doomed.returncode, drawn=False, writing=True)
    assert doomed.returncode == -9 and house.see(uses.consumption_of, "material", item) is None
    contenders = [_start(house, item, grant, number) for number in range(1, 5)]
    for contender in contenders:
        assert contender.stdin is not None
        contender.stdin.write("go\n")
        contender.stdin.flush()
    outcomes = [contender.communicate()[0].split() for contender in contenders]
    (winner,) = [id_ for word, id_ in outcomes if word == "won"]
    assert [id_ for word, id_ in outcomes if word == "lost"] == [winner] * 3
    assert house.see(uses.consumption_of, "material", item).use_id == winner


def test_a_winner_that_dies_before_telling_anyone_has_still_won(house: House) -> None:
    item, grant = _one_time(house)
    doomed = _start(house, item, grant, 0, "after-commit")
    doomed.communicate("go\n")
    kill_tally.count("registry", -doomed.returncode, drawn=False)
    assert doomed.returncode == -9
    (standing,) = house.see(uses.relying_on, "material", item)
    refused = house.refused(request(item, grant, item_kind="material", case_no="2026-1"))
    assert refused.reason == "already_used" and refused.evidence["first_use_id"] == standing.id


def test_a_withdrawn_item_names_every_case_that_relied_on_it(house: House) -> None:
    item, grant = house.certificate(senior()).id, house.grant(type_code=SENIOR)
    for number in range(3):
        house.use(request(item, grant, case_no=f"2026-{number}"))
    house.do(certificates.change_status, item, "revoke", "以欺骗手段取得")
    relying = house.see(uses.relying_on, "certificate", item)
    assert [use.case_no for use in relying] == ["2026-0", "2026-1", "2026-2"]
    with house.registry.read(actor()) as work:
        mine, other = (uses.subject_index(work, "111", number) for number in (ELDER, OTHER_ELDER))
    assert len(house.see(uses.of_holder, mine)) == 3 and house.see(uses.of_holder, other) == []
