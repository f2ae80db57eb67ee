"""Many certificates at once: a file or a list of rows in, a report of every row out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from api.errors import FieldProblem, ProblemError
from api.http.calls import Answer, Call, get_call
from api.http.certificates import Draft
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from api.imports.drafts import RowDraft, read_drafts
from api.imports.reading import read_sheet
from api.imports.sheets import MAX_ROWS, too_many_rows
from registry.catalogue import service as catalogue
from registry.certificates import service as certificates
from registry.certificates.drafts import parse_draft
from registry.certificates.outcomes import Registered, RowRefusal
from registry.certificates.rules import CertificateDraft
from registry.errors import FieldError, InvalidDraftError, NotPermittedError
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["证照"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

_MAX_TYPE_CODE_CHARS: Final = 32


class BatchForm(Incoming):
    """Rows of one type, each a draft without its type."""

    type_code: str
    rows: list[Draft]


class BatchRow(Outgoing):
    """What became of one row."""

    row: int
    outcome: Literal["accepted", "duplicate", "refused"]
    id: str | None
    identifier: str | None
    existing_id: str | None
    errors: list[FieldProblem]


class BatchReport(Outgoing):
    """What became of every row."""

    accepted: int
    duplicate: int
    refused: int
    rows: list[BatchRow]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one type, read from a file or from JSON; `name` tells a draft's field as the sender knows it."""

    type_code: str
    rows: tuple[RowDraft, ...]
    name: Callable[[str], str]
    notes: tuple[str, ...] = ()


@router.post(
    "/certificates/batch",
    response_model=BatchReport,
    summary="批量登记",
    responses=problems(400, 404, 413, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file", "type_code"],
                        "properties": {
                            "file": {"type": "string", "format": "binary", "description": "CSV 或 XLSX，最大 16 MB"},
                            "type_code": {"type": "string", "description": "证照类型代码"},
                        },
                    }
                },
                "application/json": {"schema": {"$ref": f"#/components/schemas/{BatchForm.__name__}"}},
            },
        }
    },
)
async def register_batch(request: Request, call: OfCall) -> Response:
    """CSV（UTF-8 或 GB 18030）或 XLSX 文件，或 JSON 行；最多 10,000 行，按行报告结果。

    有错的行不影响其他行；内容相同的行答复原有证照，因此整个文件可以放心重传。
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        async with request.form(max_files=1, max_fields=4, max_part_size=4096) as form:
            type_code, file = form.get("type_code"), form.get("file")
            if not isinstance(type_code, str) or not isinstance(file, UploadFile):
                message = "表单应有文件 file 和证照类型代码 type_code。"
                raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "incomplete_form", message)
            data = await file.read()
        return await run_in_threadpool(register_file, call, type_code, data)
    if media_type == "application/json":
        return await run_in_threadpool(_register_json, call, await request.body())
    message = "请求内容的类型应为 multipart/form-data（文件）或 application/json（行）。"
    raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)


def register_file(call: Call, type_code: str, data: bytes) -> Response:
    """Register the rows of a file. Raises SheetError, NotFoundError (type), NotPermittedError."""
    batch = read_file(call, type_code, data)
    # Not the multipart bytes: their boundary is drawn anew for each repetition.
    digest = hashlib.sha256(type_code.encode() + b"\0" + hashlib.sha256(data).digest()).digest()
    return call.answer(lambda work: Answer(HTTPStatus.OK, register_rows(work, batch)), digest=digest)


def read_file(call: Call, type_code: str, data: bytes) -> Batch:
    """The batch in a file of certificates of this type. Raises SheetError, NotFoundError."""
    definition = call.read(lambda work: catalogue.definition_of(work, type_code[:_MAX_TYPE_CODE_CHARS]))
    if definition.kind != "certificate":
        message = "该类型是材料类型，不能登记为证照。"
        raise InvalidDraftError([FieldError("type_code", "not_a_certificate_type", message)])
    imported = read_drafts(read_sheet(data), definition)
    return Batch(definition.code, imported.rows, imported.layout.header_of, imported.notes)


def _register_json(call: Call, body: bytes) -> Response:
    batch = _parse_json(body)
    digest = hashlib.sha256(body).digest()
    return call.answer(lambda work: Answer(HTTPStatus.OK, register_rows(work, batch)), digest=digest)


def _parse_json(body: bytes) -> Batch:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "not_json", "请求内容不是有效的 JSON。") from error
    if not isinstance(value, dict) or value.keys() != {"type_code", "rows"}:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "incomplete_form", "应有且仅有 type_code 与 rows。")
    type_code, rows = value["type_code"], value["rows"]
    if not isinstance(type_code, str) or not isinstance(rows, list) or not rows:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "incomplete_form", "type_code 应为文本，rows 应为非空数组。"
        )
    if len(rows) > MAX_ROWS:
        raise too_many_rows()
    drafts = tuple(RowDraft(number, row if isinstance(row, dict) else {}) for number, row in enumerate(rows, 1))
    return Batch(type_code, drafts, str)


def register_rows(work: Work, batch: Batch) -> dict[str, Any]:
    """Register the rows in one transaction; the report of every row. Raises NotPermittedError if none could pass."""
    reports: dict[int, dict[str, Any]] = {}
    drafts: list[CertificateDraft] = []
    numbers: list[int] = []
    for row in batch.rows:
        draft, errors = _draft(row, batch)
        if draft is None:
            reports[row.row] = _report(row.row, "refused", errors=errors)
        else:
            drafts.append(draft)
            numbers.append(row.row)
    outcomes = certificates.register_many(work, drafts)
    _check_permitted(outcomes)
    for number, outcome in zip(numbers, outcomes, strict=True):
        reports[number] = _outcome(number, outcome, batch)
    rows = [reports[row.row] for row in batch.rows]
    counts = {
        outcome: sum(one["outcome"] == outcome for one in rows) for outcome in ("accepted", "duplicate", "refused")
    }
    return {**counts, "rows": rows, "notes": list(batch.notes)}


def _draft(row: RowDraft, batch: Batch) -> tuple[CertificateDraft | None, list[dict[str, Any]]]:
    if row.facts is None:
        return None, _faults(row.row, row.errors, batch)
    facts = {"extend_info": {}, **row.facts, "certificate_type_code": batch.type_code}
    try:
        return parse_draft(facts), []
    except InvalidDraftError as refused:
        return None, _faults(row.row, refused.errors, batch)


def _check_permitted(outcomes: Sequence[Registered | RowRefusal]) -> None:
    """All rows are of one type and issuer: if that is not allowed, it is one error and not ten thousand."""
    for outcome in outcomes[:1]:
        if isinstance(outcome, RowRefusal) and not outcome.permitted:
            raise NotPermittedError(outcome.errors[0].reason, outcome.errors[0].message)


def _outcome(number: int, outcome: Registered | RowRefusal, batch: Batch) -> dict[str, Any]:
    if isinstance(outcome, Registered):
        kind = "duplicate" if outcome.duplicate else "accepted"
        return _report(number, kind, id=outcome.id, identifier=outcome.identifier)
    errors = _faults(number, outcome.errors, batch)
    return _report(number, "refused", existing_id=outcome.existing_id, errors=errors)


def _faults(number: int, errors: Sequence[FieldError], batch: Batch) -> list[dict[str, Any]]:
    return [
        {"row": number, "field": batch.name(error.field), "reason": error.reason, "message": error.message}
        for error in errors
    ]


def _report(
    number: int,
    outcome: str,
    *,
    id: str | None = None,
    identifier: str | None = None,
    existing_id: str | None = None,
    errors: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    return {
        "row": number,
        "outcome": outcome,
        "id": id,
        "identifier": identifier,
        "existing_id": existing_id,
        "errors": list(errors),
    }
