"""What imports keep on disk: uploads known by their content, which can be continued, and the rows of each job.

A department's uploads lie in a folder of its own, so that nobody learns from a digest what another department has.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO, Final

from registry.errors import BusyError, FieldError, InvalidDraftError, LimitError, NotFoundError, TransitionError

CHUNK_BYTES: Final = 1 << 20
#: A sheet, or a ZIP of a sheet and scanned files.
MAX_UPLOAD_BYTES: Final = 4 << 30
#: What must stay free on the disk.
SPARE_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class Received:
    """How much of an upload is there: bytes on disk, and whether it is whole."""

    offset: int
    complete: bool


class ImportFolder:
    """The folder of imports. Uploads are named by SHA-256; one that is not whole yet ends in .part."""

    def __init__(self, folder: Path) -> None:
        self._uploads = folder / "uploads"
        self._jobs = folder / "jobs"
        for made in (self._uploads, self._jobs):
            made.mkdir(parents=True, exist_ok=True, mode=0o700)

    def received(self, department: str, sha256: bytes) -> Received:
        """How much of an upload is there."""
        whole = self._path(department, sha256)
        if whole.exists():
            return Received(whole.stat().st_size, True)
        part = whole.with_suffix(".part")
        return Received(part.stat().st_size if part.exists() else 0, False)

    def path_of(self, department: str, sha256: bytes) -> Path:
        """The path of a whole upload. Raises NotFoundError."""
        path = self._path(department, sha256)
        if not path.exists():
            message = "文件尚未上传完整，请先上传（PUT /api/v1/uploads/{sha256}）。"
            raise NotFoundError("upload_unknown", message, {"sha256": sha256.hex()})
        return path

    @contextmanager
    def continued(self, department: str, sha256: bytes, offset: int, size: int) -> Iterator[BufferedRandom]:
        """The upload's file, to be written on from `offset`, which must be where it ends; alone.

        What was written stays when the block raises; `finish` within the block ends the upload. Raises TransitionError
        (another offset), BusyError (somebody else writes it, or has just ended it), LimitError.
        """
        self._check_room(size, offset)
        part = self._path(department, sha256).with_suffix(".part")
        part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with part.open("a+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as held:
                raise _in_progress() from held
            if not _is_at(file, part):
                # It was ended or thrown away between opening and locking: what is locked is not the upload any more.
                raise _in_progress()
            file.seek(0, os.SEEK_END)
            if file.tell() != offset:
                message = f"已收到 {file.tell()} 字节，请从该处继续。"
                raise TransitionError(str(file.tell()), "append", message, reason="wrong_offset")
            try:
                yield file
            finally:
                file.flush()
                os.fsync(file.fileno())

    def finish(self, department: str, sha256: bytes, file: BufferedRandom) -> None:
        """All bytes were written to `file`, which `continued` still holds: nobody writes while the digest is made.

        The upload is whole if it has its digest. Raises InvalidDraftError if not; it is then thrown away. Raises
        BusyError if somebody else took it away meanwhile.
        """
        whole = self._path(department, sha256)
        part = whole.with_suffix(".part")
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").digest()
        if not _is_at(file, part):
            raise _in_progress()
        if found != sha256:
            part.unlink()
            message = "收到的内容与声明的 SHA-256 不一致，已丢弃；请重新上传。"
            raise InvalidDraftError([FieldError("sha256", "digest_differs", message)])
        part.replace(whole)
        _sync_folder(whole.parent)

    def keep(self, department: str, stream: BinaryIO) -> bytes:
        """Take in a file that is here already; its SHA-256. Raises LimitError."""
        stream.seek(0)
        hasher = hashlib.sha256()
        while chunk := stream.read(CHUNK_BYTES):
            hasher.update(chunk)
        sha256 = hasher.digest()
        if self.received(department, sha256).complete:
            return sha256
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        part = self._path(department, sha256).with_suffix(".part")
        part.unlink(missing_ok=True)
        with self.continued(department, sha256, 0, size) as file:
            shutil.copyfileobj(stream, file, CHUNK_BYTES)
            self.finish(department, sha256, file)
        return sha256

    def _check_room(self, size: int, offset: int) -> None:
        if not 0 < size <= MAX_UPLOAD_BYTES:
            message = f"文件应为 1 字节至 {MAX_UPLOAD_BYTES >> 30} GB。"
            raise LimitError("file_too_large", message, {"limit_bytes": MAX_UPLOAD_BYTES})
        if shutil.disk_usage(self._uploads).free < size - offset + SPARE_BYTES:
            raise LimitError("disk_full", "服务器磁盘空间不足，暂不能接收该文件，请联系管理员。")

    def job(self, job_id: str) -> Path:
        """The folder of a job's rows, made if missing."""
        path = self._jobs / job_id
        path.mkdir(exist_ok=True, mode=0o700)
        return path

    def sweep(self, jobs: Collection[str], uploads: Collection[bytes], older_than_seconds: float, now: float) -> None:
        """Delete what is older and belongs neither to these jobs nor to these uploads."""
        names = {digest.hex() for digest in uploads}
        for path in self._uploads.glob("*/*"):
            if path.stem not in names and path.stat().st_mtime < now - older_than_seconds:
                path.unlink(missing_ok=True)
        for path in self._jobs.iterdir():
            if path.name not in jobs and path.stat().st_mtime < now - older_than_seconds:
                shutil.rmtree(path, ignore_errors=True)

    def _path(self, department: str, sha256: bytes) -> Path:
        # Codes of departments are 18 letters and digits.
        return self._uploads / department / f"{sha256.hex()}.file"


def _in_progress() -> BusyError:
    return BusyError("upload_in_progress", "同一文件正在上传，请稍后再继续。")


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
