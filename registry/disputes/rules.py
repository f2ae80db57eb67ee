"""The states of a dispute, who may take which step, and by when."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from registry.calendar.rules import Calendar
from registry.errors import FieldError, TransitionError
from verifier.status import Status

STATES = {
    "raised": "已提出",
    "accepted": "已受理",
    "corrected": "已更正",
    "rejected": "不成立",
    "closed": "已办结",
}
#: What may follow what.
NEXT: dict[str, frozenset[str]] = {
    "raised": frozenset(("accepted", "rejected")),
    "accepted": frozenset(("corrected", "rejected")),
    "corrected": frozenset(("closed",)),
    "rejected": frozenset(("closed",)),
    "closed": frozenset(),
}
#: While a dispute is in one of these the certificate carries its mark.
OPEN = frozenset(("raised", "accepted"))
#: Working days for the step that is due in a state: to accept or reject, to decide, to tell whoever raised it. Our own
#: figures: no rule of law names them.
WORKING_DAYS = {"raised": 2, "accepted": 10, "corrected": 5, "rejected": 5}
MAX_CHARACTERS = 500
#: States into which a correction leaves the wrong certificate: replaced, or withdrawn.
CORRECTED_STATUSES: Collection[Status] = (Status.SUPERSEDED, Status.REVOKED, Status.CANCELLED)


def check_step(state: str, wanted: str) -> None:
    """Raises TransitionError unless the step is lawful."""
    if wanted not in NEXT[state]:
        raise TransitionError(state, wanted, f"该异议{STATES[state]}，不能改为“{STATES[wanted]}”，请刷新后再看。")


def due_on(calendar: Calendar, state: str, today: date) -> date:
    """The last day for the next step of a dispute that came into this state today; today where none is due."""
    return calendar.after(today, WORKING_DAYS.get(state, 0))


def is_overdue(state: str, due: date, today: date) -> bool:
    """Whether the step that is due has not come in time."""
    return state != "closed" and today > due


def check_text(field: str, text: str, chinese: str) -> list[FieldError]:
    """The fault of a text that must be there, if it has one."""
    clean = all(character.isprintable() or character in "\r\n\t" for character in text)
    if 0 < len(text.strip()) <= MAX_CHARACTERS and clean:
        return []
    return [FieldError(field, "wrong_length", f"请填写{chinese}，最多 {MAX_CHARACTERS} 个字。")]
