"""What the templates of the second factor see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from api.pages.kept import KeptForm
from api.pages.views import ProblemView


@dataclass(frozen=True, slots=True)
class CodePage:
    """The second step of a log-in."""

    next: str
    kept: KeptForm | None = None
    problem: ProblemView | None = None
    #: The problem stands with a recovery code.
    recovering: bool = False


@dataclass(frozen=True, slots=True)
class EventLine:
    """What became of the second factor."""

    what: str
    at: datetime
    by_other: bool


@dataclass(frozen=True, slots=True)
class FactorPage:
    """One's own second factor. due: it has to be set up before anything else. asked: it cannot be turned off."""

    since_at: datetime | None
    recovery_codes: int
    events: Sequence[EventLine]
    username: str
    due: bool
    asked: bool
    next: str
    kept: KeptForm | None = None
    problem: ProblemView | None = None
    #: The form that the problem is of: begin, codes, end.
    problem_in: str = ""


@dataclass(frozen=True, slots=True)
class SetupPage:
    """A new secret, to be put into an app and confirmed by its code."""

    qr: Markup
    secret: str
    expires_at: datetime
    next: str
    kept: KeptForm | None = None
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class RecoveryPage:
    """Recovery codes, shown this once."""

    codes: Sequence[str]
    next: str
    kept: KeptForm | None = None
