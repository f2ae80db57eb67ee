"""Makes tiles from the database; the folder is a copy of it that may be lost."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sqlalchemy import Connection, Engine, Table, select

from registry.database import READ_ONLY
from registry.log.errors import TileLostError
from registry.log.nodes import tile_root
from registry.log.tables import LogEntry
from registry.log.tiles import (
    HASH_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    Level,
    TileFolder,
    Writing,
    pack_entries,
    tile_path,
    width_of,
)
from registry.upserts import fetch_many
from verifier.merkle import Frontier, leaf_hash

_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]
_STRETCH = "SELECT log_index, signed FROM log_entries WHERE log_index >= ? AND log_index < ? ORDER BY log_index"
#: Leaf tiles that are read from the database at once.
_TILES_PER_QUERY = 16
#: Files that are written at once: a few megabytes.
_FILES_PER_WRITE = 128


class TileBuilder:
    """Brings the folder up to a size of the log. Whoever lets it write must be alone with the folder."""

    def __init__(self, engine: Engine, folder: TileFolder) -> None:
        self._reader = engine.execution_options(**{READ_ONLY: True})
        self._folder = folder

    def extend(self, old: int, new: int) -> None:
        """Write what a log of `new` entries has and one of `old` entries had not."""
        self._build(range(old // TILE_WIDTH, -(-new // TILE_WIDTH)), old, new, trust_disk=True)

    def mend(self, size: int) -> None:
        """Write every tile that is missing or, as far as its length tells, is not whole. Looks at no content."""
        self._build(self._lost_leaf_tiles(size), 0, size, trust_disk=True)

    def rebuild(self, size: int) -> None:
        """Make every tile anew from the entries, and replace those on disk that differ."""
        self._build(range(-(-size // TILE_WIDTH)), 0, size, trust_disk=False)

    def entries(self, number: int, width: int) -> list[bytes]:
        """The first entries of a leaf tile, from the database. Raises TileLostError."""
        with self._reader.connect() as connection:
            return _read_entries(connection, number * TILE_WIDTH, number * TILE_WIDTH + width)

    def hashes(self, level: int, number: int, width: int, *, deep: bool) -> bytes:
        """The first hashes of a tile, made from the tiles below it; `deep`: from the database alone.

        Raises TileLostError if the database has not all of the entries.
        """
        if level == 0:
            return leaf_hashes(self.entries(number, width))
        first = number * TILE_WIDTH
        return b"".join([self.root_of(level - 1, below, deep=deep) for below in range(first, first + width)])

    def root_of(self, level: int, number: int, *, deep: bool) -> bytes:
        """The root over a full tile, from its file if that has its length, else as `hashes` makes it."""
        stands = None if deep else self._folder.read(tile_path(level, number))
        if stands is None or len(stands) != TILE_WIDTH * HASH_BYTES:
            stands = self.hashes(level, number, TILE_WIDTH, deep=deep)
        return tile_root(stands)

    def unbroken(self, size: int) -> Frontier:
        """The log as far as its entries are there without a gap, at most to `size`."""
        frontier = Frontier()
        rows = select(_ENTRIES.c.log_index, _ENTRIES.c.signed).where(_ENTRIES.c.log_index < size)
        with self._reader.connect() as connection:
            for index, signed in connection.execute(rows.order_by(_ENTRIES.c.log_index)).tuples():
                if index != frontier.size:
                    break
                frontier = frontier.append_many([leaf_hash(signed)])
        return frontier

    def _lost_leaf_tiles(self, size: int) -> list[int]:
        lost: list[int] = []
        for number in range(-(-size // TILE_WIDTH)):
            width = width_of(0, number, size)
            whole = self._folder.length(tile_path(0, number, width)) == width * HASH_BYTES
            # How long a bundle is only its content says, and that is looked at when it is served, and in turn.
            if not whole or not self._folder.length(tile_path("entries", number, width)):
                lost.append(number)
        return lost

    def leaf_tiles(self, numbers: range | list[int], size: int) -> Iterator[tuple[int, list[bytes]]]:
        """Leaf tiles and their signed entries, as far as the size reaches. Raises TileLostError."""
        for start in range(0, len(numbers), _TILES_PER_QUERY):
            some = numbers[start : start + _TILES_PER_QUERY]
            # A connection for each query: a long rebuild does not hold one snapshot all the time.
            with self._reader.connect() as connection:
                if some[-1] - some[0] == len(some) - 1:
                    first = some[0] * TILE_WIDTH
                    entries = _read_entries(connection, first, min(size, (some[-1] + 1) * TILE_WIDTH))
                    tiles = [entries[at : at + TILE_WIDTH] for at in range(0, len(entries), TILE_WIDTH)]
                else:
                    tiles = [
                        _read_entries(connection, number * TILE_WIDTH, min(size, (number + 1) * TILE_WIDTH))
                        for number in some
                    ]
            yield from zip(some, tiles, strict=True)

    def _build(self, leaf_tiles: range | list[int], old: int, new: int, *, trust_disk: bool) -> None:
        with self._folder.writing() as writing:
            _Build(self, writing, new, trust_disk=trust_disk).run(leaf_tiles, old)
        self._folder.sync()

    @property
    def folder(self) -> TileFolder:
        """Where the tiles stand."""
        return self._folder


class _Build:
    """One run over the levels from the leaves up, to one size of the log."""

    def __init__(self, builder: TileBuilder, writing: Writing, size: int, *, trust_disk: bool) -> None:
        self._builder = builder
        self._writing = writing
        self._folder = builder.folder
        self._size = size
        self._trust_disk = trust_disk
        self._roots: dict[tuple[int, int], bytes] = {}

    def run(self, leaf_tiles: range | list[int], old: int) -> None:
        for number, entries in self._builder.leaf_tiles(leaf_tiles, self._size):
            hashes = leaf_hashes(entries)
            self._put("entries", number, len(entries), pack_entries(entries))
            self._put(0, number, len(entries), hashes)
            if len(entries) == TILE_WIDTH:
                self._roots[0, number] = tile_root(hashes)
        level = 1
        while self._size >> TILE_HEIGHT * level:
            had = old >> TILE_HEIGHT * level
            for number in range(had // TILE_WIDTH, -(-(self._size >> TILE_HEIGHT * level) // TILE_WIDTH)):
                self._build_inner(level, number, width_of(level, number, self._size))
            level += 1

    def _build_inner(self, level: int, number: int, width: int) -> None:
        path = tile_path(level, number, width)
        if self._trust_disk and self._folder.length(path) == width * HASH_BYTES:
            return
        hashes = self._prefix(level, number, width) if self._trust_disk else b""
        first = number * TILE_WIDTH
        hashes += b"".join(
            [self._root_below(level - 1, below) for below in range(first + len(hashes) // HASH_BYTES, first + width)]
        )
        self._put(level, number, width, hashes)
        if width == TILE_WIDTH:
            self._roots[level, number] = tile_root(hashes)

    def _prefix(self, level: int, number: int, width: int) -> bytes:
        narrower = self._folder.widest_partial(level, number, width)
        data = self._folder.read(tile_path(level, number, narrower)) if narrower else None
        return data if data is not None and len(data) == narrower * HASH_BYTES else b""

    def _root_below(self, level: int, number: int) -> bytes:
        known = self._roots.get((level, number))
        if known is None:
            # What waits for its name may be the very tile.
            self._writing.place()
            known = self._roots[level, number] = self._builder.root_of(level, number, deep=False)
        return known

    def _put(self, level: Level, number: int, width: int, data: bytes) -> None:
        path = tile_path(level, number, width)
        if self._folder.length(path) != len(data) or self._folder.read(path) != data:
            self._writing.add(path, data)
            if len(self._writing) >= _FILES_PER_WRITE:
                self._writing.place()


def leaf_hashes(entries: list[bytes]) -> bytes:
    """The leaf hashes of entries, one after another: `verifier.merkle.leaf_hash` without its call."""
    sha256 = hashlib.sha256
    return b"".join([sha256(b"\x00" + entry).digest() for entry in entries])


def _read_entries(connection: Connection, first: int, end: int) -> list[bytes]:
    """Signed entries of the indices first … end - 1. Raises TileLostError naming the tile that lacks one."""
    rows = fetch_many(connection, _STRETCH, (first, end))
    # Indices are unique: as many as there should be are all that there should be.
    if len(rows) != end - first:
        there = {index for index, _ in rows}
        gap = next(index for index in range(first, end) if index not in there)
        raise TileLostError(tile_path("entries", gap // TILE_WIDTH))
    return [signed for _, signed in rows]
