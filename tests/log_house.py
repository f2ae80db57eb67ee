"""A log on a real database and a real folder, and one `check` that verifies all of it again from its public parts."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from chain.errors import ChainUnavailableError, OutcomeUnknownError, TransactionRejectedError
from registry.blind import BlindIndex
from registry.database import migrate, open_engine
from registry.ids import id_bytes, id_text, new_ids
from registry.keys.rules import LOG, department_purpose
from registry.keys.service import KeyService
from registry.log import service as log
from registry.log.tables import AnchorRow, CheckpointRow, LogEntry
from registry.log.tiles import TILE_WIDTH, tile_path, unpack_entries
from registry.pipeline import Pipeline, Progress
from registry.upserts import execute_many
from registry.work import REGISTRY, Registry
from verifier import cose, merkle
from verifier.anchor import Anchor
from verifier.digests import double_digest
from verifier.entry import Entry, Kind
from verifier.errors import InclusionError
from verifier.note import open_checkpoint

MARKET = "11310105MB9T00011M"
CARE = "12310105MB9T00038A"
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


class Clock:
    """Noon, and then a millisecond later at every look."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


class Ledger:
    """A chain of one contract in memory: takes heads as the real one does, and can be away or forget to answer."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.heads: list[Anchor] = []
        self.sent = 0
        self.down = False
        self.silent_after_sending = False
        self.silent_before_sending = False

    def anchor(self, size: int, root: bytes, old_size: int, proof: Sequence[bytes]) -> Anchor:
        self._answer()
        known = self.find(size, root)
        if known is not None:
            return known
        if self.silent_before_sending:
            raise OutcomeUnknownError(bytes(32), "未确认")
        newest = self.heads[-1] if self.heads else None
        if old_size != (newest.size if newest else 0):
            raise TransactionRejectedError("heads: proof from another head", "证明的起点不对")
        if newest:
            try:
                merkle.check_consistency(newest.size, size, newest.root, root, proof)
            except InclusionError as wrong:
                raise TransactionRejectedError("heads: inconsistent", wrong.message) from wrong
        self.sent += 1
        number = len(self.heads) + 1
        at = self._clock().replace(microsecond=0)
        self.heads.append(
            Anchor(31337, "0x" + "00" * 20, bytes(32), size, root, number, number.to_bytes(32), at, size.to_bytes(32))
        )
        if self.silent_after_sending:
            raise OutcomeUnknownError(size.to_bytes(32), "未确认")
        return self.heads[-1]

    def find(self, size: int, root: bytes) -> Anchor | None:
        self._answer()
        return next((head for head in self.heads if (head.size, head.root) == (size, root)), None)

    def latest(self) -> tuple[int, bytes] | None:
        self._answer()
        return (self.heads[-1].size, self.heads[-1].root) if self.heads else None

    def _answer(self) -> None:
        if self.down:
            raise ChainUnavailableError("node_unreachable", "节点无法连接")


class House:
    """The log of a registry in `folder`; opening it twice is two processes of one registry."""

    def __init__(self, url: str, folder: Path, *, anchors: object = None, uses: object = None) -> None:
        self.folder = folder
        self.anchors = anchors
        self.clock = Clock()
        self.engine = open_engine(url)
        migrate(self.engine)
        self.keys = KeyService(folder / "keys", self.engine)
        self.registry = Registry(self.engine, BlindIndex(b"k" * 32), self.clock, os.urandom)
        self.pipeline = Pipeline(
            self.engine, self.keys, folder / "log", anchors, uses, self.clock, os.urandom,  # type: ignore[arg-type]
            monotonic=lambda: self.clock.at.timestamp(),
        )  # fmt: skip

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def entries(self, count: int, department: str = MARKET, item: bytes | None = None) -> list[Entry]:
        ids = new_ids(count, self.clock(), os.urandom)
        digest = [double_digest(os.urandom(16)) for _ in ids]
        return [
            Entry(Kind.CERTIFICATE if item is None else Kind.STATUS, item or own, department, self.clock(), seen)
            for (own, _), seen in zip(ids, digest, strict=True)
        ]

    def submit(self, count: int = 1, department: str = MARKET, item: bytes | None = None) -> list[int]:
        with self.registry.begin(REGISTRY) as work:
            return log.submit_many(work, self.entries(count, department, item))

    def fill(self, count: int) -> None:
        """Put entries into the outbox that claim to be sealed: for tests of size, not of signatures."""
        rows = []
        for number in range(count):
            body = number.to_bytes(60)
            rows.append((id_text(number.to_bytes(16)), MARKET, "2026-11-22 04:00:00.000000", body[-32:], body))
        statement = (
            "INSERT INTO log_entries (item, kind, department, recorded_at, payload_digest, signed, leaf_hash)"
            " VALUES (?, 1, ?, ?, ?, ?, ?)"
        )
        with self.engine.begin() as connection:
            execute_many(connection, statement, [(*row, merkle.leaf_hash(row[-1])) for row in rows])

    def check_tiles(self) -> int:
        """The files alone: they are the log in the database, of the size that the checkpoint says; that size."""
        with self.registry.read(REGISTRY) as work:
            rows = list(
                work.session.scalars(select(LogEntry).where(LogEntry.log_index >= 0).order_by(LogEntry.log_index))
            )
        return _check_tiles(self.log, rows, [merkle.leaf_hash(row.signed or b"") for row in rows])

    def settle(self, most: int = 50) -> Progress:
        """Tick until nothing is left to do."""
        for _ in range(most):
            progress = self.pipeline.tick()
            if progress.idle:
                return progress
            if progress.problems:
                self.clock.at += timedelta(minutes=1)
        raise AssertionError(f"not idle after {most} ticks: {progress}")

    def check(self) -> int:
        """Everything that is in the log, verified from the bytes that readers see; the size of the published log."""
        return check_log(self)


def check_log(house: House) -> int:
    """(1) indices and leaves, (2) signatures and links, (3) tiles, (4) heads, (5) anchors. Raises AssertionError."""
    with house.registry.read(REGISTRY) as work:
        rows = list(work.session.scalars(select(LogEntry).where(LogEntry.log_index >= 0).order_by(LogEntry.log_index)))
        heads = list(work.session.scalars(select(CheckpointRow).order_by(CheckpointRow.size)))
        anchors = list(work.session.scalars(select(AnchorRow).order_by(AnchorRow.size)))
    # (1) Contiguous, each leaf once.
    assert [row.log_index for row in rows] == list(range(len(rows)))
    leaves = [merkle.leaf_hash(row.signed) for row in rows]
    assert leaves == [row.leaf_hash for row in rows]
    assert len(set(leaves)) == len(leaves)
    _check_entries(house, rows, leaves)
    published = _check_tiles(house.log, rows, leaves)
    # (4) Every head ever signed is a head of this log.
    keys = {key.public.kid: key.public for key in house.keys.known() if key.purpose == LOG}
    for head in heads:
        opened = open_checkpoint(head.note, house.pipeline.origin, keys[head.kid])
        assert (opened.size, opened.root) == (head.size, head.root)
        assert head.root == merkle.root_of(leaves[: head.size])
    assert (heads[-1].size if heads else 0) == len(rows)
    # (5) Every anchor is one of these heads.
    assert {(anchor.size, anchor.root) for anchor in anchors} <= {(head.size, head.root) for head in heads}
    return published


def _check_entries(house: House, rows: list[LogEntry], leaves: list[bytes]) -> None:
    last_of: dict[bytes, bytes] = {}
    known = {(key.purpose, key.public.kid): key.public for key in house.keys.known()}
    for row, leaf in zip(rows, leaves, strict=True):
        message, payload = cose.open_typed(row.signed or b"", cose.Type.ENTRY, limit=8192)
        entry = Entry.from_bytes(payload)
        message.check(known[department_purpose(entry.department), message.kid])
        assert (entry.item, entry.department) == (id_bytes(row.item), row.department)
        assert entry.previous == last_of.get(entry.item)
        last_of[entry.item] = leaf


def _check_tiles(folder: Path, rows: list[LogEntry], leaves: list[bytes]) -> int:
    """The files, read as a mirror would, are the log of the size that the checkpoint says."""
    note = (folder / "checkpoint").read_text() if (folder / "checkpoint").exists() else ""
    size = int(note.split("\n")[1]) if note else 0
    level, hashes = 0, leaves[:size]
    while hashes:
        for number in range(-(-len(hashes) // TILE_WIDTH)):
            some = hashes[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
            assert (folder / tile_path(level, number, len(some))).read_bytes() == b"".join(some), (level, number)
            if level == 0:
                bundle = (folder / tile_path("entries", number, len(some))).read_bytes()
                own = rows[number * TILE_WIDTH : number * TILE_WIDTH + len(some)]
                assert unpack_entries(bundle) == [row.signed for row in own]
        full = len(hashes) // TILE_WIDTH
        hashes = [merkle.root_of(hashes[at * TILE_WIDTH : (at + 1) * TILE_WIDTH]) for at in range(full)]
        level += 1
    if note:
        assert base64.b64decode(note.split("\n")[2]) == merkle.root_of(leaves[:size])
    return size
