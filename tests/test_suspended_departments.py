"""What a department opened before it was suspended opens nothing while it is, and opens again afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from registry_house import CARE, ELDER, MARKET, House, actor, request, senior
from test_codes_printed import GROWN, claim
from test_registry_delegations import KEY, Firm
from test_registry_devices import enrol, ticket

from registry.authorisations import service as authorisations
from registry.delegations import service as delegations
from registry.departments import standing
from registry.errors import NotPermittedError, ReuseRefusedError, TransitionError
from registry.relatives import service as relatives
from registry.uses import service as uses
from registry.work import REGISTRY
from verifier.delegation import Role

pytest_plugins = ("registry_fixtures",)


def suspended(house: House, department: str, act: Callable[[], Any], error: type[Exception], reason: str) -> Any:
    """What the act gives once the department is reinstated; while it is suspended it is refused for this reason."""
    house.do(standing.suspend, department, "示例：停用整顿", who=REGISTRY)
    with pytest.raises(error, match=reason):
        act()
    house.do(standing.reinstate, department, "示例：恢复", who=REGISTRY)
    return act()


def test_a_phones_ticket(house: House) -> None:
    house.certificate(senior())
    made = ticket(house)
    device, _ = suspended(house, CARE, lambda: enrol(house, made), NotPermittedError, "department_suspended")
    assert device.department == CARE
    suspended(house, CARE, lambda: ticket(house), NotPermittedError, "department_suspended")


def test_a_relatives_binding_also_at_another_departments_window(house: House) -> None:
    relation = house.do(relatives.bind, ("111", ELDER), ("111", GROWN), "child", "户口簿 示例 1 号", who=actor(CARE))
    code = suspended(house, CARE, lambda: claim(house, relative=GROWN), NotPermittedError, "department_suspended")
    assert code.claimed_by == relation.id and code.department == MARKET


def test_an_authorisation_that_it_granted_to_another_department_and_what_hangs_below(house: House) -> None:
    item = house.certificate().id
    parent = house.grant(item)
    row = house.see(authorisations.get, parent)
    below = house.grant(
        item, route="delegation", parent_id=parent, subject=("001", "91310105MA1FWT014B"),
        valid_from_at=row.valid_from_at, valid_to_at=row.valid_to_at,
    )  # fmt: skip
    for grant in (parent, below):
        use = suspended(
            house, MARKET, lambda grant=grant: house.do(uses.reuse, request(item, grant), who=actor(CARE)),
            ReuseRefusedError, "authorisation_suspended",
        )  # fmt: skip
        assert use.authorisation_id == grant


def test_a_delegation_at_a_window_on_the_phone_and_above_another(house: House) -> None:
    firm, licence = Firm(house), house.certificate().id
    manager = firm.grant(Role.MANAGER)
    handler = firm.grant(Role.HANDLER, manager)
    shown = firm.show(handler)
    use = suspended(house, MARKET, lambda: firm.use(licence, shown), ReuseRefusedError, "delegation_suspended")
    assert house.see(authorisations.get, use.authorisation_id).delegation_id == handler.id
    for act in (
        lambda: house.see(delegations.chain_of, handler.id),
        lambda: house.do(delegations.grant, firm.draft(Role.HANDLER, manager.id), KEY, who=actor(CARE)),
    ):
        suspended(house, MARKET, act, TransitionError, "department_suspended")
    waiting = house.do(delegations.grant, firm.draft(Role.HANDLER, manager.id), KEY)
    signature = firm.devices[Role.MANAGER].sign(house.see(delegations.to_be_signed, waiting))
    signed = suspended(
        house, MARKET, lambda: house.do(delegations.complete, waiting.id, signature), TransitionError,
        "department_suspended",
    )  # fmt: skip
    assert signed.signature == signature
