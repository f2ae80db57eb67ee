"""Makes tiles from the database; the folder is a copy of it that may be lost."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine, Table, func, select

from registry.database import READ_ONLY
from registry.log.errors import TileLostError
from registry.log.nodes import read_hashes, tile_root
from registry.log.tables import LogEntry
from registry.log.tiles import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, Level, TileFolder, pack_entries, tile_path
from verifier.merkle import Frontier, leaf_hash

_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]
#: Leaf tiles that are read from the database at once.
_TILES_PER_QUERY = 16


class TileBuilder:
    """Brings the folder up to a size of the log. Whoever builds must be alone with the folder."""

    def __init__(self, engine: Engine, folder: TileFolder) -> None:
        self._reader = engine.execution_options(**{READ_ONLY: True})
        self._folder = folder
        self._roots: dict[tuple[int, int], bytes] = {}

    def extend(self, old: int, new: int) -> None:
        """Write what a log of `new` entries has and one of `old` entries had not."""
        self._build(new, list(range(old // TILE_WIDTH, -(-new // TILE_WIDTH))), old, trust_disk=True)

    def mend(self, size: int) -> None:
        """Write every tile that is missing or has not its proper length."""
        self._build(size, self._lost_leaf_tiles(size), 0, trust_disk=True)

    def rebuild(self, size: int) -> None:
        """Make every tile anew from the entries, and replace those on disk that differ."""
        self._build(size, list(range(-(-size // TILE_WIDTH))), 0, trust_disk=False)

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

    def _build(self, size: int, leaf_tiles: list[int], old: int, *, trust_disk: bool) -> None:
        self._roots.clear()
        for number, entries in self._entries_of(leaf_tiles, size):
            hashes = b"".join([leaf_hash(entry) for entry in entries])
            self._put("entries", number, len(entries), pack_entries(entries))
            self._put(0, number, len(entries), hashes)
            if len(entries) == TILE_WIDTH:
                self._roots[0, number] = tile_root(hashes)
        level = 1
        while size >> TILE_HEIGHT * level:
            count, had = size >> TILE_HEIGHT * level, old >> TILE_HEIGHT * level
            for number in range(had // TILE_WIDTH, -(-count // TILE_WIDTH)):
                self._build_inner(level, number, min(TILE_WIDTH, count - number * TILE_WIDTH), trust_disk=trust_disk)
            level += 1
        self._folder.sync()

    def _build_inner(self, level: int, number: int, width: int, *, trust_disk: bool) -> None:
        path = tile_path(level, number, width)
        if trust_disk and self._folder.length(path) == width * HASH_BYTES:
            return
        hashes = self._prefix(level, number, width) if trust_disk else b""
        first = number * TILE_WIDTH
        for index in range(first + len(hashes) // HASH_BYTES, first + width):
            hashes += self._root_below(level - 1, index)
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
            known = self._roots[level, number] = tile_root(read_hashes(self._folder, level, number, TILE_WIDTH))
        return known

    def _put(self, level: Level, number: int, width: int, data: bytes) -> None:
        path = tile_path(level, number, width)
        if self._folder.length(path) != len(data) or self._folder.read(path) != data:
            self._folder.write(path, data)

    def _entries_of(self, numbers: list[int], size: int) -> Iterator[tuple[int, list[bytes]]]:
        """Leaf tiles and their signed entries, as far as the size reaches."""
        with self._reader.connect() as connection:
            for start in range(0, len(numbers), _TILES_PER_QUERY):
                some = numbers[start : start + _TILES_PER_QUERY]
                first, end = some[0] * TILE_WIDTH, min(size, (some[-1] + 1) * TILE_WIDTH)
                if end - first > 2 * len(some) * TILE_WIDTH:
                    # Far apart: reading what lies between them would cost more than asking for each.
                    spans = [(number * TILE_WIDTH, min(size, (number + 1) * TILE_WIDTH)) for number in some]
                else:
                    spans = [(first, end)]
                entries: dict[int, bytes] = {}
                for low, high in spans:
                    rows = select(_ENTRIES.c.log_index, _ENTRIES.c.signed).where(
                        _ENTRIES.c.log_index >= low, _ENTRIES.c.log_index < high
                    )
                    entries.update(connection.execute(rows).tuples().all())
                for number in some:
                    own = range(number * TILE_WIDTH, min(size, (number + 1) * TILE_WIDTH))
                    if not entries.keys() >= set(own):
                        raise TileLostError(tile_path(0, number))
                    yield number, [entries[index] for index in own]

    def _lost_leaf_tiles(self, size: int) -> list[int]:
        lost: list[int] = []
        expected = self._bundle_lengths(size)
        for number in range(-(-size // TILE_WIDTH)):
            width = min(TILE_WIDTH, size - number * TILE_WIDTH)
            whole = self._folder.length(tile_path(0, number, width)) == width * HASH_BYTES
            if not whole or self._folder.length(tile_path("entries", number, width)) != expected.get(number):
                lost.append(number)
        return lost

    def _bundle_lengths(self, size: int) -> dict[int, int]:
        number = _ENTRIES.c.log_index // TILE_WIDTH
        lengths = (
            select(number, func.sum(func.length(_ENTRIES.c.signed) + 2))
            .where(_ENTRIES.c.log_index < size)
            .group_by(number)
        )
        with self._reader.connect() as connection:
            return {int(row[0]): int(row[1]) for row in connection.execute(lengths)}
