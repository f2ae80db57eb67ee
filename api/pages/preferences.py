"""Language and print size: settings of the reader, kept in a cookie that says nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fastapi import Request, Response

Language = Literal["zh", "en"]

_COOKIE: Final = "suizheng_view"
_A_YEAR_IN_SECONDS: Final = 31_536_000


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a reader wants the pages."""

    language: Language = "zh"
    large_print: bool = False

    @property
    def tag(self) -> str:
        """The language as BCP 47 writes it."""
        return "en" if self.language == "en" else "zh-CN"

    def changed(self, language: str | None, print_size: str | None) -> Preferences:
        """These preferences with what a settings form sent; anything unknown changes nothing."""
        spoken: Language = "en" if language == "en" else "zh" if language == "zh" else self.language
        large = print_size == "large" if print_size in ("large", "normal") else self.large_print
        return Preferences(spoken, large)

    @classmethod
    def of(cls, request: Request) -> Preferences:
        """The preferences in the request's cookie; the defaults without one."""
        language, _, size = request.cookies.get(_COOKIE, "").partition(".")
        return cls().changed(language, size)

    @staticmethod
    def are_in(request: Request) -> bool:
        """Whether the reader ever chose: what a service worker keeps was asked for without."""
        return _COOKIE in request.cookies

    def keep(self, response: Response, *, secure: bool) -> None:
        """Let the browser remember them for a year."""
        text = f"{self.language}.{'large' if self.large_print else 'normal'}"
        response.set_cookie(
            _COOKIE, text, max_age=_A_YEAR_IN_SECONDS, path="/", httponly=True, samesite="lax", secure=secure
        )
