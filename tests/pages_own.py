"""What a test of pages has for itself on the site that all of them share: people, venues, phones, tokens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from pages_site import Site, clerk_of

from registry.accounts import tokens
from registry.departments import service as departments
from registry.devices import service as devices
from registry.keys import rules as keys
from registry.venues import service as venues
from registry.work import REGISTRY, Actor
from verifier.device_request import open_request, sign_request
from verifier.suites import SoftwareKey

_numbers: Iterator[int] = count(1)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def own_person() -> str:
    """The number of a person born in 1899 (GB 11643) whom no other test of this process has."""
    days, serial = divmod(next(_numbers), 1000)
    body = f"310105{date(1899, 1, 1) + timedelta(days=days):%Y%m%d}{serial:03d}"
    return body + "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11]


def own_venue(site: Site, **rule: Any) -> str:
    """The id of a new venue, open at all hours, that lets in whoever has a pass."""
    wanted = {"hours": [], "admit": {"types": [], "pass": True}, "anti_passback_seconds": 60, **rule}
    with site.services.registry.begin(clerk_of(site.services)) as work:
        name = f"第 {next(_numbers)} 试验馆（示例）"
        return venues.register(work, name, "上海市长宁区虹桥路 1 号", "310105", "12310105MB9T00038A", wanted).id


def own_code(site: Site, venue_id: str, phone: SoftwareKey) -> str:
    """The static text of a new person's code bound to this phone, with its pass for the venue."""
    services, person = site.services, own_person()
    with services.registry.begin(clerk_of(services)) as work:
        venues.grant_pass(work, venue_id, "111", person, work.at, work.at + timedelta(days=30))
        made = devices.hand_out(work, ("111", person), (), (venue_id,))
    arguments = (made.secret, made.pin, phone.public.raw)
    request = open_request(sign_request("enrol", arguments, phone, datetime.now(UTC)))
    key = services.keys.key_for(keys.CODES, services.clock())
    with services.registry.begin(Actor("device", "system", None)) as work:
        return (devices.enrol(work, request, key)[1].grant_texts or [""])[0]


def own_token(site: Site, *roles: str) -> str:
    """The secret of a new token of the operating department."""
    with site.services.registry.begin(REGISTRY) as work:
        operator = departments.operator(work).code
        expires_at = datetime.now(UTC) + timedelta(days=1)
        return tokens.create(work, f"试验 {next(_numbers)}", operator, list(roles), expires_at).secret
