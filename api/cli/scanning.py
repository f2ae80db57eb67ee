"""`suizheng scan`: every code in pictures, or line by line as a scanner types them, each with its verdict."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime

import orjson

from api.cli.arguments import now
from api.cli.errors import CommandError
from api.cli.reading import read_given
from api.cli.report import write_report
from api.cli.verifying import exit_status
from api.gate.errors import TrustFileError
from api.gate.trust_file import open_trust
from codes import picture
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
    for place, verdict in _verdicts(options.pictures, trust, at):
        states.add(verdict.state)
        if options.json:
            sys.stdout.write(orjson.dumps({"picture": place, **verdict.to_json()}).decode() + "\n")
        else:
            sys.stdout.write(f"{place}\n")
            write_report(sys.stdout, verdict, trust, at)
        # A scanner at a counter waits for its answer.
        sys.stdout.flush()
    return exit_status(states)


def _verdicts(names: list[str], trust: TrustBundle | None, at: datetime) -> Iterator[tuple[str, Verdict]]:
    for name in names:
        if name == "-":
            yield from ((f"第 {number} 行", _judge(line, trust, at)) for number, line in _lines())
            continue
        try:
            texts = picture.read_all(read_given(name, picture.MAX_PICTURE_BYTES))
        except picture.PictureError as error:
            yield name, _unread(error, at)
            continue
        for number, text in enumerate(texts, start=1):
            yield (name if len(texts) == 1 else f"{name} 第 {number} 个码"), _judge(text, trust, at)


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


def _unread(error: picture.PictureError, at: datetime) -> Verdict:
    """Nothing was read: neither good nor bad."""
    exam = Examination(at)
    exam.fail(Check.FORMAT, UndecidedError(error.reason, error.message, check=Check.FORMAT))
    return exam.conclude(CODE_POLICY)


def _lines() -> Iterator[tuple[int, str]]:
    """The lines of standard input that hold anything, each bounded."""
    number = 0
    while raw := sys.stdin.buffer.readline(MAX_CODE_TEXT_BYTES + 1):
        number += 1
        line = raw.decode(errors="replace").rstrip("\r\n")
        if line.strip():
            yield number, line
