"""What a clerk of another department may not do, beside what the clerk of the right one may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from registry_house import (
    BUSINESS,
    CARE,
    COMPANY,
    ELDER,
    FOOD,
    MARKET,
    MATTER,
    OTHER_COMPANY,
    PURPOSE,
    SENIOR,
    House,
    actor,
    food,
    senior,
)  # fmt: skip

from registry.authorisations import service as authorisations
from registry.authorisations.rules import AuthorisationDraft
from registry.certificates import masking
from registry.certificates import service as certificates
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.codes.tables import Code
from registry.departments import service as departments
from registry.departments import standing
from registry.errors import InvalidDraftError, NotPermittedError
from registry.venues import service as venues
from registry.work import REGISTRY, Actor
from verifier.code import CodeKind
from verifier.status import Status
from verifier.suites import SoftwareKey

pytest_plugins = ("registry_fixtures",)

KEY = SoftwareKey.generate()
NAME = "上海随证餐饮有限公司"
RULE = {
    "hours": [{"days": [1], "from": "08:00", "to": "21:00"}], "admit": {"types": [SENIOR], "pass": True},
    "anti_passback_seconds": 60,
}  # fmt: skip


@pytest.fixture
def town(house: House) -> House:
    """A house with a department more, which may do nothing with any type."""
    house.do(departments.register, OTHER_COMPANY, "示例其他部门", "其他部门", "unit", who=REGISTRY)
    return house


def disclose(house: House, certificate_id: str, who: Actor, purpose: str = "核对办件") -> dict[str, Any]:
    with house.registry.begin(who) as work:
        return masking.disclose(work, certificates.get(work, certificate_id), purpose)


def enterprise(house: House, who: Actor, name: str = NAME, subject: str = COMPANY) -> Code:
    request = CodeRequest(CodeKind.ENTERPRISE, subject=subject, name=name)
    code: Code = house.do(codes.issue, request, KEY, who=who)
    return code


# Whole faces.


def test_a_whole_face_is_for_the_issuer_for_who_may_use_the_type_and_for_auditors(town: House) -> None:
    made = town.certificate(senior())
    for who in (actor(MARKET, "window"), actor(CARE, "window"), actor(CARE, "registrar"), actor(None, "auditor")):
        assert disclose(town, made.id, who)["holders"][0]["holder_code"] == ELDER
    for who in (actor(OTHER_COMPANY, "window"), actor(OTHER_COMPANY, "registrar"), actor(None, "window")):
        with pytest.raises(NotPermittedError, match="type_not_used_here"):
            disclose(town, made.id, who)
    town.do(departments.grant_scope, OTHER_COMPANY, BUSINESS, "use", who=REGISTRY)
    with pytest.raises(NotPermittedError, match="type_not_used_here"):
        disclose(town, made.id, actor(OTHER_COMPANY, "window"))
    town.do(departments.grant_scope, OTHER_COMPANY, SENIOR, "use", who=REGISTRY)
    assert disclose(town, made.id, actor(OTHER_COMPANY, "window"))
    town.do(standing.suspend, OTHER_COMPANY, "示例：停用整顿", who=REGISTRY)
    with pytest.raises(NotPermittedError, match="type_not_used_here"):
        disclose(town, made.id, actor(OTHER_COMPANY, "window"))


# Codes.


def test_codes_of_people_and_enterprises_are_issued_at_desks(town: House) -> None:
    venue = town.do(venues.register, "示例图书馆", "示例路 1 号", "310105", COMPANY, RULE)
    person = CodeRequest(CodeKind.PERSON, holder=("111", ELDER), types=(SENIOR,))
    town.certificate(senior())
    with pytest.raises(NotPermittedError, match="desk_needed"):
        town.do(codes.issue, person, KEY, who=actor(MARKET, "venue"))
    with pytest.raises(NotPermittedError, match="desk_needed"):
        enterprise(town, actor(MARKET, "venue"))
    assert town.do(codes.issue, person, KEY, who=actor(CARE, "window"))
    assert town.do(codes.issue, CodeRequest(CodeKind.VENUE, subject=venue.id), KEY, who=actor(MARKET, "venue"))


def test_an_enterprises_code_bears_the_name_that_is_registered(town: House) -> None:
    # Nothing is known of it yet; then there is a licence.
    assert enterprise(town, actor(CARE, "window"), "任意名称", OTHER_COMPANY)
    made = town.certificate(food())
    with pytest.raises(InvalidDraftError) as refused:
        enterprise(town, actor(MARKET, "window"), "上海别家餐饮有限公司")
    assert [error.reason for error in refused.value.errors] == ["not_the_registered_name"]
    assert enterprise(town, actor(MARKET, "window"), f" {NAME} ").name == NAME
    town.do(certificates.change_status, made.id, "revoke", "示例：撤销", document="示例〔2026〕1号")
    assert enterprise(town, actor(MARKET, "window"), "上海别家餐饮有限公司")


def test_nobody_elses_window_ends_an_enterprises_code(town: House) -> None:
    first = enterprise(town, actor(MARKET, "window"))
    with pytest.raises(NotPermittedError, match="issued_elsewhere"):
        enterprise(town, actor(CARE, "window"))
    assert town.see(codes.get, first.id).status == Status.VALID
    # Its own department goes on, the one that runs the registry may step in, and after a loss anybody may.
    second = enterprise(town, actor(MARKET, "registrar"))
    with town.registry.read(REGISTRY) as work:
        operator = departments.operator(work).code
    third = enterprise(town, actor(operator, "window"))
    assert town.see(codes.get, second.id).replaced_by == third.id
    town.do(codes.report_loss, third.id, who=actor(operator, "window"))
    assert enterprise(town, actor(CARE, "window")).generation == 4


def test_a_suspended_department_issues_no_codes(town: House) -> None:
    code = enterprise(town, actor(MARKET, "window"))
    town.do(standing.suspend, MARKET, "示例：停用整顿", who=REGISTRY)
    for act in (
        lambda: enterprise(town, actor(MARKET, "window")),
        lambda: town.do(codes.reissue, code.id, KEY, who=actor(MARKET, "window")),
    ):
        with pytest.raises(NotPermittedError, match="department_suspended"):
            act()
    town.do(standing.reinstate, MARKET, "示例：恢复", who=REGISTRY)
    assert town.do(codes.reissue, code.id, KEY, who=actor(MARKET, "window")).generation == 2


# Authorisations.


def test_only_whom_an_authorisation_is_about_hangs_another_one_on_it(town: House) -> None:
    town.certificate(food())
    subject = ("001", COMPANY)
    parent = town.grant(subject=subject)
    given = {"route": "delegation", "subject": subject, "parent_id": parent, "valid_from_at": town.clock.at}
    draft = AuthorisationDraft(
        grantee=OTHER_COMPANY, matter_code=MATTER, purpose=PURPOSE, type_code=FOOD,
        valid_to_at=town.clock.at + timedelta(days=1), **given,
    )  # fmt: skip
    with pytest.raises(NotPermittedError, match="not_the_parents_department"):
        town.do(authorisations.grant, draft, who=actor(OTHER_COMPANY, "window"))
    for department in (CARE, MARKET):
        assert town.do(authorisations.grant, draft, who=actor(department, "window"))
