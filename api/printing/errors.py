"""What printing refuses."""

from __future__ import annotations


class PrintingError(Exception):
    """Root of what this package raises. `.reason` is a stable code, `.message` is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class FontMissingError(PrintingError):
    """No Chinese font on this machine. Do: install what the message names, then start again."""


class GlyphMissingError(PrintingError):
    """No font on this machine has a character of the data. Do: install one that has; nothing was printed."""


class TemplateError(PrintingError):
    """A template and its data do not fit each other: a fault of the program, never of what people typed."""
