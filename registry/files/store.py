"""The store of files: known by their content, each sealed under a data key of its own in an object of a random name."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from registry.database import READ_ONLY
from registry.errors import LimitError, NotFoundError
from registry.files import rules, sealing
from registry.files.masters import Masters
from registry.files.objects import ObjectStore
from registry.files.sealing import Aead, NotAuthenticError, Sealed
from registry.files.tables import StoredFileRow
from registry.work import Work
from verifier.digests import DoubleDigest, DoubleHasher

CHUNK_BYTES: Final = 1 << 20
DEFAULT_LIMIT_BYTES: Final = 32 << 20
_NAME_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the store: digests of 32 bytes, size in bytes, media type found by looking at the bytes.

    sealed: where it lies; None for a plain file of an older version, and for one that was only looked at. lost: the
    object of that name is gone from the store, and this is what replaces it.
    """

    sha256: bytes
    sm3: bytes
    size: int
    media_type: str
    sealed: Sealed | None = None
    lost: str | None = None


class FileReader:
    """Opens files. `load` gives the master key of an id; `plain`: where older versions kept them, by SHA-256."""

    def __init__(self, objects: ObjectStore, load: Callable[[bytes], Aead], plain: Path) -> None:
        self.objects, self.plain, self._load = objects, plain, load

    def read(self, file: StoredFile | StoredFileRow) -> bytes:
        """The bytes, after checking that they are what was stored.

        Raises NotFoundError for lost or rotten files, StoreError, FileKeyError.
        """
        return b"".join(self.pieces(file))

    def pieces(self, file: StoredFile | StoredFileRow) -> Iterator[bytes]:
        """The bytes, piece by piece; that all of them have the digest is known at the end. Raises as `read`."""
        hasher = hashlib.sha256()
        try:
            for piece in self._open(file):
                hasher.update(piece)
                yield piece
        except FileNotFoundError as missing:
            message = "文件库中没有该文件，请从备份恢复，或重新上传同一文件。"
            raise NotFoundError("file_missing", message, {"sha256": file.sha256.hex()}) from missing
        except NotAuthenticError as altered:
            raise _damaged(file.sha256) from altered
        if hasher.digest() != file.sha256:
            raise _damaged(file.sha256)

    def plain_path(self, sha256: bytes) -> Path:
        """Where older versions kept the file with this digest."""
        name = sha256.hex()
        return self.plain / name[:2] / name

    def _open(self, file: StoredFile | StoredFileRow) -> Iterator[bytes]:
        sealed = sealed_of(file)
        if sealed is None:
            with self.plain_path(file.sha256).open("rb") as plain:
                while piece := plain.read(CHUNK_BYTES):
                    yield piece
            return
        key = sealing.unwrap(sealed.wrapped, self._load(sealed.master), sealed.object)
        with closing(self.objects.get(sealed.object)) as source:
            yield from sealing.unseal(source, key, sealed.object)


class FileStore(FileReader):
    """Seals files into objects and opens them again. Safe to share between threads and processes."""

    def __init__(self, objects: ObjectStore, masters: Masters, engine: Engine, plain: Path) -> None:
        super().__init__(objects, masters.load, plain)
        self.masters = masters
        self._reader = engine.execution_options(**{READ_ONLY: True})

    def put(
        self, stream: BinaryIO | Iterable[bytes], limit_bytes: int = DEFAULT_LIMIT_BYTES, *, is_new: bool = False
    ) -> StoredFile:
        """Store a stream of at most `limit_bytes`; when this returns, the bytes are durable in the store.

        What is stored already is not stored again, which is looked up in a transaction of its own: within another one
        say `is_new` of bytes that nobody can have handed in. Raises LimitError (too long, or empty), StoreError and
        FileKeyError; then nothing of it can be read.
        """
        measured = Measured(stream, limit_bytes)
        try:
            sealed = self.seal(measured, None if is_new else self._refuse_known)
        except _KnownError as known:
            return known.stored
        lost = None if is_new else self._lost(measured.found)
        return replace(measured.found, sealed=sealed, lost=lost)

    def seal(self, measured: Measured, at_the_end: Callable[[StoredFile], None] | None = None) -> Sealed:
        """Put what is measured into a new object. Whatever `at_the_end` raises of the file keeps it from being put.

        Raises StoreError, FileKeyError, and what the stream raises.
        """
        name, master = secrets.token_hex(_NAME_BYTES), self.masters.current()
        key = sealing.new_data_key()
        wrapped = sealing.wrap(key, self.masters.load(master), name)

        def pieces() -> Iterator[bytes]:
            yield from measured
            if at_the_end is not None:
                at_the_end(measured.found)

        self.objects.put(name, sealing.seal(pieces(), key, name))
        return Sealed(name, master, wrapped)

    def reader(self, work: Work) -> Callable[[bytes], bytes]:
        """What returns the bytes of the file with a SHA-256. It raises as `read`."""

        def read(sha256: bytes) -> bytes:
            row = work.session.get(StoredFileRow, sha256)
            if row is None:
                raise NotFoundError("file_unknown", "该文件尚未上传。", {"sha256": sha256.hex()})
            return self.read(row)

        return read

    def _refuse_known(self, found: StoredFile) -> None:
        known = self._known(found.sha256)
        if known is not None and self._is_there(known):
            raise _KnownError(known)

    def _lost(self, found: StoredFile) -> str | None:
        known = self._known(found.sha256)
        return known.sealed.object if known is not None and known.sealed is not None else None

    def _known(self, sha256: bytes) -> StoredFile | None:
        with Session(self._reader) as session:
            row = session.get(StoredFileRow, sha256)
            return None if row is None else StoredFile(row.sha256, row.sm3, row.size, row.media_type, sealed_of(row))

    def _is_there(self, known: StoredFile) -> bool:
        if known.sealed is None:
            return self.plain_path(known.sha256).is_file()
        return self.objects.size(known.sealed.object) is not None


class _KnownError(Exception):
    """What is being stored lies in the store already."""

    def __init__(self, stored: StoredFile) -> None:
        super().__init__()
        self.stored = stored


def sealed_of(file: StoredFile | StoredFileRow) -> Sealed | None:
    """Where a file lies sealed; None for a plain one."""
    if isinstance(file, StoredFile):
        return file.sealed
    if file.object is None or file.master is None or file.wrapped is None:
        return None
    return Sealed(file.object, file.master, file.wrapped)


def looked_at(stream: BinaryIO | Iterable[bytes], limit_bytes: int = DEFAULT_LIMIT_BYTES) -> StoredFile:
    """What a file would be if it were stored. Raises LimitError."""
    measured = Measured(stream, limit_bytes)
    for _ in measured:
        pass
    return measured.found


class Measured:
    """A stream's pieces, measured as they pass by; after the last one, `found` is what they make."""

    def __init__(self, stream: BinaryIO | Iterable[bytes], limit_bytes: int) -> None:
        self._stream, self._limit_bytes = stream, limit_bytes
        self._digest: DoubleDigest | None = None
        self._size, self._beginning, self._end = 0, b"", b""

    def __iter__(self) -> Iterator[bytes]:
        hasher = DoubleHasher()
        for chunk in _chunks(self._stream):
            self._size += len(chunk)
            if self._size > self._limit_bytes:
                limit = self._limit_bytes
                raise LimitError("file_too_large", f"文件超过上限 {limit} 字节。", {"limit_bytes": limit})
            if len(self._beginning) < rules.LOOKED_AT_BYTES:
                self._beginning += chunk[: rules.LOOKED_AT_BYTES - len(self._beginning)]
            self._end = (self._end + chunk[-rules.LOOKED_AT_BYTES :])[-rules.LOOKED_AT_BYTES :]
            hasher.update(chunk)
            yield chunk
        if not self._size:
            raise LimitError("file_empty", "文件是空的。")
        self._digest = hasher.finish()

    @property
    def found(self) -> StoredFile:
        """What the pieces make."""
        assert self._digest is not None, "the stream was not read to its end"
        return StoredFile(*self._digest, self._size, rules.sniff(self._beginning, self._end))


def _chunks(stream: BinaryIO | Iterable[bytes]) -> Iterable[bytes]:
    if hasattr(stream, "read"):
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk
    else:
        yield from stream


def _damaged(sha256: bytes) -> NotFoundError:
    return NotFoundError("file_damaged", "文件库中的文件已损坏，请从备份恢复。", {"sha256": sha256.hex()})
