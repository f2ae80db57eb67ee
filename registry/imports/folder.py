"""What imports keep on disk, sealed: uploads known by their content, which can be continued, and the rows of each job.

A department's uploads lie in a folder of its own, so that nobody learns from a digest what another department has.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

from registry.errors import BusyError, FieldError, InvalidDraftError, LimitError, NotFoundError, TransitionError
from registry.files.masters import Masters
from registry.imports.sealed import SealedWriter, open_whole, size_of

CHUNK_BYTES: Final = 1 << 20
#: A sheet, or a ZIP of a sheet and scanned files.
MAX_UPLOAD_BYTES: Final = 4 << 30
#: What must stay free on the disk.
SPARE_BYTES: Final = 256 << 20


#: A job's file of rows.
ROWS: Final = "rows"
_FILE_MODE: Final = 0o600
_WHOLE: Final = ".sealed"
_PART: Final = ".receiving"


@dataclass(frozen=True, slots=True)
class Received:
    """How much of an upload is there: bytes of it, and whether it is whole."""

    offset: int
    complete: bool


class ImportFolder:
    """The folder of imports. Uploads are named by SHA-256; one that is not whole yet ends in .receiving.

    Methods that touch what is in a file raise FileKeyError where the master key is away.
    """

    def __init__(self, folder: Path, masters: Masters) -> None:
        self._uploads = folder / "uploads"
        self._jobs = folder / "jobs"
        self._masters = masters
        for made in (self._uploads, self._jobs):
            made.mkdir(parents=True, exist_ok=True, mode=0o700)

    def received(self, department: str, sha256: bytes) -> Received:
        """How much of an upload is there."""
        name = _upload_name(department, sha256)
        try:
            with self.open(department, sha256) as whole:
                return Received(whole.seek(0, os.SEEK_END), True)
        except NotFoundError as none:
            if none.reason != "upload_unknown":
                raise
        try:
            with self._path(department, sha256).with_suffix(_PART).open("rb") as part:
                return Received(size_of(part, name, self._masters), False)
        except FileNotFoundError:
            return Received(0, False)

    def require(self, department: str, sha256: bytes) -> None:
        """Raises NotFoundError unless the upload is whole."""
        if not self._path(department, sha256).exists():
            raise _not_whole(sha256)

    def open(self, department: str, sha256: bytes) -> BufferedReader:
        """A whole upload, to be read at any place and closed. Raises NotFoundError."""
        try:
            file = self._path(department, sha256).open("rb")
        except FileNotFoundError as missing:
            raise _not_whole(sha256) from missing
        return open_whole(file, _upload_name(department, sha256), self._masters)

    @contextmanager
    def continued(self, department: str, sha256: bytes, offset: int, size: int) -> Iterator[SealedWriter]:
        """The upload, to be written on from `offset`, which must be where it ends; alone.

        What was written stays when the block raises; `finish` within the block ends the upload. Raises TransitionError
        (another offset), BusyError (somebody else writes it, or has just ended it), LimitError.
        """
        self._check_room(size, offset)
        part = self._path(department, sha256).with_suffix(_PART)
        part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, _FILE_MODE), "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as held:
                raise _in_progress() from held
            if not is_at(file, part):
                # It was ended or thrown away between opening and locking: what is locked is not the upload any more.
                raise _in_progress()
            writer = SealedWriter(file, _upload_name(department, sha256), self._masters)
            if writer.size != offset:
                message = f"已收到 {writer.size} 字节，请从该处继续。"
                raise TransitionError(str(writer.size), "append", message, reason="wrong_offset")
            try:
                yield writer
            finally:
                writer.flush()

    def finish(self, department: str, sha256: bytes, writer: SealedWriter) -> None:
        """All bytes were written to `writer`, which `continued` still holds: nobody writes while the digest is made.

        The upload is whole if it has its digest. Raises InvalidDraftError if not; it is then thrown away. Raises
        BusyError if somebody else took it away meanwhile.
        """
        whole = self._path(department, sha256)
        part = whole.with_suffix(_PART)
        writer.end()
        try:
            with writer.reread() as file:
                found = hashlib.file_digest(file, "sha256").digest()
                if not is_at(writer, part):
                    raise _in_progress()
        except NotFoundError:
            # A piece from before a crash is not what was written.
            found = b""
        if found != sha256:
            part.unlink()
            message = "收到的内容与声明的 SHA-256 不一致，已丢弃；请重新上传。"
            raise InvalidDraftError([FieldError("sha256", "digest_differs", message)])
        part.replace(whole)
        sync_folder(whole.parent)

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
        part = self._path(department, sha256).with_suffix(_PART)
        part.unlink(missing_ok=True)
        with self.continued(department, sha256, 0, size) as writer:
            while chunk := stream.read(CHUNK_BYTES):
                writer.write(chunk)
            self.finish(department, sha256, writer)
        return sha256

    def _check_room(self, size: int, offset: int) -> None:
        if not 0 < size <= MAX_UPLOAD_BYTES:
            message = f"文件应为 1 字节至 {MAX_UPLOAD_BYTES >> 30} GB。"
            raise LimitError("file_too_large", message, {"limit_bytes": MAX_UPLOAD_BYTES})
        if shutil.disk_usage(self._uploads).free < size - offset + SPARE_BYTES:
            raise LimitError("disk_full", "服务器磁盘空间不足，暂不能接收该文件，请联系管理员。")

    def write_for(self, job_id: str, name: str, pieces: Iterable[bytes]) -> None:
        """Keep a file of a job instead of an earlier one: on disk when this returns, not at all if a piece raises."""
        path = self._job_path(job_id, name)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        aside = path.with_suffix(".writing")
        with os.fdopen(os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, _FILE_MODE), "r+b") as file:
            writer = SealedWriter(file, _job_name(job_id, name), self._masters)
            for piece in pieces:
                writer.write(piece)
            writer.end()
        with alone_in(path.parent):
            aside.replace(path)

    def open_for(self, job_id: str, name: str) -> BufferedReader:
        """A file of a job, to be read at any place and closed. Raises NotFoundError, FileNotFoundError."""
        return open_whole(self._job_path(job_id, name).open("rb"), _job_name(job_id, name), self._masters)

    def remove_for(self, job_id: str, name: str) -> None:
        """Delete a file of a job, if there is one."""
        path = self._job_path(job_id, name)
        if path.exists():
            with alone_in(path.parent):
                path.unlink(missing_ok=True)

    def sealed_files(self) -> Iterator[tuple[Path, str]]:
        """Every file that is here, whole or still being received, and the name under which it is sealed."""
        for path in sorted(self._uploads.glob("*/*")):
            if path.suffix in (_WHOLE, _PART):
                yield path, f"uploads/{path.parent.name}/{path.stem}"
        for path in sorted(self._jobs.glob(f"*/*{_WHOLE}")):
            yield path, _job_name(path.parent.name, path.stem)

    def seal_plain(self) -> None:
        """Seal what a version that sealed nothing left behind; to be called before anything is read.

        It may be killed and repeated. An upload that was not whole begins anew.
        """
        for path in self._uploads.glob("*/*.file"):
            with path.open("rb") as plain:
                self.keep(path.parent.name, plain)
            path.unlink()
        for path in self._jobs.glob("*/rows.jsonl"):
            if not self._job_path(path.parent.name, ROWS).exists():
                with path.open("rb") as plain:
                    self.write_for(path.parent.name, ROWS, iter(lambda: plain.read(CHUNK_BYTES), b""))
            path.unlink()
        for path in (*self._uploads.glob("*/*.part"), *self._jobs.glob("*/sheet"), *self._jobs.glob("*/rows.new")):
            path.unlink()

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
        return self._uploads / department / f"{sha256.hex()}{_WHOLE}"

    def _job_path(self, job_id: str, name: str) -> Path:
        return self._jobs / job_id / f"{name}{_WHOLE}"


def _upload_name(department: str, sha256: bytes) -> str:
    return f"uploads/{department}/{sha256.hex()}"


def _job_name(job_id: str, name: str) -> str:
    return f"jobs/{job_id}/{name}"


def _not_whole(sha256: bytes) -> NotFoundError:
    message = "文件尚未上传完整，请先上传（PUT /api/v1/uploads/{sha256}）。"
    return NotFoundError("upload_unknown", message, {"sha256": sha256.hex()})


def _in_progress() -> BusyError:
    return BusyError("upload_in_progress", "同一文件正在上传，请稍后再继续。")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """While the block runs, nobody else who asks for it exchanges or deletes a file of this folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def is_at(file: BinaryIO | SealedWriter, path: Path) -> bool:
    """Whether this open file is what lies there."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """The names of the folder are durable when this returns."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
