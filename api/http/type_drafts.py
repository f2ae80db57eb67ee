"""Drafts of certificate types (类型草稿), publishing them, and local catalogue codes. For administrators."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import AfterValidator, Field

from api.errors import FieldProblem
from api.http import proposals
from api.http.calls import Answer, Call, get_call
from api.http.catalogue import TypeShown, type_shown
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.catalogue import drafting, local_codes, sheets
from registry.catalogue import service as catalogue
from registry.catalogue.field_rows import KINDS, MASKS, MAX_ROWS, RECEIVERS, SHOWN_TO
from registry.catalogue.tables import TypeDraft
from registry.errors import InvalidDraftError
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["目录"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

#: Any number will do to find the faults of a sheet: publishing gives the real one.
_SOME_NUMBER = 9999
Typed = Annotated[str, Field(max_length=4000)]


def _one_of(choices: Collection[str]) -> AfterValidator:
    """Holds a text to the choices that the editor of types offers."""

    def check(text: str) -> str:
        if text not in choices:
            raise ValueError(f"应为 {'、'.join(filter(None, choices))} 之一")
        return text

    return AfterValidator(check)


class Row(Incoming):
    """A field of the face, every text as it is typed."""

    name: Typed = Field(default="", description="字段名，小写字母、数字和下划线")
    title: Typed = Field(default="", description="中文名称")
    kind: Annotated[str, _one_of(KINDS)] = "text"
    form: Typed = Field(default="", description="文字的模式、选项、整数的范围或最多项数")
    longest: Typed = Field(default="200", description="最多字数")
    required: bool = False
    mask: Annotated[str, _one_of(MASKS)] = Field(default="", description="脱敏")
    shown_to: Annotated[str, _one_of(SHOWN_TO)] = Field(default="all", description="谁可看全文")
    receivers: Annotated[str, _one_of((*RECEIVERS, ""))] = Field(default="all", description="摘录件可给谁；空为按 kept")
    example: Typed = ""
    kept: dict[str, Any] = Field(default_factory=dict, description="各列写不下的 JSON Schema 关键字")


class Sheet(Incoming):
    """A type as it is being written. What one version hands on to the next (kind, definer, serial) stays as it is."""

    kind: Literal["certificate", "material"] = "certificate"
    name: Typed = ""
    definer_code: Typed = Field(default="", description="定义机构代码，18 位")
    definer_name: Typed = ""
    serial: Typed = Field(default="", description="流水号，3 位")
    holder_types: list[Typed] = Field(default_factory=lambda: ["111"], max_length=64)
    holder_minimum: Typed = "1"
    holder_maximum: Typed = "1"
    number_pattern: Typed = ""
    number_hint: Typed = ""
    number_example: Typed = ""
    number_is_personal: bool = False
    number_begins_with_holder_code: bool = False
    long_term: bool = False
    minimum_years: Typed = ""
    maximum_years: Typed = ""
    one_time: bool = False
    title: Typed = ""
    emblem: Typed = ""
    footer: Typed = ""
    frame: Typed = "plain"
    rows: list[Row] = Field(default_factory=list, max_length=MAX_ROWS, description="照面字段")
    rest: dict[str, Any] | None = Field(default=None, description="字段之外的模式内容，如 $defs")


class NewDraft(Incoming):
    """Which type gets a next version."""

    type_code: str | None = Field(default=None, max_length=21, description="已有类型的代码；不填为新类型")


class Revision(Incoming):
    """The revision of a draft that was seen."""

    revision: int = Field(description="据以办理的版次；其间被他人保存过的答复 409")


class Publication(Revision):
    """A draft that was seen and shall be published."""

    reason: str = Field(default="", max_length=200, description="理由；实行双人复核时必填")


class ChangedSheet(Revision):
    """What a draft shall say from now on."""

    sheet: Sheet


class ChangedSchema(Revision):
    """The fields of a draft as a JSON Schema."""

    face_schema: dict[str, Any] = Field(description="照面信息的 JSON Schema 2020-12")


class LocalCode(Incoming):
    """A code of another catalogue."""

    local_code: str = Field(max_length=32, description="4 至 20 位数字、大写字母或连字符")


class DraftLine(Outgoing):
    """A draft in the list."""

    id: str
    type_code: str | None = Field(description="将有新版本的类型；新类型为 null")
    name: str
    version: int = Field(description="发布后将成为的版本")
    revision: int
    changed_at: datetime
    discarded_at: datetime | None


class Drafts(Outgoing):
    """All drafts, the newest change first."""

    items: list[DraftLine]
    next_cursor: None = None


class DraftShown(DraftLine):
    """A draft, and what keeps it from being published."""

    sheet: dict[str, Any] = Field(description="与修改时的 sheet 同形")
    faults: list[FieldProblem] = Field(description="发布之前须改正的内容；为空即可发布")


class LocalCodes(Outgoing):
    """The local codes of a type."""

    code: str
    local_codes: list[str]


def _line(row: TypeDraft) -> dict[str, Any]:
    sheet = drafting.sheet(row)
    return {
        "id": row.id, "type_code": row.type_code, "name": sheet.name, "version": sheet.based_on + 1,
        "revision": row.revision, "changed_at": row.changed_at, "discarded_at": row.discarded_at,
    }  # fmt: skip


def _shown(row: TypeDraft) -> DraftShown:
    content = sheets.sheet_json(drafting.sheet(row))
    content.pop("based_on")
    return DraftShown(**_line(row), sheet=content, faults=_faults(row))


def _faults(row: TypeDraft) -> list[FieldProblem]:
    try:
        sheets.definition_of(drafting.sheet(row), _SOME_NUMBER)
    except InvalidDraftError as refused:
        return [FieldProblem(field=one.field, reason=one.reason, message=one.message) for one in refused.errors]
    return []


def _answer(call: Call, act: Callable[[Work], TypeDraft], status: int = HTTPStatus.OK) -> Response:
    return call.answer(lambda work: Answer(status, _shown(act(work))))


@router.get("/type-drafts", summary="类型草稿列表")
def list_drafts(call: OfCall) -> Drafts:
    """正在编写的和已放弃的草稿。"""
    return call.read(lambda work: Drafts(items=[DraftLine(**_line(row)) for row in drafting.list_drafts(work)]))


@router.post("/type-drafts", status_code=201, response_model=DraftShown, summary="编写类型", responses=problems(404))
def start_draft(body: NewDraft, call: OfCall) -> Response:
    """新类型，或已有类型的下一版；已有类型正在编写的，就是那一份。"""
    return _answer(call, lambda work: drafting.start(work, body.type_code), HTTPStatus.CREATED)


@router.get("/type-drafts/{draft_id}", summary="一份类型草稿", responses=problems(404))
def get_draft(draft_id: str, call: OfCall) -> DraftShown:
    """草稿的内容，以及发布之前须改正什么。"""
    return call.read(lambda work: _shown(drafting.get(work, draft_id)))


@router.put("/type-drafts/{draft_id}", response_model=DraftShown, summary="保存类型草稿", responses=problems(404, 409))
def save_draft(draft_id: str, body: ChangedSheet, call: OfCall) -> Response:
    """保存全部内容，有误也先存下；faults 逐项列出须改正的。"""
    wanted = sheets.sheet_from({**body.sheet.model_dump(), "based_on": 0})
    return _answer(call, lambda work: drafting.save(work, draft_id, body.revision, wanted))


@router.put(
    "/type-drafts/{draft_id}/schema", response_model=DraftShown, summary="以模式保存字段", responses=problems(404, 409)
)
def save_schema(draft_id: str, body: ChangedSchema, call: OfCall) -> Response:
    """由 JSON Schema 2020-12 得到各字段；模式本身有误的答复 422。"""

    def act(work: Work) -> TypeDraft:
        wanted = sheets.with_schema(drafting.sheet(drafting.get(work, draft_id)), body.face_schema)
        return drafting.save(work, draft_id, body.revision, wanted)

    return _answer(call, act)


@router.post(
    "/type-drafts/{draft_id}/take-back", response_model=DraftShown, summary="撤回上次保存", responses=problems(404, 409)
)
def take_back(draft_id: str, call: OfCall) -> Response:
    """撤回上次保存；再撤回一次即恢复。"""
    return _answer(call, lambda work: drafting.take_back(work, draft_id))


@router.post(
    "/type-drafts/{draft_id}/discard", response_model=DraftShown, summary="放弃草稿", responses=problems(404, 409)
)
def discard(draft_id: str, call: OfCall) -> Response:
    """放弃的草稿可以恢复。"""
    return _answer(call, lambda work: drafting.discard(work, draft_id))


@router.post(
    "/type-drafts/{draft_id}/restore", response_model=DraftShown, summary="恢复草稿", responses=problems(404, 409)
)
def restore(draft_id: str, call: OfCall) -> Response:
    """恢复已放弃的草稿。"""
    return _answer(call, lambda work: drafting.restore(work, draft_id))


@router.post(
    "/type-drafts/{draft_id}/publish", response_model=TypeShown, summary="发布类型",
    responses={202: {"model": proposals.Proposal}, **problems(404, 409)},
)  # fmt: skip
def publish(draft_id: str, body: Publication, call: OfCall) -> Response:
    """发布后这一版不再改变，并写入存证日志；有误的答复 422，逐字段列出。实行双人复核时答复 202，待另一名管理员通过。"""
    given = {"draft_id": draft_id, "revision": body.revision}
    return proposals.changing(
        call, "type.publish", given, body.reason, lambda _, applied: Answer(HTTPStatus.OK, type_shown(applied.value))
    )


@router.post(
    "/types/{code}/local-codes", status_code=201, response_model=LocalCodes, summary="增加本地目录代码",
    responses=problems(404, 409),
)  # fmt: skip
def add_local_code(code: str, body: LocalCode, call: OfCall) -> Response:
    """多个本地代码可以对应同一类型，一个代码只对应一个类型；登记、导入与查询时可代替类型代码。"""

    def act(work: Work) -> Answer:
        national = local_codes.add(work, code, body.local_code).type_code
        return Answer(HTTPStatus.CREATED, _codes(work, national))

    return call.answer(act)


@router.delete(
    "/types/{code}/local-codes/{local_code}", response_model=LocalCodes, summary="移除本地目录代码",
    responses=problems(404),
)  # fmt: skip
def remove_local_code(code: str, local_code: str, call: OfCall) -> Response:
    """已登记的证照不受影响。"""

    def act(work: Work) -> Answer:
        national = catalogue.get_type(work, code).code
        local_codes.remove(work, national, local_code)
        return Answer(HTTPStatus.OK, _codes(work, national))

    return call.answer(act)


def _codes(work: Work, national: str) -> LocalCodes:
    return LocalCodes(code=national, local_codes=local_codes.codes_by_type(work).get(national, []))
