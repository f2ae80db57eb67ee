"""Use cases of certificates: register one or many, change the status, find. Lists are in `searching`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from registry.certificates import registering, succession
from registry.certificates.outcomes import Registered, RowRefusal
from registry.certificates.rules import CertificateDraft
from registry.certificates.tables import Certificate, CertificateFile, CertificateHolder
from registry.errors import DuplicateError, FieldError, InvalidDraftError, LimitError, NotFoundError, NotPermittedError
from registry.files.service import AttachedFile
from registry.statuses import service as statuses
from registry.statuses.rules import WITH_SUCCESSOR, Operation, event_at
from registry.statuses.tables import StatusEvent
from registry.work import Work
from verifier.status import Status
from verifier.times import shanghai_day

MAX_BATCH_ROWS = 10_000


def register(work: Work, draft: CertificateDraft, files: Sequence[AttachedFile] = ()) -> Registered:
    """Register one certificate with its files: data, holders, status slot and log entry, all or nothing.

    The same content again gives the same certificate and no second entry. Raises InvalidDraftError, NotPermittedError,
    DuplicateError (other content stands under its number or identifier).
    """
    outcome = registering.run(work, [draft], [tuple(files)])[0]
    if isinstance(outcome, Registered):
        return outcome
    raise refusal_of(outcome)


def refusal_of(refused: RowRefusal) -> DuplicateError | NotPermittedError | InvalidDraftError:
    """What `register` raises for a draft that was refused."""
    first = refused.errors[0]
    if refused.existing_id is not None:
        return DuplicateError(first.reason, first.message, refused.existing_id)
    if not refused.permitted:
        return NotPermittedError(first.reason, first.message)
    return InvalidDraftError(refused.errors)


def register_many(
    work: Work, drafts: Sequence[CertificateDraft], files: Sequence[tuple[AttachedFile, ...]] | None = None
) -> list[Registered | RowRefusal]:
    """Register many certificates, each with its files; the outcome of every draft, in order. A refused row does not
    stop the others.

    Safe to repeat: rows that stand already are answered with their ids (`Registered.duplicate`). Raises LimitError.
    """
    if len(drafts) > MAX_BATCH_ROWS:
        raise LimitError("too_many_rows", f"一次最多登记 {MAX_BATCH_ROWS} 行，请分批上传。", {"rows": len(drafts)})
    return registering.run(work, drafts, [()] * len(drafts) if files is None else files)


def change_status(
    work: Work,
    certificate_id: str,
    operation: str,
    reason: str,
    authority: str | None = None,
    effective_at: datetime | None = None,
    document: str | None = None,
) -> StatusEvent:
    """Record a legal event about a certificate: entry, history, present state and status list in one transaction.

    `authority` is the deciding body's code (default: the issuer), `effective_at` defaults to now. 延续, 变更 and 转入
    are not done here but by registering the successor. Raises NotFoundError, NotPermittedError, TransitionError,
    InvalidDraftError.
    """
    wanted = Operation.of(operation)
    if wanted in WITH_SUCCESSOR:
        raise NotPermittedError(
            "successor_needed", f"“{wanted.chinese}”须登记新证照并填写关联证照标识，原证照随之失效。"
        )
    certificate = _lock(work, certificate_id)
    _check_own(work, certificate)
    change = statuses.Change(
        wanted, reason, authority or certificate.department, effective_at or work.at, document or None
    )
    event = statuses.record_change(work, succession.subject_of(certificate), change)
    certificate.status = event.to_status
    work.session.flush()
    return event


def status_at(work: Work, certificate_id: str, at: datetime, known_at: datetime | None = None) -> Status:
    """The certificate's state at a moment, by what is known now or was known at `known_at`. Raises NotFoundError."""
    get(work, certificate_id)
    return statuses.status_at(work, certificate_id, at, known_at)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a certificate stood at a moment: `began` is False before its first day (颁发 or 有效期起), `ended` is True
    after its last; `event` decided the status, None if it was never changed until then."""

    at: datetime
    status: Status
    began: bool
    ended: bool
    event: StatusEvent | None

    @property
    def in_force(self) -> bool:
        """Whether it could be relied on then."""
        return self.status == Status.VALID and self.began and not self.ended


def standing_at(work: Work, row: Certificate, at: datetime, known_at: datetime | None = None) -> Standing:
    """How a certificate stood at a moment, by what is known now or was known at `known_at`.

    Raises InvalidDraftError for a moment that is still to come: what will be decided until then nobody knows.
    """
    if at > work.at:
        message = "只能查询过去或现在的状态，请改为不晚于现在的时间。"
        raise InvalidDraftError([FieldError("at", "in_the_future", message)])
    event = event_at(statuses.events_of(work, row.id), at, known_at)
    day = shanghai_day(at)
    return Standing(
        at=at,
        status=Status.VALID if event is None else Status(event.to_status),
        began=day >= max(row.valid_from_on, row.issued_on),
        ended=row.valid_to_on is not None and day > row.valid_to_on,
        event=event,
    )


def events_of(work: Work, certificate_id: str) -> list[StatusEvent]:
    """The certificate's status events in the order of recording."""
    return statuses.events_of(work, certificate_id)


def find(work: Work, certificate_id: str) -> Certificate | None:
    """The certificate of this id."""
    return work.session.get(Certificate, certificate_id)


def get(work: Work, certificate_id: str) -> Certificate:
    """The certificate of this id. Raises NotFoundError."""
    found = find(work, certificate_id)
    if found is None:
        raise NotFoundError("certificate_unknown", "没有登记该证照，请核对编号。")
    return found


def find_by_identifier(work: Work, identifier: str) -> Certificate | None:
    """The certificate of this identifier (证照标识)."""
    return work.session.scalars(select(Certificate).where(Certificate.identifier == identifier)).first()


def files_of(work: Work, certificate_id: str) -> list[CertificateFile]:
    """The files of a certificate, in the order of the face."""
    query = select(CertificateFile).where(CertificateFile.certificate_id == certificate_id)
    return list(work.session.scalars(query.order_by(CertificateFile.position)))


def of_holder(
    work: Work, holder_index: bytes, *, among: Collection[str] = (), number: str = "", most: int | None = None
) -> list[Certificate]:
    """Certificates of a holder known by blind index, newest first; or so many of these types or of this number, those
    whose state is good before all others."""
    query = select(Certificate).join(CertificateHolder, CertificateHolder.certificate_id == Certificate.id)
    query = query.where(CertificateHolder.holder_index == holder_index)
    if among:
        query = query.where(Certificate.type_code.in_(among))
    if number:
        query = query.where(Certificate.number == number)
    if most is not None:
        query = query.order_by(Certificate.status != Status.VALID).limit(most)
    return list(work.session.scalars(query.order_by(Certificate.id.desc())))


def holders_of(work: Work, certificate_id: str) -> list[bytes]:
    """The blind indexes of a certificate's holders, in the order of the face."""
    query = select(CertificateHolder.holder_index).where(CertificateHolder.certificate_id == certificate_id)
    return list(work.session.scalars(query.order_by(CertificateHolder.position)))


def _lock(work: Work, certificate_id: str) -> Certificate:
    query = select(Certificate).where(Certificate.id == certificate_id).with_for_update()
    found = work.session.scalars(query.execution_options(populate_existing=True)).first()
    if found is None:
        raise NotFoundError("certificate_unknown", "没有登记该证照，请核对编号。")
    return found


def _check_own(work: Work, certificate: Certificate) -> None:
    if work.actor.kind != "registry" and work.actor.department != certificate.department:
        raise NotPermittedError("not_the_issuer", "只有颁发机构可以变更该证照的状态。")
