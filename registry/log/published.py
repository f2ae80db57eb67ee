"""Step 3 of the pipeline: the log as files that anyone may mirror, and every proof that can be read from them.

The folder is derived from the database and may be lost in part or as a whole. What is read from it is compared with a
stored head before it counts: a head to be published with the right edge of the tiles, a proof with its root.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import FileLock
from sqlalchemy import Engine, Table, select

from registry.database import READ_ONLY
from registry.errors import NotFoundError
from registry.keys.rules import LOG
from registry.keys.tables import KeyRow
from registry.log import rules
from registry.log.building import TileBuilder
from registry.log.errors import LogContradictionError, TileLostError
from registry.log.nodes import Nodes
from registry.log.state import newest_head, origin_of
from registry.log.tables import CheckpointRow
from registry.log.tiles import (
    CHECKPOINT,
    HASH_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    Level,
    TileFolder,
    is_log_path,
    parse_tile_path,
    unpack_entries,
)
from registry.witnesses.notes import note_of
from verifier import merkle
from verifier.errors import InclusionError, VerificationError
from verifier.note import Checkpoint, open_checkpoint
from verifier.suites import PublicKey, public_key

_CHECKPOINTS: Table = CheckpointRow.__table__  # type: ignore[assignment]
_KEYS: Table = KeyRow.__table__  # type: ignore[assignment]
_LOCK = ".lock"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A checked proof that a leaf hash stands at `index` under `head`."""

    head: Checkpoint
    index: int
    leaf_hash: bytes
    path: list[bytes]


class PublishedLog:
    """The tiles folder of one log. Safe to share between threads, and between processes by a lock in the folder."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._reader = engine.execution_options(**{READ_ONLY: True})
        self._folder = TileFolder(folder)
        self._builder = TileBuilder(engine, self._folder)
        self._nodes = Nodes(self._folder)
        self._lock_path = folder / _LOCK
        self._looked_over = False

    def publish(self) -> Checkpoint:
        """Write the tiles of the newest stored head and then the head; the head that is published now.

        The first call of a process also looks for tiles that are missing or cut short. Raises LogContradictionError if
        the entries do not lead to the stored root; OSError if the disk is full or fails. The old head then stays.
        """
        with FileLock(self._lock_path):
            head, note = self._newest()
            published = self._published(head)
            if head.size == 0 or (published == head.size and self._looked_over):
                return head
            if not self._looked_over:
                self._folder.clear_scratch()
            self._write_tiles(head, published)
            if published != head.size or self._folder.read(CHECKPOINT) != note.encode():
                # The tiles are durable and lead to this root. Only now may anyone hear of it.
                self._folder.write(CHECKPOINT, note.encode())
                self._folder.sync()
            self._drop_partials(published, head.size)
            self._looked_over = True
            return head

    def show_cosignatures(self) -> None:
        """Write the published head anew with the lines that witnesses have added to it. Raises OSError."""
        with FileLock(self._lock_path):
            head, note = self._newest()
            if head.size and self._published(head) == head.size and self._folder.read(CHECKPOINT) != note.encode():
                self._folder.write(CHECKPOINT, note.encode())
                self._folder.sync()

    def inclusion(self, index: int, size: int) -> Inclusion:
        """Where an entry stands under the stored head of that size.

        Raises NotFoundError: no such head, or the entry is not under it.
        """
        head = self._head(size)
        if not 0 <= index < size:
            raise NotFoundError("entry_not_covered", "该条目不在这个检查点之内。", {"index": index, "size": size})

        def prove() -> Inclusion:
            leaf = self._nodes.node_at(0, index)
            path = merkle.inclusion_path(index, size, self._nodes.node_at)
            merkle.check_inclusion(leaf, index, size, path, head.root)
            return Inclusion(head, index, leaf, path)

        return self._proved(prove, head)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the stored head of size `new` only appended to the tree of size `old`; checked.

        `old` may be any size up to `new`. Raises NotFoundError: no stored head of size `new`.
        """
        head = self._head(new)

        def prove() -> list[bytes]:
            path = merkle.consistency_path(old, new, self._nodes.node_at)
            merkle.check_consistency(old, new, self._root(old), head.root, path)
            return path

        return self._proved(prove, head)

    def root_at(self, size: int) -> bytes:
        """The root that the log had at any size up to the published one. Raises NotFoundError beyond it."""
        head, _ = self._newest()
        if not 0 < size <= head.size:
            raise NotFoundError("size_out_of_range", "存证日志没有这个大小。", {"size": size, "newest": head.size})
        # The proof binds the answer to the stored head, so that a damaged tile cannot give a wrong root.
        self.consistency(size, head.size)
        return self._root(size)

    def serve(self, path: str) -> bytes | None:
        """A file for the log's readers: `checkpoint` or `tile/…`; None if the log has none there.

        A tile that was lost or cut short is made anew first. Paths that are not a log's are not looked at.
        """
        if not is_log_path(path):
            return None
        data = self._folder.read(path)
        if path == CHECKPOINT or _is_whole(path, data):
            return data
        level, number, width = parse_tile_path(path)
        size = self._published(self._newest()[0])
        count = size if level == "entries" else size >> TILE_HEIGHT * level
        end = number * TILE_WIDTH + width
        # Only what a log of this size must have: asking for anything else costs nothing.
        if end > count or (width < TILE_WIDTH and end != count):
            return None
        with FileLock(self._lock_path):
            self._builder.mend(size)
        data = self._folder.read(path)
        return data if _is_whole(path, data) else None

    def audit(self) -> Checkpoint:
        """Make every tile anew from the entries, replace those that differ, and compare with the newest head.

        Takes time in proportion to the log. Raises LogContradictionError.
        """
        with FileLock(self._lock_path):
            head, _ = self._newest()
            self._rebuild(head)
            return head

    def _write_tiles(self, head: Checkpoint, published: int) -> None:
        try:
            if self._looked_over:
                self._builder.extend(published, head.size)
            else:
                self._builder.mend(head.size)
            self._nodes.forget_partials()
            if self._root(head.size) == head.root:
                return
        except TileLostError:
            # Lost since the last look: make everything anew below.
            pass
        self._rebuild(head)

    def _rebuild(self, head: Checkpoint) -> None:
        try:
            self._builder.rebuild(head.size)
        except TileLostError as gap:
            left = self._builder.unbroken(head.size)
            found = Checkpoint(head.origin, left.size, left.root())
            raise LogContradictionError("entries_missing", "数据库缺少检查点之内的存证条目。", head, found) from gap
        self._nodes.forget()
        found = Checkpoint(head.origin, head.size, self._root(head.size))
        if found != head:
            raise LogContradictionError("tiles_differ", "存证日志的条目与检查点的根不一致。", head, found)

    def _proved(self, prove: Callable[[], _T], head: Checkpoint) -> _T:
        """What `prove` gives, after making the tiles anew if those on disk do not prove it."""
        try:
            return prove()
        except (InclusionError, TileLostError):
            self.audit()
        try:
            return prove()
        except InclusionError as wrong:
            found = Checkpoint(head.origin, head.size, self._root(head.size))
            raise LogContradictionError("tiles_differ", "存证日志的条目与检查点的根不一致。", head, found) from wrong

    def _root(self, size: int) -> bytes:
        nodes = tuple(self._nodes.node_at(level, index) for level, index in rules.complete_nodes(size))
        return merkle.Frontier(size, nodes).root()

    def _newest(self) -> tuple[Checkpoint, str]:
        with self._reader.connect() as connection:
            head, _ = newest_head(connection, origin_of(connection))
            return head, note_of(connection, head.size)

    def _head(self, size: int) -> Checkpoint:
        with self._reader.connect() as connection:
            root = connection.execute(select(_CHECKPOINTS.c.root).where(_CHECKPOINTS.c.size == size)).scalar()
            if root is None:
                raise NotFoundError("no_such_head", "存证日志没有这个大小的检查点。", {"size": size})
            return Checkpoint(origin_of(connection), size, root)

    def _published(self, newest: Checkpoint) -> int:
        """The size of the head in the folder; 0 if there is none, or something that the log never signed.

        Raises LogContradictionError if the log signed it but the database does not know it: a database from before.
        """
        data = self._folder.read(CHECKPOINT)
        with self._reader.connect() as connection:
            public_keys = connection.execute(select(_KEYS.c.suite, _KEYS.c.public).where(_KEYS.c.purpose == LOG))
            head = None if data is None else _open(data, newest.origin, [public_key(*row) for row in public_keys])
            if head is None:
                return 0
            stored = connection.execute(select(_CHECKPOINTS.c.root).where(_CHECKPOINTS.c.size == head.size)).scalar()
        if stored != head.root:
            raise LogContradictionError("published_head_unknown", "已公布的检查点不在数据库中。", newest, head)
        return head.size

    def _drop_partials(self, old: int, new: int) -> None:
        levels: list[tuple[Level, int]] = [("entries", 0)]
        levels += [(level, TILE_HEIGHT * level) for level in range(-(-new.bit_length() // TILE_HEIGHT))]
        for level, shift in levels:
            number, offset = divmod(old >> shift, TILE_WIDTH)
            if offset and (new >> shift) // TILE_WIDTH > number:
                self._folder.drop_partials(level, number)


def _open(note: bytes, origin: str, keys: list[PublicKey]) -> Checkpoint | None:
    for key in keys:
        try:
            return open_checkpoint(note.decode(), origin, key)
        except (VerificationError, UnicodeDecodeError):
            continue
    return None


def _is_whole(path: str, data: bytes | None) -> bool:
    if data is None:
        return False
    level, _, width = parse_tile_path(path)
    if level != "entries":
        return len(data) == width * HASH_BYTES
    entries = unpack_entries(data)
    return entries is not None and len(entries) == width
