"""What else is in the registry to audit: phones, delegations, components, applications, visits, a copy, an extract."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any

import registry_house as house
from sqlalchemy import select

from api.composition import Services
from registry.applications import service as applications
from registry.applications.tables import Application
from registry.certificates.tables import Certificate
from registry.components import service as components
from registry.components.rules import ComponentDraft
from registry.copies import service as copies
from registry.copies.rules import CopyRequest
from registry.delegations import service as delegations
from registry.delegations.rules import DelegationDraft
from registry.devices import service as devices
from registry.disputes import service as disputes
from registry.extracts import service as extracts
from registry.extracts.rules import ExtractRequest
from registry.keys import rules as key_rules
from registry.uses.tables import Use
from registry.venues import service as venues
from registry.venues.tables import Venue
from registry.work import Actor
from verifier.delegation import Role
from verifier.device_request import open_request, sign_request
from verifier.suites import SoftwareKey, Suite
from verifier.visit import Visit

#: Components: the first is moved twice, the second is removed.
LAMP, BIN = "3101050118000123", "3101050118000124"
_OFFICE = Actor("staff:2", "staff", house.MARKET, frozenset({"venue"}))


def live(services: Services) -> None:
    """One of each, with every step that there is."""
    _enrol_twice(services)
    _delegate(services)
    _place_things(services)
    _apply(services)
    _pass_a_gate(services)
    _copy(services)
    _extract(services)
    _dispute(services)


def _dispute(services: Services) -> None:
    """Raised by a department that uses it, rejected by the issuer, closed."""
    by, of = house.actor(house.CARE), house.actor()
    with services.registry.begin(by) as work:
        of_type = select(Certificate.id).where(Certificate.type_code == house.SENIOR)
        made = disputes.raise_dispute(work, work.session.scalars(of_type).one(), "经营场所不对。", for_holder=True).id
    with services.registry.begin(of) as work:
        disputes.accept(work, made, holds=False)
    with services.registry.begin(of) as work:
        disputes.reject(work, made, "经核对，登记无误。")
    with services.registry.begin(by) as work:
        disputes.close(work, made)


def _pass_a_gate(services: Services) -> None:
    with services.registry.begin(house.actor(house.CARE)) as work:
        venue = work.session.scalars(select(Venue.id).where(Venue.department == house.CARE)).one()
        at = work.at.replace(microsecond=0)
        visit = Visit(venue, "gate0001", 1, at, True, "pass", None, None, 1, 60, bytes(32))
        venues.hand_in(work, venue, [visit])


def _copy(services: Services) -> None:
    """By the issuer, who revokes it; its PDF is any file."""
    with services.registry.begin(house.actor()) as work:
        certificate = work.session.scalars(select(Certificate.id).where(Certificate.type_code == house.SENIOR)).one()
        request = CopyRequest(certificate, house.MATTER, house.PURPOSE, "示例窗口", work.at + timedelta(days=7))
        pdf = BytesIO(b"%PDF-1.7 a copy")
        copy = copies.make(work, request, _code_key(services), lambda _plan: services.files.put(pdf))
        copies.revoke(work, copy.id, "接收单位填错")


def _extract(services: Services) -> None:
    """By the department that used a certificate, signed by its issuer."""
    with services.registry.begin(house.actor(house.CARE)) as work:
        use = work.session.scalars(select(Use).where(Use.item_kind == "certificate").limit(1)).one()
        request = ExtractRequest(use.item_id, house.CARE, work.at + timedelta(days=7))
        extracts.make(
            work, request, use, lambda owner, at: services.keys.key_for(key_rules.department_purpose(owner), at)
        )


def _enrol_twice(services: Services) -> None:
    """A person's second phone ends the first."""
    for phone in (SoftwareKey.generate(Suite.ES256), SoftwareKey.generate()):
        with services.registry.begin(house.actor(house.CARE)) as work:
            ticket = devices.hand_out(work, ("111", house.ELDER), (house.SENIOR,), ())
        with services.registry.begin(Actor("device", "system", None)) as work:
            request = sign_request("enrol", (ticket.secret, ticket.pin, phone.public.raw), phone, work.at)
            devices.enrol(work, open_request(request), _code_key(services))


def _delegate(services: Services) -> None:
    """An enterprise delegates to its manager, who delegates to a handler; that is revoked."""
    manager, handler = SoftwareKey.generate(), SoftwareKey.generate()
    with services.registry.begin(house.actor()) as work:
        above = delegations.grant(work, _link(work.at, Role.MANAGER, manager, None), _code_key(services))
        below = delegations.grant(work, _link(work.at, Role.HANDLER, handler, above.id), _code_key(services))
        delegations.complete(work, below.id, manager.sign(delegations.to_be_signed(work, below)))
    with services.registry.begin(house.actor()) as work:
        delegations.revoke(work, below.id, "离职")


def _link(at: Any, role: Role, key: SoftwareKey, parent: str | None) -> DelegationDraft:
    return DelegationDraft(
        enterprise=house.COMPANY, role=role, name="张三丰" if parent is None else "李四",
        delegate=("111", house.ELDER if parent is None else house.OTHER_ELDER), suite=int(key.public.suite),
        public=key.public.raw, valid_from_at=at, valid_to_at=at + timedelta(days=90), parent_id=parent,
        document="委托书 2026-001" if parent is None else None,
    )  # fmt: skip


def _place_things(services: Services) -> None:
    with services.registry.begin(house.actor()) as work:
        for code in (LAMP, BIN):
            draft = ComponentDraft(code, "仙霞路 100 号东侧", house.COMPANY, "示例照明所")
            components.register(work, draft, _code_key(services))
    for place in ("仙霞路 102 号东侧", "仙霞路 104 号东侧"):
        with services.registry.begin(house.actor()) as work:
            components.move(work, LAMP, place, _code_key(services))
    with services.registry.begin(house.actor()) as work:
        components.remove(work, BIN)


def _apply(services: Services) -> None:
    """One application is approved, one refused, one waits."""
    with services.registry.begin(house.actor()) as work:
        made = [_application(work, f"随证体育馆 {number} 号馆") for number in (1, 2, 3)]
        approved, refused = made[0].id, made[1].id
    with services.registry.begin(_OFFICE) as work:
        applications.decide(work, approved, approved=True, reason="", key=_code_key(services))
        applications.decide(work, refused, approved=False, reason="地址不符", key=_code_key(services))


def _application(work: Any, name: str) -> Application:
    return applications.apply(
        work, house.COMPANY, ("111", house.ELDER), "handler", "授权书 1 号", name, "示例路 1 号", "310105"
    )


def _code_key(services: Services) -> Any:
    return services.keys.key_for(key_rules.CODES, services.clock())
