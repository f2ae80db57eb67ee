"""What the pages of imports show, made from a job and its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from api.http.import_forms import ImportShown, last_part
from api.imports.columns import Column
from api.imports.mapping import FieldOption, How
from api.pages.texts import Texts
from api.pages.views import NOTHING_TRIED, JobLine, ProblemView, Tried
from registry.imports.rules import DUE, Outcome, RowResult, State

#: The tone of an outcome mark by state; those that are under way have none.
_TONES: Final[Mapping[State, str]] = {
    State.PAUSED: "warn",
    State.CANCELLED: "warn",
    State.FAILED: "bad",
    State.UNDONE: "good",
}


@dataclass(frozen=True, slots=True)
class ImportsPage:
    """The jobs of a department, newest first; `next` is the address of the rest."""

    jobs: Sequence[JobLine]
    next: str | None


@dataclass(frozen=True, slots=True)
class ResultLine:
    """What became of a row; one line for each fault of a refused one."""

    row: int
    id: str | None
    letters: str = ""
    field: str = ""
    message: str = ""
    expected: str = ""
    todo: str = ""


@dataclass(frozen=True, slots=True)
class ColumnLine:
    """A column of the file on the form of the mapping."""

    letters: str
    header: str
    field: str
    how: How
    samples: Sequence[str]


@dataclass(frozen=True, slots=True)
class MappingForm:
    """The form on which columns are told what they are."""

    columns: Sequence[ColumnLine]
    options: Sequence[tuple[str, str]]
    missing: Sequence[str]


@dataclass(frozen=True, slots=True)
class ImportPage:
    """One job: under way, waiting for a mapping, or its report."""

    job: ImportShown
    type_name: str
    headline: str
    #: good, warn, bad, or empty while it is under way.
    tone: str
    under_way: bool
    percent: int | None
    may: frozenset[str]
    shown: Outcome
    results: Sequence[ResultLine]
    next: str | None
    mapping: MappingForm | None = None
    problem: ProblemView | None = None
    #: What was asked for the taking back, and not done.
    undo: Tried = NOTHING_TRIED


def job_line(job: ImportShown, type_name: str, t: Texts) -> JobLine:
    """A job as a line."""
    return JobLine(
        job.id, job.created_at, job.file_name, type_name, job.state, t(f"import.state.{job.state}"), job.dry_run,
        job.total, job.done, job.accepted, job.duplicate, job.refused,
    )  # fmt: skip


def headline(job: ImportShown, t: Texts) -> str:
    """The one sentence that matters first."""
    state = State(job.state)
    if state is State.DONE:
        return _result(job, t)
    if state in (State.RUNNING, State.WAITING) and job.dry_run:
        return t("import.h.trying")
    numbers = {"done": job.done, "total": job.total, "accepted": job.accepted, "undone": job.undone}
    return t(f"import.h.{state}", **{name: f"{number:,}" for name, number in numbers.items()})


def _result(job: ImportShown, t: Texts) -> str:
    prefix = "import.dry" if job.dry_run else "report"
    if job.refused:
        return t(f"{prefix}.some", total=f"{job.total:,}", refused=f"{job.refused:,}")
    if job.accepted:
        return t(f"{prefix}.all", n=f"{job.accepted:,}")
    return t("report.all_known", n=f"{job.duplicate:,}")


def tone(job: ImportShown) -> str:
    """The tone of the mark beside the headline."""
    state = State(job.state)
    if state in DUE or state is State.MAPPING:
        return ""
    if state is State.DONE:
        return "warn" if job.refused else "good"
    return _TONES[state]


def percent(job: ImportShown) -> int | None:
    """How far it is; None while that cannot be told."""
    if State(job.state) is State.READING or not job.total:
        return None
    if State(job.state) is State.UNDOING:
        return (job.undone + job.undo_kept) * 100 // max(1, job.accepted)
    return job.done * 100 // job.total


def result_lines(results: Sequence[RowResult], columns: Sequence[Column], t: Texts) -> list[ResultLine]:
    """The results with what was expected and what to do."""
    expected = {last_part(one.field): t.said(f"column.{one.field}.expected", one.expected) for one in columns}
    lines: list[ResultLine] = []
    for result in results:
        if not result.faults:
            lines.append(ResultLine(result.row, result.id))
        for one in result.faults:
            message = t.refusal(one.reason, one.message)
            todo = t.find(f"mend.{one.reason}") or t("mend.default")
            wanted = expected.get(last_part(one.field), "")
            lines.append(ResultLine(result.row, result.id, one.letters, one.header, message, wanted, todo))
    return lines


def option_pairs(options: Sequence[FieldOption], t: Texts) -> list[tuple[str, str]]:
    """The fields of the selection with their names."""
    return [
        (
            one.field,
            t.said(f"column.{one.column.field}", one.column.header)
            + (f" {one.holder}" if one.holder and one.holder > 1 else "")
            + (t("import.required") if one.column.required and (one.holder or 1) == 1 else ""),
        )
        for one in options
    ]
