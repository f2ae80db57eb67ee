"""Electronic materials (电子材料): the list, the form of one, and one with its receipt, its seals and its use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.files import take_in
from api.http.guard import GuardedRoute
from api.http.materials import look_at, seen_of
from api.imports.cells import LONG_TERM, CellError, value_of
from api.imports.columns import Column, columns_of
from api.pages import holders, wording
from api.pages.forms import Form, get_form
from api.pages.material_page import material_page, sees_whole
from api.pages.material_views import MaterialForm, MaterialLine, MaterialsPage, NewMaterialPage
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.register import column_expected, column_label
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import FieldGroup, FormField, Option, ProblemView
from registry.catalogue import service as catalogue
from registry.catalogue.rules import TypeDefinition
from registry.certificates.holders import HolderDraft
from registry.departments import service as departments
from registry.errors import FieldError, InvalidDraftError, NotPermittedError
from registry.files import service as files
from registry.files.service import AttachedFile
from registry.files.store import StoredFile
from registry.files.tables import StoredFileRow
from registry.invoices.service import trusted_makers
from registry.materials import service as materials
from registry.materials.rules import INVOICE_TYPE, READ_FROM_FILES, MaterialDraft
from registry.materials.tables import Material
from registry.work import Work
from verifier.documents.apart import inspect_apart
from verifier.documents.findings import Roots
from verifier.times import shanghai_day

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_PAGE_ROWS: Final = 25
_MAX_QUERY_CHARACTERS: Final = 100
_FILE_LIMIT_BYTES: Final = 32 * 1024 * 1024
_CHUNK_BYTES: Final = 1024 * 1024
_OWN: Final = "extend_info."


@router.get("/materials")
def list_materials(request: Request, call: OfCall, q: str = "", type: str = "", cursor: str = "") -> Response:
    """材料列表：按办件编号查找，按类型筛选。"""
    t, case_no = texts_for(request), q.strip()[:_MAX_QUERY_CHARACTERS]

    def ask(work: Work) -> MaterialsPage:
        search = materials.Search(seen_of(work), type or None, case_no or None)
        page = materials.list_page(work, search, cursor or None, _PAGE_ROWS)
        types = {row.code: row.name for row in catalogue.list_types(work, "material")}
        kept = {name: value for name, value in (("q", case_no), ("type", type)) if value}
        return MaterialsPage(
            lines=[_line(row, types, t) for row in page.materials], types=list(types.items()), q=case_no,
            type_code=catalogue.national_code(work, type), narrowed=bool(kept),
            first_href=f"/materials?{urlencode(kept)}" if cursor else None,
            next_href=f"/materials?{urlencode({**kept, 'cursor': page.cursor})}" if page.cursor else None,
        )  # fmt: skip

    return show(request, "materials.html", call.read(ask))


@router.post("/materials/file")
def find_by_file(request: Request, call: OfCall, form: OfForm) -> Response:
    """一个文件是否登记过：按其摘要查找，文件不保存。"""
    t, upload = texts_for(request), form.upload("file")
    if upload is None:
        view = call.read(lambda work: _found(work, t, materials.Search(seen_of(work)), None))
        errors = {"file": t("materials.file_missing")}
        return show(request, "materials.html", replace(view, errors=errors), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    hasher = hashlib.sha256()
    for chunk in iter(lambda: upload.content.read(_CHUNK_BYTES), b""):
        hasher.update(chunk)
    digest = hasher.digest()
    looked = (upload.name, wording.in_groups(digest.hex()))
    view = call.read(lambda work: _found(work, t, materials.Search(seen_of(work), file=digest), looked))
    return show(request, "materials.html", view)


def _found(work: Work, t: Texts, search: materials.Search, looked: tuple[str, str] | None) -> MaterialsPage:
    """The newest materials of a search that has no address."""
    page = materials.list_page(work, search, None, _PAGE_ROWS)
    types = {row.code: row.name for row in catalogue.list_types(work, "material")}
    lines = [_line(row, types, t) for row in page.materials]
    return MaterialsPage(lines, list(types.items()), "", "", looked is not None, None, None, looked)


def _line(row: Material, types: Mapping[str, str], t: Texts) -> MaterialLine:
    kind = "invoices" if row.type_code == INVOICE_TYPE else "materials"
    return MaterialLine(
        row.id, row.title, types.get(row.type_code, row.type_code), row.case_no or "", row.registered_at,
        wording.tone_of(row.status), wording.status_name(row.status, t), f"/{kind}/{row.id}",
    )  # fmt: skip


@router.get("/materials/new")
def new_material(request: Request, call: OfCall, type: str = "") -> Response:
    """登记材料：先选类型，再填写。"""
    t = texts_for(request)
    if not type:
        return show(request, "material_types.html", NewMaterialPage(call.read(_may_register)))
    definition = call.read(lambda work: _definition(work, type))
    return show(request, "material_form.html", _Filled(definition, {}, {}, t).page(definition.holder.minimum))


def _may_register(work: Work) -> list[Option]:
    today, department = shanghai_day(work.at), work.actor.department or ""
    return [
        (row.code, row.name)
        for row in catalogue.list_types(work, "material")
        if row.code not in READ_FROM_FILES and departments.has_scope(work.session, department, row.code, "issue", today)
    ]


def _definition(work: Work, type_code: str) -> TypeDefinition:
    definition, _ = materials.check_desk(work, type_code)
    return definition


@router.post("/materials")
def register(request: Request, call: OfCall, form: OfForm) -> Response:
    """登记一份材料，或增减一位持证主体后继续填写；表单有误时原样退回并逐项指出。"""
    t = texts_for(request)
    definition = call.read(lambda work: _definition(work, form.text("type_code")))
    values = {name: form.text(name) for name in form.texts}
    lost = [one.name for one in form.uploads.get("files", ())]
    moved = holders.moved(form, definition.holder, values)
    if moved is not None:
        view = _Filled(definition, moved.values, {}, t, moved.focus).page(moved.count, lost=lost)
        return show(request, "material_form.html", view)
    held = holders.count(definition.holder, values)
    try:
        draft = draft_of(definition, values, held)
        stored = [
            (one.name, call.services.files.put(one.content, _FILE_LIMIT_BYTES)) for one in form.uploads.get("files", ())
        ]
        row = call.write(lambda work: _register(call, work, draft, stored))
    except SHOWN_ERRORS as refused:
        labels = {column.field: column.header for column in _own_columns(definition)}
        errors = {_input_name(name): said for name, said in field_errors(refused, t).items()}
        view = _Filled(definition, values, errors, t).page(held, problem_view(refused, t, labels), lost)
        return show(request, "material_form.html", view, status=status_of(refused))
    return go(f"/materials/{row.id}", done="material")


def _register(call: Call, work: Work, draft: MaterialDraft, stored: Sequence[tuple[str, StoredFile]]) -> Material:
    take_in(call, work, [file for _, file in stored])
    return materials.register(work, draft, [AttachedFile(name, file.sha256) for name, file in stored])


def draft_of(definition: TypeDefinition, values: Mapping[str, str], held: int = 1) -> MaterialDraft:
    """The draft of a sent form. Raises InvalidDraftError naming every field of the type that cannot be read."""
    data: dict[str, Any] = {}
    errors: list[FieldError] = []
    for column in _own_columns(definition):
        try:
            value = value_of(values.get(column.field, ""), column)
        except CellError as wrong:
            errors.append(FieldError(column.field, wrong.reason, f"{wrong.message}。"))
        else:
            if value is not None:
                data[column.field.removeprefix(_OWN)] = value
    if errors:
        raise InvalidDraftError(errors)
    people = tuple(
        HolderDraft(
            values.get(f"holders.{place}.holder_name", ""), values.get(f"holders.{place}.holder_code", ""),
            values.get(f"holders.{place}.holder_code_type_code", ""),
        )
        for place in range(held)
    )  # fmt: skip
    return MaterialDraft(
        type_code=definition.code, title=values.get("title", ""), holders=people,
        valid_from=values.get("valid_from", "").replace("-", ""),
        valid_to=values.get("valid_to", "").replace("-", "") or LONG_TERM, data=data,
        matter_code=values.get("matter_code") or None, case_no=values.get("case_no") or None,
    )  # fmt: skip


def _own_columns(definition: TypeDefinition) -> list[Column]:
    return [column for column in columns_of(definition) if column.field.startswith(_OWN)]


def _input_name(path: str) -> str:
    """The input of a draft's field: the type's own fields have names of their own here."""
    return _OWN + path.removeprefix("data.") if path.startswith("data.") else path


@dataclass(frozen=True, slots=True)
class _Filled:
    """The form of a type as it was sent, or empty: values and errors by the names of the inputs."""

    definition: TypeDefinition
    values: Mapping[str, str]
    errors: Mapping[str, str]
    t: Texts
    #: The holder to look at, if one was added or removed.
    focus: int | None = None

    def page(self, held: int, problem: ProblemView | None = None, lost: Sequence[str] = ()) -> MaterialForm:
        """The page with its inputs in groups, those of so many holders among them; lost: names of files not kept."""
        t, definition = self.t, self.definition
        long_term = definition.validity.long_term
        groups = [
            FieldGroup(t("materials.general"), [
                self.field("title", t("materials.name"), required=True, attrs={"maxlength": "100"}),
                self.field("valid_from", t("materials.valid_from"), required=True, type="date"),
                self.field("valid_to", t("materials.valid_to"), required=not long_term, type="date",
                           hint=t("single.long_term") if long_term else ""),
                self.field("case_no", t("materials.case"), attrs={"maxlength": "64"}),
                self.field("matter_code", t("materials.matter"), attrs={"maxlength": "32"}),
            ]),
        ]  # fmt: skip
        own = [
            self.field(column.field, column_label(column, t), required=column.required,
                       hint=column_expected(column, t), type="date" if column.kind == "day" else "text")
            for column in _own_columns(definition)
        ]  # fmt: skip
        titles = t("materials.holder"), t("materials.holder_n", n=holders.BLANK)
        return MaterialForm(
            definition.code, definition.name, groups,
            holders.holders_of(held, definition.holder, self._holder, titles),
            FieldGroup(t("materials.content"), own) if own else None, problem, lost,
        )  # fmt: skip

    def _holder(self, place: str) -> list[FormField]:
        t, at = self.t, f"holders.{place}."
        people = wording.code_type_options(t, self.definition.holder.code_types)
        look = {"autofocus": "autofocus"} if place == str(self.focus) else {}
        return [
            self.field(f"{at}holder_name", t("materials.holder_name"), required=True, attrs=look),
            self.field(f"{at}holder_code_type_code", t("holder.code_type"), required=True, options=people),
            self.field(f"{at}holder_code", t("holder.code"), required=True),
        ]

    def field(
        self, name: str, label: str, *, required: bool = False, type: str = "text", hint: str = "",
        options: Sequence[Option] = (), attrs: Mapping[str, str] | None = None,
    ) -> FormField:  # fmt: skip
        """One input with what was sent and what is wrong with it."""
        default = options[0][0] if options else ""
        return FormField(
            name=name, label=label, value=self.values.get(name, default), hint=hint, error=self.errors.get(name),
            required=required, type=type, long=False, options=options, attrs=attrs or {},
        )  # fmt: skip


@router.get("/materials/{material_id}")
def show_material(request: Request, call: OfCall, material_id: str) -> Response:
    """一份材料：内容、附件、存证经过、一次性使用的情况。"""
    t, log = texts_for(request), call.services.pipeline.log
    view = call.read(lambda work: material_page(work, log, look_at(work, material_id), t))
    return show(request, "material.html", view)


@router.get("/materials/{material_id}/seals")
def inspect_seals(request: Request, call: OfCall, material_id: str) -> Response:
    """核验附件的签章；附件在数据库事务之外读取。"""

    def prepare(work: Work) -> tuple[Roots, list[tuple[str, StoredFileRow]]]:
        row = look_at(work, material_id)
        if not sees_whole(work, row):
            raise NotPermittedError("not_the_issuer", "只有登记部门可以打开附件，核验其签章。")
        attached = materials.files_of(work, material_id)
        return trusted_makers(work), [(file.name, files.get(work, file.sha256)) for file in attached]

    makers, stored = call.read(prepare)
    at = call.services.registry.clock()
    found = [inspect_apart(call.services.files.read(file), name, makers, at) for name, file in stored]
    t, log = texts_for(request), call.services.pipeline.log
    view = call.read(lambda work: material_page(work, log, look_at(work, material_id), t, found))
    return show(request, "material.html", view)
