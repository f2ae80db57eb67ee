"""The tiles folder: C2SP tlog-tiles as files, and nothing about what is in them.

    checkpoint                         the newest signed head (C2SP tlog-checkpoint)
    tile/<L>/<N>[.p/<W>]               hashes of level L: 256, or W if partial, of 32 bytes each
    tile/entries/<N>[.p/<W>]           entries, each behind its length as two big-endian bytes

A file appears whole or not at all: it is written beside, synced, renamed, and its folder synced. A full tile that
stands is never written again.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final, Literal, TypeVar

TILE_WIDTH: Final = 256
#: Tree levels in one tile: 2 to the power of this is the width.
TILE_HEIGHT: Final = 8
HASH_BYTES: Final = 32
FULL_TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES
#: Entries are published behind a 16-bit length.
MAX_PUBLISHED_ENTRY_BYTES: Final = 0xFFFF
CHECKPOINT: Final = "checkpoint"

Level = int | Literal["entries"]

_SCRATCH = ".writing"
#: Files that are synced at the same time: the file system then commits them together instead of one after another.
_SYNCED_TOGETHER = 16
#: Fewer than this are not worth a thread.
_FEW = 3

_T = TypeVar("_T")
_PATH = re.compile(
    r"tile/(?:entries|[0-9]|[1-5][0-9]|6[0-3])/(?:x[0-9]{3}/){0,5}[0-9]{3}(?:\.p/(?:[1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?",
    re.ASCII,
)


def width_of(level: Level, number: int, size: int) -> int:
    """How many hashes or entries a tile has in a log of `size` entries; 0 if it is not there yet."""
    count = size if level == "entries" else size >> TILE_HEIGHT * level
    return max(0, min(TILE_WIDTH, count - number * TILE_WIDTH))


def tile_path(level: Level, number: int, width: int = TILE_WIDTH) -> str:
    """The path of a tile, as in `tile/0/x001/x234/067.p/8`."""
    groups = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03}")
    path = f"tile/{level}/{'/'.join(groups)}"
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def is_log_path(path: str) -> bool:
    """Whether the path names something that a log serves; anything else (`..`, files of ours) does not."""
    return path == CHECKPOINT or _PATH.fullmatch(path) is not None


def parse_tile_path(path: str) -> tuple[Level, int, int]:
    """Level, number and width of a tile's path, the inverse of `tile_path`. Only for paths that `is_log_path` knows."""
    whole, _, width = path.removeprefix("tile/").partition(".p/")
    level, *groups = whole.split("/")
    number = int("".join(group.removeprefix("x") for group in groups))
    return "entries" if level == "entries" else int(level), number, int(width or TILE_WIDTH)


def pack_entries(entries: list[bytes]) -> bytes:
    """An entry bundle: each entry behind its length."""
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def unpack_entries(bundle: bytes) -> list[bytes] | None:
    """The entries of a bundle, or None if its lengths do not add up."""
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 > len(bundle) or end > len(bundle):
            return None
        entries.append(bundle[at + 2 : end])
        at = end
    return entries


class TileFolder:
    """Reads and writes the files. Writers must be alone; readers need not care."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scratch = folder / _SCRATCH
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._unsynced: set[Path] = set()

    def read(self, path: str) -> bytes | None:
        """The file's bytes, or None if it is not there."""
        try:
            return (self._folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def length(self, path: str) -> int | None:
        """The file's length in bytes, or None if it is not there."""
        try:
            return (self._folder / path).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def identity(self, path: str) -> tuple[int, int, int] | None:
        """What changes when the file is replaced or written to, or None if it is not there."""
        try:
            found = (self._folder / path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def widest_partial(self, level: Level, number: int, most: int) -> int:
        """The width of the widest partial form of a tile that is not wider than `most`; 0 if there is none."""
        try:
            names = [file.name for file in self._partials(level, number).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return 0
        return max((int(name) for name in names if name.isdecimal() and int(name) <= most), default=0)

    def write(self, path: str, data: bytes) -> None:
        """Put a file in its place; durable after the next `sync`. Raises OSError."""
        with self.writing() as writing:
            writing.add(path, data)

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """To put many files in their places while they are made; the last ones when it ends. Raises OSError."""
        with ThreadPoolExecutor(_SYNCED_TOGETHER) as pool:
            writing = Writing(self._scratch, self._name, pool)
            try:
                yield writing
                writing.place()
            finally:
                writing.drop()

    def sync(self) -> None:
        """Make every rename since the last call durable."""
        _together(sync_folder, sorted(self._unsynced))
        self._unsynced.clear()

    def drop_partials(self, level: Level, number: int) -> None:
        """Remove the partial forms of a tile that is full now; clients fall back to the full one."""
        folder = self._partials(level, number)
        try:
            for partial in list(folder.iterdir()):
                partial.unlink(missing_ok=True)
            folder.rmdir()
        except FileNotFoundError:
            return

    def clear_scratch(self) -> None:
        """Remove what a killed writer left behind. Only for the writer, and only while it is alone."""
        for left in self._scratch.iterdir():
            left.unlink(missing_ok=True)

    def _partials(self, level: Level, number: int) -> Path:
        return self._folder / PurePosixPath(tile_path(level, number, 1)).parent

    def _name(self, scratch: Path, path: str) -> None:
        target = self._folder / path
        self._make_folder(target.parent)
        scratch.replace(target)
        self._unsynced.add(target.parent)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        self._unsynced.add(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Writing:
    """Files on their way to the disk: the first ones are written and synced while the next ones are made.

    The bytes of all that wait are durable before the first of them gets its name.
    """

    def __init__(self, scratch: Path, name: Callable[[Path, str], None], pool: ThreadPoolExecutor) -> None:
        """`scratch`: where the bytes are written; `name` gives a file there its place in the folder."""
        self._scratch = scratch
        self._name = name
        self._pool = pool
        self._waiting: list[tuple[str, Path, bytes]] = []
        self._begun: list[Future[None]] = []

    def __len__(self) -> int:
        """How many wait for their names."""
        return len(self._waiting)

    def add(self, path: str, data: bytes) -> None:
        """Begin to write a file. What goes wrong is told by `place`."""
        self._waiting.append((path, self._scratch / secrets.token_hex(8), data))
        if len(self._waiting) >= _FEW:
            self._begin()

    def place(self) -> None:
        """Give all that wait their names, once the bytes of all are durable. Raises OSError; then none has one."""
        if len(self._waiting) < _FEW:
            for _, scratch, data in self._waiting:
                _write_synced(scratch, data)
        for begun in self._begun:
            begun.result()
        for path, scratch, _ in self._waiting:
            self._name(scratch, path)
        self._waiting.clear()
        self._begun.clear()

    def drop(self) -> None:
        """Remove what got no name."""
        wait(self._begun)
        for _, scratch, _ in self._waiting:
            scratch.unlink(missing_ok=True)
        self._waiting.clear()
        self._begun.clear()

    def _begin(self) -> None:
        for _, scratch, data in self._waiting[len(self._begun) :]:
            self._begun.append(self._pool.submit(_write_synced, scratch, data))


def _write_synced(path: Path, data: bytes) -> None:
    """Write a new file and make its bytes durable."""
    with path.open("xb", buffering=0) as target:
        view = memoryview(data)
        while view:
            view = view[target.write(view) :]
        os.fsync(target.fileno())


def _together(work: Callable[[_T], None], items: Sequence[_T]) -> None:
    """Do the same with each item, many at a time: what is waited for is the disk."""
    if len(items) < _FEW:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(min(_SYNCED_TOGETHER, len(items))) as pool:
        for _ in pool.map(work, items):
            pass
