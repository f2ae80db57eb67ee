"""Certificates of others that trust bundles carry: what is trusted, what waits, adding one from a file, ending one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from api.access import ADMINISTRATOR
from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import wording
from api.pages.forms import Form, Upload, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.proposals import wish
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.trusted_views import CertificateFacts, Previewed, TrustedCard, TrustedPage
from api.pages.views import Option, ProblemView, Tone
from registry.accounts import control
from registry.errors import FieldError, InvalidDraftError, NotFoundError
from registry.proposals import service as proposals
from registry.trust import certificates, fitness
from registry.trust.tables import TrustCertificateRow
from registry.work import Work
from verifier.certificate_file import read_certificate
from verifier.errors import MalformedError
from verifier.foreign.verify import ADAPTERS

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

#: A PKCS #7 file with a whole chain is some 10 KB.
_FILE_LIMIT_BYTES: Final = 256 * 1024


@router.get("/trusted")
def list_trusted(request: Request, call: OfCall) -> Response:
    """外部证书：在用的、待复核的、已结束的。"""
    return show(request, "trusted.html", _page(call, texts_for(request)))


@router.post("/trusted/look")
def look(request: Request, call: OfCall, form: OfForm) -> Response:
    """读取上传的证书文件，确认之前先给人看；不保存。"""
    t, purpose = texts_for(request), form.text("purpose")
    try:
        der = _read(form.upload("file"), t)
        preview = _preview(call, purpose, der, t)
    except SHOWN_ERRORS as refused:
        return _again(request, call, refused, {"purpose": purpose}, "add")
    sent = {"purpose": purpose, "name": preview.facts.subject[:200]}
    return show(request, "trusted.html", _page(call, t, sent=sent, preview=preview))


@router.post("/trusted")
def trust(request: Request, call: OfCall, form: OfForm) -> Response:
    """确认信任；实行双人复核时待另一名管理员通过。"""
    t, purpose = texts_for(request), form.text("purpose")
    sent = {name: form.text(name) for name in ("purpose", "name", "reason")}
    try:
        der = _decoded(form.text("certificate"), t)
        preview = _preview(call, purpose, der, t)
    except SHOWN_ERRORS as refused:
        return _again(request, call, refused, sent, "add")
    kind, _, profile = purpose.partition(".")
    given = {
        "kind": kind, "profile": profile or None, "name": sent["name"], "certificate": base64.b64encode(der).decode(),
    }  # fmt: skip
    try:
        made = wish(call, "trust.certificate", given, sent["reason"])
    except SHOWN_ERRORS as refused:
        return _again(request, call, refused, sent, "add", preview)
    return go("/trusted", done="trusted" if made is not None else "proposed")


@router.post("/trusted/{certificate_id}/remove")
def remove(request: Request, certificate_id: str, call: OfCall, form: OfForm) -> Response:
    """不再信任，须说明理由；自下一个信任包起生效。"""
    reason = form.text("reason")
    try:
        call.write(lambda work: certificates.remove(work, certificate_id, reason))
    except SHOWN_ERRORS as refused:
        return _again(request, call, refused, {"reason": reason}, certificate_id)
    call.services.worker.wake()
    return go("/trusted", done="trust_ended")


def _read(upload: Upload | None, t: Texts) -> bytes:
    if upload is None:
        raise InvalidDraftError([FieldError("file", "file_missing", t("trusted.file_missing"))])
    data = upload.content.read(_FILE_LIMIT_BYTES + 1)
    if len(data) > _FILE_LIMIT_BYTES:
        raise InvalidDraftError([FieldError("file", "too_long", t("trusted.file_too_long"))])
    try:
        return read_certificate(data)
    except MalformedError as wrong:
        raise _unfit(wrong) from wrong


def _unfit(wrong: MalformedError) -> InvalidDraftError:
    # Reasons have one text each, and what else is no certificate says so of other things.
    return InvalidDraftError([FieldError("file", f"file_{wrong.reason}", f"{wrong.message}。")])


def _decoded(text: str, t: Texts) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise InvalidDraftError([FieldError("file", "file_missing", t("trusted.file_missing"))]) from wrong


def _preview(call: Call, purpose: str, der: bytes, t: Texts) -> Previewed:
    """What a file holds. Raises InvalidDraftError where it cannot be trusted for that purpose, DuplicateError."""
    kind = purpose.partition(".")[0]
    if purpose not in dict(_purposes(t)):
        raise InvalidDraftError([FieldError("purpose", "unknown_kind", t("trusted.purpose_missing"))])
    at = call.services.clock()
    try:
        fitness.check(kind, der, at)
        found = fitness.describe(der)
    except MalformedError as wrong:
        raise _unfit(wrong) from wrong
    call.read(lambda work: certificates.check_new(work, kind, der))
    warnings = (
        (t("trusted.warn_expired"), found.not_after < at),
        (t("trusted.warn_early"), at < found.not_before),
        (t("trusted.warn_authority"), kind == fitness.SEAL_MAKER and found.is_authority),
    )
    return Previewed(
        base64.b64encode(der).decode(), _purpose(kind, purpose.partition(".")[2], t), _facts(der, at, t),
        [said for said, applies in warnings if applies],
    )  # fmt: skip


def _again(
    request: Request,
    call: Call,
    refused: Exception,
    sent: Mapping[str, str],
    place: str,
    preview: Previewed | None = None,
) -> Response:
    if isinstance(refused, NotFoundError):
        raise refused
    t = texts_for(request)
    errors = {{"certificate": "file"}.get(name, name): said for name, said in field_errors(refused, t).items()}
    problem = problem_view(refused, t)
    view = _page(call, t, sent=sent, preview=preview, errors=errors, problem=problem, place=place)
    return show(request, "trusted.html", view, status=status_of(refused))


def _page(
    call: Call,
    t: Texts,
    *,
    sent: Mapping[str, str] | None = None,
    preview: Previewed | None = None,
    errors: Mapping[str, str] | None = None,
    problem: ProblemView | None = None,
    place: str = "",
) -> TrustedPage:
    def ask(work: Work) -> TrustedPage:
        cards = [_card(work, row, t) for row in reversed(certificates.list_all(work.session))]
        open_ones = [row for row in proposals.list_all(work, open_only=True) if row.action == "trust.certificate"]
        return TrustedPage(
            trusted=[card for card in cards if card.ended_at is None],
            ended=[card for card in cards if card.ended_at is not None],
            waiting=[
                TrustedCard(
                    row.id, row.arguments["name"], _purpose(row.arguments["kind"], row.arguments["profile"], t),
                    _facts(base64.b64decode(row.arguments["certificate"]), work.at, t), row.reason,
                    wording.actor_name(work, row.proposed_by, t), row.proposed_at,
                )
                for row in open_ones
            ],
            purposes=_purposes(t), may_change=work.actor.has_role(ADMINISTRATOR),
            dual=control.binding_since(work) is not None, sent=sent or {}, preview=preview, errors=errors or {},
            problem=problem, problem_in=place,
        )  # fmt: skip

    return call.read(ask)


def _card(work: Work, row: TrustCertificateRow, t: Texts) -> TrustedCard:
    return TrustedCard(
        row.id, row.name, _purpose(row.kind, row.profile, t), _facts(row.certificate, work.at, t), row.reason,
        wording.actor_name(work, row.added_by, t), row.added_at, row.removed_at,
        wording.actor_name(work, row.removed_by, t) if row.removed_by else "", row.removed_because or "",
    )  # fmt: skip


def _facts(der: bytes, at: datetime, t: Texts) -> CertificateFacts:
    found = fitness.describe(der)
    tone, period = _period(found.not_before, found.not_after, at)
    return CertificateFacts(
        found.subject, found.organisation, found.region, found.issuer, found.serial, found.not_before,
        found.not_after, found.key, tone, t(f"trusted.period.{period}"), wording.in_groups(sha256(der).hexdigest()),
    )  # fmt: skip


def _period(begins: datetime, ends: datetime, at: datetime) -> tuple[Tone, str]:
    if at < begins:
        return "waiting", "early"
    return ("dormant", "past") if ends < at else ("valid", "now")


def _purpose(kind: Any, profile: Any, t: Texts) -> str:
    titles = {adapter.name: adapter.title for adapter in ADAPTERS}
    name = t(f"proposal.value.kind.{kind}")
    return f"{name} · {titles.get(profile, profile)}" if profile else name


def _purposes(t: Texts) -> list[Option]:
    """What somebody's certificate may be trusted for: `seal_maker`, and `issuer.PROFILE` of each profile."""
    issuers = [(f"{fitness.ISSUER}.{name}", _purpose(fitness.ISSUER, name, t)) for name in certificates.PROFILES]
    return [(fitness.SEAL_MAKER, _purpose(fitness.SEAL_MAKER, None, t)), *issuers]
