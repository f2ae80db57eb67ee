"""How long what is made of a certificate may last, as the forms of copies and extracts ask for it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final

from api.pages.problems import field_errors
from api.pages.texts import Texts
from registry.certificates.tables import Certificate
from registry.copies.rules import LONGEST
from registry.errors import FieldError, InvalidDraftError
from registry.work import Work
from verifier.times import SHANGHAI, shanghai_day

_USUAL_DAYS: Final = 30


def end_of(text: str) -> datetime:
    """The end of a day (2026-11-22) in Shanghai. Raises InvalidDraftError for the field `expires_at`."""
    try:
        on = date.fromisoformat(text) + timedelta(days=1)
    except (ValueError, OverflowError) as wrong:
        fault = FieldError("expires_at", "date_does_not_exist", "请填写存在的日期。")
        raise InvalidDraftError([fault]) from wrong
    return datetime.combine(on, time.min, SHANGHAI)


def latest_day(work: Work, row: Certificate) -> date:
    """The last day that may be asked for: no later than the certificate's own."""
    latest = shanghai_day(work.at) + LONGEST - timedelta(days=1)
    return latest if row.valid_to_on is None else min(latest, row.valid_to_on)


def usual_day(work: Work, row: Certificate) -> date:
    """The day that the form proposes."""
    return min(shanghai_day(work.at) + timedelta(days=_USUAL_DAYS), latest_day(work, row))


def errors_of(refused: Exception, t: Texts) -> dict[str, str]:
    """The faults by the names of the inputs: the end is asked for as a day, `expires_on`."""
    return {{"expires_at": "expires_on"}.get(name, name): said for name, said in field_errors(refused, t).items()}
