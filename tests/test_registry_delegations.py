"""Delegations in the registry: grant, sign, show at a window, and revoke with everything below."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from registry_house import (
    BUSINESS,
    CARE,
    COMPANY,
    ELDER,
    FOOD,
    MATTER,
    OTHER_COMPANY,
    OTHER_ELDER,
    House,
    actor,
    food,
    request,
)

from api.audit import lives
from api.audit.findings import Findings
from registry.authorisations import service as authorisations
from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.delegations import service as delegations
from registry.delegations.rules import DelegationDraft, Shown
from registry.delegations.tables import Delegation
from registry.errors import InvalidDraftError, NotPermittedError, ReuseRefusedError, TransitionError
from registry.statuses import service as statuses
from registry.uses import service as uses
from verifier.code import CodeKind
from verifier.delegated_code import Chain, open_delegated
from verifier.delegation import Role, sign_link
from verifier.status import Status
from verifier.suites import SoftwareKey

pytest_plugins = ["registry_fixtures"]

KEY = SoftwareKey.generate()
WINDOW = actor(CARE)
OTHER_MATTER = "CN-0002"


class Firm:
    """A company with an enterprise code, a manager with his device, and a handler with hers."""

    def __init__(self, house: House, company: str = COMPANY) -> None:
        self.house = house
        self.company = company
        self.devices = {role: SoftwareKey.generate() for role in Role}
        enterprise = CodeRequest(CodeKind.ENTERPRISE, subject=company, name="上海随证餐饮有限公司")
        house.do(codes.issue, enterprise, KEY)

    def draft(self, role: Role, parent_id: str | None = None, **changes: Any) -> DelegationDraft:
        facts: dict[str, Any] = {
            "enterprise": self.company, "role": role, "name": "张三丰" if role is Role.MANAGER else "李四",
            "delegate": ("111", ELDER if role is Role.MANAGER else OTHER_ELDER),
            "suite": int(self.devices[role].public.suite), "public": self.devices[role].public.raw,
            "valid_from_at": self.house.clock.at, "valid_to_at": self.house.clock.at + timedelta(days=90),
            "document": "委托书 2026-001" if parent_id is None else None, "parent_id": parent_id,
        }  # fmt: skip
        return DelegationDraft(**{**facts, **changes})

    def grant(self, role: Role, parent: Delegation | None = None, **changes: Any) -> Delegation:
        """A delegation, signed by the device of its parent where it has one."""
        house = self.house
        draft = self.draft(role, parent.id if parent else None, **changes)
        row: Delegation = house.do(delegations.grant, draft, KEY)
        if parent is not None:
            asked = house.see(lambda work: delegations.to_be_signed(work, delegations.get(work, row.id)))
            row = house.do(delegations.complete, row.id, self.devices[Role(parent.role)].sign(asked))
        return row

    def handler(self, **changes: Any) -> Delegation:
        """A handler under a manager, for one matter and food licences."""
        manager = self.grant(Role.MANAGER)
        return self.grant(
            Role.HANDLER, manager, **{"matters": (MATTER,), "types": (FOOD,), **changes},
            valid_to_at=self.house.clock.at + timedelta(days=30),
        )  # fmt: skip

    def show(self, row: Delegation) -> Shown:
        chain = self.house.see(delegations.chain_of, row.id)
        text = chain.show(self.devices[Role(row.role)], self.house.clock.at)
        return Shown(open_delegated(text), hashlib.sha256(text.encode()).digest())

    def use(self, item_id: str, shown: Shown, **changes: Any) -> Any:
        return self.house.do(uses.reuse, request(item_id, "", shown=shown, **changes), who=WINDOW)


def reasons(refused: pytest.ExceptionInfo[InvalidDraftError]) -> set[str]:
    return {error.reason for error in refused.value.errors}


def test_a_handler_shows_a_code_and_the_window_uses_the_companys_licence(house: House) -> None:
    firm = Firm(house)
    licence = house.certificate().id
    use = firm.use(licence, firm.show(firm.handler()))
    grant = house.see(authorisations.get, use.authorisation_id)
    assert (grant.route, grant.used, grant.max_uses, grant.grantee) == ("delegation", 1, 1, CARE)


def test_one_code_serves_several_items_of_one_case_and_no_other_case(house: House) -> None:
    firm = Firm(house)
    first, second = house.certificate(food(1)).id, house.certificate(food(2)).id
    shown = firm.show(firm.handler())
    firm.use(first, shown)
    firm.use(second, shown)
    with pytest.raises(ReuseRefusedError) as refused:
        firm.use(first, shown, case_no="2026-000002")
    assert refused.value.reason == "delegation_code_reused"


def test_outside_its_scope_a_code_is_refused_by_name_and_leaves_no_authorisation(house: House) -> None:
    firm = Firm(house)
    licence = house.certificate().id
    with house.work() as work:
        slots = (Slot("CL01", "主体资格证明", (BUSINESS, FOOD)),)
        catalogue.register_matter(work, OTHER_MATTER, "另一事项", CARE, "办理另一事项", slots)
    narrow = {
        "delegation_wrong_matter": firm.handler(matters=(OTHER_MATTER,)),
        "delegation_wrong_type": firm.handler(types=(BUSINESS,)),
    }
    for reason, row in narrow.items():
        with pytest.raises(ReuseRefusedError) as refused:
            firm.use(licence, firm.show(row))
        assert refused.value.reason == reason
    late = firm.handler()
    shown = firm.show(late)
    house.clock.pass_by(days=40)
    with pytest.raises(ReuseRefusedError) as refused:
        firm.use(licence, shown)
    assert refused.value.reason == "delegation_expired"
    assert house.see(authorisations.list_granted, CARE) == []
    assert len(house.see(uses.refusals_of, licence)) == 3


def test_a_code_of_another_company_is_refused(house: House) -> None:
    licence = house.certificate().id
    other = Firm(house, OTHER_COMPANY)
    with pytest.raises(ReuseRefusedError) as refused:
        other.use(licence, other.show(other.handler()))
    assert refused.value.reason == "delegation_wrong_enterprise"


def test_a_chain_that_the_registry_never_recorded_is_refused(sqlite_house: House) -> None:
    firm = Firm(sqlite_house)
    licence = sqlite_house.certificate().id
    row = firm.grant(Role.MANAGER)
    enterprise = sqlite_house.see(delegations.chain_of, row.id).enterprise
    claims = replace(delegations.link_of(row).claims, matters=(MATTER,))
    forged = Chain(enterprise, KEY.public.kid, (sign_link(claims, KEY, COMPANY.encode()),))
    text = forged.show(firm.devices[Role.MANAGER], sqlite_house.clock.at)
    with pytest.raises(ReuseRefusedError) as refused:
        firm.use(licence, Shown(open_delegated(text), hashlib.sha256(text.encode()).digest()))
    assert refused.value.reason == "delegation_unknown"


def test_a_suspended_licence_is_refused_and_leaves_no_authorisation(house: House) -> None:
    from registry.certificates import service as certificates

    firm = Firm(house)
    licence = house.certificate().id
    house.do(certificates.change_status, licence, "suspend", "示例")
    with pytest.raises(ReuseRefusedError) as refused:
        firm.use(licence, firm.show(firm.handler()))
    assert refused.value.reason == "item_suspended"
    assert house.see(authorisations.list_granted, CARE) == []


def test_revoking_the_manager_ends_everything_below_in_the_list_and_at_the_window(house: House) -> None:
    firm = Firm(house)
    licence = house.certificate().id
    manager = firm.grant(Role.MANAGER)
    handlers = [
        firm.grant(Role.HANDLER, manager, public=SoftwareKey.generate().public.raw),
        firm.grant(Role.HANDLER, manager),
    ]
    apart = firm.grant(Role.MANAGER, public=SoftwareKey.generate().public.raw)
    shown = firm.show(handlers[1])
    grant = firm.use(licence, shown).authorisation_id
    assert [row.id for row in house.see(delegations.cascade, manager.id)] == [manager.id, *(h.id for h in handlers)]
    ended = house.do(delegations.revoke, manager.id, "证照管理员离职")
    assert {row.id for row in ended} == {manager.id, *(one.id for one in handlers)}
    assert house.do(delegations.revoke, manager.id, "再来一次") == []
    with pytest.raises(ReuseRefusedError) as refused:
        firm.use(licence, shown)
    assert refused.value.reason == "delegation_revoked"
    assert house.see(authorisations.get, grant).revoked_at is not None
    states = house.see(statuses.build_list, manager.status_list)
    assert {states.get(row.status_index) for row in ended} == {Status.REVOKED}
    assert states.get(apart.status_index) is Status.VALID
    assert house.see(delegations.get, apart.id).revoked_at is None


def test_only_the_department_that_recorded_it_revokes(house: House) -> None:
    manager = Firm(house).grant(Role.MANAGER)
    with pytest.raises(NotPermittedError):
        house.do(delegations.revoke, manager.id, "示例", who=WINDOW)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"matters": (MATTER, OTHER_MATTER)}, "scope_widened"),
        ({"types": (FOOD, BUSINESS)}, "scope_widened"),
        ({"days": 91}, "period_widened"),
        ({"role": Role.MANAGER, "public": SoftwareKey.generate().public.raw}, "wrong_order"),
        ({"same": True}, "same_key_twice"),
        ({"enterprise": OTHER_COMPANY}, "other_enterprise"),
        ({"name": ""}, "wrong_length"),
        ({"delegate": ("111", "310105189901010007")}, "wrong_check_character"),
        ({"delegate": ("001", COMPANY)}, "delegate_missing"),
        ({"public": b"\x02" * 33}, "not_a_key"),
        ({"days": 0}, "wrong_period"),
        ({"matters": ()}, "too_many"),
    ],
)
def test_a_delegation_that_reaches_further_than_its_parent_is_not_recorded(
    sqlite_house: House, changes: dict[str, Any], reason: str
) -> None:
    house, firm = sqlite_house, Firm(sqlite_house)
    with house.work() as work:
        catalogue.register_matter(
            work, OTHER_MATTER, "另一事项", CARE, "办理另一事项", (Slot("CL01", "证明", (FOOD,)),)
        )
    parent = firm.grant(Role.MANAGER, matters=(MATTER,), types=(FOOD,))
    if "days" in changes:
        changes = {"valid_to_at": house.clock.at + timedelta(days=changes["days"])}
    if "same" in changes:
        changes = {"public": firm.devices[Role.MANAGER].public.raw}
    Firm(house, OTHER_COMPANY)
    before = len(house.see(delegations.of_enterprise, COMPANY))
    with pytest.raises(InvalidDraftError) as refused:
        firm.grant(changes.pop("role", Role.HANDLER), parent, **changes)
    assert reason in reasons(refused)
    assert len(house.see(delegations.of_enterprise, COMPANY)) == before


def test_a_scope_that_no_code_could_hold_is_not_recorded(sqlite_house: House) -> None:
    firm = Firm(sqlite_house)
    with sqlite_house.work() as work:
        for number in range(16):
            slots = (Slot("CL01", "证明", (FOOD,)),)
            catalogue.register_matter(work, f"CN-LONG-MATTER-CODE-{number:04d}", "事项", CARE, "办理事项", slots)
    matters = tuple(f"CN-LONG-MATTER-CODE-{number:04d}" for number in range(16))
    with pytest.raises(InvalidDraftError) as refused:
        firm.grant(Role.MANAGER, matters=matters)
    assert reasons(refused) == {"too_long_for_a_code"}


def test_without_the_parents_signature_nothing_can_be_shown(sqlite_house: House) -> None:
    house, firm = sqlite_house, Firm(sqlite_house)
    manager = firm.grant(Role.MANAGER)
    row = house.do(delegations.grant, firm.draft(Role.HANDLER, manager.id), KEY)
    with pytest.raises(TransitionError):
        house.see(delegations.chain_of, row.id)
    with pytest.raises(InvalidDraftError) as refused:
        house.do(delegations.complete, row.id, SoftwareKey.generate().sign(b"something else"))
    assert reasons(refused) == {"link_not_by_delegator"}
    asked = house.see(lambda work: delegations.to_be_signed(work, delegations.get(work, row.id)))
    signature = firm.devices[Role.MANAGER].sign(asked)
    house.do(delegations.complete, row.id, signature)
    house.do(delegations.complete, row.id, signature)
    assert len(house.see(delegations.chain_of, row.id).links) == 2


def test_nobody_delegates_under_a_revoked_parent_or_without_an_enterprise_code(sqlite_house: House) -> None:
    house, firm = sqlite_house, Firm(sqlite_house)
    manager = firm.grant(Role.MANAGER)
    house.do(delegations.revoke, manager.id, "示例")
    with pytest.raises(TransitionError):
        firm.grant(Role.HANDLER, manager)
    with pytest.raises(InvalidDraftError) as refused:
        house.do(delegations.grant, firm.draft(Role.MANAGER, enterprise=OTHER_COMPANY), KEY)
    assert reasons(refused) == {"no_enterprise_code"}


def test_nothing_tells_the_delegates_name_or_number(sqlite_house: House) -> None:
    row = Firm(sqlite_house).grant(Role.MANAGER)
    assert row.name == "张*丰"
    assert "三".encode() not in row.payload


def test_an_auditor_finds_a_delegation_without_entry_and_one_revived_in_the_list(sqlite_house: House) -> None:
    firm = Firm(sqlite_house)
    handler = firm.handler()
    sqlite_house.do(delegations.revoke, handler.id, "示例")

    def found() -> list[str]:
        findings = Findings(all_of_them=True)
        with sqlite_house.engine.connect() as connection:
            lives.check(connection, findings)
        return [one.code for one in findings.divergences]

    assert found() == []
    with sqlite_house.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM status_values")
    assert found() == ["status_not_latest"]
    with sqlite_house.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE delegations SET signature = NULL, signed_at = NULL WHERE role = 2")
    assert found() == ["status_not_latest", "status_not_latest"]
