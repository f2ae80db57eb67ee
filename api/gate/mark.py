"""How far a journal was handed in: the file FILE.handed-in beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import orjson

from api.gate.errors import HandInError, cause_of
from api.gate.files import replace_file

BATCH_VISITS = 500


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a journal was handed in. accepted: highest sequence; pending: last sequence of a batch that was begun."""

    gate: str
    accepted: int = 0
    pending: int | None = None


def _mark_file(journal: Path) -> Path:
    return journal.with_name(journal.name + ".handed-in")


def read_mark(journal: Path, gate: str) -> Mark:
    """The journal's mark; a fresh one where there is none, or where the mark is of a journal that stood here before.

    Raises HandInError.
    """
    path = _mark_file(journal)
    try:
        value = orjson.loads(path.read_bytes())
        mark = Mark(value["gate"], value["accepted"], value["pending"])
    except FileNotFoundError:
        return Mark(gate)
    except OSError as error:
        raise HandInError("unreadable", f"无法读取 {path}：{cause_of(error)}") from error
    except (ValueError, TypeError, KeyError):
        # Sent again from the first visit on: the registry knows them.
        return Mark(gate)
    return mark if mark.gate == gate and _is_sound(mark) else Mark(gate)


def _is_sound(mark: Mark) -> bool:
    pending = mark.pending
    return (
        type(mark.accepted) is int
        and mark.accepted >= 0
        and (pending is None or (type(pending) is int and 0 < pending - mark.accepted <= BATCH_VISITS))
    )


def write_mark(journal: Path, mark: Mark) -> None:
    """The mark is on the disk when this returns. Raises GateError."""
    replace_file(
        _mark_file(journal),
        orjson.dumps({"gate": mark.gate, "accepted": mark.accepted, "pending": mark.pending}),
    )
