"""Delegated codes: chains that hold, forged ones that do not, and the law that no chain gives more than each link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from delegation_world import (
    BEGINS,
    CHANGE,
    ENDS,
    HANDLER,
    MANAGER,
    OTHER_COMPANY,
    RENEWAL,
    SLOTS,
    Office,
    claims,
    device,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from world import FOOD, NOON, fixed_key

from codes import payload
from codes.picture import draw_svg
from verifier import State, cbor, cose
from verifier.cose import Type
from verifier.delegated_code import MAX_SHOWN_CHARS, examine_delegated, is_delegated, open_delegated
from verifier.delegation import Link, LinkClaims, Role, reach_of, sign_link
from verifier.errors import DelegationError, MalformedError
from verifier.status import Status
from verifier.suites import SoftwareKey, Suite

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
REPRESENTATIVE = claims(Role.REPRESENTATIVE)
ALL = claims(Role.MANAGER)


def with_key(link: LinkClaims, key: SoftwareKey) -> LinkClaims:
    return replace(link, key=key.public)


def show_with(office: Office, suite: Suite) -> str:
    """A handler whose device has a key of another suite."""
    key = SoftwareKey.generate(suite)
    return office.show(office.chain(MANAGER, with_key(HANDLER, key)), key)


STORIES: dict[str, Callable[[Office], str]] = {
    "manager and handler": lambda o: o.show(o.chain(MANAGER, HANDLER)),
    "manager alone": lambda o: o.show(o.chain(MANAGER)),
    "handler straight from the enterprise": lambda o: o.show(o.chain(HANDLER)),
    "representative's own device": lambda o: o.show(o.chain(REPRESENTATIVE)),
    "representative, manager, handler": lambda o: o.show(o.chain(REPRESENTATIVE, ALL, claims(Role.HANDLER))),
    "representative straight to a handler": lambda o: o.show(o.chain(REPRESENTATIVE, HANDLER)),
    "no limits at all": lambda o: o.show(o.chain(ALL, claims(Role.HANDLER))),
    "the handler restates the manager's scope": lambda o: o.show(
        o.chain(MANAGER, replace(HANDLER, matters=MANAGER.matters, types=MANAGER.types))
    ),
    "the handler has one of two types": lambda o: o.show(o.chain(MANAGER, replace(HANDLER, types=(FOOD,)))),
    "the handler limits what the manager did not": lambda o: o.show(o.chain(ALL, replace(HANDLER, types=(FOOD,)))),
    "the same period at each link": lambda o: o.show(
        o.chain(MANAGER, replace(HANDLER, issued_at=BEGINS, begins_at=BEGINS, ends_at=ENDS))
    ),
    "the last second of the manager and the handler": lambda o: o.show(
        o.chain(replace(MANAGER, ends_at=NOON + SECOND), replace(HANDLER, ends_at=NOON + SECOND))
    ),
    "the first second of the handler": lambda o: o.show(o.chain(MANAGER, replace(HANDLER, begins_at=NOON))),
    "the last second of the handler": lambda o: o.show(o.chain(MANAGER, replace(HANDLER, ends_at=NOON + SECOND))),
    "a device clock half a minute ahead": lambda o: o.show(o.chain(MANAGER, HANDLER), at=NOON + 30 * SECOND),
    "the last second of the proof": lambda o: o.show(o.chain(MANAGER, HANDLER), at=NOON - 59 * SECOND),
    "a proof of five minutes": lambda o: o.show(
        o.chain(MANAGER, HANDLER), at=NOON - 299 * SECOND, lasts=timedelta(minutes=5)
    ),
    "a device that does ES256": lambda o: show_with(o, Suite.ES256),
    "a device that does SM2": lambda o: show_with(o, Suite.SM2),
    "a newer generation of the enterprise's code": lambda o: o.show(
        o.of(o.links(MANAGER, HANDLER), o.enterprise(generation=7, status_index=950))
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_a_chain_that_holds_is_valid(story: str) -> None:
    office = Office()
    verdict = office.judge(STORIES[story](office))
    assert (verdict.state, verdict.reason) == (State.VALID, "ok")


def _swapped(office: Office) -> str:
    """The manager's two handlers: the link of the one under the proof of the other."""
    first = office.links(MANAGER)[0]
    other = sign_link(with_key(HANDLER, fixed_key("another handler")), device(Role.MANAGER), first.anchor)
    return office.show(office.of((first, other)), device(Role.HANDLER))


def _of_other_manager(office: Office) -> str:
    """A handler's link signed under another link of the same manager's device."""
    narrow = office.links(replace(MANAGER, matters=(CHANGE,)))[0]
    handler = sign_link(HANDLER, device(Role.MANAGER), narrow.anchor)
    return office.show(office.of((office.links(MANAGER)[0], handler)))


def _other_enterprise(office: Office) -> str:
    return office.show(office.of(office.links(MANAGER, HANDLER, company=OTHER_COMPANY)))


def _replayed(office: Office) -> str:
    """The signature of a proof for one chain under another one."""
    good = open_delegated(office.show(office.chain(MANAGER, HANDLER)))
    wide = open_delegated(office.show(office.chain(ALL, claims(Role.HANDLER))))
    parts = [wide.message.protected, {}, wide.message.payload, good.message.signature]
    return payload.encode(b"\xd2" + cbor.encode(parts))


def _altered(office: Office, **changes: object) -> str:
    """A link whose words were changed after it was signed."""
    first, second = office.links(MANAGER, HANDLER)
    words = replace(second.claims, **changes)  # type: ignore[arg-type]
    return office.show(office.of((first, Link(words.to_bytes(), second.signature, words))))


def _wrong_order(office: Office) -> str:
    handler = sign_link(HANDLER, office.world.code_key, b"91310105MA1FWT014B")
    return office.show(office.of((handler, sign_link(MANAGER, device(Role.HANDLER), handler.anchor))))


def _typed_otherwise(office: Office) -> str:
    """The same bytes signed as an enterprise code."""
    code = open_delegated(office.show(office.chain(MANAGER, HANDLER)))
    return payload.encode(cose.sign1(code.message.payload or b"", device(Role.HANDLER), Type.ENTERPRISE_CODE))


def _revoked(role: Role | int) -> Callable[[Office], str]:
    def story(office: Office) -> str:
        office.out_of_force[SLOTS[role] if isinstance(role, Role) else role] = Status.REVOKED
        return office.show(office.chain(MANAGER, HANDLER))

    return story


FORGED: dict[str, tuple[Callable[[Office], str], str]] = {
    "wider matters": (
        lambda o: o.show(o.chain(MANAGER, replace(HANDLER, matters=(RENEWAL, "310105-OTHER")))),
        "scope_widened",
    ),
    "wider types": (lambda o: o.show(o.chain(MANAGER, replace(HANDLER, types=("X" * 21,)))), "scope_widened"),
    "a longer period": (
        lambda o: o.show(o.chain(MANAGER, replace(HANDLER, ends_at=ENDS + SECOND))),
        "period_widened",
    ),
    "an earlier beginning": (
        lambda o: o.show(
            o.chain(MANAGER, replace(HANDLER, issued_at=BEGINS - SECOND, begins_at=BEGINS - SECOND))
        ),
        "period_widened",
    ),
    "a cut link": (lambda o: o.show(o.of(o.links(MANAGER, HANDLER)[1:])), "link_not_by_delegator"),
    "the last link cut off": (
        lambda o: o.show(o.of(o.links(MANAGER, HANDLER)[:1]), device(Role.HANDLER)),
        "proof_not_by_delegate",
    ),
    "a swapped link": (_swapped, "proof_not_by_delegate"),
    "a link of the same manager for something else": (_of_other_manager, "link_not_by_delegator"),
    "another enterprise's link": (_other_enterprise, "link_not_by_delegator"),
    "a replayed proof": (_replayed, "proof_not_by_delegate"),
    "yesterday's proof": (lambda o: o.show(o.chain(MANAGER, HANDLER), at=NOON - DAY), "proof_expired"),
    "a proof for a year": (
        lambda o: o.show(o.chain(MANAGER, HANDLER), lasts=timedelta(days=365)),
        "proof_lasts_too_long",
    ),
    "a proof of tomorrow": (lambda o: o.show(o.chain(MANAGER, HANDLER), at=NOON + DAY), "not_yet_valid"),
    "a revoked parent": (_revoked(Role.MANAGER), "delegation_revoked"),
    "a revoked handler": (_revoked(Role.HANDLER), "delegation_revoked"),
    "a revoked enterprise code": (_revoked(900), "status_revoked"),
    "another device": (
        lambda o: o.show(o.chain(MANAGER, HANDLER), fixed_key("a stranger's device")),
        "proof_not_by_delegate",
    ),
    "the manager's device for the handler's": (
        lambda o: o.show(o.chain(MANAGER, HANDLER), device(Role.MANAGER)),
        "proof_not_by_delegate",
    ),
    "a first link by nobody's key": (
        lambda o: o.show(o.of(o.links(MANAGER, HANDLER, first=fixed_key("nobody")))),
        "link_not_by_delegator",
    ),
    "the wrong order": (_wrong_order, "wrong_order"),
    "a loop: the handler's device is the manager's": (
        lambda o: o.show(o.chain(MANAGER, with_key(HANDLER, device(Role.MANAGER))), device(Role.MANAGER)),
        "same_key_twice",
    ),
    "two managers": (
        lambda o: o.show(o.chain(MANAGER, replace(MANAGER, key=fixed_key("second").public)), fixed_key("second")),
        "wrong_order",
    ),
    "expired in the middle": (
        lambda o: o.show(o.chain(replace(MANAGER, ends_at=NOON), replace(HANDLER, ends_at=NOON))),
        "delegation_expired",
    ),
    "not begun": (
        lambda o: o.show(o.chain(MANAGER, replace(HANDLER, begins_at=NOON + SECOND))),
        "delegation_not_yet_valid",
    ),
    "a period without length": (
        lambda o: o.show(o.chain(MANAGER, replace(HANDLER, ends_at=HANDLER.begins_at))),
        "empty_period",
    ),
    "delegated before the manager was": (
        lambda o: o.show(o.chain(MANAGER, replace(HANDLER, issued_at=BEGINS - SECOND))),
        "delegated_out_of_period",
    ),
    "a matter changed afterwards": (lambda o: _altered(o, matters=(CHANGE,)), "link_not_by_delegator"),
    "a period changed afterwards": (lambda o: _altered(o, ends_at=ENDS - SECOND), "link_not_by_delegator"),
    "the slot of another link": (lambda o: _altered(o, status_index=990), "link_not_by_delegator"),
    "an expired enterprise code": (
        lambda o: o.show(o.of(o.links(MANAGER, HANDLER), o.enterprise(expires_at=NOON))),
        "expired",
    ),
    "passed off as an enterprise code": (_typed_otherwise, "wrong_fields"),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_chain_is_refused_for_its_reason(forgery: str) -> None:
    office = Office()
    make, reason = FORGED[forgery]
    verdict = office.judge(make(office))
    assert verdict.state in (State.INVALID, State.NOT_IN_FORCE)
    seen = {check.reason for check in verdict.checks}
    assert reason == verdict.reason or (reason == "delegation_expired" and reason in seen), (verdict.reason, seen)


def test_a_key_that_may_not_sign_first_links_is_refused() -> None:
    office = Office()
    text = office.show(office.chain(MANAGER, HANDLER))
    verdict, _ = examine_delegated(text, office.world.trust(), NOON)
    assert (verdict.state, verdict.reason) == (State.INVALID, "wrong_purpose_of_key")


def test_a_list_that_is_missing_leaves_it_undecided() -> None:
    office = Office()
    verdict, _ = examine_delegated(
        office.show(office.chain(MANAGER, HANDLER)), office.world.trust(keys=office.keys(), statuses={}), NOON
    )
    assert (verdict.state, verdict.reason) == (State.UNDECIDED, "no_status_list")


def test_a_fourth_link_is_too_deep_and_does_not_even_fit_a_code() -> None:
    office = Office()
    links = list(office.links(REPRESENTATIVE, ALL, claims(Role.HANDLER)))
    fourth = with_key(claims(Role.HANDLER), fixed_key("a fourth"))
    with pytest.raises(DelegationError) as refused:
        reach_of([*(link.claims for link in links), fourth])
    assert refused.value.reason == "too_deep"
    links.append(sign_link(fourth, device(Role.HANDLER), links[-1].anchor))
    with pytest.raises(payload.PayloadError):
        office.show(office.of(tuple(links)), fixed_key("a fourth"))


def test_the_chain_is_said_in_words() -> None:
    office = Office()
    verdict = office.judge(office.show(office.chain(MANAGER, replace(HANDLER, types=(FOOD,)))))
    assert verdict.subject["chain"] == (
        "上海随证餐饮有限公司 → 证照管理员 → 经办人，限 食品经营许可延续，限 食品经营许可证，至 2026年12月22日 12:00"
    )


@pytest.mark.parametrize("suite", list(Suite))
def test_two_links_with_two_matters_and_two_types_fit_a_code_of_version_20(suite: Suite) -> None:
    office = Office()
    key = SoftwareKey.generate(suite)
    text = office.show(office.chain(MANAGER, with_key(HANDLER, key)), key)
    assert len(text) <= MAX_SHOWN_CHARS
    assert "svg" in draw_svg(text, "M", title="企业授权码")


MATTERS = [f"matter-{number}" for number in range(4)]
SCOPES = st.none() | st.sets(st.sampled_from(MATTERS), min_size=1).map(lambda found: tuple(sorted(found)))
HOURS = st.integers(0, 40).map(lambda hours: BEGINS + timedelta(hours=hours))


@st.composite
def any_links(draw: st.DrawFn) -> list[LinkClaims]:
    roles = draw(st.lists(st.sampled_from(list(Role)), min_size=1, max_size=4))
    return [
        claims(
            role, key=fixed_key(f"device {draw(st.integers(0, 5))}").public, matters=draw(SCOPES), types=draw(SCOPES),
            issued_at=draw(HOURS), begins_at=draw(HOURS), ends_at=draw(HOURS),
        )
        for role in roles
    ]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(any_links(), st.sampled_from(MATTERS), st.sampled_from(MATTERS), HOURS)
def test_no_chain_gives_more_than_each_of_its_links(
    links: list[LinkClaims], matter: str, kind: str, at: object
) -> None:
    try:
        reach = reach_of(links)
    except DelegationError:
        return
    roles = [link.role for link in links]
    assert roles == sorted(set(roles))
    if reach.covers(matter, kind, at):  # type: ignore[arg-type]
        for link in links:
            assert link.matters is None or matter in link.matters
            assert link.types is None or kind in link.types
            assert link.begins_at <= at < link.ends_at  # type: ignore[operator]


@settings(max_examples=100, deadline=None)
@given(any_links())
def test_a_link_reads_back_as_it_was_written(links: list[LinkClaims]) -> None:
    for link in links:
        if link.issued_at <= link.begins_at <= link.ends_at:
            assert LinkClaims.from_bytes(link.to_bytes()) == link
        else:
            with pytest.raises(MalformedError):
                LinkClaims.from_bytes(link.to_bytes())


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=60))
def test_a_beginning_of_any_bytes_is_read_without_a_fault(data: bytes) -> None:
    assert not is_delegated(payload.encode(data)) or data[:2] == b"\xd2\x84"
    assert not is_delegated("SZ1:A")


def test_a_scope_out_of_order_is_not_read() -> None:
    parts = cbor.decode(MANAGER.to_bytes(), limit=1000)
    parts[4] = parts[4][::-1]
    with pytest.raises(MalformedError):
        LinkClaims.from_bytes(cbor.encode(parts))
