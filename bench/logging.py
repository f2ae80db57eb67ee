"""Benches of appending to the evidence log, in batches, every step durable."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bench.measure import Result, at_least, in_turns
from registry.blind import BlindIndex
from registry.database import migrate, open_engine
from registry.ids import new_ids
from registry.keys.rules import department_purpose
from registry.keys.service import KeyService
from registry.log.service import submit_many
from registry.pipeline import Pipeline
from registry.work import REGISTRY, Registry, whole_millisecond
from verifier import cose
from verifier.digests import DoubleDigest
from verifier.entry import Entry, Kind
from verifier.suites import PublicKey, SigningKey, SoftwareKey, Suite

DEPARTMENT = "11310105MB9T00011M"
#: Entries a caller hands in at once; one tick of the pipeline takes them.
BATCH = 16_000
ROUNDS = 7
FACTS: dict[str, int | str | bytes] = {
    "type": "11100000MB0341032Y001",
    "type_version": 1,
    "status_list": 1,
    "status_index": 700_000,
}
_WAITING = "id, item, kind, department, recorded_at, payload_digest, payload"
_SEALED = "UPDATE log_entries SET signed = ?, leaf_hash = ?, payload = NULL, log_index = ? WHERE id = ?"


def log_append() -> Result:
    """16,000 entries a batch, from the caller's transaction to the published head.

    What runs is the registry's own path: `submit_many` in a transaction that is committed, then ticks of the pipeline,
    which seal, sequence, write tiles and replace the checkpoint. Only the departments' signatures are made before the
    clock starts, as where departments sign for themselves; `log_append_signed` has them.

    The limit is what hashing and writing the same bytes takes in the tightest loop: the same two writes of every row
    (waiting, committed, then with signature, leaf hash and index, committed) in the same table with the same indexes,
    journal and fsync; one SHA-256 for the digest of the payload, one for the leaf and one for every inner node; the
    same tiles in files that are fsynced as many at a time as the log does, renamed, the folders and the checkpoint
    fsynced. It encodes no entry, reads nothing back, looks for no earlier entry, compares no root and signs no head.
    """
    with tempfile.TemporaryDirectory(prefix="suizheng-bench-") as folder:
        pairs = _append_in_turns(Path(folder), signing=False)
    return at_least("log_append", pairs, BATCH, 0.5)


def log_append_signed() -> Result:
    """As `log_append`, with the departments' signatures; the limit makes the same Ed25519 signatures first."""
    with tempfile.TemporaryDirectory(prefix="suizheng-bench-") as folder:
        pairs = _append_in_turns(Path(folder), signing=True)
    return at_least("log_append_signed", pairs, BATCH, 0.5)


def _append_in_turns(folder: Path, *, signing: bool) -> list[tuple[float, float]]:
    log = Log(folder)
    batches = [log.entries(BATCH) for _ in range(ROUNDS + 2)]
    if not signing:
        log.keys.sign_beforehand(batches, log.at)
    waiting = iter(batches)
    log.append(next(waiting))
    log.keys.misses = 0
    key = SoftwareKey.generate(Suite.ED25519) if signing else None
    bare = BareLog(folder / "bare", folder / "registry.db", key)
    pairs = in_turns(lambda: log.append(next(waiting)), bare.append, ROUNDS)
    if log.keys.misses and not signing:
        raise AssertionError(f"{log.keys.misses} signatures were made while the clock ran")
    log.engine.dispose()
    bare.close()
    return pairs


class Log:
    """The log of a registry without a chain."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.engine = open_engine(f"sqlite:///{folder / 'registry.db'}")
        migrate(self.engine)
        self.keys = RememberingKeys(folder / "keys", self.engine)
        self.at = whole_millisecond(datetime.now(UTC))
        self.registry = Registry(self.engine, BlindIndex(os.urandom(32)), _now, os.urandom)
        self.pipeline = Pipeline(self.engine, self.keys, folder / "log", None, None, _now, os.urandom)

    def entries(self, count: int) -> list[Entry]:
        """Entries of new certificates, as a bulk makes them: all at one time."""
        return [
            Entry(Kind.CERTIFICATE, item, DEPARTMENT, self.at, DoubleDigest(os.urandom(32), os.urandom(32)), FACTS)
            for item, _ in new_ids(count, datetime.now(UTC), os.urandom)
        ]

    def append(self, entries: Sequence[Entry]) -> None:
        """Submit, and tick until all are published."""
        with self.registry.begin(REGISTRY) as work:
            submit_many(work, entries)
        progress = self.pipeline.tick()
        while progress.more:
            progress = self.pipeline.tick()
        if progress.problems or progress.published_size != progress.size:
            raise AssertionError(f"the log did not take the batch: {progress}")


class RememberingKeys(KeyService):
    """The key service, whose keys give out a signature that was made before."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        super().__init__(folder, engine)
        self.made: dict[bytes, bytes] = {}
        self.misses = 0
        self._remembering = b""

    def load(self, kid: bytes) -> SigningKey:
        """The key; the department's as one that remembers."""
        key = super().load(kid)
        return _Remembering(key, self) if kid == self._remembering else key

    def department_key(self, at: datetime) -> SigningKey:
        """The key of the department that all entries are of."""
        purpose = department_purpose(DEPARTMENT)
        self._remembering = self.ensure(purpose, at).public.kid
        return self.key_for(purpose, at)

    def sign_beforehand(self, batches: Sequence[Sequence[Entry]], at: datetime) -> None:
        """Make the signatures of these entries."""
        key = self.department_key(at)
        for batch in batches:
            for entry in batch:
                cose.sign1(entry.to_bytes(), key, cose.Type.ENTRY)


class _Remembering:
    def __init__(self, key: SigningKey, keys: RememberingKeys) -> None:
        self._key = key
        self._keys = keys

    @property
    def public(self) -> PublicKey:
        return self._key.public

    def sign(self, message: bytes) -> bytes:
        """The signature made before, or a new one, which is remembered."""
        known = self._keys.made.pop(message, None)
        if known is None:
            self._keys.misses += 1
            known = self._keys.made[message] = self._key.sign(message)
        return known


class BareLog:
    """The limit: hashes, rows and files of one batch, again and again."""

    def __init__(self, folder: Path, model: Path, key: SigningKey | None) -> None:
        """`model`: the database whose newest batch and whose tables are taken over; `key`: what signs, if anything."""
        self._folder = folder
        self._key = key
        folder.mkdir()
        self._batch = 0
        self._connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=8192", "cache_size=-65536"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        with sqlite3.connect(model) as source:
            for (made,) in source.execute("SELECT sql FROM sqlite_master WHERE tbl_name = 'log_entries' AND sql > ''"):
                self._connection.execute(made)
            rows = source.execute("SELECT id, item, kind, department, recorded_at, signed FROM log_entries")
            # The payload lies between 23 bytes of header and 66 of signature.
            self._rows: list[tuple[Any, ...]] = [(*row[:-1], row[-1][23:-66], row[-1]) for row in rows]

    def append(self) -> None:
        """One batch."""
        shift = self._batch * BATCH
        sha256, sign = hashlib.sha256, self._key.sign if self._key else None
        self._batch += 1
        waiting = [
            (number + shift, f"{self._batch:06}{item[6:]}", kind, department, at, sha256(payload).digest(), payload)
            for number, item, kind, department, at, payload, _ in self._rows
        ]
        self._execute(f"INSERT INTO log_entries ({_WAITING}) VALUES (?,?,?,?,?,?,?)", waiting)
        sealed, leaves = [], []
        for number, *_, signed in self._rows:
            if sign:
                sign(signed)
            leaf = sha256(b"\0" + signed).digest()
            leaves.append(leaf)
            sealed.append((signed, leaf, number + shift, number + shift))
        self._execute(_SEALED, sealed)
        self._write_tiles(leaves, [row[0] for row in sealed])

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _execute(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(statement, rows)
        self._connection.execute("COMMIT")

    def _write_tiles(self, leaves: list[bytes], bodies: list[bytes]) -> None:
        sha256 = hashlib.sha256
        files: list[tuple[str, bytes]] = []
        above = []
        for at in range(0, BATCH, 256):
            files.append((f"e{at}", b"".join([len(body).to_bytes(2, "big") + body for body in bodies[at : at + 256]])))
            hashes = leaves[at : at + 256]
            files.append((f"h{at}", b"".join(hashes)))
            while len(hashes) > 1:
                hashes = [sha256(b"\1" + hashes[i] + hashes[i + 1]).digest() for i in range(0, len(hashes), 2)]
            above.append(hashes[0])
        files += [("above", b"".join(above)), ("checkpoint", b"".join(above[:4]))]
        folder = self._folder / f"{self._batch}"
        folder.mkdir()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(_write, [folder / f"{name}.new" for name, _ in files], [data for _, data in files]))
        for name, _ in files:
            (folder / f"{name}.new").rename(folder / name)
        for made in (folder, self._folder):
            descriptor = os.open(made, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.write(descriptor, data)
    os.fsync(descriptor)
    os.close(descriptor)


def _now() -> datetime:
    return datetime.now(UTC)
