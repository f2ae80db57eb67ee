"""What the JSON API says of imports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.errors import FieldProblem
from api.http.forms import Incoming, Outgoing
from api.imports.mapping import Choice
from registry.imports import rules, undoing
from registry.imports.rules import RowResult, State
from registry.imports.tables import ImportJob
from registry.work import Work

_DIGEST = "^[0-9a-f]{64}$"


class ImportForm(Incoming):
    """A file to take in. The digests name uploads."""

    type_code: str = Field(max_length=32, description="证照类型代码")
    file_name: str = Field(min_length=1, max_length=255, description="文件名，供人辨认")
    sha256: str = Field(pattern=_DIGEST, description="已上传的 CSV、XLSX，或含表格与附件的 ZIP")
    attachments_sha256: str | None = Field(default=None, pattern=_DIGEST, description="已上传的附件 ZIP")
    dry_run: bool = Field(default=False, description="只检查，不登记")
    mapping: dict[str, str] | None = Field(default=None, description="列标题 → 字段，见“确认列对应”")


class MappingForm(Incoming):
    """Which column is which field."""

    mapping: dict[str, str] = Field(description="列标题 → 字段；空文本为不读取；未列出的按名称识别")


class UndoForm(Incoming):
    """Why the certificates of an import are taken back."""

    operation: Literal["revoke", "cancel"] = Field(description="revoke 撤销（不应颁发）或 cancel 注销")
    reason: str = Field(min_length=1, max_length=500, description="事由")


class ImportProblem(Outgoing):
    """Why an import cannot go on."""

    reason: str
    message: str
    errors: list[FieldProblem]


class ImportShown(Outgoing):
    """An import and how far it is."""

    id: str
    type_code: str
    file_name: str
    state: str = Field(description=" ".join(State))
    state_name: str
    dry_run: bool
    total: int
    done: int
    accepted: int
    duplicate: int
    refused: int
    undone: int = Field(description="已撤回的证照数")
    undo_kept: int = Field(description="撤回时状态已另有变更、保持不动的证照数")
    notes: list[str]
    problem: ImportProblem | None
    may: list[str] = Field(description="现在可以做的：map、pause、resume、cancel、register、undo")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class ColumnShown(Outgoing):
    """A column of the file and the field it is read as, or, if `how` is "similar", might be."""

    letters: str
    header: str
    field: str
    how: Literal["chosen", "known", "similar", "none"]
    samples: list[str]


class FieldShown(Outgoing):
    """A field that a column can be read as."""

    field: str
    name: str
    required: bool
    expected: str


class ColumnsShown(Outgoing):
    """The columns of the file, and every field there is."""

    columns: list[ColumnShown]
    fields: list[FieldShown]
    missing: list[FieldProblem] = Field(description="还缺的必填字段")


class RowFault(Outgoing):
    """What is wrong with a cell and what to do, and what its column expects."""

    column: str = Field(description="列（A、B …）；文件没有该列时为空")
    field: str = Field(description="列标题")
    reason: str
    message: str
    expected: str


class RowShown(Outgoing):
    """What became of a row."""

    row: int
    outcome: Literal["accepted", "duplicate", "refused"]
    id: str | None = Field(description="该行的证照；被拒绝时为占用其位置的证照")
    errors: list[RowFault]


class RowsPage(Outgoing):
    """Some rows, in the order of the file."""

    items: list[RowShown]
    next_cursor: str | None


def may(work: Work, job: ImportJob) -> list[str]:
    """What can be asked of a job now."""
    wishes = set(rules.wishes(State(job.state)))
    if not job.dry_run or job.forgotten:
        wishes.discard("register")
    if job.forgotten:
        wishes.discard("resume")
    if not undoing.may_undo(work, job):
        wishes.discard("undo")
    return sorted(wishes)


def shown(work: Work, job: ImportJob) -> ImportShown:
    """The job as it is shown."""
    problem: dict[str, Any] | None = job.problem
    return ImportShown(
        id=job.id, type_code=job.type_code, file_name=job.file_name, state=job.state,
        state_name=rules.CHINESE[State(job.state)], dry_run=job.dry_run, total=job.total_rows, done=job.done_rows,
        accepted=job.accepted, duplicate=job.duplicate, refused=job.refused, undone=job.undo_done - job.undo_kept,
        undo_kept=job.undo_kept, notes=list(job.notes or ()), problem=ImportProblem(**problem) if problem else None,
        may=may(work, job), created_at=job.created_at, started_at=job.started_at, ended_at=job.ended_at,
    )  # fmt: skip


def column_shown(choice: Choice) -> ColumnShown:
    """A column as it is shown."""
    return ColumnShown(
        letters=choice.letters, header=choice.label, field=choice.field, how=choice.how, samples=list(choice.samples)
    )


def row_shown(result: RowResult, expected: Mapping[str, str]) -> RowShown:
    """A result as it is shown; `expected` by the last part of a field's path."""
    faults = [
        RowFault(
            column=one.letters, field=one.header, reason=one.reason, message=one.message,
            expected=expected.get(last_part(one.field), ""),
        )
        for one in result.faults
    ]  # fmt: skip
    return RowShown(row=result.row, outcome=result.outcome, id=result.id, errors=faults)


def last_part(path: str) -> str:
    """The last part of a field's path: `holders[0].holder_code` is `holder_code`."""
    return path.rsplit(".", 1)[-1]
