"""The catalogue of types: the list, one type in one version, and the local codes that stand for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import wording
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.type_preview import look_of
from api.pages.type_views import DraftLine, FieldLine, TypeLine, TypePage, TypesPage, VersionLine
from api.pages.views import Fact, ProblemView
from registry.catalogue import drafting, field_rows, local_codes, rules
from registry.catalogue import service as catalogue
from registry.catalogue.rules import TypeDefinition
from registry.catalogue.tables import CertificateType, TypeDraft, TypeVersion
from registry.errors import NotFoundError
from registry.work import Work
from verifier.identifiers import HOLDER_CODE_TYPES
from verifier.times import shanghai_day

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]


@router.get("/types")
def list_types(request: Request, call: OfCall) -> Response:
    """证照类型目录。"""

    t = texts_for(request)

    def ask(work: Work) -> TypesPage:
        codes = local_codes.codes_by_type(work)
        drafts = drafting.list_drafts(work) if work.actor.has_role("administrator") else []
        return TypesPage(
            lines=[_line(row, codes.get(row.code, ()), t) for row in catalogue.list_types(work)],
            drafts=[_draft(row, t) for row in drafts if row.discarded_at is None],
            discarded=[_draft(row, t) for row in drafts if row.discarded_at is not None],
        )

    return show(request, "types.html", call.read(ask))


def _line(row: CertificateType, codes: Sequence[str], t: Texts) -> TypeLine:
    return TypeLine(row.code, row.name, kind_name(row.kind, t), row.version, row.definer_name, codes)


def _draft(row: TypeDraft, t: Texts) -> DraftLine:
    sheet = drafting.sheet(row)
    return DraftLine(row.id, sheet.name or t("types.unnamed"), sheet.based_on + 1, row.changed_at)


@router.get("/types/{code}")
def show_type(request: Request, code: str, call: OfCall, version: int | None = None) -> Response:
    """一个类型：照面、字段、规则、各版本。"""
    return show(request, "type.html", _page(call, code, version, texts_for(request)))


@router.post("/types/{code}/local-codes")
def add_local_code(request: Request, code: str, call: OfCall, form: OfForm) -> Response:
    """增加本地目录代码。"""
    local = form.text("local_code")
    try:
        call.write(lambda work: local_codes.add(work, code, local))
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError):
            raise
        t = texts_for(request)
        error = field_errors(refused, t).get("local_code")
        view = _page(call, code, None, t, local=(local, error), problem=problem_view(refused, t))
        return show(request, "type.html", view, status=status_of(refused))
    return go(f"/types/{code}", done="local_code")


@router.post("/types/{code}/local-codes/remove")
def remove_local_code(code: str, call: OfCall, form: OfForm) -> Response:
    """移除本地目录代码。"""
    call.write(lambda work: local_codes.remove(work, code, form.text("local_code")))
    return go(f"/types/{code}", done="local_code_removed")


def kind_name(kind: str, t: Texts) -> str:
    """Certificates or materials, in words."""
    return t.said(f"types.kind.{kind}", rules.KINDS[kind])


def _page(
    call: Call,
    code: str,
    version: int | None,
    t: Texts,
    *,
    local: tuple[str, str | None] = ("", None),
    problem: ProblemView | None = None,
) -> TypePage:
    def ask(work: Work) -> TypePage:
        row = catalogue.get_type(work, code)
        query = select(TypeVersion).where(TypeVersion.code == row.code).order_by(TypeVersion.version.desc())
        versions = list(work.session.scalars(query))
        wanted = row.version if version is None else version
        definition = catalogue.definition_at(work, row.code, wanted)
        raw = next(one.definition for one in versions if one.version == wanted)
        return TypePage(
            code=row.code, name=definition.name, version=wanted, newest=wanted == row.version,
            look=look_of(definition, raw["number_example"] or "", shanghai_day(work.at), t),
            facts=_facts(definition, t), fields=_fields(definition, t),
            schema=orjson.dumps(raw["schema"], option=orjson.OPT_INDENT_2).decode(),
            versions=[VersionLine(one.version, one.installed_at, one.version == wanted) for one in versions],
            local_codes=local_codes.codes_by_type(work).get(row.code, ()), local_code=local[0], error=local[1],
            problem=problem,
        )  # fmt: skip

    return call.read(ask)


def _fields(definition: TypeDefinition, t: Texts) -> list[FieldLine]:
    return [
        FieldLine(
            row.name, row.title, wording.field_kind_name(row.kind, t), row.form, row.required,
            wording.mask_name(row.mask, t), wording.shown_to_name(row.shown_to, t),
            wording.receivers_name(row.receivers, t),
        )
        for row in field_rows.rows_of(definition.schema.schema, definition.order)
    ]  # fmt: skip


def _facts(definition: TypeDefinition, t: Texts) -> list[Fact]:
    holder, validity = definition.holder, definition.validity
    people = t("list.separator").join(
        t.said(f"code_type.{code}", HOLDER_CODE_TYPES[code]) for code in sorted(holder.code_types)
    )
    low, high = validity.minimum_years, validity.maximum_years
    years = [] if high is None else [t("types.exact_years" if low == high else "types.years", low=low, high=high)]
    alone = holder.minimum == holder.maximum
    return [
        Fact(t("types.kind"), kind_name(definition.kind, t)),
        Fact(t("types.definer"), f"{definition.definer_name} {definition.definer_code}"),
        Fact(t("types.code"), definition.code, mono=True),
        Fact(t("types.holder_types"), people),
        Fact(
            t("types.holders"),
            t("types.exact_holders" if alone else "types.holders_span", low=holder.minimum, high=holder.maximum),
        ),
        Fact(t("types.number"), definition.number_hint or t("types.no_number")),
        Fact(
            t("types.validity"), t("list.comma").join([*([t("types.long_term")] if validity.long_term else []), *years])
        ),
        Fact(t("types.one_time"), t("form.yes") if definition.one_time else t("form.no")),
    ]
