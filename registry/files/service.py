"""Use cases of files: store bytes under their own digest, once, so that a crash leaves a whole file or none."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from sqlalchemy import select

from registry import upserts
from registry.errors import FieldError, LimitError, NotFoundError
from registry.files import rules
from registry.files.tables import StoredFileRow
from registry.work import Work
from verifier.digests import DoubleDigest, DoubleHasher, double_digest

CHUNK_BYTES = 1 << 20
DEFAULT_LIMIT_BYTES = 32 << 20

Shown: TypeAlias = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the store: digests of 32 bytes, size in bytes, media type found by looking at the bytes."""

    sha256: bytes
    sm3: bytes
    size: int
    media_type: str


class FileStore:
    """A folder of files named by SHA-256. Writers need no lock: the same name means the same bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)

    def put(self, stream: BinaryIO | Iterable[bytes], limit_bytes: int = DEFAULT_LIMIT_BYTES) -> StoredFile:
        """Store a stream of at most `limit_bytes` and return what it is; when this returns, the bytes are on disk.

        Raises LimitError (too long, or empty) and leaves nothing behind.
        """
        temporary = self._incoming / secrets.token_hex(16)
        try:
            with temporary.open("xb") as file:
                digest, size, media_type = _copy(stream, file, limit_bytes)
                file.flush()
                os.fsync(file.fileno())
            target = self.path_of(digest.sha256)
            target.parent.mkdir(exist_ok=True)
            # The bytes are on disk before the name is, and the name before the caller hears of it.
            temporary.replace(target)
            _sync_folder(target.parent)
            _sync_folder(self._folder)
        finally:
            temporary.unlink(missing_ok=True)
        return StoredFile(digest.sha256, digest.sm3, size, media_type)

    def path_of(self, sha256: bytes) -> Path:
        """Where a file with this digest stands or would stand."""
        name = sha256.hex()
        return self._folder / name[:2] / name

    def read(self, sha256: bytes) -> bytes:
        """The bytes, after checking that they still have this digest. Raises NotFoundError for lost or rotten files."""
        try:
            data = self.path_of(sha256).read_bytes()
        except FileNotFoundError as missing:
            raise NotFoundError("file_missing", "文件库中没有该文件。", {"sha256": sha256.hex()}) from missing
        if double_digest(data).sha256 != sha256:
            message = "文件库中的文件已损坏，请从备份恢复。"
            raise NotFoundError("file_damaged", message, {"sha256": sha256.hex()})
        return data

    def sweep(self, older_than_seconds: float, now: float) -> int:
        """Remove what interrupted uploads left behind; how many files."""
        removed = 0
        for left in self._incoming.iterdir():
            if left.stat().st_mtime < now - older_than_seconds:
                left.unlink(missing_ok=True)
                removed += 1
        return removed


def looked_at(stream: Iterable[bytes], limit_bytes: int = DEFAULT_LIMIT_BYTES) -> StoredFile:
    """What a file would be if it were stored. Raises LimitError."""
    with Path(os.devnull).open("wb") as nowhere:
        digest, size, media_type = _copy(stream, nowhere, limit_bytes)
    return StoredFile(digest.sha256, digest.sm3, size, media_type)


def _copy(stream: BinaryIO | Iterable[bytes], file: BinaryIO, limit_bytes: int) -> tuple[DoubleDigest, int, str]:
    hasher, size, beginning, end = DoubleHasher(), 0, b"", b""
    for chunk in _chunks(stream):
        size += len(chunk)
        if size > limit_bytes:
            raise LimitError("file_too_large", f"文件超过上限 {limit_bytes} 字节。", {"limit_bytes": limit_bytes})
        if len(beginning) < rules.LOOKED_AT_BYTES:
            beginning += chunk[: rules.LOOKED_AT_BYTES - len(beginning)]
        end = (end + chunk)[-rules.LOOKED_AT_BYTES :]
        hasher.update(chunk)
        file.write(chunk)
    if not size:
        raise LimitError("file_empty", "文件是空的。")
    return hasher.finish(), size, rules.sniff(beginning, end)


def _chunks(stream: BinaryIO | Iterable[bytes]) -> Iterable[bytes]:
    if hasattr(stream, "read"):
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk
    else:
        yield from stream


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def register(work: Work, stored: StoredFile) -> StoredFileRow:
    """Note a stored file, so that certificates and materials can refer to it; the same bytes give the same row."""
    values = {
        "sha256": stored.sha256, "sm3": stored.sm3, "size": stored.size, "media_type": stored.media_type,
        "stored_at": work.at, "stored_by": work.actor.id,
    }  # fmt: skip
    work.session.execute(upserts.insert_or_ignore(work.session, StoredFileRow), [values])
    return work.session.get_one(StoredFileRow, stored.sha256)


def register_many(work: Work, stored: Sequence[StoredFile]) -> None:
    """Note many stored files at once."""
    if stored:
        values = [
            {"sha256": one.sha256, "sm3": one.sm3, "size": one.size, "media_type": one.media_type,
             "stored_at": work.at, "stored_by": work.actor.id}
            for one in {one.sha256: one for one in stored}.values()
        ]  # fmt: skip
        work.session.execute(upserts.insert_or_ignore(work.session, StoredFileRow), values)


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A stored file to attach to an item under this name; `sha256` has 32 bytes."""

    name: str
    sha256: bytes


MAX_ATTACHED = 16
MAX_FILE_NAME_CHARACTERS = 200


def find_many(work: Work, digests: Collection[bytes]) -> dict[bytes, StoredFileRow]:
    """The rows of those files that are stored, by SHA-256."""
    if not digests:
        return {}
    query = select(StoredFileRow).where(StoredFileRow.sha256.in_(digests))
    return {row.sha256: row for row in work.session.scalars(query)}


def show(files: Sequence[AttachedFile], stored: Mapping[bytes, StoredFileRow]) -> tuple[list[Shown], list[FieldError]]:
    """The files as a face shows them, and every fault."""
    shown: list[Shown] = []
    errors: list[FieldError] = []
    if len(files) > MAX_ATTACHED:
        errors.append(FieldError("files", "too_many_files", f"附件最多 {MAX_ATTACHED} 个。"))
    for place, file in enumerate(files):
        row = stored.get(file.sha256)
        if row is None:
            errors.append(FieldError(f"files[{place}]", "file_unknown", "附件尚未上传，请先上传文件。"))
            continue
        if not 0 < len(file.name) <= MAX_FILE_NAME_CHARACTERS or not file.name.isprintable():
            errors.append(FieldError(f"files[{place}].name", "wrong_name", "附件名称应为 1 至 200 个字符。"))
        digests = {"sha256": row.sha256.hex(), "sm3": row.sm3.hex()}
        shown.append({"name": file.name, "media_type": row.media_type, "size": row.size, **digests})
    return shown, errors


def get(work: Work, sha256: bytes) -> StoredFileRow:
    """The row of a stored file. Raises NotFoundError."""
    found = work.session.get(StoredFileRow, sha256)
    if found is None:
        raise NotFoundError("file_unknown", "该文件尚未上传。", {"sha256": sha256.hex()})
    return found
