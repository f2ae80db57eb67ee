"""Keys: their history with counts and warnings, and rotation. For administrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.http.keys import MAX_LEAD_HOURS, KeyShown, history
from api.pages import wording
from api.pages.forms import Form, get_form, whole_number
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.proposals import wish
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import Option, ProblemView, Tone
from registry.accounts import control
from registry.errors import FieldError, InvalidDraftError
from registry.keys import rules
from registry.keys.rules import OWN_VAULT

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_TONES: Final[dict[str, Tone]] = {
    "fresh": "valid", "waiting": "waiting", "due_soon": "dormant", "overdue": "invalid", "past": "dormant",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A key of the list."""

    kid: str
    purpose: str
    suite: str
    vault: str
    valid_from: datetime
    valid_to: datetime | None
    uses: int
    tone: Tone
    state: str


@dataclass(frozen=True, slots=True)
class KeysPage:
    """Every key, and the form of a rotation, with what it sent. warnings: purposes whose key should be replaced."""

    lines: Sequence[KeyLine]
    warnings: Sequence[str]
    purposes: Sequence[Option]
    leads: Sequence[Option]
    dual: bool
    sent: Mapping[str, str]
    errors: Mapping[str, str]
    problem: ProblemView | None = None


@router.get("/keys")
def list_keys(request: Request, call: OfCall) -> Response:
    """密钥：历史、使用次数、更换提醒。"""
    return show(request, "keys.html", _page(call, texts_for(request)))


@router.post("/keys/rotate")
def rotate(request: Request, call: OfCall, form: OfForm) -> Response:
    """更换一个用途的密钥。"""
    t = texts_for(request)
    try:
        lead = whole_number(form.text("lead"))
        if lead is None or lead > MAX_LEAD_HOURS:
            raise InvalidDraftError([FieldError("lead", "out_of_range", "提前公布的时间有误。")])
        given = {"purpose": form.text("purpose"), "lead_hours": lead, "suite": None}
        made = wish(call, "key.rotate", given, form.text("reason"))
    except SHOWN_ERRORS as refused:
        sent = {name: form.text(name) for name in ("purpose", "lead", "reason")}
        view = _page(call, t, sent, field_errors(refused, t), problem_view(refused, t))
        return show(request, "keys.html", view, status=status_of(refused))
    return go("/keys", done="key") if made is not None else go("/proposals", done="proposed")


def _page(
    call: Call,
    t: Texts,
    sent: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    problem: ProblemView | None = None,
) -> KeysPage:
    shown = history(call.services.keys, call.services.clock())
    names = call.read(wording.department_names)
    open_purposes = list(dict.fromkeys(key.purpose for key in shown if key.valid_to is None and key.vault != OWN_VAULT))
    due = [key for key in shown if key.due in ("due_soon", "overdue")]
    return KeysPage(
        lines=[_line(key, names, t) for key in shown],
        warnings=[f"{_purpose(key.purpose, names, t)}{t('list.colon')}{t(f'keys.due.{key.due}')}" for key in due],
        purposes=[(purpose, _purpose(purpose, names, t)) for purpose in open_purposes],
        leads=[("24", t("keys.lead.day")), ("168", t("keys.lead.week")), ("0", t("keys.lead.now"))],
        sent=sent or {},
        errors=errors or {},
        problem=problem,
        dual=call.read(lambda work: control.binding_since(work) is not None),
    )


def _line(key: KeyShown, names: dict[str, str], t: Texts) -> KeyLine:
    return KeyLine(
        kid=key.kid, purpose=_purpose(key.purpose, names, t), suite=wording.suite_name(key.suite),
        vault=t(f"keys.vault.{key.vault}"), valid_from=key.valid_from, valid_to=key.valid_to, uses=key.uses,
        tone=_TONES[key.due], state=t(f"keys.due.{key.due}"),
    )  # fmt: skip


def _purpose(purpose: str, names: dict[str, str], t: Texts) -> str:
    department = rules.department_of(purpose)
    if department is not None:
        return t("keys.of_department", name=names.get(department, department))
    return t.find(f"keys.purpose.{purpose}") or purpose
