"""What an audit found: divergences, what was checked, what was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.audit.catalogue import FAULTS

#: Divergences of one kind that are kept; the rest is counted.
KEPT_OF_A_KIND = 200

Where = Mapping[str, int | str]


class AuditStopped(Exception):
    """The first divergence was found and no others were asked for."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Two things that cannot both be true. `code` is a row of the catalogue; `where` names index, size, tile, id …"""

    code: str
    where: Where
    expected: str
    found: str

    @property
    def title(self) -> str:
        """What is wrong, in a few words."""
        return FAULTS[self.code].title

    @property
    def meaning(self) -> str:
        """What it means."""
        return FAULTS[self.code].meaning

    @property
    def action(self) -> str:
        """What to do next."""
        return FAULTS[self.code].action

    def to_json(self) -> dict[str, Any]:
        """All of it for programs."""
        return {
            "code": self.code,
            "title": self.title,
            "where": dict(self.where),
            "expected": self.expected,
            "found": self.found,
            "meaning": self.meaning,
            "action": self.action,
        }


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A part that was not checked and why. `blocked`: it was asked for and could not be done."""

    what: str
    why: str
    blocked: bool


@dataclass
class Findings:
    """Collects what the parts of an audit find. Unless `all_of_them`, the first divergence raises AuditStopped."""

    all_of_them: bool = False
    divergences: list[Divergence] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def report(self, code: str, *, expected: object, found: object, **where: int | str) -> None:
        """Note a divergence. Raises AuditStopped if the first one is enough."""
        divergence = Divergence(code, where, show(expected), show(found))
        if sum(other.code == code for other in self.divergences) < KEPT_OF_A_KIND:
            self.divergences.append(divergence)
        else:
            self.left_out[code] += 1
        if not self.all_of_them:
            raise AuditStopped

    def compare(self, code: str, expected: object, found: object, **where: int | str) -> bool:
        """Whether both are the same; a divergence is noted if not."""
        if expected != found:
            self.report(code, expected=expected, found=found, **where)
            return False
        return True

    def skip(self, what: str, why: str) -> None:
        """A part that nobody asked for."""
        self._leave(Unchecked(what, why, blocked=False))

    def block(self, what: str, why: str) -> None:
        """A part that was asked for and could not be checked."""
        self._leave(Unchecked(what, why, blocked=True))

    def count(self, what: str, number: int = 1) -> None:
        """So many more things of this kind were checked."""
        self.checked[what] += number

    def _leave(self, part: Unchecked) -> None:
        if part not in self.unchecked:
            self.unchecked.append(part)


def show(value: object) -> str:
    """A value as evidence: bytes in hex, nothing longer than 200 characters."""
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 200 else f"{text[:180]}…（共 {len(text)} 个字符）"
