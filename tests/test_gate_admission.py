"""The gate's decision: each way in beside its forbidden neighbour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import FOOD, NOON, VENUE_ID, World, make_world

from verifier import times
from verifier.admission import ADMITTED_KINDS, Admitted, Decision, decide, is_open
from verifier.code import CodeKind, Grant, GrantKind, examine_code
from verifier.status import Status, StatusList
from verifier.trust import TrustBundle
from verifier.venue import Venue, VenueRule
from verifier.verdict import State

PASS = Grant(GrantKind.PASS, VENUE_ID, 1, 901, NOON + timedelta(days=1))
LICENCE = Grant(GrantKind.CERTIFICATE, FOOD, 1, 902, NOON + timedelta(days=1))
OPEN = {"hours": [], "admit": {"types": [FOOD], "pass": True}, "anti_passback_seconds": 60}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(1)


def venue(**rule: Any) -> Venue:
    return Venue(VENUE_ID, "随证体育馆", "上海市长宁区某路 2 号", VenueRule.from_json(OPEN | rule))


def ask(
    world: World,
    at: datetime = NOON,
    place: Venue | None = None,
    trust: TrustBundle | None = None,
    kind: CodeKind = CodeKind.PERSON,
    kinds: tuple[CodeKind, ...] = ADMITTED_KINDS,
    seen: Mapping[bytes, Admitted] | None = None,
    **changes: Any,
) -> Decision:
    trust = trust or world.trust()
    verdict, claims = examine_code(world.code(kind, **changes), trust, at, kinds)
    return decide(verdict, claims, place or venue(), trust, at, seen or {})


def statuses(world: World, **states: Status) -> TrustBundle:
    listed = StatusList()
    for name, status in states.items():
        listed.set(int(name.lstrip("i")), status)
    return world.trust(statuses={1: world.status_token(listed)})


def test_a_pass_for_this_venue_opens_and_a_pass_for_another_does_not(world: World) -> None:
    assert ask(world, grants=(PASS,)).reason == "pass"
    assert ask(world, grants=(PASS,)).admit
    other = ask(world, grants=(replace(PASS, ref="01hq0000000000000000000002"),))
    assert (other.admit, other.state, other.reason) == (False, State.INVALID, "not_entitled")


def test_a_pass_does_not_open_where_passes_are_not_accepted(world: World) -> None:
    refused = ask(world, grants=(PASS,), place=venue(admit={"types": [FOOD], "pass": False}))
    assert (refused.admit, refused.reason) == (False, "not_entitled")


def test_a_certificate_of_an_accepted_type_opens_and_another_type_does_not(world: World) -> None:
    assert ask(world, grants=(LICENCE,)).reason == "certificate"
    assert not ask(world, grants=(replace(LICENCE, ref="11100000MB0341032Y003"),)).admit
    assert not ask(world, grants=(LICENCE,), place=venue(admit={"types": [], "pass": True})).admit


def test_a_pass_named_like_a_type_is_not_a_certificate(world: World) -> None:
    with pytest.raises(ValueError, match="id"):
        ask(world, grants=(replace(PASS, ref=FOOD),))
    assert not ask(world, grants=(replace(LICENCE, ref=VENUE_ID),)).admit


def test_a_grant_holds_until_its_end_and_not_at_it(world: World) -> None:
    ending = replace(PASS, until=NOON + timedelta(seconds=30))
    assert ask(world, NOON + timedelta(seconds=29), grants=(ending,)).admit
    refused = ask(world, NOON + timedelta(seconds=30), grants=(ending,))
    assert (refused.admit, refused.state, refused.reason) == (False, State.NOT_IN_FORCE, "grant_ended")


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.VALID])
def test_a_grant_that_is_not_in_force_does_not_open(world: World, status: Status) -> None:
    refused = ask(world, grants=(PASS,), trust=statuses(world, i901=status))
    assert (refused.admit, refused.state) == (False, State.NOT_IN_FORCE)
    assert refused.reason == f"grant_{status.name.lower()}"


def test_one_good_grant_is_enough(world: World) -> None:
    trust = statuses(world, i901=Status.REVOKED)
    assert ask(world, grants=(PASS, LICENCE), trust=trust).reason == "certificate"


def test_a_grant_of_unknown_status_is_undecided_unless_another_is_good(world: World) -> None:
    unknown = replace(PASS, status_list=9)
    undecided = ask(world, grants=(unknown, replace(LICENCE, until=NOON)))
    assert (undecided.admit, undecided.state, undecided.reason) == (False, State.UNDECIDED, "grant_status_unknown")
    assert ask(world, grants=(unknown, LICENCE)).admit


def test_no_grant_is_no_entitlement(world: World) -> None:
    assert ask(world, grants=()).reason == "not_entitled"


@pytest.mark.parametrize("kind", [CodeKind.ENTERPRISE, CodeKind.VENUE])
def test_public_signs_do_not_open_a_door(world: World, kind: CodeKind) -> None:
    for kinds in (ADMITTED_KINDS, tuple(CodeKind)):
        refused = ask(world, kind=kind, kinds=kinds, grants=(PASS,))
        assert (refused.admit, refused.state, refused.reason) == (False, State.INVALID, "wrong_kind")


def test_a_lost_code_is_not_in_force(world: World) -> None:
    refused = ask(world, trust=statuses(world, i900=Status.LOST))
    assert (refused.admit, refused.state, refused.reason) == (False, State.NOT_IN_FORCE, "status_lost")


def test_an_ended_code_is_not_in_force_and_one_second_before_it_opens(world: World) -> None:
    ends = NOON + timedelta(seconds=240)
    assert ask(world, ends - timedelta(seconds=1)).admit
    assert ask(world, ends).reason == "expired"


def test_stale_or_unknown_trust_fails_closed_as_undecided(world: World) -> None:
    end = world.content.expires_at
    stale = ask(world, end, issued_at=end, expires_at=end + timedelta(hours=1))
    assert (stale.admit, stale.state, stale.reason) == (False, State.UNDECIDED, "trust_expired")
    no_keys = world.trust(keys=tuple(key for key in world.content.keys if "code:person" not in key.purposes))
    unknown = ask(world, trust=no_keys)
    assert (unknown.admit, unknown.state, unknown.reason) == (False, State.UNDECIDED, "unknown_key")


def test_what_a_forgery_claims_is_kept_nowhere(world: World) -> None:
    claims = world.claims()
    genuine = ask(world)
    assert (genuine.code_id, genuine.code_issued_at) == (claims.code_id, claims.issued_at)
    trust = world.trust()
    text = world.code()
    forged = text[:-6] + ("A" if text[-6] != "A" else "B") + text[-5:]
    verdict, read = examine_code(forged, trust, NOON, ADMITTED_KINDS)
    refused = decide(verdict, read, venue(), trust, NOON, {})
    assert (refused.admit, refused.code_id, refused.code_issued_at) == (False, None, None)


# Opening hours. 2026-11-22 is a Sunday; noon in Shanghai is 04:00 UTC.
DAYTIME = {"days": [6, 7], "from": "08:00", "to": "22:00"}
SUNDAY = datetime(2026, 11, 22, tzinfo=times.SHANGHAI)


@pytest.mark.parametrize(
    ("hours", "clock", "opened"),
    [
        ([], "03:00:00", True),
        ([DAYTIME], "07:59:59", False),
        ([DAYTIME], "08:00:00", True),
        ([DAYTIME], "21:59:59", True),
        ([DAYTIME], "22:00:00", False),
        ([{**DAYTIME, "days": [1, 2, 3, 4, 5, 6]}], "12:00:00", False),
        ([{**DAYTIME, "days": [1]}, {**DAYTIME, "days": [7]}], "12:00:00", True),
        ([{"days": [7], "from": "20:00", "to": "24:00"}], "23:59:59", True),
        (
            [{"days": [6], "from": "20:00", "to": "24:00"}, {"days": [7], "from": "00:00", "to": "02:00"}],
            "01:00:00",
            True,
        ),
        ([{"days": [7], "from": "00:00", "to": "02:00"}], "02:00:00", False),
    ],
)
def test_opening_hours_are_those_of_shanghai(hours: list[dict[str, Any]], clock: str, opened: bool) -> None:
    hour, minute, second = (int(part) for part in clock.split(":"))
    at = SUNDAY.replace(hour=hour, minute=minute, second=second)
    rule = venue(hours=hours).rule
    assert is_open(rule, at.astimezone(UTC)) is opened
    assert is_open(rule, at) is opened


def test_a_good_code_outside_opening_hours_is_not_in_force(world: World) -> None:
    closed = venue(hours=[{**DAYTIME, "to": "12:00"}])
    assert ask(world, NOON - timedelta(seconds=1), place=closed).admit
    refused = ask(world, NOON, place=closed)
    assert (refused.admit, refused.state, refused.reason) == (False, State.NOT_IN_FORCE, "closed")


# Replay.
def test_the_same_code_is_refused_within_the_window_and_accepted_after_it(world: World) -> None:
    claims = world.claims()
    seen = {claims.code_id: Admitted(claims.issued_at, NOON)}
    for seconds, admitted in ((0, False), (59, False), (60, True)):
        decision = ask(world, NOON + timedelta(seconds=seconds), seen=seen)
        assert decision.admit is admitted
        assert admitted or (decision.state, decision.reason) == (State.INVALID, "replayed")


def test_a_refreshed_code_opens_and_the_one_it_replaced_never_does_again(world: World) -> None:
    old, new = NOON - timedelta(seconds=60), NOON - timedelta(seconds=1)
    code_id = world.claims().code_id
    assert ask(world, seen={code_id: Admitted(old, NOON)}, issued_at=new).admit
    later = NOON + timedelta(seconds=200)
    assert ask(world, later, seen={code_id: Admitted(new, NOON)}, issued_at=old).reason == "replayed"
    assert ask(world, later, seen={code_id: Admitted(new, NOON)}, issued_at=new).admit


def test_a_venue_without_anti_passback_takes_the_same_code_again(world: World) -> None:
    claims = world.claims()
    seen = {claims.code_id: Admitted(claims.issued_at, NOON)}
    assert ask(world, seen=seen, place=venue(anti_passback_seconds=0)).admit


def test_another_code_is_no_replay(world: World) -> None:
    seen = {bytes(8): Admitted(NOON + timedelta(days=1), NOON)}
    assert ask(world, seen=seen).admit


@given(st.sampled_from(list(State)), st.booleans(), st.booleans(), st.booleans())
def test_the_door_opens_only_on_a_valid_verdict_with_a_good_grant_in_time(
    state: State, has_grant: bool, is_open_now: bool, is_replay: bool
) -> None:
    world = _WORLD
    trust = world.trust()
    claims = world.claims(grants=(PASS,) if has_grant else ())
    verdict = replace(examine_code(world.code(), trust, NOON)[0], state=state)
    place = venue(hours=[] if is_open_now else [{"days": [1], "from": "00:00", "to": "00:01"}])
    seen = {claims.code_id: Admitted(claims.issued_at, NOON)} if is_replay else {}
    decision = decide(verdict, claims, place, trust, NOON, seen)
    assert decision.admit is (state is State.VALID and has_grant and is_open_now and not is_replay)
    assert decision.to_json()["admit"] is decision.admit and decision.message and len(decision.reason) <= 40
    assert not decide(verdict, None, place, trust, NOON, seen).admit


_WORLD = make_world(1)
