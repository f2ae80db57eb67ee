"""What can go wrong with a witness, apart from what its callers are told."""

from __future__ import annotations


class WitnessFolderError(Exception):
    """The witness must not cosign with this folder as it stands. `.message` says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
