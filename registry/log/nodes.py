"""The tree in tiles: what a tile's hashes lead to, and how a log's frontier grows by many leaves at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from registry.log.tiles import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH
from verifier.merkle import Frontier, node_hash

#: Tiles whose roots are remembered, by their bytes: a batch is folded for the head, and again for the tiles above it.
_REMEMBERED: Final = 128


def fold(hashes: bytes) -> list[bytes]:
    """The complete subtrees over a tile's hashes, level by level, each level as its hashes one after another."""
    levels, sha256 = [hashes], hashlib.sha256
    while len(hashes) >= 2 * HASH_BYTES:
        # node_hash, without its call: this is where the log's time goes.
        hashes = b"".join(
            [
                sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest()
                for at in range(0, len(hashes) - HASH_BYTES, 2 * HASH_BYTES)
            ]
        )
        levels.append(hashes)
    return levels


@lru_cache(_REMEMBERED)
def tile_root(hashes: bytes) -> bytes:
    """The root over a full tile: one hash of the level above."""
    return fold(hashes)[TILE_HEIGHT]


def node_in(levels: Sequence[bytes], height: int, at: int) -> bytes:
    """A hash out of what `fold` gives."""
    return levels[height][at * HASH_BYTES : (at + 1) * HASH_BYTES]


def grow(frontier: Frontier, leaves: Sequence[bytes]) -> Frontier:
    """The frontier after appending leaf hashes; as `Frontier.append_many`, a whole tile at a time."""
    start = min(len(leaves), -frontier.size % TILE_WIDTH)
    frontier = frontier.append_many(leaves[:start])
    while len(leaves) - start >= TILE_WIDTH:
        frontier = _append_tile(frontier, b"".join(leaves[start : start + TILE_WIDTH]))
        start += TILE_WIDTH
    return frontier.append_many(leaves[start:])


def _append_tile(frontier: Frontier, hashes: bytes) -> Frontier:
    """Append a whole tile of leaves to a log that ends with one."""
    above, node = list(frontier.hashes), tile_root(hashes)
    tiles = frontier.size // TILE_WIDTH
    while tiles & 1:
        node, tiles = node_hash(above.pop(), node), tiles >> 1
    return Frontier(frontier.size + TILE_WIDTH, (*above, node))
