"""What the templates of the way in see: home, log-in, one's own password."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.pages.kept import KeptForm
from api.pages.views import Fact, ProblemView


@dataclass(frozen=True, slots=True)
class Door:
    """One of the users' ways in."""

    key: str
    icon: str
    href: str


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """Work of one kind that waits: how much, what, and where."""

    count: int
    label: str
    href: str


@dataclass(frozen=True, slots=True)
class FirstStep:
    """One thing that a new registry needs before anybody can work with it."""

    key: str
    href: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class HomePage:
    """The home page."""

    doors: Sequence[Door]
    figures: Sequence[Fact]
    #: Work that waits for the reader; None for whoever has no department.
    waiting: Sequence[WaitingLine] | None = None
    #: For the administrator of a registry that is not set up yet.
    first_steps: Sequence[FirstStep] | None = None


@dataclass(frozen=True, slots=True)
class LoginPage:
    """The log-in form."""

    next: str
    username: str = ""
    problem: ProblemView | None = None
    #: What was typed into a form before the session ended.
    kept: KeptForm | None = None


@dataclass(frozen=True, slots=True)
class KeptPage:
    """After the log-in: the form that was typed before, to be sent."""

    kept: KeptForm


@dataclass(frozen=True, slots=True)
class PasswordPage:
    """The form for one's own password."""

    forced: bool
    username: str
    problem: ProblemView | None = None
    new_error: str | None = None
    again_error: str | None = None
