"""What keeps a command from being carried out, and how it ends."""

from __future__ import annotations

EXIT_VALID, EXIT_INVALID, EXIT_NOT_IN_FORCE, EXIT_UNDECIDED = 0, 1, 2, 3
EXIT_USAGE = 64
EXIT_SOFTWARE = 70
EXIT_INTERRUPTED = 130


class CommandError(Exception):
    """The command cannot be carried out as it was given. `.message` says what to do; exit status 64."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
