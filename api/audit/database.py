"""The operator's database, read and never written: heads, anchors, keys, and the entries row by row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Row, Table, and_, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from api.audit.entries import ENTRIES, KeyRing, Seen
from api.audit.findings import Findings
from api.audit.heads import KnownHead, LogKeys, is_signed, signers
from registry.database import schema_revisions
from registry.ids import id_text
from registry.keys import rules as key_rules
from registry.keys.tables import KeyRow
from registry.log.anchoring import to_anchor
from registry.log.chains import trusted_chains
from registry.log.tables import AnchorProofRow, AnchorRow, CheckpointRow, LogEntry, LogState
from registry.witnesses.tables import CosignatureRow, WitnessRow
from verifier import cose
from verifier.anchor import Anchor
from verifier.chain_proof import check_chain_proof
from verifier.cosignature import Witness, find_cosignatures
from verifier.entry import Entry
from verifier.errors import InclusionError, MalformedError, SignatureError, VerificationError, WitnessError
from verifier.merkle import Frontier, leaf_hash
from verifier.note import Checkpoint, split_note
from verifier.receipt import check_root
from verifier.suites import PublicKey, Suite, public_key
from verifier.trust import REGISTRY
from verifier.trust_content import TrustContent, TrustedKey

_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]
_CHECKPOINTS: Table = CheckpointRow.__table__  # type: ignore[assignment]
_ANCHORS: Table = AnchorRow.__table__  # type: ignore[assignment]
_PROOFS: Table = AnchorProofRow.__table__  # type: ignore[assignment]
_KEYS: Table = KeyRow.__table__  # type: ignore[assignment]
_WITNESSES: Table = WitnessRow.__table__  # type: ignore[assignment]
_COSIGNATURES: Table = CosignatureRow.__table__  # type: ignore[assignment]
_STATE: Table = LogState.__table__  # type: ignore[assignment]
#: Rows that are fetched at once.
FETCH_ROWS = 1_000


class DatabaseError(Exception):
    """The database cannot be read. `.message` is for people."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def open_engine(url: str) -> Engine:
    """An engine that cannot write: SQLite is opened read-only, PostgreSQL in read-only transactions.

    Raises DatabaseError.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseError(
            "数据库地址应如 sqlite:////目录/registry.db 或 postgresql+psycopg://用户@主机/库"
        ) from error
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, isolation_level="REPEATABLE READ", execution_options={"postgresql_readonly": True})
    file = Path(parsed.database or "")
    if not file.is_file():
        raise DatabaseError(f"没有数据库文件 {file}")
    address = f"file:{quote(str(file.resolve()))}?mode=ro"
    engine = create_engine("sqlite://", creator=lambda: _connect(address))
    # The driver by itself begins no transaction for reading: every query would see a moment of its own.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _connect(address: str) -> sqlite3.Connection:
    return sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """One snapshot of the database. Raises DatabaseError if it cannot be read or is none of ours."""
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            found, wanted = schema_revisions(connection)
            if found != wanted:
                raise DatabaseError(
                    f"数据库结构的版本是 {found or '（无）'}，本程序只读 {wanted}；请用与服务器同一版本的 suizheng 审计"
                )
            connection.execution_options(stream_results=True, yield_per=FETCH_ROWS)
            yield connection
    except SQLAlchemyError as error:
        raise DatabaseError(f"无法读取数据库：{getattr(error, 'orig', None) or error}") from error
    finally:
        engine.dispose()


class LogRecords:
    """What the database says about the log itself."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.origin: str | None = connection.execute(select(_STATE.c.origin)).scalar()

    def renew(self) -> None:
        """See the database as it is now; until then everything was of one moment."""
        self._connection.rollback()

    def newest(self) -> tuple[Checkpoint, datetime] | None:
        """The newest signed head and when it was signed."""
        wanted = select(_CHECKPOINTS.c.size, _CHECKPOINTS.c.root, _CHECKPOINTS.c.signed_at)
        row = self._connection.execute(wanted.order_by(_CHECKPOINTS.c.size.desc()).limit(1)).one_or_none()
        return None if row is None else (Checkpoint(self.origin or "", row.size, row.root), row.signed_at)

    def log_keys(self) -> LogKeys:
        """The log's keys, past ones too."""
        rows = self._key_rows()
        return LogKeys(self.origin, tuple(_public(row) for row in rows if row.purpose == key_rules.LOG))

    def ring(self, now: datetime) -> KeyRing:
        """The departments' keys."""
        keys = {}
        for row in self._key_rows():
            owner = key_rules.department_of(row.purpose)
            if owner is not None:
                trusted = TrustedKey(_public(row), owner, (ENTRIES,), row.valid_from, row.valid_to)
                keys[bytes(row.kid)] = trusted
        return KeyRing(keys, now)

    def heads(self) -> Iterator[KnownHead]:
        """Every checkpoint as it is recorded, ascending."""
        rows = self._connection.execute(select(_CHECKPOINTS.c.size, _CHECKPOINTS.c.root).order_by(_CHECKPOINTS.c.size))
        for row in rows:
            yield KnownHead(row.size, row.root, "checkpoint_row_differs", "数据库检查点")

    def anchors(self) -> list[Anchor]:
        """Every recorded anchor, ascending."""
        rows = self._connection.execute(select(_ANCHORS).order_by(_ANCHORS.c.size))
        return [to_anchor(AnchorRow(**row._asdict())) for row in rows]

    def check_checkpoints(self, findings: Findings) -> None:
        """Each row by itself: note, root, frontier, the signature its receipts share, and the key's period."""
        periods = {bytes(row.kid): row for row in self._key_rows() if row.purpose == key_rules.LOG}
        for row in self._connection.execute(select(_CHECKPOINTS).order_by(_CHECKPOINTS.c.size)):
            findings.count("检查点记录")
            self._check_checkpoint(row, periods.get(bytes(row.kid)), findings)

    def witnesses(self) -> list[Witness]:
        """Every witness that was ever asked."""
        rows = self._connection.execute(select(_WITNESSES).order_by(_WITNESSES.c.name, _WITNESSES.c.valid_from)).all()
        return [
            Witness(row.name, public_key(Suite.ED25519, bytes(row.public)), row.valid_from, row.valid_to)
            for row in rows
        ]

    def check_cosignatures(self, findings: Findings) -> None:
        """Each kept line of a witness against the head that it stands under, and its time against the row's."""
        witnesses = {one.public.kid: one for one in self.witnesses()}
        wanted = select(_COSIGNATURES, _CHECKPOINTS.c.note).join(
            _CHECKPOINTS, _CHECKPOINTS.c.size == _COSIGNATURES.c.size
        )
        for row in self._connection.execute(wanted.order_by(_COSIGNATURES.c.size, _COSIGNATURES.c.kid)):
            findings.count("见证记录")
            witness = witnesses.get(bytes(row.kid))
            where: dict[str, int | str] = {"size": row.size, "witness": witness.name if witness else row.kid.hex()}
            try:
                found = find_cosignatures(split_note(row.note)[0], [row.line], [witness] if witness else [])
            except (WitnessError, MalformedError) as wrong:
                findings.report("cosignature_differs", expected="见证方的签名", found=wrong.message, **where)
                continue
            at = found[0][0].at if found else "不是该见证方的签名"
            findings.compare("cosignature_differs", at, row.cosigned_at, **where)

    def check_proofs(self, findings: Findings) -> None:
        """Each kept chain proof by itself, against its chain's validators and the anchor that it belongs to."""
        with Session(self._connection) as session:
            chains = {(chain.chain_id, chain.contract): chain for chain in trusted_chains(session)}
        joined = and_(*(_PROOFS.c[name] == _ANCHORS.c[name] for name in ("size", "chain_id", "contract")))
        wanted = select(_PROOFS, _ANCHORS.c.root, _ANCHORS.c.block_number).outerjoin(_ANCHORS, joined)
        for row in self._connection.execute(wanted.order_by(_PROOFS.c.size)):
            findings.count("链上证明")
            where: dict[str, int | str] = {"size": row.size, "contract": row.contract}
            chain = chains.get((row.chain_id, row.contract))
            if chain is None or row.root is None:
                findings.report("anchor_proof_differs", expected="锚定记录与链的描述", found="没有", **where)
                continue
            try:
                head = check_chain_proof(bytes(row.proof), chain)
            except VerificationError as wrong:
                findings.report("anchor_proof_differs", expected="成立的证明", found=wrong.message, **where)
                continue
            expected = (row.size, row.root.hex(), row.block_number)
            found = (head.size, head.root.hex(), head.set_in_block)
            findings.compare("anchor_proof_differs", expected, found, **where)

    def check_keys(self, content: TrustContent, findings: Findings) -> None:
        """Each key of the trust bundle against its row."""
        rows = {bytes(row.kid): row for row in self._key_rows()}
        for key in content.keys:
            findings.count("密钥记录")
            row = rows.get(key.public.kid)
            expected = f"{key.owner} {key.valid_from.isoformat()}"
            if row is None:
                findings.report("key_row_differs", expected=expected, found="没有这一行", key=key.public.kid.hex())
                continue
            owner = key_rules.department_of(row.purpose) or REGISTRY
            found = f"{owner} {row.valid_from.isoformat()}"
            findings.compare("key_row_differs", expected, found, key=key.public.kid.hex())
            findings.compare("key_row_differs", key.public.raw, bytes(row.public), key=key.public.kid.hex())
            if key.valid_to is not None:
                findings.compare("key_row_differs", key.valid_to, row.valid_to, key=key.public.kid.hex())

    def _check_checkpoint(self, row: Row[Any], key_row: Row[Any] | None, findings: Findings) -> None:
        note = Checkpoint(self.origin or "", row.size, row.root).to_text()
        if not findings.compare("checkpoint_note_differs", note, row.note.rpartition("\n\n")[0] + "\n", size=row.size):
            return
        try:
            root = Frontier.from_bytes(row.size, row.frontier).root()
            findings.compare("checkpoint_frontier_differs", row.root, root, size=row.size)
        except InclusionError as wrong:
            findings.report("checkpoint_frontier_differs", expected=row.root, found=wrong.message, size=row.size)
        if key_row is None:
            findings.report("checkpoint_note_differs", expected="日志的密钥", found=row.kid, size=row.size)
            return
        self._check_signatures(row, key_row, findings)

    def _check_signatures(self, row: Row[Any], key_row: Row[Any], findings: Findings) -> None:
        key, origin = _public(key_row), self.origin or ""
        if not is_signed(row.note, origin, (key,)):
            found = signers(row.note)
            findings.report(
                "checkpoint_note_differs", expected=f"密钥 {key.kid.hex()} 的签名", found=found, size=row.size
            )
        try:
            check_root(row.root, origin, key, row.root_signature)
        except SignatureError as wrong:
            findings.report("checkpoint_note_differs", expected="回执共用的签名", found=wrong.message, size=row.size)
        ended = key_row.valid_to is not None and row.signed_at >= key_row.valid_to
        if row.signed_at < key_row.valid_from or ended:
            period = f"{key_row.valid_from} 至 {key_row.valid_to or '今'}"
            findings.report(
                "checkpoint_note_differs", expected=f"密钥有效期 {period}", found=row.signed_at, size=row.size
            )

    def _key_rows(self) -> Sequence[Row[Any]]:
        return self._connection.execute(select(_KEYS).order_by(_KEYS.c.valid_from, _KEYS.c.kid)).all()


def _public(row: Row[Any]) -> PublicKey:
    try:
        return public_key(row.suite, bytes(row.public))
    except MalformedError as error:
        raise DatabaseError(f"数据库中的密钥 {bytes(row.kid).hex()} 已损坏：{error.message}") from error


class EntryRows:
    """The rows of `log_entries` by index."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def signed(self, first: int, count: int) -> list[bytes]:
        """The entries from `first` on, as far as they follow each other."""
        found = self._rows(first, count)
        entries: list[bytes] = []
        for index in range(first, first + count):
            if index not in found:
                break
            entries.append(found[index].signed)
        return entries

    def compare(self, first: int, entries: Sequence[bytes], seen: Sequence[Seen | None], findings: Findings) -> None:
        """Hold published entries against their rows."""
        rows = self._rows(first, len(entries))
        findings.count("数据库条目", len(entries))
        for index, (signed, one) in enumerate(zip(entries, seen, strict=True), first):
            row = rows.get(index)
            if row is None:
                findings.report("entry_row_missing", expected=leaf_hash(signed), found="没有这一行", index=index)
                continue
            same = findings.compare(
                "entry_row_differs", leaf_hash(signed), leaf_hash(row.signed), index=index, row=row.id
            )
            if not same:
                continue
            findings.compare("entry_row_differs", leaf_hash(signed), row.leaf_hash, index=index, row=row.id)
            if one is not None:
                self._compare_fields(index, row, one, findings)

    def check_extent(self, newest: int, findings: Findings) -> None:
        """Every index below the newest head's size once, and none beyond it."""
        last, count = self._connection.execute(
            select(func.max(_ENTRIES.c.log_index), func.count(_ENTRIES.c.log_index))
        ).one()
        findings.compare("entry_row_beyond", f"{newest} 行，最大序号 {newest - 1}",
                         f"{count} 行，最大序号 {-1 if last is None else last}", size=newest)  # fmt: skip

    def check_links(self, findings: Findings) -> None:
        """Where an item has an earlier entry, the later one names its leaf hash."""
        before = func.lag(_ENTRIES.c.leaf_hash).over(partition_by=_ENTRIES.c.item, order_by=_ENTRIES.c.id)
        linked = select(_ENTRIES.c.log_index, _ENTRIES.c.signed, before.label("before")).where(
            _ENTRIES.c.log_index.is_not(None)
        )
        inner = linked.subquery()
        for row in self._connection.execute(select(inner).where(inner.c.before.is_not(None))):
            findings.count("条目关联")
            try:
                _, payload = cose.open_typed(row.signed, cose.Type.ENTRY, limit=8192)
                previous = Entry.from_bytes(payload).previous
            except MalformedError:
                # Told where the entries themselves are examined.
                continue
            findings.compare("entry_link_differs", row.before, previous or b"", index=row.log_index)

    def _compare_fields(self, index: int, row: Row[Any], one: Seen, findings: Findings) -> None:
        entry = one.entry
        expected = f"{id_text(entry.item)} {int(entry.kind)} {entry.department} {entry.recorded_at.isoformat()}"
        at = row.recorded_at.astimezone(UTC).isoformat()
        found = f"{row.item} {row.kind} {row.department} {at}"
        findings.compare("entry_row_fields_differ", expected, found, index=index, row=row.id)
        findings.compare("entry_row_differs", one.payload_digest, row.payload_digest, index=index, row=row.id)

    def _rows(self, first: int, count: int) -> dict[int, Row[Any]]:
        wanted = select(
            _ENTRIES.c.id, _ENTRIES.c.log_index, _ENTRIES.c.item, _ENTRIES.c.kind, _ENTRIES.c.department,
            _ENTRIES.c.recorded_at, _ENTRIES.c.payload_digest, _ENTRIES.c.signed, _ENTRIES.c.leaf_hash,
        ).where(_ENTRIES.c.log_index >= first, _ENTRIES.c.log_index < first + count)  # fmt: skip
        return {row.log_index: row for row in self._connection.execute(wanted)}
