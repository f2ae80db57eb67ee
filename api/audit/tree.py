"""The tree rebuilt from its leaves, 256 at a time, in memory for at most 256 hashes a level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api.audit.findings import Findings
from api.audit.sources import TileSource
from registry.log.nodes import tile_root
from registry.log.tiles import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH
from verifier.merkle import Frontier


@dataclass(frozen=True, slots=True)
class Tile:
    """The hashes that a tile must have: its level, its number, and up to 256 hashes one after another."""

    level: int
    number: int
    hashes: bytes

    @property
    def width(self) -> int:
        """How many hashes."""
        return len(self.hashes) // HASH_BYTES


class Tree:
    """Grows by whole tiles of leaves; the last may be short. `size` counts leaves."""

    def __init__(self) -> None:
        self.size = 0
        #: For each level of tiles the hashes of the tile that is not full yet.
        self._open: list[list[bytes]] = []

    def add(self, leaves: Sequence[bytes]) -> Iterator[Tile]:
        """Append up to 256 leaf hashes from a tile's beginning; every tile that became full, lowest first."""
        if self.size % TILE_WIDTH:
            raise ValueError("leaves were added behind a short tile")
        number, self.size = self.size // TILE_WIDTH, self.size + len(leaves)
        level, hashes = 0, list(leaves)
        while True:
            if level == len(self._open):
                self._open.append([])
            if len(hashes) < TILE_WIDTH:
                self._open[level] = hashes
                return
            data = b"".join(hashes)
            yield Tile(level, number, data)
            self._open[level] = []
            level, number, above = level + 1, number // TILE_WIDTH, tile_root(data)
            hashes = [*(self._open[level] if level < len(self._open) else []), above]

    def partials(self) -> Iterator[Tile]:
        """The tiles that are not full, lowest first."""
        for level, hashes in enumerate(self._open):
            if hashes:
                yield Tile(level, self.size >> TILE_HEIGHT * (level + 1), b"".join(hashes))

    def frontier(self, more: Sequence[bytes] = ()) -> Frontier:
        """The frontier as it is, or with up to 255 further leaves behind the last whole tile."""
        levels = [list(hashes) for hashes in self._open] or [[]]
        if more:
            levels[0] = list(more)
        parts: list[bytes] = []
        for hashes in reversed(levels):
            parts += Frontier().append_many(hashes).hashes
        return Frontier(self.size + len(more), tuple(parts))

    def whole(self) -> Frontier:
        """The frontier of the whole tiles of leaves alone: where an audit can be taken up again."""
        parts: list[bytes] = []
        for hashes in reversed(self._open[1:]):
            parts += Frontier().append_many(hashes).hashes
        return Frontier(self.size - self.size % TILE_WIDTH, tuple(parts))

    @classmethod
    def resume(cls, frontier: Frontier, source: TileSource, size: int) -> Tree | None:
        """The tree of an earlier audit, its open tiles read again; None if they do not lead to the same frontier.

        The frontier must end with a whole tile; size: of the log now. Raises SourceError.
        """
        tree = cls()
        tree.size = frontier.size
        level, count = 0, frontier.size
        while count:
            width = count % TILE_WIDTH
            hashes: list[bytes] = []
            if width:
                number = count // TILE_WIDTH
                # The tile may have grown since: partial ones of another width are not kept for ever.
                present = min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - number * TILE_WIDTH)
                _, data = source.tile(level, number, present)
                if data is None or len(data) < width * HASH_BYTES:
                    return None
                hashes = split(data[: width * HASH_BYTES])
            tree._open.append(hashes)
            level, count = level + 1, count >> TILE_HEIGHT
        return tree if tree.frontier() == frontier else None


def split(hashes: bytes) -> list[bytes]:
    """Hashes one after another as a list."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def compare_tile(tile: Tile, source: TileSource, findings: Findings) -> None:
    """What is published against what was computed; the first hash that differs is named."""
    path, data = source.tile(tile.level, tile.number, tile.width)
    where: dict[str, int | str] = {"tile": path, "level": tile.level}
    findings.count("瓦片")
    if data is None:
        findings.report("tile_missing", expected=f"{tile.width} 个哈希", found="没有文件", **where)
    elif len(data) % HASH_BYTES or len(data) < len(tile.hashes):
        findings.report("tile_damaged", expected=f"{len(tile.hashes)} 字节", found=f"{len(data)} 字节", **where)
    elif not data.startswith(tile.hashes):
        _name_first(tile, data, findings, where)


def _name_first(tile: Tile, data: bytes, findings: Findings, where: dict[str, int | str]) -> None:
    ours, theirs = split(tile.hashes), split(data)
    offset = next(at for at, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1])
    index = tile.number * TILE_WIDTH + offset
    code = "inner_tile_differs" if tile.level else "entry_tile_differs"
    covers = TILE_HEIGHT * tile.level
    findings.report(code, expected=ours[offset], found=theirs[offset], index=index << covers, **where)
