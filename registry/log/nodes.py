"""Inner nodes of the tree, read from the tiles on disk."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from registry.log.errors import TileLostError
from registry.log.tiles import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, TileFolder, tile_path
from verifier.merkle import node_hash

#: About 16 KB each.
CACHED_TILES = 512


def fold(hashes: bytes) -> list[bytes]:
    """The complete subtrees over a tile's hashes, level by level, each level as its hashes one after another."""
    levels = [hashes]
    while len(hashes) >= 2 * HASH_BYTES:
        hashes = b"".join(
            [
                node_hash(hashes[at : at + HASH_BYTES], hashes[at + HASH_BYTES : at + 2 * HASH_BYTES])
                for at in range(0, len(hashes) - HASH_BYTES, 2 * HASH_BYTES)
            ]
        )
        levels.append(hashes)
    return levels


def tile_root(hashes: bytes) -> bytes:
    """The root over a full tile: one hash of the level above."""
    return fold(hashes)[TILE_HEIGHT]


class Nodes:
    """Names inner nodes as `verifier.merkle` does; keeps the last tiles in memory. Safe to share between threads."""

    def __init__(self, folder: TileFolder) -> None:
        self._folder = folder
        self._cache: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()
        self._lock = Lock()

    def node_at(self, level: int, index: int) -> bytes:
        """The hash over leaves index * 2^level … (index + 1) * 2^level - 1.

        Raises TileLostError. What is read is not checked against any root here.
        """
        tile_level, height = divmod(level, TILE_HEIGHT)
        number, offset = divmod(index << height, TILE_WIDTH)
        levels = self._tile(tile_level, number, offset + (1 << height))
        at = (offset >> height) * HASH_BYTES
        return levels[height][at : at + HASH_BYTES]

    def forget(self) -> None:
        """Read every tile from disk again."""
        with self._lock:
            self._cache.clear()

    def forget_partials(self) -> None:
        """Read the right edge from disk again: what is to be published is judged by what stands there."""
        with self._lock:
            for key in [key for key, levels in self._cache.items() if len(levels) <= TILE_HEIGHT]:
                del self._cache[key]

    def _tile(self, level: int, number: int, need: int) -> list[bytes]:
        key = (level, number)
        with self._lock:
            levels = self._cache.get(key)
            if levels is not None and len(levels[0]) >= need * HASH_BYTES:
                self._cache.move_to_end(key)
                return levels
        levels = fold(read_hashes(self._folder, level, number, need))
        with self._lock:
            self._cache[key] = levels
            self._cache.move_to_end(key)
            while len(self._cache) > CACHED_TILES:
                self._cache.popitem(last=False)
        return levels


def read_hashes(folder: TileFolder, level: int, number: int, need: int) -> bytes:
    """At least `need` hashes of a tile, from its full or its widest partial form. Raises TileLostError."""
    full = tile_path(level, number)
    data = folder.read(full)
    if data is not None:
        if len(data) != TILE_WIDTH * HASH_BYTES:
            raise TileLostError(full)
        return data
    # The full form may take the place of the partial ones between the two looks: look twice.
    width = folder.widest_partial(level, number, TILE_WIDTH - 1)
    data = folder.read(tile_path(level, number, width)) if width >= need else folder.read(full)
    if data is None or len(data) < need * HASH_BYTES or len(data) % HASH_BYTES:
        raise TileLostError(full)
    return data
