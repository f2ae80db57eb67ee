"""Types with the columns of their import files."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http.calls import Call, get_call
from api.http.forms import USUAL, Outgoing, problems
from api.http.guard import GuardedRoute
from api.imports.columns import columns_of
from api.imports.guarded import exact
from registry.catalogue import local_codes
from registry.catalogue import service as catalogue
from registry.catalogue.tables import CertificateType
from registry.errors import NotFoundError
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["目录"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class TypeShown(Outgoing):
    """A type in its newest version."""

    code: str = Field(description="证照类型代码，21 位")
    number: int
    kind: str = Field(description="certificate 证照，material 材料")
    name: str
    define_authority_code: str
    define_authority_name: str
    one_time: bool = Field(description="是否只能使用一次")
    version: int


class ColumnShown(Outgoing):
    """A column of an import file."""

    field: str
    header: str
    required: bool
    expected: str


class TypeDetail(TypeShown):
    """A type with its schema and the columns of its import files."""

    holder_code_types: list[str]
    max_holders: int
    number_hint: str
    face_schema: dict[str, Any] = Field(description="照面信息（extend_info）的 JSON Schema 2020-12")
    columns: list[ColumnShown]
    local_codes: list[str] = Field(description="对应到该类型的本地目录代码；登记、导入与查询时可代替类型代码")


class Types(Outgoing):
    """All types."""

    items: list[TypeShown]
    next_cursor: None = None


def type_shown(row: CertificateType) -> TypeShown:
    """A type as it is shown."""
    return TypeShown(**_facts(row))


def _facts(row: CertificateType) -> dict[str, Any]:
    return {
        "code": row.code, "number": row.number, "kind": row.kind, "name": row.name,
        "define_authority_code": row.definer_code, "define_authority_name": row.definer_name,
        "one_time": row.one_time, "version": row.version,
    }  # fmt: skip


@router.get("/types", summary="证照与材料类型")
def list_types(call: OfCall) -> Types:
    """全部类型的最新版本。"""
    return call.read(lambda work: Types(items=[type_shown(row) for row in catalogue.list_types(work)]))


@router.get("/types/{code}", summary="类型详情", responses=problems(404))
def get_type(code: str, call: OfCall) -> TypeDetail:
    """类型的照面信息模式，以及批量登记文件的列。"""

    def ask(work: Work) -> TypeDetail:
        row = catalogue.get_type(work, code)
        definition = catalogue.definition_of(work, code)
        columns = columns_of(definition) if definition.kind == "certificate" else ()
        return TypeDetail(
            **_facts(row),
            holder_code_types=sorted(definition.holder.code_types),
            max_holders=definition.holder.maximum,
            number_hint=definition.number_hint,
            face_schema=definition.schema.schema,
            columns=[ColumnShown.model_validate(column) for column in columns],
            local_codes=local_codes.codes_by_type(work).get(row.code, []),
        )

    return call.read(ask)


@router.get(
    "/types/{code}/template.csv",
    summary="批量登记模板",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}, **problems(404)},
)
def get_template(code: str, call: OfCall) -> Response:
    """该类型批量登记文件的空模板（CSV，UTF-8 带标记，可用表格软件打开）。"""

    def ask(work: Work) -> bytes:
        definition = catalogue.definition_of(work, code)
        if definition.kind != "certificate":
            raise NotFoundError("no_template", "只有证照类型有批量登记模板。")
        text = io.StringIO()
        csv.writer(text).writerow([exact(column.header) for column in columns_of(definition)])
        return text.getvalue().encode("utf-8-sig")

    headers = {"Content-Disposition": f'attachment; filename="{code}.csv"'}
    return Response(call.read(ask), media_type="text/csv; charset=utf-8", headers=headers)
