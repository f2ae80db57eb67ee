"""Objects in a folder of this machine."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

from registry.errors import StoreError
from registry.files.objects import Listed

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_INCOMING: Final = "incoming"
#: The first letters of a name are its folder, so that no folder grows too large.
_FANNED_OUT: Final = 2


class FolderStore:
    """Files named by their objects. What a crash leaves half-written lies in `incoming/` and has no object's name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self) -> None:
        """Make the folder if it is missing."""
        with _refusals():
            (self._folder / _INCOMING).mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """Written aside, made durable, then linked to its name: as ObjectStore.put."""
        aside, target = self._folder / _INCOMING / secrets.token_hex(16), self._path(name)
        with _refusals():
            self._check_there()
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
            file = os.fdopen(descriptor, "wb", buffering=0)
        try:
            with file:
                for piece in pieces:
                    with _refusals():
                        _write_all(file, piece)
                with _refusals():
                    os.fsync(file.fileno())
            with _refusals():
                if not target.parent.exists():
                    target.parent.mkdir(exist_ok=True, mode=_FOLDER_MODE)
                    _sync(self._folder)
                target.hardlink_to(aside)
                _sync(target.parent)
        finally:
            aside.unlink(missing_ok=True)

    def get(self, name: str) -> BinaryIO:
        """As ObjectStore.get."""
        with _refusals(FileNotFoundError):
            self._check_there()
            return self._path(name).open("rb")

    def size(self, name: str) -> int | None:
        """As ObjectStore.size."""
        try:
            with _refusals(FileNotFoundError):
                self._check_there()
                return self._path(name).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        """As ObjectStore.delete."""
        with _refusals():
            self._path(name).unlink(missing_ok=True)

    def list(self) -> Iterator[Listed]:
        """As ObjectStore.list; what was never finished is named incoming/…."""
        with _refusals():
            self._check_there()
            for folder in sorted(self._folder.iterdir()):
                for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                    try:
                        found = path.stat()
                    except FileNotFoundError:
                        continue
                    name = f"{_INCOMING}/{path.name}" if folder.name == _INCOMING else path.name
                    yield Listed(name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def forget_unfinished(self, before: datetime) -> int:
        """Remove what interrupted uploads left behind before that time; how many."""
        left = [one for one in self.list() if one.name.startswith(f"{_INCOMING}/") and one.written_at < before]
        for one in left:
            self.delete(one.name)
        return len(left)

    def _check_there(self) -> None:
        # A disk that is not mounted has lost nothing: it is away.
        if not (self._folder / _INCOMING).is_dir():
            raise StoreError("store_unavailable", f"文件库目录 {self._folder.name} 不在，请管理员检查磁盘是否已挂载。")

    def _path(self, name: str) -> Path:
        return self._folder / (name if name.startswith(f"{_INCOMING}/") else f"{name[:_FANNED_OUT]}/{name}")


@contextmanager
def _refusals(*passed: type[OSError]) -> Iterator[None]:
    try:
        yield
    except passed:
        raise
    except FileExistsError as taken:
        raise StoreError("object_exists", "文件库中已有同名对象，请重试。") from taken
    except OSError as refused:
        if refused.errno in _FULL:
            message = "文件库的磁盘空间不足，本次没有保存任何内容；请联系管理员清理或扩容后重试。"
            raise StoreError("store_full", message) from refused
        message = f"文件库无法读写（{os.strerror(refused.errno or 0)}），请联系管理员检查磁盘与权限。"
        raise StoreError("store_unavailable", message, {"errno": refused.errno}) from refused


def _write_all(file: FileIO, piece: bytes) -> None:
    # Unbuffered: what a full disk refuses is refused here, and not when the file is closed.
    left = memoryview(piece)
    while left:
        left = left[file.write(left) :]


def _sync(folder: Path) -> None:
    # The bytes are on disk before the name is, and the name before the caller hears of it.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
