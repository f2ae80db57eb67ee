"""What the gate shows: one big verdict a line, or one JSON object a line."""

from __future__ import annotations

import shutil
import sys
from typing import TextIO

import orjson

from verifier import times
from verifier.admission import Decision
from verifier.trust import TrustBundle
from verifier.verdict import NOT_OURS_CHINESE, State
from verifier.visit import Visit

SYMBOLS = {State.VALID: "✓", State.INVALID: "✕", State.NOT_IN_FORCE: "‖", State.UNDECIDED: "?"}
WORDS = {
    State.VALID: "请进",
    State.INVALID: "不可进入",
    State.NOT_IN_FORCE: "暂不可进入",
    State.UNDECIDED: "无法判定，请找工作人员",
}

# White on green, on red, on brown, on grey: legible also to those who cannot tell the colours, by symbol and word.
_COLOURS = {
    State.VALID: "\x1b[97;48;5;28m",
    State.INVALID: "\x1b[97;48;5;124m",
    State.NOT_IN_FORCE: "\x1b[97;48;5;94m",
    State.UNDECIDED: "\x1b[97;48;5;240m",
}
_PLAIN = "\x1b[0m"


class PlainDisplay:
    """Chinese lines for people: a coloured band on a terminal, one line elsewhere. Notices go to the error output."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()

    def show(self, decision: Decision, visit: Visit | None, trust: TrustBundle) -> None:
        """Show a decision at once."""
        word = NOT_OURS_CHINESE if decision.reason == "not_ours" else WORDS[decision.state]
        head = f"{SYMBOLS[decision.state]} {word}"
        clock = f"{decision.at.astimezone(times.SHANGHAI):%H:%M:%S}"
        if self._is_terminal:
            width = shutil.get_terminal_size().columns
            band = [" " * width, _padded(f"    {head}", width), _padded(f"    {decision.message}", width), " " * width]
            text = "\n".join(f"{_COLOURS[decision.state]}{line}{_PLAIN}" for line in band) + f"\n{clock}\n"
        else:
            text = f"{head} · {decision.message} · {clock}\n"
        self._out.write(text)
        self._out.flush()

    def notice(self, message: str) -> None:
        """Tell the staff something that is no decision."""
        _notice(message)


class JsonDisplay:
    """One JSON object a line and decision, for a turnstile or a screen of its own. Notices go to the error output."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, decision: Decision, visit: Visit | None, trust: TrustBundle) -> None:
        """Show a decision at once."""
        line = decision.to_json() | {
            "event_id": None if visit is None else visit.event_id,
            "sequence": None if visit is None else visit.sequence,
            "trust_version": trust.content.version,
            "trust_age_seconds": int((decision.at - trust.content.issued_at).total_seconds()),
        }
        self._out.write(orjson.dumps(line).decode() + "\n")
        self._out.flush()

    def notice(self, message: str) -> None:
        """Tell the staff something that is no decision."""
        _notice(message)


def _notice(message: str) -> None:
    sys.stderr.write(f"! {message}\n")
    sys.stderr.flush()


def _padded(text: str, width: int) -> str:
    """The text on a line of its own: Chinese characters and full-width signs take two columns."""
    columns = sum(2 if ord(character) >= 0x2E80 else 1 for character in text)
    return text + " " * max(0, width - columns)
