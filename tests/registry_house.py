"""A district registry on a real database: departments, scopes, built-in types, and drafts of impossible people."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from registry.accounts.rules import ROLES
from registry.authorisations.rules import AuthorisationDraft
from registry.blind import BlindIndex
from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot
from registry.certificates import service as certificates
from registry.certificates.holders import HolderDraft
from registry.certificates.outcomes import Registered
from registry.certificates.rules import CertificateDraft
from registry.departments import service as departments
from registry.errors import ReuseRefusedError
from registry.log.service import open_log
from registry.log.tables import LogEntry
from registry.materials.rules import MaterialDraft
from registry.uses import service as uses
from registry.uses.rules import ReuseRequest
from registry.uses.tables import Use
from registry.work import REGISTRY, Actor, Registry, Work
from verifier.entry import Entry, Kind

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
MARKET = "12310105MB9T00038A"
CARE = "52310105MJ9T00029N"
COMPANY = "91310105MA1FWT014B"
OTHER_COMPANY = "91310105MA1FWT0226"
ELDER, OTHER_ELDER = "310105189901010006", "31010518991231999X"
BUSINESS, FOOD = "11100000MB0341032Y001", "11100000MB0341032Y002"
DISABILITY, SENIOR, OPERATION = "11310105MB9T00011M003", "11310105MB9T00011M004", "11100000000013338W032"
PROOF, CASE_MATERIAL = "11310105MB9T00011M901", "11310105MB9T00011M902"
PURPOSE = "办理食品经营许可"
MATTER = "CN-0001"


class Clock:
    """Noon, and a millisecond later at every look."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at

    def pass_by(self, **time: float) -> None:
        self.at += timedelta(**time)


def actor(department: str | None = MARKET, *roles: str) -> Actor:
    return Actor(f"token:{department}", "system", department, frozenset(roles or ROLES))


class House:
    """The registry, its clock, and short ways to do the usual things."""

    def __init__(self, engine: Engine) -> None:
        self.clock = Clock()
        self.engine = engine
        self.registry = Registry(engine, BlindIndex(b"k" * 32), self.clock, os.urandom)

    def work(self, who: Actor = REGISTRY) -> AbstractContextManager[Work]:
        return self.registry.begin(who)

    def do(self, use_case: Callable[..., Any], *args: Any, who: Actor | None = None, **named: Any) -> Any:
        """One use case in a unit of work of its own, by the market department if nobody else is named."""
        with self.registry.begin(who or actor()) as work:
            return use_case(work, *args, **named)

    def see(self, use_case: Callable[..., Any], *args: Any, **named: Any) -> Any:
        with self.registry.read(REGISTRY) as work:
            return use_case(work, *args, **named)

    def furnish(self) -> House:
        """Install types, departments, scopes and a matter."""
        with self.work() as work:
            catalogue.install_builtin(work)
            departments.register(work, MARKET, "上海市长宁区市场监督管理局", "区市场监管局")
            departments.register(work, CARE, "上海市长宁区示例养老服务中心", "养老服务中心", "unit")
            for kind in catalogue.list_types(work):
                departments.grant_scope(work, MARKET, kind.code, "issue")
                departments.grant_scope(work, CARE, kind.code, "use")
            accepts = (BUSINESS, FOOD, SENIOR, PROOF)
            catalogue.register_matter(
                work, MATTER, "食品经营许可", CARE, PURPOSE, (Slot("CL01", "主体资格证明", accepts),)
            )
        open_log(self.engine, os.urandom)
        return self

    def certificate(self, draft: CertificateDraft | None = None) -> Registered:
        registered: Registered = self.do(certificates.register, draft or food())
        return registered

    def grant(self, item_id: str | None = None, **changes: Any) -> str:
        """The id of an authorisation for CARE to use a food licence, or one item."""
        from registry.authorisations import service as authorisations

        facts: dict[str, Any] = {
            "route": "function", "grantee": CARE, "matter_code": MATTER, "purpose": PURPOSE,
            "valid_from_at": self.clock.at - timedelta(days=1), "valid_to_at": self.clock.at + timedelta(days=30),
            "item_kind": "certificate" if item_id else None, "item_id": item_id, "type_code": None if item_id else FOOD,
        }  # fmt: skip
        row = self.do(authorisations.grant, AuthorisationDraft(**{**facts, **changes}))
        return str(row.id)

    def entries(self, kind: Kind = Kind.CERTIFICATE) -> list[Entry]:
        """What was given to the log, in order."""
        with self.registry.read(actor()) as work:
            rows = work.session.scalars(select(LogEntry).where(LogEntry.kind == int(kind)).order_by(LogEntry.id))
            return [Entry.from_bytes(row.payload or b"") for row in rows]

    def use(self, wanted: ReuseRequest, department: str | None = CARE) -> Use:
        """An accepted use by that department."""
        use: Use = self.do(uses.reuse, wanted, who=actor(department))
        return use

    def refused(self, wanted: ReuseRequest, department: str = CARE) -> ReuseRefusedError:
        """Why that department may not use it."""
        with pytest.raises(ReuseRefusedError) as refused:
            self.use(wanted, department)
        return refused.value


def food(number: int = 1, /, **changes: Any) -> CertificateDraft:
    """A food licence that is in order."""
    facts: dict[str, Any] = {
        "type_code": FOOD,
        "number": f"JY2{number:013d}",
        "holders": (HolderDraft("上海随证餐饮有限公司", COMPANY, "001"),),
        "issue_date": "20260101",
        "valid_from": "20260101",
        "valid_to": "20301231",
        "extend_info": {
            "legal_representative": "随证",
            "premises": "上海市长宁区示例路 1 号一层",
            "main_category": "餐饮服务经营者",
            "items": ["热食类食品制售", "自制饮品制售"],
        },
    }
    return CertificateDraft(**{**facts, **changes})


def senior(number: int = 1, code: str = ELDER, /, **changes: Any) -> CertificateDraft:
    """A senior card of somebody born in 1899."""
    facts: dict[str, Any] = {
        "type_code": SENIOR,
        "number": f"31010520260{number:05d}",
        "holders": (HolderDraft("随甲", code, "111"),),
        "issue_date": "20260101",
        "valid_from": "20260101",
        "valid_to": "长期",
        "extend_info": {"gender": "男", "born_on": "18990101"},
    }
    return CertificateDraft(**{**facts, **changes})


def disability(**changes: Any) -> CertificateDraft:
    """A disability certificate, whose number begins with its holder's."""
    facts: dict[str, Any] = {
        "type_code": DISABILITY,
        "number": ELDER + "42",
        "holders": (HolderDraft("随甲", ELDER, "111"),),
        "issue_date": "20260101",
        "valid_from": "20260101",
        "valid_to": "20351231",
        "extend_info": {
            "gender": "男",
            "disability_category": "肢体残疾",
            "disability_grade": "二级",
            "guardian": "随证子",
            "guardian_phone": "02100001234",
        },
    }
    return CertificateDraft(**{**facts, **changes})


def proof(**changes: Any) -> MaterialDraft:
    """A proof that may be used once."""
    facts: dict[str, Any] = {
        "type_code": PROOF,
        "title": "居住情况证明",
        "holders": (HolderDraft("随甲", ELDER, "111"),),
        "valid_from": "20261101",
        "valid_to": "20270430",
        "data": {"address": "上海市长宁区示例路 1 号", "issued_for": "示例用途"},
    }
    return MaterialDraft(**{**facts, **changes})


def request(item_id: str, authorisation_id: str, /, **changes: Any) -> ReuseRequest:
    """A use that is in order."""
    facts: dict[str, Any] = {
        "item_kind": "certificate", "item_id": item_id, "matter_code": MATTER, "case_no": "2026-000001",
        "purpose": PURPOSE, "authorisation_id": authorisation_id, "subject_index": None, "operator": "staff:1",
        "device": "window-3",
    }  # fmt: skip
    return ReuseRequest(**{**facts, **changes})
