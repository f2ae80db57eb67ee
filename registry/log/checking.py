"""Tiles that are known to be right: each is compared with the one above it, up to a head, before it counts.

What is lost or wrong on disk is made anew from the database, in memory first: a folder that cannot be written still
serves nothing wrong. Only what is looked at is made anew, never the whole log.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from threading import Lock

from registry.log import rules
from registry.log.building import TileBuilder, leaf_hashes
from registry.log.errors import LogContradictionError, TileLostError
from registry.log.nodes import fold, node_in, tile_root
from registry.log.tiles import (
    HASH_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    Level,
    pack_entries,
    tile_path,
    unpack_entries,
    width_of,
)
from verifier.merkle import Frontier
from verifier.note import Checkpoint

#: About 16 KB each.
CACHED_TILES = 512

_log = logging.getLogger("suizheng.log")


class CheckedTiles:
    """Reads tiles, keeps the last ones in memory as `fold` gives them. Safe to share between threads."""

    def __init__(self, builder: TileBuilder) -> None:
        """`builder` is not to be shared with a writer: each remembers what it has to sync."""
        self._builder = builder
        self._folder = builder.folder
        self._cache: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()
        self._lock = Lock()
        self._mending = Lock()

    def forget(self) -> None:
        """Read every tile from disk again."""
        with self._lock:
            self._cache.clear()

    def tree(self, head: Checkpoint) -> CheckedTree:
        """The tree under a head whose tiles stand in the folder, or stood there."""
        return CheckedTree(self, head)

    def levels(self, level: int, number: int, head: Checkpoint) -> list[bytes]:
        """The complete subtrees over the hashes that a tile has under a head. Raises LogContradictionError."""
        width = width_of(level, number, head.size)
        with self._lock:
            kept = self._cache.get((level, number))
            if kept is not None and len(kept[0]) >= width * HASH_BYTES:
                self._cache.move_to_end((level, number))
                return kept
        if width < TILE_WIDTH:
            return self.mend_edge(head)[level]
        found = fold(self._full_tile(level, number, head))
        self._keep(level, number, found)
        return found

    def bundle(self, number: int, width: int, head: Checkpoint) -> list[bytes]:
        """The first `width` entries of a leaf tile under a head. Raises LogContradictionError."""
        wanted = self.levels(0, number, head)[0][: width * HASH_BYTES]
        path = tile_path("entries", number, width)
        found = unpack_entries(self._folder.read(path) or b"")
        if found is not None and leaf_hashes(found) == wanted:
            return found
        try:
            entries = self._builder.entries(number, width)
        except TileLostError as gap:
            raise self.contradiction(head) from gap
        if leaf_hashes(entries) != wanted:
            raise self.contradiction(head)
        self._mend(path, pack_entries(entries))
        return entries

    def look_at(self, level: Level, number: int, head: Checkpoint) -> None:
        """Compare a tile with what it must be, whatever is in memory. Raises LogContradictionError."""
        if level == "entries":
            self.bundle(number, width_of(level, number, head.size), head)
            return
        with self._lock:
            self._cache.pop((level, number), None)
        self.levels(level, number, head)

    def mend_edge(self, head: Checkpoint) -> dict[int, list[bytes]]:
        """The partial tiles under a head, by level, as `fold` gives them; made anew unless they lead to the head.

        Raises LogContradictionError if the entries do not lead to it either.
        """
        edge = self.read_edge(head)
        if edge is not None:
            return edge
        partial = _partial_tiles(head)
        for deep in (False, True):
            # From the tiles below them; if those are wrong too, from the entries.
            made = [self._hashes(*tile, head, deep=deep) for tile in partial]
            edge = self._leads_to(head, partial, made)
            if edge is not None:
                for (level, number, width), hashes in zip(partial, made, strict=True):
                    self._mend(tile_path(level, number, width), hashes)
                return edge
        raise self.contradiction(head)

    def read_edge(self, head: Checkpoint) -> dict[int, list[bytes]] | None:
        """The partial tiles as they stand on disk, or None unless they lead to the head."""
        partial = _partial_tiles(head)
        return self._leads_to(head, partial, [self._folder.read(tile_path(*tile)) or b"" for tile in partial])

    def contradiction(self, head: Checkpoint) -> LogContradictionError:
        """The entries in the database do not lead to a head that was signed."""
        left = self._builder.unbroken(head.size)
        found = Checkpoint(head.origin, left.size, left.root())
        if left.size < head.size:
            return LogContradictionError("entries_missing", "数据库缺少检查点之内的存证条目。", head, found)
        return LogContradictionError("tiles_differ", "存证日志的条目与检查点的根不一致。", head, found)

    def _leads_to(
        self, head: Checkpoint, partial: list[tuple[int, int, int]], hashes: list[bytes]
    ) -> dict[int, list[bytes]] | None:
        if any(len(data) != width * HASH_BYTES for (_, _, width), data in zip(partial, hashes, strict=True)):
            return None
        folded = {level: fold(data) for (level, _, _), data in zip(partial, hashes, strict=True)}
        nodes = []
        for level, index in rules.complete_nodes(head.size):
            tile_level, height = divmod(level, TILE_HEIGHT)
            nodes.append(node_in(folded[tile_level], height, index % (TILE_WIDTH >> height)))
        if Frontier(head.size, tuple(nodes)).root() != head.root:
            return None
        for level, number, _ in partial:
            self._keep(level, number, folded[level])
        return folded

    def _full_tile(self, level: int, number: int, head: Checkpoint) -> bytes:
        """A full tile's hashes, whose root the tile above names."""
        above, at = divmod(number, TILE_WIDTH)
        wanted = node_in(self.levels(level + 1, above, head), 0, at)
        path = tile_path(level, number)
        stands = self._folder.read(path)
        if stands is not None and len(stands) == TILE_WIDTH * HASH_BYTES and tile_root(stands) == wanted:
            return stands
        for deep in (False, True):
            made = self._hashes(level, number, TILE_WIDTH, head, deep=deep)
            if tile_root(made) == wanted:
                self._mend(path, made)
                return made
        raise self.contradiction(head)

    def _hashes(self, level: int, number: int, width: int, head: Checkpoint, *, deep: bool) -> bytes:
        try:
            return self._builder.hashes(level, number, width, deep=deep)
        except TileLostError as gap:
            raise self.contradiction(head) from gap

    def _mend(self, path: str, data: bytes) -> None:
        try:
            with self._mending:
                self._folder.write(path, data)
                self._folder.sync()
        except OSError as failure:
            _log.error("the log's file %s is wrong and cannot be written: %s", path, failure)
        else:
            _log.warning("the log's file %s was lost or wrong and was made anew from the database", path)

    def _keep(self, level: int, number: int, levels: list[bytes]) -> None:
        with self._lock:
            self._cache[level, number] = levels
            self._cache.move_to_end((level, number))
            while len(self._cache) > CACHED_TILES:
                self._cache.popitem(last=False)


def _partial_tiles(head: Checkpoint) -> list[tuple[int, int, int]]:
    """Level, number and width of every partial tile under a head, from the leaves up."""
    found = []
    for level in range(-(-head.size.bit_length() // TILE_HEIGHT)):
        number, width = divmod(head.size >> TILE_HEIGHT * level, TILE_WIDTH)
        if width:
            found.append((level, number, width))
    return found


class CheckedTree:
    """Names inner nodes as `verifier.merkle` does, under one head."""

    def __init__(self, tiles: CheckedTiles, head: Checkpoint) -> None:
        self._tiles = tiles
        self._head = head

    def node_at(self, level: int, index: int) -> bytes:
        """The hash over leaves index * 2^level … (index + 1) * 2^level - 1."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        number, at = divmod(index, TILE_WIDTH >> height)
        return node_in(self._tiles.levels(tile_level, number, self._head), height, at)

    def root_at(self, size: int) -> bytes:
        """The root that the log had at any size up to the head's."""
        nodes = tuple(self.node_at(level, index) for level, index in rules.complete_nodes(size))
        return Frontier(size, nodes).root()
