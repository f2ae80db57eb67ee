"""`suizheng gate`: one gate, from the standard input to the standard output."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from api.cli.arguments import now
from api.cli.errors import CommandError
from api.gate.display import JsonDisplay, PlainDisplay
from api.gate.errors import GateError
from api.gate.journal import Journal
from api.gate.station import Display, Station, read_lines
from api.gate.trust_file import TrustFile
from verifier.errors import VerificationError


def run(options: argparse.Namespace) -> int:
    """Judge lines until the input ends. Raises CommandError if the gate cannot begin."""
    display: Display = JsonDisplay(sys.stdout) if options.json else PlainDisplay(sys.stdout)
    at: datetime | None = options.at
    clock: Callable[[], datetime] = now if at is None else lambda: at
    try:
        trust = TrustFile(options.trust)
        venue = trust.bundle.venue(options.venue)
        path = options.journal or Path(f"gate-{venue.id}.jsonl")
        journal = Journal(path, venue.id, clock().replace(microsecond=0), secrets.token_bytes)
        trust.check_version(journal.trust_version)
    except (GateError, VerificationError) as error:
        raise CommandError(error.message) from error
    version = trust.bundle.content.version
    display.notice(
        f"{venue.name} 闸口 {journal.header.gate}，信任包版本 {version}，日志 {path} 已有 {journal.sequence} 条"
    )
    if journal.torn:
        display.notice(
            f"日志末尾有 {journal.torn} 字节没有写完（上次未正常关闭），已移到 {journal.torn_file}；其他记录完好"
        )
    with _without_echo():
        station = Station(venue.id, trust, journal)
        station.tidy(display)
        station.run(read_lines(sys.stdin.buffer), clock, display)
    journal.close()
    return 0


@contextmanager
def _without_echo() -> Iterator[None]:
    """Keep what scanners type off the screen: the next in the queue could take a picture of it."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    quiet = [*before]
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
