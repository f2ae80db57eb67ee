"""One audit: what was asked for is opened, everything that is known is gathered, the log is walked, the rest compared.

A registry may be at work meanwhile. What chain and database say of anchors is read before the published head, which
must then cover it; the rows that are compared are read after it, and must then cover the log.
"""

from __future__ import annotations

import heapq
import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.audit.entries import KeyRing
from api.audit.findings import AuditStopped, Findings
from api.audit.heads import KnownHead, LogKeys, keys_of_trust, newest_of, read_checkpoint
from api.audit.pool import WORTH_PROCESSES, Examiners
from api.audit.seen import SeenEntries
from api.audit.sources import SourceError, TileSource, open_files
from api.audit.state import AuditState
from api.audit.tree import Tree
from api.audit.walking import Progress, Walk
from verifier.cosignature import Witness
from verifier.note import Checkpoint
from verifier.trust import TrustBundle

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from api.audit.chainside import OnChain, Place
    from api.audit.database import EntryRows, LogRecords
    from chain.reading import ChainReader
    from registry.files.masters import FileMasters
    from registry.files.objects import ObjectStore

#: A head that the database has signed is published within seconds; after this it is being held back.
PUBLISHED_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """What to audit. log: folder or web address; rpc: node's address or the embedded chain's folder; files: the store,
    with file_keys to open what is in it, and plain_files, where older versions kept them.

    place: where the contracts are; None: as the trust bundle or the database say. resume: file of an earlier audit.
    """

    now: datetime
    log: str | None = None
    rpc: str | None = None
    database: str | None = None
    trust: TrustBundle | None = None
    key: LogKeys | None = None
    place: Place | None = None
    files: ObjectStore | None = None
    file_keys: FileMasters | None = None
    plain_files: Path = Path()
    resume: Path | None = None
    all_of_them: bool = False
    jobs: int = 1


@dataclass
class AuditReport:
    """How an audit ended. `began`: the index from which entries were read; what is before it an earlier audit read."""

    findings: Findings
    origin: str | None = None
    head: Checkpoint | None = None
    began: int = 0
    height: int | None = None
    seconds: float = 0.0
    #: Seconds that the walk along the entries took.
    walked: float = field(default=0.0)

    @property
    def state(self) -> str:
        """clean, diverged, or incomplete: something that was asked for could not be checked."""
        if self.findings.divergences:
            return "diverged"
        return "incomplete" if any(part.blocked for part in self.findings.unchecked) else "clean"

    def to_json(self) -> dict[str, Any]:
        """All of it for programs."""
        findings, head = self.findings, self.head
        return {
            "state": self.state,
            "origin": self.origin,
            "size": head.size if head else None,
            "root": head.root.hex() if head else None,
            "began": self.began,
            "chain_height": self.height,
            "checked": dict(findings.checked),
            "divergences": [divergence.to_json() for divergence in findings.divergences],
            "left_out": dict(findings.left_out),
            "unchecked": [{"what": part.what, "why": part.why, "blocked": part.blocked} for part in findings.unchecked],
            "seconds": round(self.seconds, 3),
        }


def audit(request: AuditRequest, progress: Progress = lambda _stage, _done, _of: None) -> AuditReport:
    """Carry out an audit. Raises StateError; everything else that goes wrong stands in the report."""
    report = AuditReport(Findings(request.all_of_them))
    state = AuditState.read(request.resume) if request.resume else None
    begun = time.monotonic()
    with ExitStack() as opened:
        run = _Audit(request, report, progress, state, opened)
        try:
            run.carry_out()
        except AuditStopped:
            pass
        except SourceError as error:
            report.findings.block("存证日志", error.message)
        except _database_errors(request) as error:
            report.findings.block("数据库", f"读取中断：{getattr(error, 'orig', None) or error}")
    report.seconds = time.monotonic() - begun
    return report


def _database_errors(request: AuditRequest) -> tuple[type[Exception], ...]:
    """What reading the database can raise; imported only where there is one."""
    if request.database is None:
        return ()
    from sqlalchemy.exc import SQLAlchemyError

    from api.audit.database import DatabaseError

    return SQLAlchemyError, DatabaseError


class _Audit:
    """The parts of one audit that need each other."""

    def __init__(
        self,
        request: AuditRequest,
        report: AuditReport,
        progress: Progress,
        state: AuditState | None,
        opened: ExitStack,
    ) -> None:
        self._request, self._report, self._progress, self._state = request, report, progress, state
        self._findings = report.findings
        self._opened = opened
        self._connection: Connection | None = None
        self._records: LogRecords | None = None
        self._reader: ChainReader | None = None
        self._on_chain: OnChain | None = None

    def carry_out(self) -> None:
        """Gather, walk, compare. Raises AuditStopped, SourceError."""
        self._open_database()
        keys = self._log_keys()
        self._report.origin = keys.origin or (self._state.head.origin if self._state else None)
        known = [*self._kept_heads(), *self._chain_heads()]
        head = self._head(keys)
        if head is not None:
            self._report.origin, self._report.head = head.origin, head
            self._check_not_behind(head, known)
            self._walk(head, known)
        if self._connection is not None:
            self._compare_database()
        if self._on_chain is not None:
            self._compare_chain()

    # ---- What there is ------------------------------------------------------------------------------------------

    def _open_database(self) -> None:
        if self._request.database is None:
            self._findings.skip("数据库", "没有给出 --database；只有登记机构自己能核查这一部分")
            return
        from api.audit.database import DatabaseError, LogRecords, reading

        try:
            self._connection = self._opened.enter_context(reading(self._request.database))
            self._records = LogRecords(self._connection)
        except DatabaseError as error:
            self._connection = None
            self._findings.block("数据库", error.message)

    def _log_keys(self) -> LogKeys:
        if self._request.key is not None:
            return self._request.key
        if self._request.trust is not None:
            return keys_of_trust(self._request.trust.content)
        return self._records.log_keys() if self._records else LogKeys(None, ())

    def _kept_heads(self) -> list[KnownHead]:
        """Heads that the log must have published: anchored ones, and that of the earlier audit."""
        known: list[KnownHead] = []
        if self._request.trust is not None:
            heads = self._request.trust.content.heads
            known += [KnownHead(head.size, head.root, "trust_head_differs", "信任包") for head in heads]
        if self._records is not None:
            anchors = self._records.anchors()
            known += [KnownHead(anchor.size, anchor.root, "anchor_row_differs", "锚定记录") for anchor in anchors]
        if self._state is not None:
            head = self._state.head
            known.append(KnownHead(head.size, head.root, "earlier_audit_differs", "上次核查"))
        return known

    def _chain_heads(self) -> list[KnownHead]:
        if self._request.rpc is None:
            self._findings.skip("区块链", "没有给出 --rpc，未与链上日志头比对")
            return []
        from api.audit import chainside
        from chain.errors import ChainError
        from chain.reading import open_reader

        place, origin = self._place(), self._report.origin
        if place is None or origin is None:
            self._findings.block("区块链", "不知道合约地址或日志名：请用 --trust、--deployment 或 --contract 给出")
            return []
        try:
            self._progress("区块链", 0, 0)
            self._reader = open_reader(self._request.rpc)
            self._opened.callback(self._reader.close)
            self._on_chain = chainside.read(self._reader, place, origin, self._findings)
        except ChainError as error:
            self._findings.block("区块链", error.message)
            return []
        if self._on_chain is None:
            return []
        self._report.height = self._on_chain.height
        return list(self._on_chain.heads())

    def _place(self) -> Place | None:
        from api.audit.chainside import Place

        if self._request.place is not None:
            return self._request.place
        trust = self._request.trust
        anchors = list(trust.content.heads) if trust else []
        if not anchors and self._records is not None:
            anchors = self._records.anchors()
        return Place(anchors[-1].contract, None) if anchors else None

    def _head(self, keys: LogKeys) -> Checkpoint | None:
        """The head to audit: the published one, or the newest in the database."""
        head = None
        if self._request.log is None:
            self._findings.skip("公布的日志", "没有给出 --log，未核查瓦片与检查点文件")
        else:
            self._source = TileSource(open_files(self._request.log))
            head = read_checkpoint(self._source.checkpoint(), keys, self._witnesses(), self._findings)
        if self._records is not None:
            self._records.renew()
        newest = self._records.newest() if self._records else None
        if self._request.log is None:
            return newest[0] if newest else None
        if head is not None and newest is not None and newest[0].size > head.size:
            self._check_held_back(head, *newest)
        return head

    def _witnesses(self) -> Sequence[Witness]:
        if self._request.trust is not None:
            return self._request.trust.content.witnesses
        return self._records.witnesses() if self._records else ()

    def _check_held_back(self, head: Checkpoint, newest: Checkpoint, signed_at: datetime) -> None:
        if self._request.now - signed_at > PUBLISHED_WITHIN:
            self._findings.report("checkpoint_rolled_back", expected=f"{newest.size}（{signed_at.isoformat()} 签署）",
                                  found=head.size, source="数据库检查点")  # fmt: skip
        else:
            self._findings.skip("最新检查点", f"大小 {newest.size} 的检查点刚签署，尚未公布")

    def _check_not_behind(self, head: Checkpoint, known: Sequence[KnownHead]) -> None:
        newest = newest_of(known)
        if newest is None or newest.size <= head.size:
            return
        code = "chain_ahead" if newest.code == "chain_head_differs" else "checkpoint_rolled_back"
        self._findings.report(code, expected=f"至少 {newest.size}", found=head.size, source=newest.source)

    # ---- The walk -----------------------------------------------------------------------------------------------

    def _walk(self, head: Checkpoint, known: Sequence[KnownHead]) -> None:
        begun = time.monotonic()
        source = self._source if self._request.log is not None else None
        ring = self._ring()
        tree = self._resumed(head, source)
        self._report.began = tree.size
        jobs = self._request.jobs if head.size - tree.size > WORTH_PROCESSES else 1
        rows = self._rows()
        with Examiners(ring, jobs, keep=rows is not None) as examiners:
            Walk(
                head=head, source=source, rows=rows, heads=self._all_heads(head, known), examiners=examiners,
                seen=self._seen(tree.size), findings=self._findings, progress=self._progress, tree=tree,
                state_file=self._request.resume,
            ).run()  # fmt: skip
        self._report.walked = time.monotonic() - begun

    def _ring(self) -> KeyRing | None:
        if self._request.trust is not None:
            return KeyRing.of_trust(self._request.trust.content)
        if self._records is not None:
            return self._records.ring(self._request.now)
        self._findings.skip("条目签名", "没有给出 --trust，不知道各部门的密钥")
        return None

    def _rows(self) -> EntryRows | None:
        if self._connection is None:
            return None
        from api.audit.database import EntryRows

        return EntryRows(self._connection)

    def _all_heads(self, head: Checkpoint, known: Sequence[KnownHead]) -> Iterator[KnownHead]:
        """Every head that must be one of this log, ascending."""
        published = KnownHead(head.size, head.root, "published_root_differs", "公布的检查点")
        recorded = self._records.heads() if self._records else iter(())
        merged = heapq.merge(recorded, sorted([*known, published], key=attrgetter("size")), key=attrgetter("size"))
        return itertools.takewhile(lambda one: one.size <= head.size, (one for one in merged if one.size))

    def _resumed(self, head: Checkpoint, source: TileSource | None) -> Tree:
        if self._state is None or source is None or self._state.done.size > head.size:
            return Tree()
        done = self._state.done
        self._findings.compare("checkpoint_other_log", self._state.head.origin, head.origin)
        tree = Tree.resume(done, source, head.size)
        if tree is not None:
            return tree
        self._findings.report(
            "earlier_audit_differs", expected=done.root(), found="上层瓦片得不出这个根", size=done.size
        )
        return Tree()

    def _seen(self, begun: int) -> SeenEntries:
        if self._request.resume is None:
            return SeenEntries(Path(self._opened.enter_context(tempfile.TemporaryDirectory(prefix="suizheng-audit-"))))
        seen = SeenEntries(self._request.resume.with_name(self._request.resume.name + ".seen"))
        seen.forget_from(begun)
        return seen

    # ---- The rest -----------------------------------------------------------------------------------------------

    def _compare_database(self) -> None:
        from api.audit import holdings, lives, records, stored_files, visits

        rows = self._rows()
        assert self._connection is not None and self._records is not None and rows is not None
        self._progress("数据库", 0, 0)
        self._records.check_checkpoints(self._findings)
        self._records.check_cosignatures(self._findings)
        self._records.check_proofs(self._findings)
        newest = self._records.newest()
        rows.check_extent(newest[0].size if newest else 0, self._findings)
        rows.check_links(self._findings)
        if self._request.trust is not None:
            self._records.check_keys(self._request.trust.content, self._findings)
        holdings.check(self._connection, self._findings)
        lives.check(self._connection, self._findings)
        visits.check(self._connection, self._findings)
        records.check(self._connection, self._findings)
        if self._request.files is not None:
            files, keys, plain = self._request.files, self._request.file_keys, self._request.plain_files
            stored_files.check_files(self._connection, files, keys, plain, self._findings)
        else:
            self._findings.skip("存档文件", "没有给出 --files")

    def _compare_chain(self) -> None:
        from api.audit import chainside
        from chain.errors import ChainError

        place = self._place()
        assert self._reader is not None and self._on_chain is not None and place is not None
        try:
            self._progress("区块链", 0, 0)
            self._on_chain = chainside.renew(self._reader, place, self._on_chain, self._report.origin or "")
            if self._request.trust is not None:
                chainside.check_anchors(
                    self._request.trust.content.heads, self._reader, place, self._on_chain, "trust_head_not_on_chain",
                    "trust_head_not_on_chain", self._findings,
                )  # fmt: skip
            if self._connection is None or self._records is None:
                return
            chainside.check_anchors(
                self._records.anchors(), self._reader, place, self._on_chain, "anchor_not_on_chain",
                "anchor_differs_from_chain", self._findings,
            )  # fmt: skip
            if place.uses is None:
                self._findings.skip("链上占用", "不知道 uses 合约的地址：请用 --deployment 给出")
                return
            chainside.check_first_uses(
                self._connection, self._reader, place, self._on_chain, self._request.now, self._findings
            )
        except ChainError as error:
            self._findings.block("区块链", error.message)
