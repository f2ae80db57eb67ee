"""Step 3 of the pipeline: the log as files that anyone may mirror, and every proof that can be read from them.

The folder is derived from the database and may be lost in part or as a whole. What is read from it is compared with a
signed head before it counts (`registry.log.checking`), and what is found wrong is made anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from sqlalchemy import Engine, Table, select

from registry.database import READ_ONLY
from registry.errors import NotFoundError
from registry.keys.rules import LOG
from registry.keys.tables import KeyRow
from registry.log.building import TileBuilder
from registry.log.checking import CheckedTiles, CheckedTree
from registry.log.errors import LogContradictionError, TileLostError
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
    pack_entries,
    parse_tile_path,
    width_of,
)
from registry.witnesses.notes import note_of
from verifier import merkle
from verifier.errors import InclusionError, VerificationError
from verifier.note import Checkpoint, open_checkpoint
from verifier.suites import PublicKey, public_key

_CHECKPOINTS: Table = CheckpointRow.__table__  # type: ignore[assignment]
_KEYS: Table = KeyRow.__table__  # type: ignore[assignment]
_LOCK = ".lock"
#: Leaf tiles whose content is compared when a process publishes for the first time, and then at every turn.
_FIRST_LOOK, _LOOK = 64, 4


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
        self._tiles = CheckedTiles(TileBuilder(engine, TileFolder(folder)))
        self._lock_path = folder / _LOCK
        self._looked_over = False
        self._next_look = 0
        self._seen: tuple[object, Checkpoint] | None = None

    def publish(self) -> Checkpoint:
        """Write the tiles of the newest stored head and then the head; the head that is published now.

        Every call also looks at some tiles that stand, in turn, and makes those that are wrong anew; the first one of a
        process looks for all that are missing. Raises LogContradictionError if the entries do not lead to the stored
        root; OSError if the disk is full or fails. The old head then stays.
        """
        with FileLock(self._lock_path):
            head, note = self._newest()
            if head.size == 0:
                return head
            standing = self._published(head)
            if not (self._looked_over and standing.size):
                self._look_over(standing if standing.size else head)
            if standing.size < head.size:
                self._extend(standing, head)
            if standing.size < head.size or self._folder.read(CHECKPOINT) != note.encode():
                self._write_checkpoint(note)
            if standing.size < head.size:
                self._drop_partials(standing.size, head.size)
            self._look(head, _LOOK)
            return head

    def show_cosignatures(self) -> None:
        """Write the published head anew with the lines that witnesses have added to it. Raises OSError."""
        with FileLock(self._lock_path):
            head, note = self._newest()
            if head.size and self._published(head) == head and self._folder.read(CHECKPOINT) != note.encode():
                self._write_checkpoint(note)

    def inclusion(self, index: int, size: int) -> Inclusion:
        """Where an entry stands under the stored head of that size.

        Raises NotFoundError: no such head, or the entry is not under it.
        """
        head = self._head(size)
        if not 0 <= index < size:
            raise NotFoundError("entry_not_covered", "该条目不在这个检查点之内。", {"index": index, "size": size})
        tree = self._tree(head)
        leaf = tree.node_at(0, index)
        path = merkle.inclusion_path(index, size, tree.node_at)
        try:
            merkle.check_inclusion(leaf, index, size, path, head.root)
        except InclusionError as wrong:
            raise self._tiles.contradiction(head) from wrong
        return Inclusion(head, index, leaf, path)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the stored head of size `new` only appended to the tree of size `old`; checked.

        `old` may be any size up to `new`. Raises NotFoundError: no stored head of size `new`.
        """
        head = self._head(new)
        tree = self._tree(head)
        path = merkle.consistency_path(old, new, tree.node_at)
        try:
            merkle.check_consistency(old, new, tree.root_at(old), head.root, path)
        except InclusionError as wrong:
            raise self._tiles.contradiction(head) from wrong
        return path

    def root_at(self, size: int) -> bytes:
        """The root that the log had at any size up to the published one. Raises NotFoundError beyond it."""
        head, _ = self._newest()
        if not 0 < size <= head.size:
            raise NotFoundError("size_out_of_range", "存证日志没有这个大小。", {"size": size, "newest": head.size})
        return self._tree(head).root_at(size)

    def serve(self, path: str) -> bytes | None:
        """A file for the log's readers: `checkpoint` or `tile/…`; None if the log has none there.

        What is given is right, whatever stands on disk. Paths that are not a log's are not looked at.
        """
        if not is_log_path(path):
            return None
        head = self._standing()
        if path == CHECKPOINT:
            # What another program wrote there is not given; the next turn of the pipeline writes over it.
            return self._folder.read(path) if head.size else None
        level, number, width = parse_tile_path(path)
        now = width_of(level, number, head.size)
        # Only what a log of this size must have, and what it had before: asking for anything else costs nothing.
        if width > now or (width < now and self._folder.length(path) is None):
            return None
        if level == "entries":
            return pack_entries(self._tiles.bundle(number, width, head))
        return self._tiles.levels(level, number, head)[0][: width * HASH_BYTES]

    def forget(self) -> None:
        """Keep nothing in memory of what stands on disk."""
        self._tiles.forget()

    def audit(self) -> Checkpoint:
        """Make every tile anew from the entries, replace those that differ, and compare with the newest head.

        Takes time in proportion to the log. Raises LogContradictionError.
        """
        with FileLock(self._lock_path):
            head, _ = self._newest()
            try:
                self._builder.rebuild(head.size)
            except TileLostError as gap:
                raise self._tiles.contradiction(head) from gap
            self._tiles.forget()
            if head.size and self._tiles.read_edge(head) is None:
                raise self._tiles.contradiction(head)
            return head

    def _extend(self, standing: Checkpoint, head: Checkpoint) -> None:
        try:
            if standing.size:
                # What was partial is taken on: it must be right.
                self._tiles.mend_edge(standing)
                self._builder.extend(standing.size, head.size)
        except TileLostError as gap:
            raise self._tiles.contradiction(head) from gap
        if self._tiles.read_edge(head) is None:
            raise self._tiles.contradiction(head)

    def _write_checkpoint(self, note: str) -> None:
        # The tiles are durable and lead to this root. Only now may anyone hear of it.
        self._folder.write(CHECKPOINT, note.encode())
        self._folder.sync()

    def _look_over(self, head: Checkpoint) -> None:
        """Find everything that is missing, and compare the content of the newest tiles."""
        self._folder.clear_scratch()
        try:
            self._builder.mend(head.size)
        except TileLostError as gap:
            raise self._tiles.contradiction(head) from gap
        self._tiles.mend_edge(head)
        self._next_look = max(0, -(-head.size // TILE_WIDTH) - _FIRST_LOOK)
        self._look(head, _FIRST_LOOK)
        self._looked_over = True

    def _look(self, head: Checkpoint, count: int) -> None:
        """Compare the next tiles with the head, and begin again after the last."""
        tiles = -(-head.size // TILE_WIDTH)
        for _ in range(min(count, tiles)):
            number = self._next_look % tiles
            levels: list[Level] = ["entries", 0]
            # A tile of a higher level has its turn with the first leaf tile under it.
            levels += [level for level in range(1, 8) if number % TILE_WIDTH**level == 0]
            for level in reversed(levels):
                above = 0 if level == "entries" else level
                if width_of(level, number // TILE_WIDTH**above, head.size):
                    self._tiles.look_at(level, number // TILE_WIDTH**above, head)
            self._next_look = (number + 1) % tiles

    def _tree(self, head: Checkpoint) -> CheckedTree:
        """The tree under the published head; under `head` itself if that is beyond it."""
        standing = self._standing()
        return self._tiles.tree(standing if standing.size >= head.size else head)

    def _standing(self) -> Checkpoint:
        """The published head, read again only if its file was replaced; the empty head if there is none."""
        identity = self._folder.identity(CHECKPOINT)
        seen = self._seen
        if seen is None or seen[0] != identity or identity is None:
            seen = self._seen = (identity, self._published(self._newest()[0]))
        return seen[1]

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

    def _published(self, newest: Checkpoint) -> Checkpoint:
        """The head in the folder; the empty head if there is none, or something that the log never signed.

        Raises LogContradictionError if the log signed it but the database does not know it: a database from before.
        """
        nothing = Checkpoint(newest.origin, 0, merkle.EMPTY_ROOT)
        data = self._folder.read(CHECKPOINT)
        if data is None:
            return nothing
        with self._reader.connect() as connection:
            public_keys = connection.execute(select(_KEYS.c.suite, _KEYS.c.public).where(_KEYS.c.purpose == LOG))
            head = _open(data, newest.origin, [public_key(*row) for row in public_keys])
            if head is None:
                return nothing
            stored = connection.execute(select(_CHECKPOINTS.c.root).where(_CHECKPOINTS.c.size == head.size)).scalar()
        if stored != head.root:
            raise LogContradictionError("published_head_unknown", "已公布的检查点不在数据库中。", newest, head)
        return head

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
