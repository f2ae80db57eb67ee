"""Venue codes: applied for and decided by two people, printed in numbered copies, put up, and watched."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from api_office import COMPANY, ISSUER, PERSON, OpenOffice, open_office, reason, settings_in
from hypothesis import given
from hypothesis import strategies as st
from registry_house import CARE, ELDER, MARKET, NOON, House, actor

from registry.applications import service as applications
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.errors import (
    DuplicateError,
    InvalidDraftError,
    LimitError,
    NotFoundError,
    NotPermittedError,
    TransitionError,
)
from registry.log.tables import LogEntry
from registry.posters import rules
from registry.posters import service as posters
from registry.posters.tables import Sighting
from registry.venues import service as venues
from registry.work import Actor
from verifier.code import CodeKind, open_code
from verifier.commitment import reseal
from verifier.entry import Entry, Kind
from verifier.status import Status
from verifier.suites import SoftwareKey

pytest_plugins = ["registry_fixtures"]

KEY = SoftwareKey.from_seed(b"v" * 32)
CLERK, OFFICE = actor(), Actor("staff:2", "staff", MARKET, frozenset({"venue"}))
#: 长宁区, 浦东, Beijing, as geohashes.
HERE, NEAR, FAR = "wtw3e", "wtw3s", "wx4g0"
RULE = {"hours": [], "admit": {"types": [], "pass": True}, "anti_passback_seconds": 0}


def apply(house: House, who: Actor = CLERK, **changes: Any) -> Any:
    facts: dict[str, Any] = {
        "unit": COMPANY, "applicant": ("111", ELDER), "role": "handler", "document": "营业执照 1 号、授权书 1 号",
        "name": "随证体育馆", "address": "上海市长宁区示例路 1 号", "area_code": "310105",
    }  # fmt: skip
    return house.do(applications.apply, *{**facts, **changes}.values(), who=who)


def decide(house: House, row: Any, approved: bool = True, reason: str = "", who: Actor = OFFICE) -> Any:
    return house.do(applications.decide, row.id, approved=approved, reason=reason, key=KEY, who=who)


def venue(house: House) -> str:
    facts = ("随证体育馆", "上海市长宁区示例路 1 号", "310105", COMPANY, RULE)
    return str(house.do(venues.register, *facts).id)


def make(house: House, venue_id: str, count: int = 1, **more: Any) -> Any:
    return house.do(posters.make, venue_id, count, KEY, **more)


# Applying and deciding.


def test_an_approved_application_is_a_venue_with_a_code_and_an_entry(house: House) -> None:
    row = decide(house, apply(house))
    made = house.see(venues.get, row.venue_id)
    assert (made.name, made.responsible, made.department) == ("随证体育馆", COMPANY, MARKET)
    with house.work() as work:
        code = codes.newest(work, CodeKind.VENUE, made.id)
        entry = Entry.from_bytes(work.session.get_one(LogEntry, row.entry_id).payload or b"")
    assert code is not None and open_code(code.text)[2].subject == made.id
    assert (entry.kind, dict(entry.facts)) == (Kind.VENUE, {"decision": "approved"})
    assert reseal(row.content, row.salts).digest == entry.digest
    assert ELDER.encode() not in entry.to_bytes() + row.content


def test_a_refusal_needs_a_reason_and_makes_no_venue(house: House) -> None:
    row = apply(house)
    with pytest.raises(InvalidDraftError):
        decide(house, row, approved=False)
    assert decide(house, row, approved=False, reason="地址与实际不符").venue_id is None
    assert house.see(venues.list_all) == []
    with pytest.raises(TransitionError):
        decide(house, row)
    assert apply(house).state == "open"


def test_nobody_decides_on_what_they_took_in_and_no_other_office_does(house: House) -> None:
    row = apply(house, who=OFFICE)
    with pytest.raises(NotPermittedError) as own:
        decide(house, row)
    assert own.value.reason == "own_application"
    for stranger in (actor(CARE), Actor("staff:3", "staff", MARKET, frozenset({"window"}))):
        with pytest.raises(NotPermittedError):
            decide(house, row, who=stranger)


def test_one_place_is_asked_for_once(house: House) -> None:
    row = apply(house)
    with pytest.raises(DuplicateError):
        apply(house)
    decide(house, row)
    with pytest.raises(DuplicateError) as stands:
        apply(house)
    assert stands.value.reason == "venue_known"


@pytest.mark.parametrize(
    "change",
    [
        {"unit": COMPANY[:-1] + "C"},
        {"applicant": ("001", COMPANY)},
        {"applicant": ("111", ELDER[:-1] + "7")},
        {"role": "friend"},
        {"document": " "},
        {"name": ""},
        {"address": "路" * 201},
    ],
)
def test_an_application_with_a_fault_is_refused(sqlite_house: House, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidDraftError):
        apply(sqlite_house, **change)


# Numbered posters.


def test_every_poster_is_a_code_of_its_own_of_the_venues_generation(house: House) -> None:
    place = venue(house)
    made = make(house, place, 3)
    assert [poster.number for poster in made] == [1, 2, 3]
    claims = [open_code(house.see(codes.get, poster.code_id).text)[2] for poster in made]
    assert {(one.subject, one.generation, one.name) for one in claims} == {(place, 1, None)}
    assert len({one.code_id for one in claims}) == len({one.status_index for one in claims}) == 3
    assert [poster.number for poster in make(house, place)] == [4]
    with pytest.raises(NotPermittedError):
        make(house, place, who=actor(CARE))
    for count in (0, rules.MAX_AT_ONCE + 1):
        with pytest.raises(InvalidDraftError):
            make(house, place, count)


def test_one_poster_is_withdrawn_alone_and_a_new_generation_ends_them_all(house: House) -> None:
    place = venue(house)
    first, second = make(house, place, 2)
    house.do(codes.report_loss, first.code_id)
    assert house.see(codes.get, second.code_id).status == Status.VALID
    with pytest.raises(TransitionError) as refused:
        house.do(codes.reissue, second.code_id, KEY)
    assert refused.value.reason == "make_another_poster"
    house.do(codes.issue, CodeRequest(CodeKind.VENUE, subject=place), KEY)
    assert house.see(codes.get, first.code_id).status == Status.LOST
    assert house.see(codes.get, second.code_id).status == Status.SUPERSEDED
    (third,) = make(house, place)
    claims = open_code(house.see(codes.get, third.code_id).text)[2]
    assert (third.number, claims.generation) == (3, 2)


def test_the_staff_say_where_a_poster_hangs(house: House) -> None:
    (poster,) = make(house, venue(house))
    assert house.do(posters.put_up, poster.code_id, "北门入口右侧", "wtw3ef").bound_at is not None
    for place, geohash in ((" ", None), ("北门", "wtw"), ("北门", "aaaaa")):
        with pytest.raises(InvalidDraftError):
            house.do(posters.put_up, poster.code_id, place, geohash)
    with pytest.raises(NotPermittedError):
        house.do(posters.put_up, poster.code_id, "北门", who=actor(CARE))


# Watching.


def test_a_geohash_is_where_everybody_else_puts_it() -> None:
    # The example of Niemeyer's own description.
    box = rules.box_of("ezs42")
    assert (round(box.latitude, 3), round(box.longitude, 3)) == (42.605, -5.603)


@given(st.text("0123456789bcdefghjkmnpqrstuvwxyz", min_size=5, max_size=5), st.integers(0, 86_400))
def test_a_poster_can_always_be_where_it_was(cell: str, seconds: int) -> None:
    assert rules.least_km(cell, cell) == 0
    assert not rules.is_impossible(cell, NOON, cell, NOON + timedelta(seconds=seconds))


def test_neighbours_are_possible_and_beijing_in_a_minute_is_not() -> None:
    assert not rules.is_impossible(HERE, NOON, NEAR, NOON)
    assert rules.is_impossible(HERE, NOON, FAR, NOON + timedelta(minutes=1))
    assert not rules.is_impossible(HERE, NOON, FAR, NOON + timedelta(hours=10))
    assert rules.is_elsewhere(FAR, "wtw3ef") and not rules.is_elsewhere(NEAR, "wtw3ef")


def test_sightings_that_cannot_both_be_true_raise_one_alarm(house: House) -> None:
    (poster,) = make(house, venue(house))
    assert house.do(posters.notice, poster.code_id, HERE) is None
    alarm = house.do(posters.notice, poster.code_id, FAR)
    assert alarm.kind == "impossible"
    assert house.do(posters.notice, poster.code_id, HERE).id == alarm.id
    ((open_alarm, _, _),) = house.see(posters.list_alarms, MARKET)
    assert open_alarm.id == alarm.id and house.see(posters.list_alarms, CARE) == []


def test_a_sighting_far_from_where_it_hangs_raises_an_alarm(house: House) -> None:
    (poster,) = make(house, venue(house))
    house.do(posters.put_up, poster.code_id, "北门", "wtw3ef")
    assert house.do(posters.notice, poster.code_id, NEAR) is None
    assert house.do(posters.notice, poster.code_id, FAR).kind in ("impossible", "elsewhere")


def test_exact_places_are_not_taken_and_coarse_ones_are_forgotten_after_a_day(house: House) -> None:
    (poster,) = make(house, venue(house))
    for cell in ("wtw3ef", "wtw", "31.2,121.4"):
        with pytest.raises(InvalidDraftError):
            house.do(posters.notice, poster.code_id, cell)
    house.do(posters.notice, poster.code_id, HERE)
    house.clock.pass_by(hours=23)
    house.do(posters.forget_old_sightings)
    assert house.do(posters.notice, poster.code_id, HERE) is None
    house.clock.pass_by(hours=2)
    house.do(posters.forget_old_sightings)
    with house.work() as work:
        assert work.session.query(Sighting).count() == 1
    assert set(Sighting.__table__.columns.keys()) == {"id", "poster_id", "cell", "seen_at"}


def test_reports_are_bounded_and_closing_one_may_withdraw_the_poster(house: House) -> None:
    (poster,) = make(house, venue(house))
    for kind, note in (("moved", "现在贴在地铁站"), ("other", "看不清")):
        alarm = house.do(posters.report, poster.code_id, kind, note)
    for kind, note in (("impossible", ""), ("other", " "), ("moved", "长" * 301)):
        with pytest.raises(InvalidDraftError):
            house.do(posters.report, poster.code_id, kind, note)
    with pytest.raises(NotFoundError):
        house.do(posters.report, "0" * 16, "moved")
    for _ in itertools.repeat(None, rules.MAX_OPEN_ALARMS - 2):
        house.do(posters.report, poster.code_id, "moved")
    with pytest.raises(LimitError):
        house.do(posters.report, poster.code_id, "moved")
    with pytest.raises(NotPermittedError):
        house.do(posters.close, alarm.id, "已核查", withdraw=True, who=actor(CARE))
    house.do(posters.close, alarm.id, "已核查，停用", withdraw=True)
    assert house.see(codes.get, poster.code_id).status == Status.REVOKED
    with pytest.raises(TransitionError):
        house.do(posters.close, alarm.id, "再办", withdraw=False)


# Over HTTP.


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("posters"))) as office:
        yield office


def test_from_the_application_to_the_poster_that_anybody_verifies_and_reports(office: OpenOffice) -> None:
    body = {
        "unit": COMPANY, "applicant": {"holder_code_type_code": "111", "holder_code": PERSON},
        "applicant_role": "legal", "document": "营业执照 1 号", "name": "示例图书馆",
        "address": "上海市长宁区示例路 9 号",
    }  # fmt: skip
    taken = office.send("POST", "/api/v1/venue-applications", "window", json=body)
    assert taken.status_code == 201 and PERSON not in taken.text
    path = f"/api/v1/venue-applications/{taken.json()['id']}/decision"
    assert reason(office.send("POST", path, "venue", json={"approved": False}), 422) == "invalid_draft"
    decided = office.send("POST", path, "venue", json={"approved": True}).json()
    made = office.send("POST", f"/api/v1/venues/{decided['venue_id']}/posters", "venue", ISSUER, json={"count": 2})
    poster = made.json()["items"][1]
    verdict = office.client.post("/api/v1/verifications", json={"text": poster["text"]}).json()
    assert (verdict["state"], verdict["subject"]["name"], verdict["subject"]["place"]) == (
        "valid", "示例图书馆", "上海市长宁区示例路 9 号",
    )  # fmt: skip
    for cell in (HERE, FAR):
        seen = office.client.post(f"/api/v1/posters/{poster['code_id']}/sightings", json={"cell": cell})
        assert seen.status_code == 200
    alarms = office.send("GET", "/api/v1/poster-alarms", "venue").json()["items"]
    assert [(one["kind"], one["number"]) for one in alarms] == [("impossible", 2)]
    closing = {"outcome": "有人翻印，停用", "withdraw": True}
    assert (
        office.send("POST", f"/api/v1/poster-alarms/{alarms[0]['id']}/closing", "venue", json=closing).status_code
        == 200
    )
    verdict = office.client.post("/api/v1/verifications", json={"text": poster["text"]}).json()
    assert (verdict["state"], verdict["reason"]) == ("not_in_force", "status_revoked")
