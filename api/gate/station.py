"""The gate's loop: a typed line in, a decision out, and on the disk in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol

from api.gate.errors import GateError, JournalError
from api.gate.journal import Journal
from api.gate.tidying import LOOK_EVERY, tidy
from api.gate.trust_file import TrustFile
from codes import payload
from verifier import times
from verifier.admission import ADMITTED_KINDS, Decision, decide
from verifier.code import CLOCK_SKEW, CODE_POLICY, SECOND_FACTOR_DUE, examine_code
from verifier.errors import VerificationError
from verifier.trust import TrustBundle
from verifier.verdict import Policy, State
from verifier.visit import Visit

CLOCK_TOLERANCE = timedelta(seconds=60)
"""How far the clock may be set back, as time services do, before the gate stops believing it."""

CONFIRMATIONS = frozenset(("OK", "确认", "放行"))
"""What staff type, or scan from a card at the desk, when the bearer of the printed code just shown is its holder."""
CONFIRM_WITHIN = timedelta(seconds=60)

_LINE_ENDS = (b"\r", b"\n")
# Four bytes a character: longer lines are no code of ours in any encoding of Unicode.
_MAX_LINE_BYTES = 4 * payload.MAX_SCANNED_CHARS
_CHUNK_BYTES = 4096


class Display(Protocol):
    """Where decisions are shown."""

    def show(self, decision: Decision, visit: Visit | None, trust: TrustBundle) -> None:
        """Show a decision at once; `visit` is None where it could not be recorded."""
        ...

    def notice(self, message: str) -> None:
        """Tell the staff something that is no decision."""
        ...


class Station:
    """One gate of a venue: judges what is typed, one line after the other."""

    def __init__(self, venue_id: str, trust: TrustFile, journal: Journal, policy: Policy = CODE_POLICY) -> None:
        self._venue_id = venue_id
        self._trust = trust
        self._journal = journal
        self._policy = policy
        self._to_confirm: tuple[str, datetime] | None = None

    def run(self, lines: Iterator[str], clock: Callable[[], datetime], display: Display) -> None:
        """Judge line after line until there are no more. Raises nothing for any line."""
        for line in lines:
            if self._trust.refresh():
                display.notice(self._trust.problem or f"已换用信任包版本 {self._trust.bundle.content.version}")
            decision, visit = self.judge(line, clock())
            display.show(decision, visit, self._trust.bundle)
            # After the door has its answer, so that nobody waits for it.
            if visit is not None and visit.sequence % LOOK_EVERY == 0:
                self.tidy(display)

    def tidy(self, display: Display) -> None:
        """Drop what was handed in long ago from the journal, and say so; the gate goes on if that fails."""
        try:
            dropped = tidy(self._journal)
        except GateError as error:
            display.notice(error.message)
            return
        if dropped:
            display.notice(f"日志已整理：较早的 {dropped} 条记录均已上报，不再留在本机")

    def judge(self, typed: str, now: datetime) -> tuple[Decision, Visit | None]:
        """The decision on one typed line, and its visit, which is on the disk when this returns.

        What cannot be recorded is not let in: then the visit is None and the decision undecided.
        """
        trust = self._trust.bundle
        now = now.replace(microsecond=0)
        confirmed = self._confirmed(typed, now)
        decision = self._decide(confirmed or typed, trust, now, bearer_seen=confirmed is not None)
        self._to_confirm = (typed, now) if decision.reason == SECOND_FACTOR_DUE else None
        try:
            return decision, self._journal.record(decision, trust.content.version, trust.content.issued_at)
        except JournalError as error:
            return replace(decision, state=State.UNDECIDED, reason="not_recorded", message=error.message), None

    def _confirmed(self, typed: str, now: datetime) -> str | None:
        """The printed code whose bearer was looked at, if this line says so in time."""
        if self._to_confirm is None or typed.strip().upper() not in CONFIRMATIONS:
            return None
        text, asked_at = self._to_confirm
        return text if now - asked_at <= CONFIRM_WITHIN else None

    def _decide(self, typed: str, trust: TrustBundle, now: datetime, *, bearer_seen: bool) -> Decision:
        """The steps: (1) the clock can be believed, (2) the venue is known, (3) the code's verdict, (4) decide."""
        doubt = self._doubt(trust, now)
        if doubt:
            return Decision(State.UNDECIDED, *doubt, now)
        at = max(now, self._journal.newest_at or now)
        try:
            venue = trust.venue(self._venue_id)
        except VerificationError as error:
            return Decision(State.UNDECIDED, error.reason, error.message, at)
        text = payload.normalise_scanned(typed)
        verdict, claims = examine_code(text, trust, at, ADMITTED_KINDS, self._policy)
        return decide(verdict, claims, venue, trust, at, self._journal.memory, bearer_seen=bearer_seen)

    def _doubt(self, trust: TrustBundle, now: datetime) -> tuple[str, str] | None:
        """Why the clock cannot be believed: set back, every ended code and pass would be good again."""
        newest_at, issued_at = self._journal.newest_at, trust.content.issued_at
        if newest_at is not None and now < newest_at - CLOCK_TOLERANCE:
            return "clock_went_back", f"设备时钟早于上次放行时间 {times.for_people(newest_at)}，请校准时钟"
        if now < issued_at - CLOCK_SKEW:
            return "clock_behind_trust", f"设备时钟早于信任包签发时间 {times.for_people(issued_at)}，请校准时钟"
        return None


def read_lines(stream: BinaryIO) -> Iterator[str]:
    """The lines that are typed, as soon as Enter is: carriage return, line feed or both. Empty ones are left out.

    Never holds more than a limit: of a longer line, so much is returned that its length shows.
    """
    read = getattr(stream, "read1", stream.read)
    held = b""
    while chunk := read(_CHUNK_BYTES):
        *lines, held = _split(held + chunk)
        for line in lines:
            if text := _text(line):
                yield text
        # Kept: one byte more than a line may have.
        held = held[: _MAX_LINE_BYTES + 1]
    if text := _text(held):
        yield text


def _split(data: bytes) -> list[bytes]:
    return data.replace(*_LINE_ENDS).split(_LINE_ENDS[1])


def _text(line: bytes) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        # What a Chinese keyboard driver sends where the terminal is not Unicode.
        text = line.decode("gb18030", errors="replace")
    return text if text.strip() else ""
