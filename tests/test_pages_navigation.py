"""The navigation as a decision: who sees what, and where they are."""

from __future__ import annotations

import itertools

import pytest

from api.access import OPERATIONS, ROLES
from api.pages.access import PAGE_ACCESS
from api.pages.navigation import GROUPS, navigation
from api.pages.texts import TEXTS

EVERY_SET = [frozenset(some) for n in range(len(ROLES) + 1) for some in itertools.combinations(sorted(ROLES), n)]


@pytest.mark.parametrize("roles", EVERY_SET, ids=lambda roles: "+".join(sorted(roles)) or "nobody")
def test_every_link_that_is_shown_may_be_followed(roles: frozenset[str]) -> None:
    rules = {**OPERATIONS, **PAGE_ACCESS}
    shown = [way for group in navigation(roles, "/") for way in group.ways]
    assert shown
    assert all(rules[f"GET {way.href}"].allows(roles) for way in shown)
    assert not any(way.current for way in shown)


def test_few_links_stand_alone_and_many_stand_in_groups() -> None:
    assert [group.key for group in navigation(frozenset(), "/")] == [None, None, None]
    assert sum(group.key is not None for group in navigation(ROLES, "/")) >= 4


@pytest.mark.parametrize(
    ("path", "here"),
    [
        ("/register/single", "/register"),
        ("/imports/1", "/register"),
        ("/venues/1", "/venues"),
        ("/venues/applications", "/venues/applications"),
        ("/verifying", None),
    ],
)
def test_one_link_at_most_says_where_the_reader_is(path: str, here: str | None) -> None:
    current = [way.href for group in navigation(ROLES, path) for way in group.ways if way.current]
    assert current == ([here] if here else [])


def test_every_group_and_every_link_has_its_words() -> None:
    keys = {key for key, _ in GROUPS} | {way.key for _, ways in GROUPS for way in ways}
    assert keys <= TEXTS.keys()
