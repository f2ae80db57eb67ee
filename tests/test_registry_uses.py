"""Authorisations and uses: every reason beside its accepted neighbour, and exactly one winner of a one-time item."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from registry_house import (
    BUSINESS,
    CARE,
    COMPANY,
    FOOD,
    MARKET,
    MATTER,
    OTHER_COMPANY,
    PURPOSE,
    House,
    actor,
    food,
    request,
)  # fmt: skip
from sqlalchemy import func, select

from registry.authorisations import service as authorisations
from registry.authorisations.tables import Authorisation
from registry.catalogue import matters
from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot
from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.delegations import rules as delegations
from registry.departments import service as departments
from registry.departments import standing
from registry.disputes import service as disputes
from registry.errors import InvalidDraftError, NotFoundError, NotPermittedError
from registry.keys import own
from registry.log.tables import LogEntry
from registry.uses import rules
from registry.uses import service as uses
from registry.uses.tables import Use
from registry.work import REGISTRY
from verifier.commitment import reseal
from verifier.entry import Entry, Kind
from verifier.suites import SoftwareKey
from verifier.times import shanghai_day

pytest_plugins = ["registry_fixtures"]

TESTS = Path(__file__).resolve().parent


def test_an_accepted_use_stands_with_its_entry_and_its_holder_sees_it(house: House) -> None:
    item = house.certificate().id
    grant = house.grant()
    with house.registry.read(actor()) as work:
        company = uses.subject_index(work, "001", COMPANY.lower())
    use = house.use(request(item, grant, subject_index=company))
    with house.registry.read(actor()) as work:
        (row,) = work.session.scalars(select(LogEntry).where(LogEntry.kind == int(Kind.USE)))
        certificate = work.session.get_one(Certificate, item)
    entry = Entry.from_bytes(row.payload or b"")
    assert row.id == use.entry_id and entry.department == CARE
    assert reseal(use.content, use.salts).digest == entry.digest
    assert certificate.sha256.hex().encode() in use.content and use.slot_code == "CL01"
    assert [seen.id for seen in house.see(uses.of_holder, company)] == [use.id]
    assert [seen.case_no for seen in house.see(uses.relying_on, "certificate", item)] == ["2026-000001"]
    assert house.see(authorisations.get, grant).used == 1
    assert house.see(uses.get, use.id).id == use.id
    assert [seen.id for seen in house.see(uses.list_page, CARE)] == [use.id]


def _status(operation: str) -> Callable[[House, str], None]:
    def change(house: House, item: str) -> None:
        house.do(certificates.change_status, item, operation, "事由")

    return change


def _revoke_grant(house: House, item: str) -> None:
    for grant in house.see(authorisations.list_granted):
        house.do(authorisations.revoke, grant.id, "持证人撤回")


def _end_scope(house: House, item: str) -> None:
    for scope in house.see(departments.list_scopes, CARE, "use"):
        house.do(departments.end_scope, CARE, scope.id, shanghai_day(house.clock.at), "示例：职责划转")
    house.clock.pass_by(days=1)


def _expire(house: House, item: str) -> None:
    house.clock.pass_by(days=31)


def _outlive(house: House, item: str) -> None:
    house.clock.pass_by(days=365 * 5)


def _exhaust(house: House, item: str) -> None:
    (grant,) = house.see(authorisations.list_granted)
    house.use(request(item, grant.id, case_no="2026-000000"))


def _erase(house: House, item: str) -> None:
    with house.work() as work:
        work.session.get_one(Certificate, item).salts = None


def _hold(house: House, item: str) -> None:
    dispute = house.do(disputes.raise_dispute, item, "经营场所有误。", for_holder=False, who=actor(CARE))
    house.do(disputes.accept, dispute.id, holds=True)


def _sign_itself(house: House, item: str) -> None:
    key = SoftwareKey.generate()
    asked = house.do(own.ask_for_proof, MARKET, key.public.suite.name, key.public.raw.hex(), None, None)
    house.do(own.prove, MARKET, asked.row.id, key.sign(asked.to_be_signed))
    house.do(own.install, asked.row.id)
    house.clock.pass_by(seconds=5)


def _suspend_grantor(house: House, item: str) -> None:
    house.do(standing.suspend, MARKET, "示例：停用整顿", who=REGISTRY)


def _retire_matter(house: House, item: str) -> None:
    house.do(matters.retire, MATTER, "不再办理")


REFUSALS: list[tuple[str, Callable[[House, str], None] | None, dict[str, Any], dict[str, Any]]] = [
    ("wrong_purpose", None, {"purpose": "另一用途"}, {}),
    ("matter_unknown", None, {"matter_code": "CN-9999"}, {}),
    ("matter_retired", _retire_matter, {}, {}),
    ("authorisation_missing", None, {"authorisation_id": "0" * 26}, {}),
    ("type_not_accepted", None, {"slot_code": "CL99"}, {}),
    ("wrong_subject", None, {"subject_index": bytes(32)}, {}),
    ("authorisation_revoked", _revoke_grant, {}, {}),
    ("authorisation_suspended", _suspend_grantor, {}, {}),
    ("authorisation_expired", _expire, {}, {}),
    ("authorisation_exhausted", _exhaust, {}, {"max_uses": 1}),
    ("not_entitled", _end_scope, {}, {}),
    ("not_in_validity", _outlive, {}, {}),
    ("item_erased", _erase, {}, {}),
    ("item_suspended", _status("suspend"), {}, {}),
    ("item_revoked", _status("revoke"), {}, {}),
    ("item_cancelled", _status("cancel"), {}, {}),
    ("item_penalty", _status("penalise"), {}, {}),
    ("item_lapsed", _status("lapse"), {}, {}),
    ("item_transferred", _status("transfer_out"), {}, {}),
    ("item_lost", _status("report_loss"), {}, {}),
    ("item_disputed", _hold, {}, {}),
    ("awaiting_signature", _sign_itself, {}, {}),
]


@pytest.mark.parametrize(("reason", "before", "changes", "grant"), REFUSALS, ids=[one[0] for one in REFUSALS])
def test_each_reason_refuses_what_is_accepted_without_it(
    sqlite_house: House,
    reason: str,
    before: Callable[[House, str], None] | None,
    changes: dict[str, Any],
    grant: dict[str, Any],
) -> None:
    house = sqlite_house
    item = house.certificate().id
    authorisation = house.grant(**grant)
    # The neighbour: the same request, accepted, from a house where nothing is wrong (not if it would use up the right).
    if reason != "authorisation_exhausted":
        house.use(request(item, authorisation))
    if before is not None:
        before(house, item)
    if reason == "not_in_validity":
        # The grant ends before the licence does, so another one is needed to see the licence's own end.
        authorisation = house.grant()
    refused = house.refused(request(item, authorisation, **changes))
    assert refused.reason == reason and refused.message == rules.REASONS[reason]
    (kept,) = house.see(uses.refusals_of, item)
    assert (kept.reason, kept.department, kept.id) == (reason, CARE, refused.evidence["refusal_id"])
    with house.registry.read(actor()) as work:
        assert work.session.scalar(select(func.count(Use.id))) == 1
        assert work.session.scalar(select(func.count(LogEntry.id)).where(LogEntry.kind == int(Kind.USE))) == 1


def test_every_reason_has_a_sentence_and_a_test() -> None:
    tested = {one[0] for one in REFUSALS} | {"already_used", "item_superseded"}
    # Those of delegations are tested with them.
    assert tested == set(rules.REASONS) - set(delegations.REASONS)


def test_a_superseded_certificate_is_refused_and_its_successor_is_used(house: House) -> None:
    old = house.certificate()
    new = house.certificate(food(2, associated_identifier=old.identifier))
    grant = house.grant()
    assert house.refused(request(old.id, grant)).reason == "item_superseded"
    assert house.use(request(new.id, grant)).item_id == new.id


def test_another_department_can_not_use_under_somebody_elses_matter_or_authorisation(house: House) -> None:
    item = house.certificate().id
    grant = house.grant()
    assert house.refused(request(item, grant), MARKET).reason == "not_entitled"
    house.do(departments.grant_scope, MARKET, FOOD, "use")
    house.do(catalogue.register_matter, "MK-0001", "示例", MARKET, PURPOSE, (Slot("CL01", "许可证", (FOOD,)),))
    wanted = request(item, grant, matter_code="MK-0001")
    assert house.refused(wanted, MARKET).reason == "authorisation_missing"
    own = house.grant(grantee=MARKET, matter_code="MK-0001")
    assert house.use(request(item, own, matter_code="MK-0001"), MARKET).department == MARKET


def test_an_authorisation_for_another_type_item_matter_or_holder_does_not_reach(house: House) -> None:
    item, other = house.certificate().id, house.certificate(food(2)).id
    cases = {
        house.grant(type_code=BUSINESS): "authorisation_missing",
        house.grant(other): "authorisation_missing",
        house.grant(subject=("001", OTHER_COMPANY), route="holder"): "wrong_subject",
    }
    for grant, reason in cases.items():
        assert house.refused(request(item, grant)).reason == reason
    for grant in (house.grant(item), house.grant(item, subject=("001", COMPANY), route="holder")):
        assert house.use(request(item, grant))
    assert house.refused(request(item, house.grant(purpose="另一用途"))).reason == "wrong_purpose"


def test_what_is_not_there_or_not_whole_is_an_error_of_the_request(house: House) -> None:
    item, grant = house.certificate().id, house.grant()
    with pytest.raises(NotFoundError):
        house.use(request("0" * 26, grant))
    with pytest.raises(NotPermittedError):
        house.use(request(item, grant), None)
    for change in ({"case_no": ""}, {"operator": "x" * 65}, {"purpose": "\n"}, {"item_kind": "coin"}, {"device": " "}):
        with pytest.raises(InvalidDraftError):
            house.use(request(item, grant, **change))


# Authorisations.


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"route": "whim"}, "unknown_route"),
        ({"type_code": None}, "item_or_type"),
        ({"item_kind": "certificate"}, "unknown_item_kind"),
        ({"route": "holder"}, "subject_missing"),
        ({"purpose": " "}, "purpose_missing"),
        ({"max_uses": 0}, "out_of_range"),
        ({"route": "delegation", "subject": ("001", COMPANY)}, "parent_missing"),
        ({"subject": ("001", COMPANY[:-1] + "C")}, "wrong_check_character"),
    ],
)
def test_an_authorisation_with_a_fault_is_refused(sqlite_house: House, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidDraftError) as refused:
        sqlite_house.grant(**change)
    assert reason in [error.reason for error in refused.value.errors]


def test_an_authorisation_names_what_exists_and_lasts_at_most_three_years(house: House) -> None:
    now = house.clock.at
    for period in ((now, now), (now, now - timedelta(days=1)), (now, now + timedelta(days=2000))):
        with pytest.raises(InvalidDraftError):
            house.grant(valid_from_at=period[0], valid_to_at=period[1])
    for change in (
        {"grantee": "91310105MA1FWT0226"},
        {"matter_code": "CN-9999"},
        {"type_code": FOOD[:-1] + "9"},
        {"type_code": None, "item_kind": "certificate", "item_id": "0" * 26},
    ):
        with pytest.raises(NotFoundError):
            house.grant(**change)
    item = house.certificate().id
    with pytest.raises(InvalidDraftError) as stranger:
        house.grant(item, subject=("001", OTHER_COMPANY))
    assert stranger.value.errors[0].reason == "wrong_subject"


def test_a_delegation_stays_within_its_parent_and_falls_with_it(house: House) -> None:
    item = house.certificate().id
    subject = ("001", COMPANY)
    parent = house.grant(route="holder", subject=subject, max_uses=2)
    row: Authorisation = house.see(authorisations.get, parent)
    span = {"valid_from_at": row.valid_from_at, "valid_to_at": row.valid_to_at}
    facts = {"route": "delegation", "subject": subject, "parent_id": parent, "max_uses": 2, **span}
    for wider in (
        {"valid_to_at": row.valid_to_at + timedelta(days=1)},
        {"max_uses": None},
        {"max_uses": 3},
        {"subject": ("001", OTHER_COMPANY)},
        {"type_code": BUSINESS},
        {"purpose": "另一用途"},
    ):
        with pytest.raises(InvalidDraftError) as refused:
            house.grant(**{**facts, **wider})
        assert refused.value.errors[0].reason == "wider_than_parent"
    child = house.grant(**facts)
    house.use(request(item, child))
    house.use(request(item, parent, case_no="2026-000002"))
    # One use of each counts against the parent, whose two are gone.
    assert house.refused(request(item, child, case_no="2026-000003")).reason == "authorisation_exhausted"
    house.do(authorisations.revoke, parent, "委托终止")
    assert house.refused(request(item, child)).reason == "authorisation_revoked"
    with pytest.raises(InvalidDraftError):
        house.grant(**facts)


def test_only_the_grantor_revokes_and_once(house: House) -> None:
    grant = house.grant()
    with pytest.raises(NotPermittedError):
        house.do(authorisations.revoke, grant, "事由", who=actor(CARE))
    with pytest.raises(InvalidDraftError):
        house.do(authorisations.revoke, grant, " ")
    first = house.do(authorisations.revoke, grant, "事由")
    again = house.do(authorisations.revoke, grant, "另一事由")
    assert again.revoked_at == first.revoked_at and again.revoked_reason == "事由"
    with pytest.raises(NotFoundError):
        house.do(authorisations.revoke, "0" * 26, "事由")
    with house.registry.read(actor()) as work:
        count = select(func.count(LogEntry.id)).where(LogEntry.kind == int(Kind.AUTHORISATION))
        assert work.session.scalar(count) == 2
