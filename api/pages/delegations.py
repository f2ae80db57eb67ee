"""Delegations of enterprises: find as a tree, grant, take the delegator's signature, revoke with a preview."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Depends, Request, Response
from markupsafe import Markup

from api.http.calls import Call, get_call
from api.http.codes import signing_key
from api.http.delegations import ROLES, chain_out, state_of
from api.http.guard import GuardedRoute
from api.pages import times, wording
from api.pages.delegation_views import DelegationForm, DelegationLine, DelegationPage, DelegationsPage
from api.pages.delegation_words import chain_words, names_by_code, role_name
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.times import SHANGHAI
from api.pages.views import Fact, Option, ProblemView, Tone
from codes import picture
from registry.catalogue import service as catalogue
from registry.certificates.names import normalise_code
from registry.codes import service as codes
from registry.delegations import rules
from registry.delegations import service as delegations
from registry.delegations.rules import DelegationDraft
from registry.delegations.tables import Delegation
from registry.errors import FieldError, InvalidDraftError, NotFoundError
from registry.work import Work
from verifier.code import CodeKind
from verifier.delegation import Role, reach_of
from verifier.suites import Suite

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_LASTS: Final = timedelta(days=365)
_TONES: Final[Mapping[str, Tone]] = {"live": "valid", "awaiting": "waiting", "revoked": "dormant"}


@router.get("/delegations")
def list_delegations(request: Request, call: OfCall) -> Response:
    """企业委托：本部门近来登记的，和查找一家企业。"""
    t = texts_for(request)
    return show(request, "delegations.html", call.read(lambda work: _list(work, "", Form({}, {}), t)))


@router.post("/delegations/search")
def search(request: Request, call: OfCall, form: OfForm) -> Response:
    """一家企业的委托，逐级显示；号码不进地址。"""
    t, wanted = texts_for(request), normalise_code(form.text("enterprise"))[:18]
    return show(request, "delegations.html", call.read(lambda work: _list(work, wanted, Form({}, {}), t)))


@router.post("/delegations")
def grant(request: Request, call: OfCall, form: OfForm) -> Response:
    """登记一项委托。"""
    t, parent = texts_for(request), form.text("parent_id") or None
    key = signing_key(call)
    try:
        made = call.write(lambda work: delegations.grant(work, _draft(work, form), key).id)
    except SHOWN_ERRORS as refused:
        errors, status = field_errors(refused, t), status_of(refused)
        problem = problem_view(refused, t)
        if parent is not None:
            view = call.read(
                lambda work: _page(work, parent, t, call.services.settings.public_url, form, problem, errors)
            )
            return show(request, "delegation.html", view, status=status)
        enterprise = normalise_code(form.text("enterprise"))
        listed = call.read(lambda work: _list(work, enterprise, form, t, problem, errors))
        return show(request, "delegations.html", listed, status=status)
    return go(f"/delegations/{made}", done="delegation")


def _draft(work: Work, form: Form) -> DelegationDraft:
    suite, _, public = form.text("key").replace(" ", "").partition(":")
    try:
        raw, number = bytes.fromhex(public), int(Suite[suite.upper()])
    except (KeyError, ValueError):
        raw, number = b"", 0
    begins = _midnight(form, "valid_from") if form.text("valid_from") else work.at
    return DelegationDraft(
        enterprise=normalise_code(form.text("enterprise")), role=ROLES.get(form.text("role"), Role.HANDLER),
        name=form.text("name"), delegate=(form.text("holder_code_type_code"), normalise_code(form.text("holder_code"))),
        suite=number, public=raw, valid_from_at=begins,
        valid_to_at=_midnight(form, "valid_to") + timedelta(days=1), matters=tuple(form.all("matters")) or None,
        types=tuple(form.all("types")) or None, document=form.text("document") or None,
        parent_id=form.text("parent_id") or None,
    )  # fmt: skip


def _midnight(form: Form, name: str) -> datetime:
    try:
        return times.of_shanghai(datetime.combine(date.fromisoformat(form.text(name)), time.min))
    except ValueError as error:
        message = "日期应为 2026-11-22 的形式。"
        raise InvalidDraftError([FieldError(name, "not_a_date", message)]) from error


def _list(
    work: Work,
    enterprise: str,
    form: Form,
    t: Texts,
    problem: ProblemView | None = None,
    errors: Mapping[str, str] | None = None,
) -> DelegationsPage:
    rows = delegations.of_enterprise(work, enterprise) if enterprise else []
    code = codes.find_newest(work, CodeKind.ENTERPRISE, enterprise) if enterprise else None
    recent = [] if enterprise else delegations.recent(work, work.actor.department)
    names = names_by_code(work)
    return DelegationsPage(
        enterprise=enterprise, name=(code.name or "") if code else "", has_code=code is not None,
        lines=_tree(work, rows, t), recent=[_line(row, 0, names, t) for row in recent],
        may_grant=work.actor.has_role("registrar", "window"),
        form=_form(work, form, enterprise, None, t), errors=errors or {}, problem=problem,
    )  # fmt: skip


def _tree(work: Work, rows: Sequence[Delegation], t: Texts) -> list[DelegationLine]:
    """Every delegation under its parent, with its depth."""
    by_id, lines, names = {row.id: row for row in rows}, [], names_by_code(work)
    for root in (row for row in rows if row.parent_id is None):
        depth = {root.id: 0}
        for row in delegations.cascade(work, root.id):
            depth[row.id] = depth.get(row.id, depth.get(row.parent_id or "", 0) + 1)
            lines.append(_line(by_id[row.id], depth[row.id], names, t))
    return lines


def _line(row: Delegation, depth: int, names: Mapping[str, str], t: Texts) -> DelegationLine:
    state = state_of(row)
    return DelegationLine(
        id=row.id, depth=depth, enterprise=row.enterprise, name=row.name or "", role=role_name(Role(row.role), t),
        scope=_scope(row, names, t), ends_at=row.valid_to_at, tone=_TONES[state], state=t(f"delegations.state.{state}"),
    )  # fmt: skip


def _scope(row: Delegation, names: Mapping[str, str], t: Texts) -> str:
    scope = [names.get(code, code) for code in (*(row.matters or ()), *(row.types or ()))]
    return t("list.separator").join(scope) or t("delegations.as_above")


def _form(work: Work, form: Form, enterprise: str, parent: Delegation | None, t: Texts) -> DelegationForm:
    roles = rules.may_delegate_to(None if parent is None else Role(parent.role))
    matters: list[Option] = [(row.code, row.name) for row in catalogue.list_matters(work, live_only=True)]
    types = wording.type_options(work)
    if parent is not None:
        reach = reach_of([link.claims for link in map(delegations.link_of, delegations.path_to(work, parent.id))])
        matters = [one for one in matters if reach.matters is None or one[0] in reach.matters]
        types = [one for one in types if reach.types is None or one[0] in reach.types]
    today = work.at.astimezone(SHANGHAI).date()
    last = today + _LASTS if parent is None else (parent.valid_to_at.astimezone(SHANGHAI) - timedelta(days=1)).date()
    return DelegationForm(
        parent_id=parent.id if parent else "", enterprise=form.text("enterprise") or enterprise,
        roles=[(role.name.lower(), role_name(role, t)) for role in roles],
        code_types=wording.code_type_options(t, people_only=True), matters=matters, types=types,
        values={"valid_to": last.isoformat()} | {name: form.text(name) for name in form.texts},
        chosen=[*form.all("matters"), *form.all("types")],
    )  # fmt: skip


@router.get("/delegations/{delegation_id}")
def show_delegation(request: Request, delegation_id: str, call: OfCall) -> Response:
    """一项委托：委托链、待签字节、下级、撤销的影响。"""
    t = texts_for(request)
    return show(
        request,
        "delegation.html",
        call.read(lambda work: _page(work, delegation_id, t, call.services.settings.public_url, Form({}, {}))),
    )


def _page(
    work: Work,
    delegation_id: str,
    t: Texts,
    base: str,
    form: Form,
    problem: ProblemView | None = None,
    errors: Mapping[str, str] | None = None,
) -> DelegationPage:
    path = delegations.path_to(work, delegation_id)
    row, state = path[-1], state_of(path[-1])
    code = codes.find_newest(work, CodeKind.ENTERPRISE, row.enterprise)
    names = names_by_code(work)
    claims = [delegations.link_of(one).claims for one in path]
    enterprise = (code.name or "") if code else row.enterprise
    words = chain_words(enterprise, claims, [one.name for one in path], names, t)
    facts = [
        Fact(t("codes.uscc"), row.enterprise, mono=True),
        Fact(t("delegations.from"), times.moment(row.valid_from_at, t)),
        Fact(t("codes.until"), times.moment(row.valid_to_at, t)),
        Fact(t("delegations.document"), row.document or "—"),
        Fact(t("delegations.number"), row.id, mono=True),
        Fact(t("delegations.key"), f"{wording.suite_name(Suite(row.suite).name)}:{row.public.hex()}", mono=True),
    ]
    if row.revoked_at is not None:
        facts.append(Fact(t("delegations.revoked_at"), times.moment(row.revoked_at, t)))
        facts.append(Fact(t("delegations.reason"), row.revoked_reason or ""))
    falling = [one for one in delegations.cascade(work, row.id) if one.revoked_at is None]
    may_act = work.actor.has_role("registrar", "window")
    has_chain, link = state == "live" and may_act, f"{base}/wallet/delegated#{row.id}"
    may_delegate = may_act and state == "live" and bool(rules.may_delegate_to(Role(row.role)))
    return DelegationPage(
        id=row.id, enterprise=row.enterprise, title=f"{row.name or ''} {role_name(Role(row.role), t)}".strip(),
        words=words, tone=_TONES[state], state=t(f"delegations.state.{state}"), facts=facts,
        to_be_signed=delegations.to_be_signed(work, row).hex() if state == "awaiting" and may_act else "",
        has_chain=has_chain, link=link if has_chain else "", svg=_drawn(link, t) if has_chain else Markup(),
        falling=[_line(one, 0, names, t) for one in falling[1:]],
        may_revoke=may_act and state != "revoked" and work.actor.department == row.department,
        form=_form(work, form, row.enterprise, row, t) if may_delegate else None, errors=errors or {}, problem=problem,
    )  # fmt: skip


def _drawn(link: str, t: Texts) -> Markup:
    # Drawn here from an address of our own: markup by its making.
    return Markup(picture.draw_link_svg(link, title=t("delegate.qr")))  # noqa: S704


@router.get("/delegations/{delegation_id}/chain.json")
def get_chain(delegation_id: str, call: OfCall) -> Response:
    """委托链文件，存入被委托人的设备。"""
    made = call.read(lambda work: chain_out(delegations.chain_of(work, delegation_id)))
    name = f'attachment; filename="delegation-{delegation_id}.json"'
    return Response(
        orjson.dumps(made.model_dump()), media_type="application/json", headers={"Content-Disposition": name}
    )


@router.post("/delegations/{delegation_id}/signature")
def complete(request: Request, delegation_id: str, call: OfCall, form: OfForm) -> Response:
    """提交上级设备的签名。"""
    try:
        signature = bytes.fromhex(form.text("signature"))
    except ValueError:
        signature = b""
    return _after(
        request, call, delegation_id, lambda work: delegations.complete(work, delegation_id, signature), "delegation"
    )


@router.post("/delegations/{delegation_id}/revoke")
def revoke(request: Request, delegation_id: str, call: OfCall, form: OfForm) -> Response:
    """撤销委托，其下一并失效。"""
    reason = form.text("reason")
    return _after(
        request, call, delegation_id, lambda work: delegations.revoke(work, delegation_id, reason), "undelegated"
    )


def _after(request: Request, call: Call, delegation_id: str, act: Callable[[Work], object], done: str) -> Response:
    t = texts_for(request)
    try:
        call.write(act)
    except NotFoundError:
        raise
    except SHOWN_ERRORS as refused:
        problem, errors = problem_view(refused, t), field_errors(refused, t)
        view = call.read(
            lambda work: _page(work, delegation_id, t, call.services.settings.public_url, Form({}, {}), problem, errors)
        )
        return show(request, "delegation.html", view, status=status_of(refused))
    return go(f"/delegations/{delegation_id}", done=done)
