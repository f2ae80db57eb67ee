"""Printed codes: for whom, claimed by whom, what they open, and how small they can be printed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from registry_house import CARE, COMPANY, ELDER, FOOD, OTHER_ELDER, SENIOR, House, actor, disability, senior
from world import NOON, VENUE_ID, World, make_world

from codes import picture
from registry.certificates import service as certificates
from registry.codes import printing
from registry.codes import service as codes
from registry.codes.rules import FAR, MAX_PRINTED_CHARS, CodeRequest
from registry.codes.tables import Code
from registry.errors import DuplicateError, InvalidDraftError, NotFoundError, NotPermittedError, TransitionError
from registry.log.tables import LogEntry
from registry.relatives import rules as relative_rules
from registry.relatives import service as relatives
from registry.statuses import service as statuses
from verifier.admission import ADMITTED_KINDS, Decision, decide
from verifier.code import CodeKind, Grant, GrantKind, examine_code, open_code, verify_code
from verifier.errors import Check
from verifier.ids import id_text, id_value
from verifier.status import Status
from verifier.suites import SoftwareKey
from verifier.venue import Venue, VenueRule
from verifier.verdict import Outcome, Policy, State

pytest_plugins = ["registry_fixtures"]

KEY = SoftwareKey.from_seed(b"p" * 32)
#: Samples without a person; the younger one comes of age on 1 March 2026, for 2026 has no 29 February.
YOUNG, GROWN = "310105200802290019", "310105199003071236"
#: A module of 20 mm of version 12 with its margin, at 150 dpi.
SMALL_PIXELS = round(20 / 25.4 * 150)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(1)


def claim(house: House, holder: str = ELDER, relative: str | None = None, who: Any = None, **facts: Any) -> Code:
    request = CodeRequest(
        CodeKind.PRINTED, holder=("111", holder), relative=None if relative is None else ("111", relative), **facts
    )
    code: Code = house.do(codes.issue, request, KEY, who=who)
    return code


# For whom.


@given(st.one_of(st.none(), st.integers(0, 150)))
def test_the_young_and_the_old_may_have_one_and_whoever_has_the_certificate(age: int | None) -> None:
    eligibility = printing.Eligibility()
    assert eligibility.allows(age, ()) == (age is not None and not 18 <= age < 60)
    assert eligibility.allows(age, [*eligibility.types])


def test_an_elder_gets_one_and_a_grown_up_does_not(house: House) -> None:
    assert claim(house).generation == 1
    with pytest.raises(InvalidDraftError) as refused:
        claim(house, GROWN)
    assert refused.value.errors[0].reason == "not_eligible"


def test_the_young_get_one_until_the_day_they_come_of_age(sqlite_house: House) -> None:
    sqlite_house.clock.at = datetime(2026, 2, 28, 15, 59, tzinfo=UTC)
    assert claim(sqlite_house, YOUNG)
    sqlite_house.clock.at = datetime(2026, 2, 28, 16, 0, tzinfo=UTC)
    with pytest.raises(InvalidDraftError):
        claim(sqlite_house, YOUNG)


def test_a_grown_up_with_a_disability_certificate_in_force_gets_one(house: House) -> None:
    draft = disability(number=GROWN + "42", holders=(disability().holders[0].__class__("随丙", GROWN, "111"),))
    card = house.certificate(draft)
    assert claim(house, GROWN)
    house.do(certificates.change_status, card.id, "suspend", "事由")
    with pytest.raises(InvalidDraftError):
        claim(house, GROWN)


def test_it_lasts_180_days_and_says_nothing_of_its_holder(house: House) -> None:
    house.certificate(senior())
    code = claim(house, types=(SENIOR,))
    kind, _, claims = open_code(code.text)
    assert (kind, claims.name, claims.subject) == (CodeKind.PRINTED, None, None)
    assert claims.expires_at - claims.issued_at == timedelta(days=180)
    with pytest.raises(InvalidDraftError):
        claim(house, lasts=timedelta(days=181))
    with house.registry.read(actor()) as work:
        logged = b"".join(row.payload or b"" for row in work.session.query(LogEntry))
    for secret in (ELDER.encode(), bytes.fromhex(code.subject), code.subject.encode()):
        assert secret not in claims.to_bytes() and secret not in logged


def test_what_has_no_end_ends_for_a_code_at_what_four_bytes_hold(house: House) -> None:
    house.certificate(senior())
    (grant,) = open_code(claim(house, types=(SENIOR,)).text)[2].grants
    assert grant.until == FAR and int(FAR.timestamp()) == 2**32 - 1


# By whom.


def test_only_a_bound_relative_claims_for_somebody_else(house: House) -> None:
    with pytest.raises(NotPermittedError):
        claim(house, relative=GROWN)
    relation = house.do(relatives.bind, ("111", ELDER), ("111", GROWN), "child", "户口簿 示例 1 号")
    assert claim(house, relative=GROWN).claimed_by == relation.id
    with pytest.raises(NotPermittedError):
        claim(house, OTHER_ELDER, relative=GROWN)
    house.do(relatives.end, relation.id)
    with pytest.raises(NotPermittedError):
        claim(house, relative=GROWN)
    assert claim(house).claimed_by is None


def test_relations_are_bounded_in_number_and_bound_once(house: House) -> None:
    def bind(relative: str, relation: str = "child", document: str = "户口簿 1 号", holder: str = ELDER) -> Any:
        return house.do(relatives.bind, ("511", holder), ("511", relative), relation, document)

    first = bind("R00000")
    with pytest.raises(DuplicateError):
        bind("R00000")
    for number in range(1, relative_rules.MAX_RELATIVES):
        bind(f"R0000{number}")
    with pytest.raises(InvalidDraftError) as full:
        bind("R00009")
    assert full.value.errors[0].reason == "too_many_relatives"
    house.do(relatives.end, first.id)
    assert bind("R00009")
    assert len(house.see(relatives.of_holder, ("511", ELDER))) == relative_rules.MAX_RELATIVES
    for relative, relation, document in ((ELDER, "child", "x"), ("R00008", "friend", "x"), ("R00008", "child", " ")):
        with pytest.raises(InvalidDraftError):
            bind(relative, relation, document, OTHER_ELDER if relative != ELDER else ELDER)
    with pytest.raises(InvalidDraftError):
        house.do(relatives.bind, ("001", COMPANY), ("111", GROWN), "child", "x")


def test_one_person_acts_for_a_bounded_number_of_people(sqlite_house: House) -> None:
    for number in range(relative_rules.MAX_HOLDERS):
        sqlite_house.do(relatives.bind, ("511", f"H0000{number}"), ("111", GROWN), "child", "户口簿 1 号")
    with pytest.raises(InvalidDraftError) as full:
        sqlite_house.do(relatives.bind, ("511", "H00009"), ("111", GROWN), "child", "户口簿 1 号")
    assert full.value.errors[0].reason == "too_many_holders"


# The old paper.


def test_claiming_again_and_reporting_a_loss_end_the_old_paper_at_once(house: House) -> None:
    first = claim(house)
    second = claim(house, who=actor(CARE))
    assert second.generation == 2
    lost = house.do(codes.lose_printed, ("111", ELDER))
    assert lost.id == second.id
    house.do(codes.lose_printed, ("111", ELDER))
    for code, status in ((first, Status.SUPERSEDED), (second, Status.LOST)):
        assert house.see(codes.get, code.id).status == status
        listed = house.see(statuses.build_list, code.status_list)
        assert listed.get(code.status_index) is status
    with pytest.raises(NotFoundError):
        house.do(codes.lose_printed, ("111", OTHER_ELDER))


def test_a_printed_code_is_claimed_again_and_not_reissued_blindly(house: House) -> None:
    code = claim(house)
    with pytest.raises(TransitionError) as refused:
        house.do(codes.reissue, code.id, KEY)
    assert refused.value.reason == "claim_again"


# What it opens.


def test_a_verdict_is_valid_but_asks_for_the_bearer(world: World) -> None:
    verdict = verify_code(world.code(CodeKind.PRINTED), world.trust(), NOON)
    (holder,) = (check for check in verdict.checks if check.check is Check.HOLDER)
    assert (verdict.state, holder.outcome, holder.reason) == (State.VALID, Outcome.NOT_CHECKED, "second_factor_due")
    assert verdict.subject["second_factor_due"] is True
    phone = verify_code(world.code(CodeKind.PERSON), world.trust(), NOON)
    assert phone.subject["second_factor_due"] is False
    assert not any(check.check is Check.HOLDER for check in phone.checks)


def test_a_policy_that_requires_the_holder_is_undecided(world: World) -> None:
    policy = Policy(frozenset((Check.SIGNATURE, Check.HOLDER)))
    verdict = verify_code(world.code(CodeKind.PRINTED), world.trust(), NOON, policy=policy)
    assert (verdict.state, verdict.reason) == (State.UNDECIDED, "second_factor_due")


def at_gate(world: World, *, alone: bool, kind: CodeKind = CodeKind.PRINTED, **seen: bool) -> Decision:
    place = Venue(VENUE_ID, "随证体育馆", "某路 2 号", VenueRule((), frozenset(), True, 0, printed_alone=alone))
    verdict, claims = examine_code(world.code(kind), world.trust(), NOON, ADMITTED_KINDS)
    return decide(verdict, claims, place, world.trust(), NOON, {}, **seen)


def test_a_gate_asks_its_staff_unless_the_rule_says_otherwise(world: World) -> None:
    asked = at_gate(world, alone=False)
    assert (asked.admit, asked.state, asked.reason) == (False, State.UNDECIDED, "second_factor_due")
    assert at_gate(world, alone=False, bearer_seen=True).reason == "bearer_seen"
    assert at_gate(world, alone=False, bearer_seen=True).admit
    assert at_gate(world, alone=True).reason == "pass"
    assert at_gate(world, alone=False, kind=CodeKind.PERSON).reason == "pass"
    assert not at_gate(world, alone=False, kind=CodeKind.COMPONENT, bearer_seen=True).admit


def test_the_rule_stands_in_the_bundle_only_where_it_is_set() -> None:
    rule = VenueRule((), frozenset(), True, 0)
    assert "printed_alone" not in rule.to_json()
    alone = VenueRule((), frozenset(), True, 0, printed_alone=True)
    assert VenueRule.from_json(alone.to_json()) == alone
    assert VenueRule.from_json(rule.to_json()) == rule


# How small.


def test_a_pass_and_a_certificate_fit_and_two_certificates_do_not(world: World) -> None:
    until = NOON + timedelta(days=180)
    one, other = (
        Grant(GrantKind.PASS, VENUE_ID, 23, 2**20 - 1, until),
        Grant(GrantKind.CERTIFICATE, FOOD, 23, 2**20 - 1, until),
    )

    def size(*grants: Grant) -> int:
        return len(world.code(CodeKind.PRINTED, grants=grants, status_index=2**20 - 1))

    assert size(one, other) <= MAX_PRINTED_CHARS and size(one, one) <= MAX_PRINTED_CHARS
    assert size(other, other) > MAX_PRINTED_CHARS


def test_what_does_not_fit_is_refused_before_it_is_printed(sqlite_house: House) -> None:
    sqlite_house.certificate(senior())
    sqlite_house.certificate(disability())
    wanted = (SENIOR, "11310105MB9T00011M003")
    with pytest.raises(InvalidDraftError) as refused:
        claim(sqlite_house, types=wanted)
    assert refused.value.errors[0].reason == "too_large_for_print"
    assert claim(sqlite_house, types=wanted[:1])


@pytest.mark.parametrize("seed", range(6))
def test_the_largest_is_read_at_20_mm_from_a_blurred_and_turned_picture(world: World, seed: int) -> None:
    chance = random.Random(seed)
    until = NOON + timedelta(days=180)
    grants = (
        Grant(GrantKind.PASS, VENUE_ID, 1, 901, until),
        Grant(GrantKind.CERTIFICATE, FOOD, 1, chance.randrange(2**20), until),
    )
    text = world.code(CodeKind.PRINTED, grants=grants, code_id=chance.randbytes(8))
    drawn = Image.open(BytesIO(picture.draw_png(text, picture.PRINT, 8))).convert("L")
    assert drawn.width == (65 + 2 * picture.QUIET_ZONE) * 8
    printed = drawn.resize((SMALL_PIXELS, SMALL_PIXELS), Image.Resampling.LANCZOS)
    page = Image.new("L", (600, 400), 255)
    page.paste(printed, (chance.randrange(100, 300), chance.randrange(100, 200)))
    seen = page.rotate(chance.uniform(-20, 20), Image.Resampling.BICUBIC, fillcolor=255)
    out = BytesIO()
    seen.filter(ImageFilter.GaussianBlur(0.6)).save(out, "PNG")
    assert picture.read(out.getvalue()) == [text]


def test_a_venue_code_has_at_most_version_8(world: World) -> None:
    text = world.code(CodeKind.VENUE, status_index=2**20 - 1, generation=23)
    drawn = Image.open(BytesIO(picture.draw_png(text, picture.SCREEN, 1)))
    assert drawn.width == 49 + 2 * picture.QUIET_ZONE


@given(st.binary(min_size=16, max_size=16))
def test_an_id_is_its_text(value: bytes) -> None:
    assert id_value(id_text(value)) == value


def test_a_venue_that_the_bundle_does_not_name_is_undecided_and_a_forged_one_invalid(world: World) -> None:
    stranger = world.code(CodeKind.VENUE, subject="0" * 26)
    unknown = verify_code(stranger, world.trust(), NOON)
    assert (unknown.state, unknown.reason, unknown.subject["name"]) == (State.UNDECIDED, "unknown_venue", None)
    known = verify_code(world.code(CodeKind.VENUE), world.trust(), NOON)
    assert (known.subject["name"], known.subject["place"]) == ("随证体育馆", "上海市长宁区某路 2 号")
    forged = World(**{**world.__dict__, "code_key": world.code_key})
    text = forged.code(CodeKind.VENUE, subject="0" * 26)
    broken = text[:-1] + ("0" if text[-1] != "0" else "1")
    assert verify_code(broken, world.trust(), NOON).state is State.INVALID
