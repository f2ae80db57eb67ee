"""The walk along the log: 256 entries at a time, each held against everything that is known about it.

In this order, so that the first divergence named is the first one there is: (1) the entries' tile, (2) the hash tiles
that they complete, (3) every entry by itself, (4) its row in the database, (5) every head that ends here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from api.audit.entries import Examined, Seen
from api.audit.findings import Findings
from api.audit.heads import KnownHead
from api.audit.pool import Examiners
from api.audit.seen import SeenEntries
from api.audit.sources import TileSource
from api.audit.state import AuditState
from api.audit.tree import Tile, Tree, compare_tile, split
from registry.log.nodes import fold
from registry.log.tiles import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, unpack_entries
from verifier.errors import InclusionError
from verifier.merkle import check_consistency, consistency_path, leaf_hash
from verifier.note import Checkpoint

#: Whole tiles between two notes of the progress.
_TILES_PER_NOTE = 256

Progress = Callable[[str, int, int], None]


class Rows(Protocol):
    """The entries as the database has them."""

    def signed(self, first: int, count: int) -> list[bytes]:
        """The entries from `first` on, as far as they follow each other."""
        ...

    def compare(self, first: int, entries: Sequence[bytes], seen: Sequence[Seen | None], findings: Findings) -> None:
        """Hold published entries against their rows."""
        ...


@dataclass
class _Bundle:
    """`entries` is empty where only the hashes are left."""

    first: int
    entries: list[bytes]
    leaves: list[bytes]
    examined: Callable[[], Examined]


class _CannotGoOn(Exception):
    """Neither entries nor hashes are there."""


@dataclass
class Walk:
    """One walk. `heads` come in ascending size; `tree` may be that of an earlier audit; `source` None: rows only."""

    head: Checkpoint
    source: TileSource | None
    rows: Rows | None
    heads: Iterator[KnownHead]
    examiners: Examiners
    seen: SeenEntries
    findings: Findings
    progress: Progress
    tree: Tree = field(default_factory=Tree)
    state_file: Path | None = None
    _next: KnownHead | None = None
    _young: int = 0
    began: int = field(init=False, default=0)

    def run(self) -> None:
        """Walk from where the tree ends to the head. Raises AuditStopped, SourceError."""
        self.began = self.tree.size
        self._next = next(self.heads, None)
        if self.began:
            self._check_earlier_heads()
        waiting: deque[_Bundle] = deque()
        try:
            for bundle in self._bundles():
                waiting.append(bundle)
                if len(waiting) >= self.examiners.ahead:
                    self._take(waiting.popleft())
            while waiting:
                self._take(waiting.popleft())
        except _CannotGoOn:
            self.findings.block("其余条目", f"序号 {self.tree.size} 之后的条目与哈希都没有，无法继续重算")
            return
        self._finish()

    def _bundles(self) -> Iterator[_Bundle]:
        for first in range(self.tree.size, self.head.size, TILE_WIDTH):
            width = min(TILE_WIDTH, self.head.size - first)
            entries = self._published(first, width) if self.source else self._stored(first, width)
            leaves = [leaf_hash(entry) for entry in entries] or self._published_hashes(first, width)
            yield _Bundle(first, entries, leaves, self.examiners.submit(first, entries))

    def _stored(self, first: int, width: int) -> list[bytes]:
        entries = self.rows.signed(first, width) if self.rows else []
        if len(entries) < width:
            index = first + len(entries)
            self.findings.report("entry_row_missing", expected="数据库中的条目", found="没有", index=index)
            raise _CannotGoOn
        return entries

    def _published(self, first: int, width: int) -> list[bytes]:
        """(1) The entries of a tile; nothing if they are not there or do not add up."""
        assert self.source is not None
        path, data = self.source.tile("entries", first // TILE_WIDTH, width)
        where: dict[str, int | str] = {"tile": path, "index": first}
        if data is None:
            self.findings.report("bundle_missing", expected=f"{width} 个条目", found="没有文件", **where)
            return []
        entries = unpack_entries(data)
        if entries is None or len(entries) < width:
            found = "长度字段与文件不符" if entries is None else f"{len(entries)} 个条目"
            self.findings.report("bundle_damaged", expected=f"{width} 个条目", found=found, **where)
            return []
        return entries[:width]

    def _published_hashes(self, first: int, width: int) -> list[bytes]:
        assert self.source is not None
        _, data = self.source.tile(0, first // TILE_WIDTH, width)
        if data is None or len(data) < width * HASH_BYTES:
            raise _CannotGoOn
        return split(data[: width * HASH_BYTES])

    def _take(self, bundle: _Bundle) -> None:
        inside = list(self._heads_before(bundle.first + len(bundle.leaves)))
        roots = [self.tree.frontier(bundle.leaves[: head.size - bundle.first]).root() for head in inside]
        # Step (2): the tiles.
        for tile in self.tree.add(bundle.leaves):
            self._compare_tile(tile)
        if self.tree.size % TILE_WIDTH:
            self._compare_partials()
        # Steps (3) and (4): entries and rows.
        examined = bundle.examined()
        self._note_entries(bundle, examined)
        if self.rows and bundle.entries:
            self.rows.compare(bundle.first, bundle.entries, examined.seen, self.findings)
        # Step (5): heads, those within the bundle and those at its end.
        for head, root in zip(inside, roots, strict=True):
            self._compare_head(head, root)
        for head in self._heads_before(self.tree.size + 1):
            self._compare_head(head, self.tree.frontier().root())
        self.progress("条目", self.tree.size, self.head.size)
        if self.tree.size // TILE_WIDTH % _TILES_PER_NOTE == 0:
            self._save()

    def _note_entries(self, bundle: _Bundle, examined: Examined) -> None:
        self.findings.count("条目", len(bundle.entries))
        self.findings.count("条目签名", examined.signatures)
        for fault in examined.faults:
            if fault.code is None:
                self._young += 1
            else:
                self.findings.report(fault.code, expected=fault.expected, found=fault.found, index=fault.at)
        for index, digest in enumerate(examined.digests, bundle.first):
            if digest is not None:
                self.seen.add(index, digest)

    def _compare_tile(self, tile: Tile) -> None:
        if self.source:
            compare_tile(tile, self.source, self.findings)

    def _compare_partials(self) -> None:
        for tile in self.tree.partials():
            self._compare_tile(tile)

    def _heads_before(self, size: int) -> Iterator[KnownHead]:
        while self._next is not None and self._next.size < size:
            yield self._next
            self._next = next(self.heads, None)

    def _compare_head(self, head: KnownHead, root: bytes) -> None:
        self.findings.count("日志头")
        self.findings.compare(head.code, root, head.root, size=head.size, source=head.source)

    def _check_earlier_heads(self) -> None:
        """Heads within what an earlier audit rebuilt: a consistency proof binds each to it."""
        root = self.tree.frontier().root()
        for head in self._heads_before(self.tree.size + 1):
            self.findings.count("日志头")
            if not self.source:
                self.findings.block("较早的日志头", "没有瓦片，续查时不能核查上次之前的日志头")
                continue
            try:
                path = consistency_path(head.size, self.tree.size, self._node_at)
                check_consistency(head.size, self.tree.size, head.root, root, path)
            except InclusionError as wrong:
                self.findings.report(head.code, expected="与上次重算的日志一致", found=wrong.message,
                                     size=head.size, source=head.source)  # fmt: skip

    def _node_at(self, level: int, index: int) -> bytes:
        assert self.source is not None
        tile_level, height = divmod(level, TILE_HEIGHT)
        number, offset = divmod(index << height, TILE_WIDTH)
        count = self.head.size >> TILE_HEIGHT * tile_level
        _, data = self.source.tile(tile_level, number, min(TILE_WIDTH, count - number * TILE_WIDTH))
        levels = fold(data or b"")
        at = (offset >> height) * HASH_BYTES
        node = levels[height][at : at + HASH_BYTES] if height < len(levels) else b""
        if len(node) != HASH_BYTES:
            raise InclusionError("tile_missing", f"缺少第 {tile_level} 层第 {number} 号瓦片")
        return node

    def _finish(self) -> None:
        if self._young:
            self.findings.block("较新条目的签名", f"{self._young} 个条目由信任包签发之后的密钥签署，请换用更新的信任包")
        if not self.tree.size % TILE_WIDTH:
            self._compare_partials()
        for earlier, later in self.seen.repeated():
            self.findings.report("entry_duplicated", expected=f"与序号 {earlier} 不同", found="内容相同", index=later)
        self._save()

    def _save(self) -> None:
        if self.state_file is not None and not self.findings.divergences:
            self.seen.flush()
            AuditState(self.head, self.tree.whole()).write(self.state_file)
