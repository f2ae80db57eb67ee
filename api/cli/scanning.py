"""`suizheng scan`: every code in pictures and documents, or line by line as a scanner types them, with its verdict."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime

import orjson

from api.cli.arguments import now
from api.cli.errors import CommandError
from api.cli.reading import read_given
from api.cli.report import printable, write_report
from api.cli.verifying import exit_status
from api.gate.errors import TrustFileError
from api.gate.trust_file import open_trust
from api.presented import unread
from codes import pages, picture
from verifier.code import CODE_POLICY, NOT_OURS
from verifier.errors import Check, MalformedError, UndecidedError
from verifier.trust import TrustBundle
from verifier.verdict import Examination, State, Verdict
from verifier.verify import MAX_CODE_TEXT_BYTES, is_known_code, verify


def run(options: argparse.Namespace) -> int:
    """Report on every code of every picture; the exit status of the worst verdict. Raises CommandError."""
    try:
        trust = None if options.trust is None else open_trust(options.trust)
    except TrustFileError as error:
        raise CommandError(error.message) from error
    at: datetime = options.at or now()
    states: set[State] = set()
    for place, page, verdict in _verdicts(options.pictures, trust, at):
        states.add(verdict.state)
        if options.json:
            sys.stdout.write(orjson.dumps({"picture": place, "page": page, **verdict.to_json()}).decode() + "\n")
        else:
            sys.stdout.write(f"{printable(place)}\n")
            write_report(sys.stdout, verdict, trust, at)
        # A scanner at a counter waits for its answer.
        sys.stdout.flush()
    return exit_status(states)


def _verdicts(names: list[str], trust: TrustBundle | None, at: datetime) -> Iterator[tuple[str, int | None, Verdict]]:
    """Where each was, the page if there are pages, and the verdict."""
    for name in names:
        if name == "-":
            yield from ((f"第 {number} 行", None, _judge(line, trust, at)) for number, line in _lines())
            continue
        try:
            reading = pages.read(read_given(name, picture.MAX_PICTURE_BYTES))
        except picture.PictureError as error:
            yield name, None, unread(error.reason, error.message, at)
            continue
        for number, found in enumerate(reading.found, start=1):
            place = name if found.page is None else f"{name} 第 {found.page} 页"
            place = place if len(reading.found) == 1 else f"{place} 第 {number} 个码"
            yield place, found.page, _judge(found.text, trust, at)
        if reading.unread:
            yield name, None, unread("pages_unread", reading.unread, at)


def _judge(text: str, trust: TrustBundle | None, at: datetime) -> Verdict:
    if trust is not None:
        return verify(text.encode(errors="replace"), trust, at)
    exam = Examination(at)
    if is_known_code(text):
        error = UndecidedError("no_trust", "没有给出信任包（--trust），不能判断是谁签发的", check=Check.ISSUER)
        exam.fail(Check.ISSUER, error)
    else:
        exam.fail(Check.FORMAT, MalformedError("not_ours", NOT_OURS))
    return exam.conclude(CODE_POLICY)


def _lines() -> Iterator[tuple[int, str]]:
    """The lines of standard input that hold anything, each bounded."""
    number = 0
    while raw := sys.stdin.buffer.readline(MAX_CODE_TEXT_BYTES + 1):
        number += 1
        line = raw.decode(errors="replace").rstrip("\r\n")
        if line.strip():
            yield number, line
