"""Who is shown which certificates at all: what a department issued, used, or may use for a stated purpose."""

from __future__ import annotations

from typing import Any

import pytest
from registry_house import CARE, COMPANY, FOOD, MARKET, OTHER_COMPANY, House, actor, food, proof, request
from sqlalchemy import select

from registry.certificates import searching, sight
from registry.certificates import service as certificates
from registry.certificates.searching import Search
from registry.certificates.tables import Certificate, CertificateLookup
from registry.departments import service as departments
from registry.departments import standing
from registry.errors import NotPermittedError
from registry.materials import service as materials
from registry.uses import service as uses
from registry.work import REGISTRY, Actor

pytest_plugins = ("registry_fixtures",)


@pytest.fixture
def town(house: House) -> House:
    """A house with a department more, which may do nothing with any type."""
    house.do(departments.register, OTHER_COMPANY, "示例其他部门", "其他部门", "unit", who=REGISTRY)
    return house


def listed(house: House, who: Actor, **search: Any) -> list[str]:
    page = house.do(searching.list_page, Search(**search), who=who)
    return [row.id for row in page.certificates]


def looked_up(house: House, who: Actor, **search: Any) -> list[str]:
    page = house.do(searching.look_up, Search(**search), "核对办件", who=who)
    return [row.id for row in page.certificates]


def test_a_list_holds_what_the_department_issued_or_used_and_never_the_districts(town: House) -> None:
    used, other = (town.certificate(food(number)).id for number in (1, 2))
    for role in ("window", "registrar"):
        assert listed(town, actor(MARKET, role)) == [other, used]
        assert listed(town, actor(CARE, role)) == listed(town, actor(OTHER_COMPANY, role)) == []
    assert listed(town, actor(None, "window")) == listed(town, actor(CARE, "window"), department=MARKET) == []
    town.do(uses.reuse, request(used, town.grant()), who=actor(CARE, "window"))
    assert listed(town, actor(CARE, "window")) == [used]
    assert listed(town, actor(OTHER_COMPANY, "window")) == []
    assert listed(town, actor(None, "auditor")) == [other, used]


def test_pages_of_what_was_issued_and_what_was_used_follow_one_another(town: House) -> None:
    town.do(departments.grant_scope, CARE, FOOD, "issue", who=REGISTRY)
    grant, made = town.grant(), []
    for number in range(6):
        issuer = CARE if number % 2 else MARKET
        made.append(town.do(registered, food(number, issue_date="20260105"), who=actor(issuer)))
        if issuer == MARKET:
            town.do(uses.reuse, request(made[-1], grant), who=actor(CARE, "window"))
    for search in (Search(), Search(type_code=FOOD)):
        seen: list[str] = []
        cursor: str | None = None
        for _ in range(3):
            page = town.do(searching.list_page, search, cursor, 2, who=actor(CARE, "window"))
            seen, cursor = [*seen, *(row.id for row in page.certificates)], page.cursor
        assert seen == made[::-1] and cursor is None


def registered(work: Any, draft: Any) -> str:
    return certificates.register(work, draft).id


def test_a_number_finds_for_a_purpose_what_may_be_used_and_the_asking_is_written_down(town: House) -> None:
    made, number = town.certificate().id, food().number
    identifier = town.see(lambda work: work.session.get(Certificate, made).identifier)
    keys: list[dict[str, Any]] = [{"number": number}, {"identifier": identifier}, {"holder": ("001", COMPANY)}]
    for key in keys:
        assert listed(town, actor(CARE, "window"), **key) == []
        assert looked_up(town, actor(CARE, "window"), **key) == [made]
        assert looked_up(town, actor(OTHER_COMPANY, "window"), **key) == []
    with town.registry.read(REGISTRY) as work:
        rows = list(work.session.scalars(select(CertificateLookup).order_by(CertificateLookup.id)))
    assert [(row.sought, row.department) for row in rows] == [
        (sought, department) for sought in ("number", "identifier", "holder") for department in (CARE, OTHER_COMPANY)
    ]
    assert len({row.sought_index for row in rows}) == 3 and all(len(row.sought_index) == 32 for row in rows)
    town.do(standing.suspend, CARE, "示例：停用整顿", who=REGISTRY)
    assert looked_up(town, actor(CARE, "window"), number=number) == []


def test_one_certificate_or_material_is_shown_to_whom_it_concerns(town: House) -> None:
    made = town.certificate().id
    paper = town.do(materials.register, proof(), who=actor(MARKET)).id

    def see(who: Actor) -> None:
        town.do(sight.look_at, made, who=who)
        town.do(lambda work: sight.check(work, materials.get(work, paper)), who=who)

    for who in (
        actor(MARKET, "window"),
        actor(CARE, "window"),
        actor(None, "auditor"),
        actor(OTHER_COMPANY, "auditor"),
    ):
        see(who)
    for who in (actor(OTHER_COMPANY, "window"), actor(OTHER_COMPANY, "registrar"), actor(None, "window")):
        with pytest.raises(NotPermittedError, match="not_shown_here"):
            see(who)
        with pytest.raises(NotPermittedError, match="not_shown_here"):
            town.do(lambda work: sight.check(work, materials.get(work, paper)), who=who)
    # What it used stays its business after its scope has ended: a dispute may still reach it.
    town.do(uses.reuse, request(made, town.grant()), who=actor(CARE, "window"))
    town.do(standing.suspend, CARE, "示例：停用整顿", who=REGISTRY)
    town.do(sight.look_at, made, who=actor(CARE, "window"))
    with pytest.raises(NotPermittedError, match="not_shown_here"):
        town.do(lambda work: sight.check(work, materials.get(work, paper)), who=actor(CARE, "window"))
