"""The way through the pages, grouped by job. A new page is one line in one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from api.access import ADMINISTRATOR, AUDITOR, REGISTRAR, VENUE, WINDOW

#: Up to so many ways need no groups: whoever has no account, or one narrow job, sees all of them at once.
MAX_FLAT: Final = 4


@dataclass(frozen=True, slots=True)
class Way:
    """A page of the navigation: address, text key, icon, the roles that see it (none: everybody), and addresses
    elsewhere that belong to it."""

    href: str
    key: str
    icon: str
    roles: frozenset[str] = frozenset()
    also: tuple[str, ...] = ()

    def is_seen_by(self, roles: frozenset[str]) -> bool:
        """Whether somebody with these roles is shown it."""
        return not self.roles or not self.roles.isdisjoint(roles)

    def length_at(self, path: str) -> int:
        """How many characters of the path lead to this page; 0 if it is elsewhere."""
        steps = (self.href, *self.also)
        return max((len(step) for step in steps if path == step or path.startswith(step + "/")), default=0)


def _way(href: str, key: str, icon: str, *roles: str, also: tuple[str, ...] = ()) -> Way:
    return Way(href, key, icon, frozenset(roles), also)


#: Text key of a job -> its pages, in the order in which they are shown.
GROUPS: Final[tuple[tuple[str, tuple[Way, ...]], ...]] = (
    ("nav.group_check", (_way("/verify", "nav.verify", "verify"),)),
    (
        "nav.group_issue",
        (
            _way("/register", "nav.register", "upload", REGISTRAR, also=("/imports",)),
            _way("/certificates", "nav.certificates", "certificate", REGISTRAR, WINDOW, AUDITOR),
            _way("/disputes", "nav.disputes", "question", REGISTRAR, WINDOW, AUDITOR),
            _way("/notices", "nav.notices", "info", REGISTRAR, WINDOW),
        ),
    ),
    (
        "nav.group_serve",
        (
            _way("/use", "nav.use", "briefcase", WINDOW, also=("/uses",)),
            _way("/materials", "nav.materials", "files", REGISTRAR, WINDOW, AUDITOR),
            _way("/invoices", "nav.invoices", "file", REGISTRAR, WINDOW),
            _way("/codes", "nav.codes", "qr", REGISTRAR, WINDOW, VENUE, also=("/relatives",)),
            _way("/delegations", "nav.delegations", "users", REGISTRAR, WINDOW, AUDITOR),
            _way("/devices", "nav.devices", "lock", WINDOW),
        ),
    ),
    (
        "nav.group_places",
        (
            _way("/venues", "nav.venues", "building", VENUE, ADMINISTRATOR, AUDITOR, also=("/posters",)),
            _way("/venues/applications", "nav.applications", "files", VENUE, WINDOW),
            _way("/components", "nav.components", "list", VENUE),
        ),
    ),
    (
        "nav.group_manage",
        (
            _way("/quality", "nav.quality", "dash", REGISTRAR, AUDITOR, ADMINISTRATOR),
            _way("/types", "nav.types", "files", ADMINISTRATOR, REGISTRAR, WINDOW, AUDITOR),
            _way("/matters", "nav.matters", "list", ADMINISTRATOR, REGISTRAR, WINDOW, AUDITOR),
            _way("/departments", "nav.departments", "building", ADMINISTRATOR),
            _way("/signing-keys", "nav.signing_keys", "key", ADMINISTRATOR, REGISTRAR),
            _way("/trusted", "nav.trusted", "certificate", ADMINISTRATOR, AUDITOR),
            _way("/proposals", "nav.proposals", "users", ADMINISTRATOR, AUDITOR),
            _way("/calendar", "nav.calendar", "clock", ADMINISTRATOR),
            _way("/keys", "nav.keys", "key", ADMINISTRATOR),
            _way("/accounts", "nav.accounts", "user", ADMINISTRATOR),
        ),
    ),
    ("nav.group_evidence", (_way("/explore", "nav.explore", "tree"), _way("/status", "nav.status", "status"))),
)


def way_to(href: str) -> Way:
    """The page of this address."""
    return next(way for _, ways in GROUPS for way in ways if way.href == href)


@dataclass(frozen=True, slots=True)
class ShownWay:
    """One link, and whether the reader is there."""

    href: str
    key: str
    icon: str
    current: bool


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """Links under one heading; `key` is None where a link stands by itself."""

    key: str | None
    ways: Sequence[ShownWay]

    @property
    def current(self) -> bool:
        """Whether the reader is on one of its pages."""
        return any(way.current for way in self.ways)


def navigation(roles: frozenset[str], path: str) -> list[ShownGroup]:
    """The groups that these roles see, at most one link of them current: the one whose address is the longest part of
    the path. A group of one link is that link, and few links need no groups."""
    seen = [(key, [way for way in ways if way.is_seen_by(roles)]) for key, ways in GROUPS]
    every = [way for _, ways in seen for way in ways]
    here = max(every, key=lambda way: way.length_at(path))

    def shown(way: Way) -> ShownWay:
        return ShownWay(way.href, way.key, way.icon, way is here and way.length_at(path) > 0)

    groups: list[ShownGroup] = []
    for key, ways in seen:
        if len(ways) == 1 or len(every) <= MAX_FLAT:
            groups += [ShownGroup(None, [shown(way)]) for way in ways]
        elif ways:
            groups.append(ShownGroup(key, [shown(way) for way in ways]))
    return groups
