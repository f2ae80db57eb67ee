"""Pictures and documents that somebody presents: a verdict on each code of a kind that we know, with its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from codes import pages, picture
from verifier.code import CODE_POLICY
from verifier.errors import Check, UndecidedError
from verifier.verdict import Examination, Verdict
from verifier.verify import is_known_code, not_ours

#: A document without a code that we know is what was presented itself, as it is where nothing reads its pages.
_DOCUMENT_ALONE: Final = ("no_code_on_pages", "pdf_not_installed")


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict on a code, and the page that it is on, from 1; None in a picture, and on the whole file."""

    verdict: Verdict
    page: int | None = None


@dataclass(frozen=True, slots=True)
class JudgedFile:
    """Verdicts on what is in a file, never none; how many codes were read and how many pages it has, if it has any."""

    judged: tuple[Judged, ...]
    codes: int
    pages: int | None


def judge_file(data: bytes, decide: Callable[[bytes], Verdict], at: datetime) -> JudgedFile:
    """`decide` on each code that we know, or on a PDF without one; undecided too where not all pages were looked at.

    Raises PictureError where nothing could be read.
    """
    try:
        reading = pages.read(data)
    except picture.PictureError as error:
        if pages.is_pdf(data) and error.reason in _DOCUMENT_ALONE:
            return JudgedFile((Judged(decide(data)),), 0, None)
        raise
    judged = [Judged(decide(one.text.encode()), one.page) for one in reading.found if is_known_code(one.text)]
    if reading.unread:
        judged.append(Judged(unread("pages_unread", reading.unread, at)))
    if not judged:
        judged.append(Judged(decide(data) if pages.is_pdf(data) else not_ours(at)))
    return JudgedFile(tuple(judged), len(reading.found), reading.pages)


def unread(reason: str, message: str, at: datetime) -> Verdict:
    """What nobody could read says nothing about what is on it: neither good nor bad."""
    exam = Examination(at)
    exam.fail(Check.FORMAT, UndecidedError(reason, message, check=Check.FORMAT))
    return exam.conclude(CODE_POLICY)
