"""What can go wrong at a gate, apart from what people show it."""

from __future__ import annotations

import errno


class GateError(Exception):
    """Root of this folder's errors. `.reason` is a stable code, `.message` is for people and says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class JournalError(GateError):
    """The journal cannot be used as it stands: do not open the door on it; see to the file."""


class TrustFileError(GateError):
    """The trust bundle's file cannot be used: fetch it again."""


class HandInError(GateError):
    """The registry did not take the events. Nothing is lost: try again, after doing what `message` says."""


_CAUSES = {
    FileNotFoundError: "没有这个文件或文件夹",
    PermissionError: "没有权限",
    IsADirectoryError: "这是文件夹",
    NotADirectoryError: "路径中有一段不是文件夹",
}


def cause_of(error: OSError) -> str:
    """Why the system refused, in Chinese where it is one of the common reasons."""
    if error.errno == errno.ENOSPC:
        return "磁盘空间不足"
    return _CAUSES.get(type(error), error.strerror or str(error))
