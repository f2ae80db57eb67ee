"""A pytest plugin that counts the processes that tests really killed, and says at the end how many at random moments.

A kill counts where the process ended by SIGKILL, as the system tells whoever waited for it: one that came when the
process was done already does not. Draws begin at a seed that is new in each run and told at its end; SUIZHENG_KILL_SEED
repeats one. Where services are required, a whole run with fewer kills than LEAST fails.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

#: Kills at random moments in a whole run, how many of them in each of these areas, and how many amid a write.
LEAST: Final = 300
LEAST_EACH: Final = 40
AREAS: Final = ("registry", "log", "sender", "chain")

_FILE, _SEED = "SUIZHENG_KILL_TALLY", "SUIZHENG_KILL_SEED"
#: Command-line options that leave tests out.
_SELECTIONS: Final = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise", "collectonly")


class Kill(NamedTuple):
    """Whose process it was; whether the moment was drawn; whether a write waited for its fsync, rename or COMMIT."""

    area: str
    drawn: bool
    writing: bool


def count(area: str, ended_by: int, *, drawn: bool, writing: bool = False) -> None:
    """Count a process that ended by this signal, if that is SIGKILL; from any process of the run."""
    file = os.environ.get(_FILE)
    if ended_by == signal.SIGKILL and file:
        place = os.open(file, os.O_WRONLY | os.O_APPEND)
        try:
            # One short write at the end of a file is never mixed with another's.
            os.write(place, f"{area} {int(drawn)} {int(writing)}\n".encode())
        finally:
            os.close(place)


def chance(name: str) -> random.Random:
    """Draws of this run under a name of their own."""
    return random.Random(f"{_seed()} {name}")


def _seed() -> str:
    return os.environ.setdefault(_SEED, str(secrets.randbelow(10**9)))


def read(file: Path) -> Counter[Kill]:
    """The kills of a run."""
    fields = (line.split() for line in file.read_text(encoding="ascii").splitlines())
    return Counter(Kill(area, drawn == "1", writing == "1") for area, drawn, writing in fields)


class AtRandom(NamedTuple):
    """Kills at drawn moments: by whose process it was, and how many of all those were amid a write."""

    areas: Counter[str]
    writing: int

    @classmethod
    def of(cls, kills: Mapping[Kill, int]) -> AtRandom:
        """Those among the kills of a run."""
        areas: Counter[str] = Counter()
        writing = 0
        for kill, number in kills.items():
            if kill.drawn:
                areas[kill.area] += number
                writing += number * kill.writing
        return cls(areas, writing)

    @property
    def total(self) -> int:
        return self.areas.total()

    @property
    def shortfall(self) -> str | None:
        """What a whole run is short of, if it is."""
        counts = {**{area: self.areas[area] for area in AREAS}, "amid a write": self.writing}
        few = [f"{name} {number} of {LEAST_EACH}" for name, number in counts.items() if number < LEAST_EACH]
        if self.total < LEAST:
            few.insert(0, f"{self.total} of {LEAST} in all")
        return f"too few kills at random moments: {', '.join(few)}" if few else None

    def __str__(self) -> str:
        listed = ", ".join(f"{area} {number}" for area, number in self.areas.most_common())
        return f"killed {self.total} times at random moments: {listed or 'none'}; amid a write {self.writing} of them"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        descriptor, name = tempfile.mkstemp(prefix="suizheng-kills-")
        os.close(descriptor)
        # Also for the processes among which the tests are divided, and for those that they start.
        os.environ[_FILE] = name
        _seed()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.OK and _is_judged(session.config) and AtRandom.of(_read_own()).shortfall:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    kills = _read_own()
    found = AtRandom.of(kills)
    if kills:
        named = kills.total() - found.total
        terminalreporter.write_line(f"{found}; {named} times at named steps ({_SEED}={_seed()})")
    if _is_judged(config) and found.shortfall:
        terminalreporter.write_line(found.shortfall, red=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        Path(os.environ.pop(_FILE)).unlink()


def _is_judged(config: pytest.Config) -> bool:
    """Whether this is the process of a run that requires every service, and nothing on its command line leaves out."""
    return (
        not hasattr(config, "workerinput")
        and os.environ.get("SUIZHENG_REQUIRE_SERVICES") == "1"
        and config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and not any(config.getoption(name, None) for name in _SELECTIONS)
    )


def _read_own() -> Counter[Kill]:
    return read(Path(os.environ[_FILE]))
