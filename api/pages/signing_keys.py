"""A department's own keys (部门自行签署): register with a proof, end, or let the key service sign again."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.http.own_keys import check_own, kid_in, signature_in
from api.pages import times, wording
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.proposals import own_waiting, wish
from api.pages.rendering import go, show, texts_for
from api.pages.signing_key_views import AskedKey, OwnKeyLine, SigningKeysPage
from api.pages.texts import Texts
from api.pages.views import Tone
from registry.departments import service as departments
from registry.errors import FieldError, InvalidDraftError, NotFoundError
from registry.keys import own
from registry.keys.rules import OWN_VAULT
from registry.keys.tables import KeyRow
from registry.proposals import service as proposals
from registry.proposals.rules import check_reason
from registry.signing import service as signing
from registry.work import Work
from verifier.suites import Suite, public_key

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_SENT: Final = ("suite", "public", "valid_from", "valid_to", "reason", "compromised_at", "signature")


@router.get("/signing-keys")
def show_keys(request: Request, call: OfCall, department: str = "") -> Response:
    """部门自行签署：谁在签、用哪把密钥。"""
    code = _department(call, department)
    check_own(call, code)
    return show(request, "signing_keys.html", _page(call, texts_for(request), code))


@router.post("/signing-keys/challenge")
def ask_for_proof(request: Request, call: OfCall, form: OfForm) -> Response:
    """申请登记密钥，得到待签字节。"""

    def act(code: str, t: Texts) -> Response:
        begins, ends = _moment(form, "valid_from"), _moment(form, "valid_to")
        asked = call.write(
            lambda work: own.ask_for_proof(work, code, form.text("suite"), form.text("public").lower(), begins, ends)
        )
        return show(request, "signing_keys.html", _page(call, t, code, asked=_asked(asked)))

    return _try(request, call, form, "challenge", act)


@router.post("/signing-keys/proof")
def prove(request: Request, call: OfCall, form: OfForm) -> Response:
    """核对持有证明；部门提出的待管理员批准。"""
    challenge_id, reason = form.text("challenge_id"), form.text("reason")

    def act(code: str, _: Texts) -> Response:
        call.write(lambda work: own.prove(work, code, challenge_id, signature_in(form.text("signature"))))
        made = wish(call, "key.own", {"department": code, "challenge_id": challenge_id}, reason)
        return _went(code, "key_held" if made is not None else "proposed")

    return _try(request, call, form, "proof", act)


@router.post("/signing-keys/end")
def end_key(request: Request, call: OfCall, form: OfForm) -> Response:
    """作废密钥；说明何时起泄露的，待他人批准。"""
    kid, reason = form.text("kid"), form.text("reason")

    def act(code: str, _: Texts) -> Response:
        if form.text("agreed") != "yes":
            raise InvalidDraftError([FieldError("agreed", "not_agreed", "请先勾选确认。")])
        compromised_at = _moment(form, "compromised_at")
        if compromised_at is None:
            call.write(lambda work: own.end(work, code, kid_in(kid), reason))
            return _went(code, "key_ended")
        given = {"department": code, "kid": kid, "compromised_at": compromised_at.isoformat()}
        made = wish(call, "key.compromised", given, reason)
        return _went(code, "key_ended" if made is not None else "proposed")

    return _try(request, call, form, f"end-{kid}", act)


@router.post("/signing-keys/service")
def return_to_service(request: Request, call: OfCall, form: OfForm) -> Response:
    """改由密钥服务签署。"""

    def act(code: str, _: Texts) -> Response:
        reason = check_reason(form.text("reason"), required=True)
        made = wish(call, "key.service", {"department": code}, reason)
        return _went(code, "key_served" if made is not None else "proposed")

    return _try(request, call, form, "service", act)


@router.post("/signing-keys/withdraw")
def withdraw(request: Request, call: OfCall, form: OfForm) -> Response:
    """撤回自己的申请。"""

    def act(code: str, _: Texts) -> Response:
        call.write(lambda work: proposals.withdraw(work, form.text("proposal_id")))
        return _went(code, "proposal_withdrawn")

    return _try(request, call, form, "withdraw", act)


def _department(call: Call, named: str) -> str:
    """The department that was named; else the actor's own, or the one that runs this registry."""
    return named or call.known.actor.department or call.read(lambda work: departments.operator(work).code)


def _went(code: str, done: str) -> Response:
    return go("/signing-keys", done=done, department=code)


def _try(request: Request, call: Call, form: Form, place: str, act: Callable[[str, Texts], Response]) -> Response:
    """Do it for the form's department; a refusal is shown with what was sent, in the form at `place`."""
    t, code = texts_for(request), _department(call, form.text("department"))
    check_own(call, code)
    try:
        return act(code, t)
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError):
            raise
        view = _page(call, t, code, refused=refused, place=place, form=form)
        return show(request, "signing_keys.html", view, status=status_of(refused))


def _moment(form: Form, name: str) -> datetime | None:
    """A moment of a datetime-local field, which is of Shanghai."""
    text = form.text(name)
    try:
        return times.of_shanghai(datetime.fromisoformat(text)).astimezone(UTC) if text else None
    except ValueError as wrong:
        raise InvalidDraftError([FieldError(name, "date_does_not_exist", "请填写存在的时间。")]) from wrong


def _asked(asked: own.Asked) -> AskedKey:
    key = public_key(asked.row.suite, asked.row.public)
    text = base64.b64encode(asked.to_be_signed).decode()
    return AskedKey(asked.row.id, key.kid.hex(), text, asked.row.expires_at)


def _page(
    call: Call,
    t: Texts,
    code: str,
    *,
    asked: AskedKey | None = None,
    refused: Exception | None = None,
    place: str = "",
    form: Form | None = None,
) -> SigningKeysPage:
    administers = call.known.actor.has_role("administrator")

    def ask(work: Work) -> SigningKeysPage:
        names = wording.department_names(work)
        row = departments.get(work, code)
        again = _asked_again(work, code, form) if place == "proof" and form else None
        return SigningKeysPage(
            department=code, name=row.name, departments=list(names.items()) if administers else [],
            signs_itself=own.signs_itself(work.session, code, work.at), may_hold=not row.operator,
            administers=administers, awaiting=signing.awaiting(work.session, code),
            keys=[_line(key, work.at, t) for key in own.keys_of(work, code)],
            suites=[("ED25519", "Ed25519"), ("ES256", "ES256 (P-256)"), ("SM2", "SM2")], asked=asked or again,
            place=place, sent={name: form.text(name) for name in _SENT} if form else {},
            errors=field_errors(refused, t) if refused else {}, problem=problem_view(refused, t) if refused else None,
            waiting=[] if administers else own_waiting(work, t),
        )  # fmt: skip

    return call.read(ask)


def _asked_again(work: Work, code: str, form: Form) -> AskedKey | None:
    """The challenge whose answer was refused, so that it can be answered again."""
    found = own.asked_for(work, code, form.text("challenge_id"))
    return None if found is None else _asked(found)


def _line(row: KeyRow, at: datetime, t: Texts) -> OwnKeyLine:
    is_own, tone, state = row.vault == OWN_VAULT, *_state(row, at)
    return OwnKeyLine(
        kid=row.kid.hex(), suite=wording.suite_name(Suite(row.suite).name),
        holder=t(f"proposal.value.vault.{row.vault}"), valid_from=row.valid_from, valid_to=row.valid_to,
        tone=tone, state=t(f"signing_keys.state.{state}"), reason=row.ended_reason or "",
        may_end=is_own and row.ended_as is None,
    )  # fmt: skip


def _state(row: KeyRow, at: datetime) -> tuple[Tone, str]:
    if row.ended_as is not None:
        return "invalid", row.ended_as
    if at < row.valid_from:
        return "waiting", "coming"
    return ("valid", "live") if row.valid_to is None or at < row.valid_to else ("dormant", "past")
