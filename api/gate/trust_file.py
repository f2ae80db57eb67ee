"""The trust bundle of a gate: a file that somebody else replaces while the gate runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from api.gate.errors import TrustFileError, cause_of
from verifier.errors import VerificationError
from verifier.trust import MAX_BUNDLE_BYTES, TrustBundle


def open_trust(path: Path) -> TrustBundle:
    """The trust bundle in a file; that it is the right one is for whoever named the file. Raises TrustFileError."""
    try:
        return _begun(TrustBundle.open(read_trust(path)))
    except VerificationError as error:
        raise TrustFileError("bad_trust", f"信任包 {path} 不可用：{error.message}；请重新获取") from error


class TrustFile:
    """The newest bundle that the file has held. Never goes back to an older one.

    `problem` is why the file's present content was not accepted; None if it was.
    """

    def __init__(self, path: Path) -> None:
        """Open the file. Raises TrustFileError."""
        self._path = path
        self._stamp = self._look()
        self.bundle = open_trust(path)
        self.problem: str | None = None

    def check_version(self, least: int) -> None:
        """Raises TrustFileError if this gate has used a newer version than the file holds, before it was started."""
        version = self.bundle.content.version
        if version < least:
            raise TrustFileError(
                "rolled_back",
                f"信任包 {self._path} 的版本 {version} 旧于本闸口用过的版本 {least}；请换用更新的信任包",
            )

    def refresh(self) -> bool:
        """Read the file again if it has changed; whether `bundle` or `problem` is new."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        # Looked at before reading: a change in between is seen the next time.
        self._stamp = stamp
        kept = f"继续使用版本 {self.bundle.content.version}"
        try:
            self.bundle = _begun(self.bundle.accept(read_trust(self._path)))
            self.problem = None
        except VerificationError as error:
            self.problem = f"信任包 {self._path} 的新内容不可用：{error.message}；{kept}"
        except TrustFileError as error:
            self.problem = f"{error.message}；{kept}"
        return True

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns


def _begun(bundle: TrustBundle) -> TrustBundle:
    bundle.check_begun(datetime.now(UTC))
    return bundle


def read_trust(path: Path) -> bytes:
    """The bytes of a file that should be a trust bundle. Raises TrustFileError."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise TrustFileError("unreadable", f"无法读取信任包 {path}：{cause_of(error)}") from error
