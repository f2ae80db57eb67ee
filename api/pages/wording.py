"""The registry's codes in the reader's words: states, operations, roles, kinds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import select

from api.pages.texts import Texts
from api.pages.views import Option, Tone
from registry.accounts.rules import ROLES, TOKEN_ROLES
from registry.accounts.tables import ApiToken, Staff
from registry.authorisations.rules import ROUTES
from registry.catalogue import field_rows
from registry.catalogue import service as catalogue
from registry.departments.tables import Department
from registry.statuses.rules import Operation
from registry.work import Work
from verifier.code import KIND_CHINESE, CodeKind
from verifier.identifiers import HOLDER_CODE_TYPES, is_organisation
from verifier.status import CHINESE, Status

#: The number types that windows meet every day come first.
_COMMON_FIRST: Final = ("111", "001")
_GROUP: Final = 4


def status_name(value: int, t: Texts) -> str:
    """The name of a state."""
    status = Status(value)
    return t.said(f"state.{status.name.lower()}", CHINESE[status])


def tone_of(value: int) -> Tone:
    """How a state looks: like the verdict that it leads to."""
    return "valid" if value == Status.VALID else "dormant"


def status_options(t: Texts) -> list[Option]:
    """Every state, to filter by."""
    return [(str(int(status)), status_name(status, t)) for status in Status]


def operation_name(label: str, t: Texts) -> str:
    """The name of an operation on an item."""
    return t.said(f"operation.{label}", Operation.of(label).chinese)


def suite_name(name: str) -> str:
    """A signature suite as its specification spells it."""
    return "Ed25519" if name == "ED25519" else name


def role_options(t: Texts) -> list[Option]:
    """Every role that people may have, to give."""
    return [(role, role_name(role, t)) for role in ROLES if role not in TOKEN_ROLES]


def token_role_options(t: Texts) -> list[Option]:
    """Every role that a token may have."""
    return [(role, role_name(role, t)) for role in ROLES]


def role_name(role: str, t: Texts) -> str:
    """The name of a role."""
    return t.said(f"role.{role}", ROLES.get(role, role))


def route_name(route: str, t: Texts) -> str:
    """The name of a route of authorisation."""
    return t.said(f"route.{route}", ROUTES.get(route, route))


def kind_name(kind: CodeKind, t: Texts) -> str:
    """The name of a kind of code."""
    return t.said(f"codes.{kind.name.lower()}", KIND_CHINESE[kind])


def code_type_options(t: Texts, wanted: Iterable[str] | None = None, *, people_only: bool = False) -> list[Option]:
    """Kinds of holder numbers, the common ones first."""
    codes = sorted(wanted if wanted is not None else HOLDER_CODE_TYPES)
    chosen = [code for code in codes if not (people_only and is_organisation(code))]
    chosen.sort(key=lambda code: _COMMON_FIRST.index(code) if code in _COMMON_FIRST else len(_COMMON_FIRST))
    return [(code, t.said(f"code_type.{code}", HOLDER_CODE_TYPES[code])) for code in chosen]


def field_kind_name(kind: str, t: Texts) -> str:
    """The name of a kind of field."""
    return t.said(f"types.field.{kind}", field_rows.KINDS[kind])


def mask_name(mask: str, t: Texts) -> str:
    """How a field is masked, in words."""
    return t.said(f"types.mask.{mask or 'none'}", field_rows.MASKS.get(mask, mask))


def shown_to_name(choice: str, t: Texts) -> str:
    """Who may be shown a field whole, in words."""
    return t(f"types.shown_to.{choice}")


def receivers_name(choice: str, t: Texts) -> str:
    """To which departments a field may go in extracts, in words."""
    return t(f"types.receivers.{choice or 'kept'}")


def type_options(work: Work) -> list[Option]:
    """Every certificate type."""
    return [(row.code, row.name) for row in catalogue.list_types(work, "certificate")]


def in_groups(digest: str) -> str:
    """A digest in hexadecimal as people read it aloud: four digits at a time."""
    return " ".join(digest[at : at + _GROUP] for at in range(0, len(digest), _GROUP))


def actor_name(work: Work, actor: str, t: Texts) -> str:
    """Who did something, as colleagues call them; the id of an actor that is neither staff nor a token."""
    kind, _, key = actor.partition(":")
    if kind == "staff":
        staff = work.session.get(Staff, key)
        return staff.name if staff else actor
    token = work.session.get(ApiToken, key) if kind == "token" else None
    return t("proposal.token", name=token.name) if token else actor


def file_size(count: int) -> str:
    """So many bytes, as KB or MB."""
    return f"{max(1, round(count / 1024))} KB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MB"


def department_names(work: Work) -> dict[str, str]:
    """The names of all departments by code."""
    rows = work.session.execute(select(Department.code, Department.name)).tuples()
    return dict(iter(rows))
