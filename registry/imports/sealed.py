"""Files of imports at rest: sealed in pieces, so that they can be written on after a break and read at any place.

A file is a head and pieces. The head has the id of a master key and, wrapped by it, the file's own data key. A piece is
64 KiB of the file under AES-256-GCM (NIST SP 800-38D) with a random nonce; its associated data are the file's name, its
number and whether it is the last one, so that pieces can be neither altered, moved, left out nor cut off.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import tink
from tink import aead

from registry.errors import NotFoundError
from registry.files import sealing
from registry.files.masters import ID_BYTES, Masters

aead.register()

PIECE_BYTES: Final = 64 << 10
_TEMPLATE: Final = aead.aead_key_templates.AES256_GCM_RAW
#: Nonce and tag.
_ADDED_BYTES: Final = 12 + 16
_SEALED_BYTES: Final = PIECE_BYTES + _ADDED_BYTES
_MAGIC: Final = b"suizheng-import/1\n"
#: The master key's id, and how many bytes its wrapping of the data key has.
_HEAD: Final = struct.Struct(f">{ID_BYTES}sH")


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Seals and opens the pieces of one file; the first one stands at the byte `start`."""

    name: str
    start: int
    cipher: Any

    def place_of(self, number: int) -> int:
        return self.start + number * _SEALED_BYTES

    def seal(self, number: int, plain: bytes, *, last: bool) -> bytes:
        return bytes(self.cipher.encrypt(plain, self._bound(number, last)))

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes | None:
        """The piece; None if these bytes are not it."""
        try:
            return bytes(self.cipher.decrypt(sealed, self._bound(number, last)))
        except tink.TinkError:
            return None

    def _bound(self, number: int, last: bool) -> bytes:
        return f"{self.name}\n{number}\n{'last' if last else 'more'}".encode()


def _begin(file: BinaryIO, name: str, masters: Masters) -> _Pieces:
    """Write the head of a new file. Raises FileKeyError."""
    key = tink.new_keyset_handle(_TEMPLATE)
    _write_head(file, key, name, masters)
    return _Pieces(name, file.tell(), key.primitive(aead.Aead))


def _write_head(file: BinaryIO, key: sealing.DataKey, name: str, masters: Masters) -> None:
    master = masters.current()
    wrapped = sealing.wrap(key, masters.load(master), name)
    file.write(_MAGIC + _HEAD.pack(master, len(wrapped)) + wrapped)


def _found(file: BinaryIO, name: str, masters: Masters) -> _Pieces | None:
    """What follows the head; None if it is not whole. Raises FileKeyError."""
    key = _key_in(file, name, masters)
    return None if key is None else _Pieces(name, file.tell(), key.primitive(aead.Aead))


def _key_in(file: BinaryIO, name: str, masters: Masters) -> sealing.DataKey | None:
    """The data key in the head, behind which `file` then stands; None if the head is not whole.

    Raises FileKeyError: the master key is away, or another one.
    """
    file.seek(0)
    magic, head = file.read(len(_MAGIC)), file.read(_HEAD.size)
    if magic != _MAGIC or len(head) < _HEAD.size:
        return None
    master, length = _HEAD.unpack(head)
    wrapped = file.read(length)
    if len(wrapped) < length:
        return None
    return sealing.unwrap(wrapped, masters.load(master), name)


def master_of(file: BinaryIO) -> bytes | None:
    """The id of the master key that wraps the file's data key; None if its head is not whole."""
    file.seek(0)
    magic, head = file.read(len(_MAGIC)), file.read(_HEAD.size)
    return bytes(_HEAD.unpack(head)[0]) if magic == _MAGIC and len(head) == _HEAD.size else None


def rewrap_into(target: BinaryIO, file: BinaryIO, name: str, masters: Masters) -> None:
    """Write the file anew with its data key under the present master key; its pieces stay as they are.

    Raises FileKeyError, NotFoundError (import_damaged).
    """
    key = _key_in(file, name, masters)
    if key is None:
        raise _damaged()
    _write_head(target, key, name, masters)
    shutil.copyfileobj(file, target, PIECE_BYTES)


class SealedWriter:
    """Writes a file on. `file` is read and written at any place; what a kill cut off is dropped from its end.

    Raises FileKeyError when it is made.
    """

    def __init__(self, file: BinaryIO, name: str, masters: Masters) -> None:
        self._file = file
        pieces = _found(file, name, masters)
        if pieces is None:
            file.seek(0)
            file.truncate()
            pieces = _begin(file, name, masters)
        self._pieces = pieces
        self._number, kept = _last_whole(file, pieces)
        self._pending = bytearray(kept)
        self._ended = False

    @property
    def size(self) -> int:
        """Bytes of the file so far."""
        return self._number * PIECE_BYTES + len(self._pending)

    def write(self, data: bytes) -> None:
        """Write on; the end of it stays in memory until there is more, or `flush`."""
        self._pending += data
        done = 0
        # The last piece is never empty, unless the file is.
        while len(self._pending) - done > PIECE_BYTES:
            self._put(bytes(self._pending[done : done + PIECE_BYTES]), last=False)
            self._number += 1
            done += PIECE_BYTES
        del self._pending[:done]

    def flush(self) -> None:
        """Everything so far is durable when this returns, and can be written on unless it was ended."""
        if not self._ended:
            self._put(bytes(self._pending), last=False)
            self._sync()

    def end(self) -> None:
        """The file is whole and durable when this returns."""
        self._put(bytes(self._pending), last=True)
        self._sync()
        self._ended = True

    def fileno(self) -> int:
        """The descriptor of the sealed file."""
        return self._file.fileno()

    def reread(self) -> io.BufferedReader:
        """What was ended, to be read and closed. Raises NotFoundError as `open_whole`."""
        again = os.fdopen(os.dup(self.fileno()), "rb")
        return io.BufferedReader(_Opened(again, self._pieces), PIECE_BYTES)

    def _put(self, piece: bytes, *, last: bool) -> None:
        self._file.seek(self._pieces.place_of(self._number))
        self._file.write(self._pieces.seal(self._number, piece, last=last))

    def _sync(self) -> None:
        self._file.truncate()
        self._file.flush()
        os.fsync(self.fileno())


def size_of(file: BinaryIO, name: str, masters: Masters) -> int:
    """How many bytes of a file that was not ended can be written on from. Raises FileKeyError."""
    pieces = _found(file, name, masters)
    if pieces is None:
        return 0
    number, plain = _last_whole(file, pieces)
    return number * PIECE_BYTES + len(plain)


def _last_whole(file: BinaryIO, pieces: _Pieces) -> tuple[int, bytes]:
    """The number of the last piece that is whole, and its bytes; an empty one if there is none."""
    body = file.seek(0, os.SEEK_END) - pieces.start
    for number in range(_count(body) - 1, -1, -1):
        file.seek(pieces.place_of(number))
        sealed = file.read(_SEALED_BYTES)
        for last in (False, True):
            plain = pieces.open(number, sealed, last=last)
            if plain is not None:
                return number, plain
    return 0, b""


def _count(body: int) -> int:
    return -(-body // _SEALED_BYTES)


def open_whole(file: BinaryIO, name: str, masters: Masters) -> io.BufferedReader:
    """The bytes of a file that was ended, to be read at any place; closing it closes `file`.

    Raises NotFoundError (import_damaged), here or while it is read, and FileKeyError.
    """
    try:
        pieces = _found(file, name, masters)
        if pieces is None:
            raise _damaged()
        return io.BufferedReader(_Opened(file, pieces), PIECE_BYTES)
    except BaseException:
        file.close()
        raise


class _Opened(io.RawIOBase):
    """One piece after another, and the last one only where the file was ended."""

    def __init__(self, file: BinaryIO, pieces: _Pieces) -> None:
        super().__init__()
        self._file, self._pieces = file, pieces
        body = file.seek(0, os.SEEK_END) - pieces.start
        self._count = _count(body)
        self._size = body - self._count * _ADDED_BYTES
        self._place = 0
        self._number, self._plain = -1, b""
        # One that was cut off is told at once, whatever of it is asked for.
        self._load(self._count - 1)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("before the beginning")
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        if self._place >= self._size:
            return 0
        number, within = divmod(self._place, PIECE_BYTES)
        if number != self._number:
            self._load(number)
        given = self._plain[within : within + len(buffer)]
        buffer[: len(given)] = given
        self._place += len(given)
        return len(given)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _load(self, number: int) -> None:
        plain = None
        if number >= 0:
            self._file.seek(self._pieces.place_of(number))
            sealed = self._file.read(_SEALED_BYTES)
            plain = self._pieces.open(number, sealed, last=number == self._count - 1)
        if plain is None:
            raise _damaged()
        self._number, self._plain = number, plain


def _damaged() -> NotFoundError:
    return NotFoundError("import_damaged", "服务器上保存的导入文件已损坏，请重新上传该文件。")
