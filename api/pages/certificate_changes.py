"""One page for each legal operation on a certificate: what it means, what follows, and whether it can be taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import times, wording
from api.pages.certificate_page import operations_of
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import ProblemView
from registry.certificates import masking
from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.errors import FieldError, InvalidDraftError, NotFoundError, NotPermittedError, TransitionError
from registry.statuses.rules import REACHING_BACK, TRANSITIONS, UNDOING, WITH_SUCCESSOR, Operation, way_back
from registry.uses import service as uses
from registry.work import Work
from verifier.status import Status

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_INPUTS: Final = ("reason", "document", "authority", "effective_at")


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One operation on one certificate; `follows` is what will happen, in the order of importance.

    `form_href` leads to the registration of the successor, where the operation is done by that.
    """

    id: str
    type_name: str
    number: str
    holders: Sequence[str]
    status: str
    tone: str
    operation: str
    name: str
    meaning: str
    is_way_back: bool
    follows: Sequence[str]
    document_hint: str
    effective_hint: str
    most: str
    form_href: str | None
    values: Mapping[str, str]
    errors: Mapping[str, str]
    problem: ProblemView | None = None


@router.get("/certificates/{certificate_id}/changes/{operation}")
def change_form(request: Request, certificate_id: str, operation: str, call: OfCall) -> Response:
    """办理一项状态变更：含义、后果、能否恢复，以及须填写的内容。"""
    return show(request, "change.html", call.read(lambda work: _page(work, certificate_id, operation, request)))


@router.post("/certificates/{certificate_id}/changes/{operation}")
def change(request: Request, certificate_id: str, operation: str, call: OfCall, form: OfForm) -> Response:
    """记录决定：暂扣、发还、撤销、注销、吊销等。"""
    try:
        effective_at = _moment(form.text("effective_at"), call.services.clock())
        call.write(
            lambda work: certificates.change_status(
                work, certificate_id, operation, form.text("reason"), form.text("authority") or None, effective_at,
                form.text("document") or None,
            )
        )  # fmt: skip
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError):
            raise
        return _refused(request, call, certificate_id, operation, form, refused)
    return go(f"/certificates/{certificate_id}", done="changed")


def _refused(
    request: Request, call: Call, certificate_id: str, operation: str, form: Form, refused: Exception
) -> Response:
    problem, errors = problem_view(refused, texts_for(request)), field_errors(refused, texts_for(request))

    def ask(work: Work) -> ChangePage:
        return _page(work, certificate_id, operation, request, form, errors, problem)

    return show(request, "change.html", call.read(ask), status=status_of(refused))


def _page(
    work: Work,
    certificate_id: str,
    label: str,
    request: Request,
    form: Form | None = None,
    errors: Mapping[str, str] | None = None,
    problem: ProblemView | None = None,
) -> ChangePage:
    """The page of an operation that this actor may do now. Raises NotFoundError, NotPermittedError, TransitionError."""
    t, row, operation = texts_for(request), certificates.get(work, certificate_id), Operation.of(label)
    if operation not in operations_of(work, row):
        raise _not_offered(work, row, operation)
    face = masking.masked(work, row, work.actor)
    sent = {name: form.text(name) for name in _INPUTS} if form else {"authority": row.department}
    now = work.at.astimezone(times.SHANGHAI)
    return ChangePage(
        id=row.id,
        type_name=str(face["certificate_name"]),
        number=str(face["certificate_number"]),
        holders=[str(holder["holder_name"]) for holder in face["holders"]],
        status=wording.status_name(row.status, t),
        tone=wording.tone_of(row.status),
        operation=label,
        name=wording.operation_name(label, t),
        meaning=t(f"meaning.{label}"),
        is_way_back=operation in UNDOING,
        follows=_follows(work, row, operation, t),
        document_hint=t("change.document_hint"),
        effective_hint=t("change.effective_back") if operation in REACHING_BACK else t("change.effective_hint"),
        most=f"{now:%Y-%m-%dT%H:%M}",
        form_href=_successor_form(row, operation) if operation in WITH_SUCCESSOR else None,
        values=sent,
        errors=errors or {},
        problem=problem,
    )


def _not_offered(work: Work, row: Certificate, operation: Operation) -> Exception:
    if not work.actor.has_role("registrar") or work.actor.department != row.department:
        return NotPermittedError("not_the_issuer", "只有颁发机构可以变更该证照的状态。")
    state = wording.status_name(row.status, Texts("zh"))
    message = f"当前状态为“{state}”，或该类型没有这一事项，不能办理“{operation.chinese}”。"
    return TransitionError(Status(row.status).name.lower(), operation.label, message)


def _successor_form(row: Certificate, operation: Operation) -> str:
    return f"/register/single?{urlencode({'type': row.type_code, 'replaces': row.id, 'by': operation.label})}"


def _follows(work: Work, row: Certificate, operation: Operation, t: Texts) -> list[str]:
    after = TRANSITIONS[operation][Status(row.status)]
    states = {"before": wording.status_name(row.status, t), "after": wording.status_name(after, t)}
    relying = len({use.department for use in uses.relying_on(work, "certificate", row.id)})
    back = way_back(operation)
    lines = [
        t("follows.valid", **states) if after == Status.VALID else t("follows.not_valid", **states),
        t("follows.told", count=relying) if relying else t("follows.nobody"),
        t("follows.lasting"),
    ]
    if operation in UNDOING:
        return lines
    if back is None:
        return [*lines, t("follows.no_way_back")]
    return [*lines, t("follows.way_back", name=wording.operation_name(back.label, t))]


def _moment(text: str, now: datetime) -> datetime | None:
    """A minute in Shanghai; the present one is now, since nothing takes effect before it was decided."""
    if not text:
        return None
    try:
        at = times.of_shanghai(datetime.fromisoformat(text))
    except ValueError as wrong:
        message = "生效时间不是存在的时间，形如 2026-01-31T09:30。"
        raise InvalidDraftError([FieldError("effective_at", "date_does_not_exist", message)]) from wrong
    return None if at == now.astimezone(times.SHANGHAI).replace(second=0, microsecond=0) else at
