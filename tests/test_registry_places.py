"""Codes, venues, passes and visits."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry_house import (
    CARE,
    COMPANY,
    ELDER,
    FOOD,
    MARKET,
    NOON,
    OTHER_ELDER,
    SENIOR,
    House,
    actor,
    senior,
)  # fmt: skip
from sqlalchemy import select

from registry.accounts import tokens
from registry.certificates import service as certificates
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.codes.tables import Code
from registry.errors import (
    ConflictError,
    InvalidDraftError,
    LimitError,
    NotFoundError,
    NotPermittedError,
    TransitionError,
)  # fmt: skip
from registry.statuses import service as statuses
from registry.venues import service as venues
from registry.venues.tables import HandIn, VisitRow
from verifier.code import CodeKind, GrantKind, open_code
from verifier.commitment import reseal
from verifier.entry import Kind
from verifier.status import Status
from verifier.suites import SoftwareKey
from verifier.visit import Visit

pytest_plugins = ["registry_fixtures"]

KEY = SoftwareKey.from_seed(b"s" * 32)
RULE = {
    "hours": [{"days": [1, 2, 3, 4, 5, 6, 7], "from": "08:00", "to": "22:00"}],
    "admit": {"types": [SENIOR], "pass": True},
    "anti_passback_seconds": 60,
}


# Codes.


def _issue(house: House, who: Any = None, **facts: Any) -> Code:
    code: Code = house.do(codes.issue, CodeRequest(**facts), KEY, who=who)
    return code


def _venue(house: House, rule: dict[str, Any] = RULE, who: str = CARE) -> str:
    facts = ("随证体育馆", "上海市长宁区示例路 1 号", "310105", COMPANY, rule)
    return str(house.do(venues.register, *facts, who=actor(who)).id)


def test_a_person_code_shows_what_its_holder_has_and_nothing_personal(house: House) -> None:
    card = house.certificate(senior())
    venue = _venue(house)
    day = timedelta(days=1)
    passed = house.do(venues.grant_pass, venue, "111", ELDER, NOON, NOON + 30 * day, who=actor(CARE))
    code = _issue(house, kind=CodeKind.PERSON, holder=("111", ELDER), types=(SENIOR,), venues=(venue,))
    kind, message, claims = open_code(code.text)
    message.check(KEY.public)
    assert (kind, claims.generation, claims.name, claims.subject) == (CodeKind.PERSON, 1, None, None)
    certificate = house.see(certificates.get, card.id)
    assert [(grant.kind, grant.ref, grant.status_list, grant.status_index) for grant in claims.grants] == [
        (GrantKind.CERTIFICATE, SENIOR, certificate.status_list, certificate.status_index),
        (GrantKind.PASS, venue, passed.status_list, passed.status_index),
    ]
    assert claims.grants[1].until == passed.valid_to_at.replace(microsecond=0)
    assert claims.expires_at - claims.issued_at == timedelta(days=180)
    (entry,) = house.entries(Kind.CODE)
    for secret in (ELDER, "随甲", code.subject):
        assert secret.encode() not in claims.to_bytes() and secret.encode() not in entry.to_bytes()
    assert code.id.encode() not in entry.to_bytes()


def test_a_code_for_what_a_person_does_not_hold_is_refused(house: House) -> None:
    card = house.certificate(senior())
    wanted = {"kind": CodeKind.PERSON, "holder": ("111", ELDER), "types": (SENIOR,)}
    assert _issue(house, **wanted)
    for change in ({"holder": ("111", OTHER_ELDER)}, {"types": (FOOD,)}, {"venues": ("0" * 26,)}):
        with pytest.raises(InvalidDraftError) as refused:
            _issue(house, **{**wanted, **change})
        assert refused.value.errors[0].reason == "holds_nothing_of_it"
    house.do(certificates.change_status, card.id, "suspend", "事由")
    with pytest.raises(InvalidDraftError):
        _issue(house, **wanted)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"kind": CodeKind.PERSON}, "holder_missing"),
        ({"kind": CodeKind.PERSON, "holder": ("001", COMPANY)}, "holder_missing"),
        ({"kind": CodeKind.PERSON, "holder": ("111", ELDER[:-1] + "7")}, "wrong_check_character"),
        ({"kind": CodeKind.PERSON, "holder": ("111", ELDER), "name": "随甲"}, "nothing_personal"),
        ({"kind": CodeKind.PERSON, "holder": ("111", ELDER), "lasts": timedelta(days=181)}, "out_of_range"),
        ({"kind": CodeKind.PERSON, "holder": ("111", ELDER), "types": tuple("x" * 17)}, "too_many_grants"),
        ({"kind": CodeKind.ENTERPRISE, "subject": COMPANY}, "wrong_length"),
        ({"kind": CodeKind.ENTERPRISE, "subject": COMPANY[:-1] + "C", "name": "随证"}, "wrong_check_character"),
        ({"kind": CodeKind.ENTERPRISE, "subject": COMPANY, "name": "随证", "types": ("x",)}, "not_for_this_kind"),
        ({"kind": CodeKind.VENUE}, "subject_missing"),
    ],
)
def test_a_code_request_with_a_fault_is_refused(sqlite_house: House, facts: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidDraftError) as refused:
        _issue(sqlite_house, **facts)
    assert refused.value.errors[0].reason == reason


def test_enterprise_and_venue_codes_carry_public_facts(house: House) -> None:
    enterprise = _issue(house, kind=CodeKind.ENTERPRISE, subject=COMPANY, name="上海随证餐饮有限公司")
    _, _, claims = open_code(enterprise.text)
    assert (claims.subject, claims.name, claims.grants) == (COMPANY, "上海随证餐饮有限公司", ())
    venue = _venue(house)
    _, _, claims = open_code(_issue(house, actor(CARE), kind=CodeKind.VENUE, subject=venue).text)
    # The name and the address are in the trust bundle: the code stays small enough for a poster.
    assert (claims.subject, claims.name) == (venue, None)
    with pytest.raises(NotPermittedError):
        _issue(house, kind=CodeKind.VENUE, subject=venue)
    with pytest.raises(NotFoundError):
        _issue(house, kind=CodeKind.VENUE, subject="0" * 26)
    assert len(house.see(codes.list_page)) == 2


def _state(house: House, code: Code) -> tuple[Status, Status]:
    row: Code = house.see(codes.get, code.id)
    return Status(row.status), house.see(statuses.build_list, row.status_list).get(row.status_index)


def test_a_new_generation_kills_the_old_code(house: House) -> None:
    house.certificate(senior())
    wanted = {"kind": CodeKind.PERSON, "holder": ("111", ELDER), "types": (SENIOR,)}
    first = _issue(house, **wanted)
    second = _issue(house, **wanted)
    third = house.do(codes.reissue, second.id, KEY)
    assert [first.generation, second.generation, third.generation] == [1, 2, 3]
    assert [_state(house, code) for code in (first, second, third)] == [
        (Status.SUPERSEDED, Status.SUPERSEDED), (Status.SUPERSEDED, Status.SUPERSEDED), (Status.VALID, Status.VALID),
    ]  # fmt: skip
    assert house.see(codes.get, second.id).replaced_by == third.id
    assert open_code(third.text)[2].grants == open_code(second.text)[2].grants
    with pytest.raises(TransitionError) as refused:
        house.do(codes.reissue, first.id, KEY)
    assert refused.value.reason == "not_the_newest"
    assert len(house.entries(Kind.CODE)) == 5


def test_a_lost_code_is_dead_at_once_and_can_be_reissued(house: House) -> None:
    code = _issue(house, kind=CodeKind.ENTERPRISE, subject=COMPANY, name="随证")
    with pytest.raises(NotPermittedError):
        house.do(codes.report_loss, code.id, who=actor(CARE))
    house.do(codes.report_loss, code.id)
    house.do(codes.report_loss, code.id)
    assert _state(house, code) == (Status.LOST, Status.LOST)
    fresh = house.do(codes.reissue, code.id, KEY)
    assert _state(house, code) == (Status.LOST, Status.LOST) and _state(house, fresh) == (Status.VALID, Status.VALID)
    with pytest.raises(TransitionError):
        house.do(codes.report_loss, _superseded(house).id)
    with pytest.raises(NotFoundError):
        house.do(codes.report_loss, "0" * 16)


def _superseded(house: House) -> Code:
    first = _issue(house, kind=CodeKind.ENTERPRISE, subject=MARKET, name="另一家")
    _issue(house, kind=CodeKind.ENTERPRISE, subject=MARKET, name="另一家")
    return first


# Venues.

GATE = "g1a2b3c4"


def _visits(venue: str, count: int, start: int = 1, previous: bytes = b"h" * 32, gate: str = GATE) -> list[Visit]:
    visits = []
    for number in range(start, start + count):
        visit = Visit(
            venue=venue, gate=gate, sequence=number, decided_at=NOON.replace(microsecond=0), admitted=number % 2 == 0,
            reason="granted", code_id=b"12345678", code_issued_at=NOON, trust_version=1, trust_age_seconds=60,
            previous=previous,
        )  # fmt: skip
        visits.append(visit)
        previous = visit.digest()
    return visits


def test_a_venue_is_registered_with_its_rule_and_every_fault_is_named(house: House) -> None:
    venue = _venue(house)
    assert [one.id for one in house.see(venues.trusted)] == [venue]
    changed = house.do(venues.change_rule, venue, {**RULE, "anti_passback_seconds": 0}, who=actor(CARE))
    assert changed.rule_version == 2
    with pytest.raises(NotPermittedError):
        house.do(venues.change_rule, venue, RULE)
    good = {"name": "馆", "address": "路", "area_code": "310105", "responsible": COMPANY, "rule": RULE}
    for change, field in (
        ({"name": ""}, "name"), ({"address": "x" * 201}, "address"), ({"area_code": "长宁"}, "area_code"),
        ({"responsible": "1" * 18}, "responsible"), ({"rule": {}}, "rule"),
        ({"rule": {**RULE, "hours": "all"}}, "rule"),
    ):  # fmt: skip
        with pytest.raises(InvalidDraftError) as refused:
            house.do(venues.register, **{**good, **change})
        assert [error.field for error in refused.value.errors] == [field]
    with pytest.raises(NotFoundError):
        house.see(venues.get, "0" * 26)


def test_a_pass_is_granted_for_a_time_and_revoked(house: House) -> None:
    venue = _venue(house)
    hour = timedelta(hours=1)

    def grant(code: str, start: datetime, end: datetime, who: str = CARE) -> Any:
        return house.do(venues.grant_pass, venue, "111", code, start, end, who=actor(who))

    first = grant(ELDER, NOON, NOON + hour)
    for wrong in ((ELDER, NOON, NOON), (ELDER, NOON - 3 * hour, NOON - hour), ("1" * 18, NOON, NOON + hour)):
        with pytest.raises(InvalidDraftError):
            grant(*wrong)
    with pytest.raises(NotPermittedError):
        grant(ELDER, NOON, NOON + hour, MARKET)
    with house.registry.read(actor()) as work:
        index = work.blind.of("111", ELDER)
        assert [one.id for one in venues.passes_of(work, index, work.at)] == [first.id]
        assert venues.passes_of(work, index, NOON + 2 * hour) == []
    house.do(venues.revoke_pass, first.id, who=actor(CARE))
    house.do(venues.revoke_pass, first.id, who=actor(CARE))
    assert house.see(statuses.build_list, first.status_list).get(first.status_index) == Status.REVOKED
    assert house.see(venues.passes_of, index, NOON) == []
    assert len(house.see(venues.list_passes, venue)) == 1
    with pytest.raises(NotFoundError):
        house.do(venues.revoke_pass, "0" * 26, who=actor(CARE))


def test_a_gates_token_for_one_venue_hands_in_there_and_nowhere_else(house: House) -> None:
    mine, others, strangers = _venue(house), _venue(house), _venue(house, who=MARKET)
    ends = NOON + timedelta(days=30)
    bound, free = (house.do(tokens.create, "闸口", CARE, ["gate"], ends, chosen).secret for chosen in ([mine], None))

    def deliver(secret: str, venue: str) -> int:
        who = house.see(tokens.authenticate, secret)
        gate = ("b" if secret == bound else "f") + venue[-9:]
        return int(house.do(venues.hand_in, venue, _visits(venue, 2, gate=gate), who=who).new)

    assert deliver(bound, mine) == 2 and deliver(free, mine) == 2 and deliver(free, others) == 2
    for secret, venue, reason in (
        (bound, others, "not_the_tokens_venue"),
        (bound, strangers, "not_the_venues_department"),
        (free, strangers, "not_the_venues_department"),
    ):
        with pytest.raises(NotPermittedError) as refused:
            deliver(secret, venue)
        assert refused.value.reason == reason
    assert sorted(row.venues or [] for row in house.see(tokens.list_tokens)) == [[], [mine]]


def test_a_token_is_bound_to_venues_of_its_own_department_and_only_where_it_is_a_gates(house: House) -> None:
    mine, strangers = _venue(house), _venue(house, who=MARKET)
    wrong = [
        (["gate", "venue"], [mine], "not_a_gates"),
        (["venue"], [mine], "not_a_gates"),
        (["gate"], [], "wrong_number"),
        (["gate"], [mine, mine], "wrong_number"),
        (["gate"], [f"{number:026}" for number in range(51)], "wrong_number"),
        (["gate"], [strangers], "not_the_departments"),
        (["gate"], [mine, "0" * 26], "not_the_departments"),
    ]
    for roles, chosen, reason in wrong:
        with pytest.raises(InvalidDraftError) as refused:
            house.do(tokens.create, "闸口", CARE, roles, NOON + timedelta(days=30), chosen)
        assert [(error.field, error.reason) for error in refused.value.errors] == [("venues", reason)]
    assert house.see(tokens.list_tokens) == []


def test_visits_are_handed_in_once_with_one_entry_and_continue_the_chain(house: House) -> None:
    venue = _venue(house)
    visits = _visits(venue, 7)

    def deliver(*many: Visit, who: str = CARE) -> Any:
        return house.do(venues.hand_in, venue, many, who=actor(who))

    first = deliver(*visits[:4])
    assert (first.new, first.repeated, first.last) == (4, 0, {GATE: 4})
    again = deliver(*visits[:4])
    assert (again.new, again.repeated, again.entry_id) == (0, 4, None)
    rest = deliver(*visits[2:])
    assert (rest.new, rest.repeated, rest.last) == (3, 2, {GATE: 7})
    other = deliver(*_visits(venue, 2, gate="h9a2b3c4"))
    assert other.last == {"h9a2b3c4": 2}
    entries = house.entries(Kind.VISITS)
    assert [entry.facts["visits"] for entry in entries] == [4, 3, 2]
    with house.registry.read(actor()) as work:
        rows = work.session.scalars(select(HandIn).order_by(HandIn.id)).all()
        assert reseal(rows[0].content, rows[0].salts).digest == entries[0].digest
        assert len(work.session.scalars(select(VisitRow)).all()) == 9
    assert len(house.see(venues.list_visits, venue, 5)) == 5


def test_visits_with_a_gap_an_altered_line_or_a_foreign_venue_are_refused_whole(house: House) -> None:
    venue, elsewhere = _venue(house), _venue(house)
    visits = _visits(venue, 6)
    house.do(venues.hand_in, venue, visits[:2], who=actor(CARE))

    def refusal(error: type[Any], *many: Visit, who: str = CARE, where: str = venue) -> str:
        with pytest.raises(error) as refused:
            house.do(venues.hand_in, where, many, who=actor(who))
        return str(refused.value.errors[0].reason if error is InvalidDraftError else refused.value.reason)

    altered = replace(visits[2], admitted=not visits[2].admitted)
    assert refusal(InvalidDraftError, *visits[3:]) == "sequence_gap"
    assert refusal(InvalidDraftError, visits[2], visits[4]) == "chain_broken"
    assert refusal(InvalidDraftError, altered, visits[3]) == "chain_broken"
    assert refusal(InvalidDraftError, *_visits(elsewhere, 1)) == "other_venue"
    assert refusal(ConflictError, replace(visits[1], reason="another")) == "visit_differs"
    assert refusal(ConflictError, visits[2], altered) == "visit_differs"
    assert refusal(NotPermittedError, *visits[2:], who=MARKET) == "not_the_venues_department"
    assert len(house.entries(Kind.VISITS)) == 1
    house.do(venues.hand_in, venue, visits[2:], who=actor(CARE))
    with pytest.raises(LimitError):
        house.do(venues.hand_in, venue, visits * 2000, who=actor(CARE))


def test_the_same_visits_handed_in_at_the_same_moment_stand_once(house: House) -> None:
    venue = _venue(house)
    visits = _visits(venue, 20)
    new: list[int] = []
    barrier = threading.Barrier(4)

    def deliver() -> None:
        barrier.wait()
        new.append(house.do(venues.hand_in, venue, visits, who=actor(CARE)).new)

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == [0, 0, 0, 20] and len(house.entries(Kind.VISITS)) == 1


def test_old_visits_are_forgotten_and_the_gate_goes_on(house: House) -> None:
    venue = _venue(house)
    visits = _visits(venue, 6)
    house.do(venues.hand_in, venue, visits[:4], who=actor(CARE))
    assert house.do(venues.forget_old_visits) == 0
    house.clock.pass_by(days=31)
    assert house.do(venues.forget_old_visits) == 3
    assert house.do(venues.hand_in, venue, visits[4:], who=actor(CARE)).new == 2


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_chains_that_continue_are_accepted_however_they_are_cut(cuts: list[int]) -> None:
    from registry.venues.rules import check_continues

    visits = _visits("0" * 26, sum(cuts))
    last, digest, start = 0, None, 0
    for cut in cuts:
        part = visits[start : start + cut]
        assert check_continues(part, last, digest) == []
        last, digest, start = part[-1].sequence, part[-1].digest(), start + cut
