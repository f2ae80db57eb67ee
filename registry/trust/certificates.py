"""Use cases of others' certificates in trust bundles: makers of seals, issuers of foreign codes."""

from __future__ import annotations

import hashlib

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.errors import DuplicateError, FieldError, InvalidDraftError, NotFoundError
from registry.ids import new_id_text
from registry.trust import fitness
from registry.trust.fitness import ISSUER, KINDS, SEAL_MAKER
from registry.trust.tables import TrustCertificateRow
from registry.work import Work
from verifier.errors import MalformedError
from verifier.foreign.profile import ForeignIssuer
from verifier.foreign.verify import ADAPTERS

MAX_REASON_CHARACTERS = 200
PROFILES = tuple(adapter.name for adapter in ADAPTERS)


def add(
    work: Work, kind: str, name: str, certificate: bytes, reason: str, profile: str | None = None
) -> TrustCertificateRow:
    """Trust a certificate (DER) from the next bundle on. Raises InvalidDraftError, DuplicateError."""
    errors = _check(kind, name, reason, profile)
    try:
        fitness.check(kind, certificate, work.at)
    except MalformedError as wrong:
        errors.append(FieldError("certificate", wrong.reason, f"{wrong.message}。"))
    if errors:
        raise InvalidDraftError(errors)
    check_new(work, kind, certificate)
    row = TrustCertificateRow(
        id=new_id_text(work.at, work.draw), kind=kind, profile=profile, name=name.strip(), certificate=certificate,
        digest=hashlib.sha256(certificate).digest(), reason=reason.strip(), added_at=work.at, added_by=work.actor.id,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    return row


def check_new(work: Work, kind: str, certificate: bytes) -> None:
    """Raises DuplicateError for a certificate (DER) that is trusted as one of the kind already."""
    found = find(work, kind, hashlib.sha256(certificate).digest())
    if found is not None:
        raise DuplicateError("certificate_exists", "该证书已在信任之列。", found.id)


def find(work: Work, kind: str, digest: bytes) -> TrustCertificateRow | None:
    """The certificate of this SHA-256 that is trusted now as one of the kind."""
    present = select(TrustCertificateRow).where(
        TrustCertificateRow.digest == digest, TrustCertificateRow.kind == kind, TrustCertificateRow.removed_at.is_(None)
    )
    return work.session.scalars(present).first()


def _check(kind: str, name: str, reason: str, profile: str | None) -> list[FieldError]:
    wrong = {
        ("kind", "unknown_kind", "种类应为 seal_maker（制章人）或 issuer（境外码签发者）。"): (kind not in KINDS),
        ("profile", "unknown_profile", f"境外码签发者应指明码的规范：{'、'.join(PROFILES)}；制章人不填。"): (
            (kind == ISSUER) != (profile in PROFILES)
        ),
        ("name", "wrong_length", "名称应为 1 至 200 个字。"): not 0 < len(name.strip()) <= 200
        or not name.isprintable(),
        ("reason", "reason_missing", "请填写信任的依据，最多 200 个字。"): (
            not 0 < len(reason.strip()) <= MAX_REASON_CHARACTERS or not reason.isprintable()
        ),
    }
    return [FieldError(*fault) for fault, is_wrong in wrong.items() if is_wrong]


def remove(work: Work, certificate_id: str, reason: str) -> TrustCertificateRow:
    """Trust a certificate no longer; repeating it changes nothing. Raises InvalidDraftError (reason), NotFoundError."""
    if not 0 < len(reason.strip()) <= MAX_REASON_CHARACTERS or not reason.isprintable():
        message = f"请填写不再信任的理由，1 至 {MAX_REASON_CHARACTERS} 个字。"
        raise InvalidDraftError([FieldError("reason", "reason_missing", message)])
    row = work.session.get(TrustCertificateRow, certificate_id, with_for_update=True)
    if row is None:
        raise NotFoundError("certificate_unknown", "没有这个证书，请核对编号。")
    if row.removed_at is None:
        row.removed_at, row.removed_by, row.removed_because = work.at, work.actor.id, reason.strip()
        work.session.flush()
    return row


def list_all(session: Session) -> list[TrustCertificateRow]:
    """Every certificate, past ones too, in the order they were added."""
    return list(session.scalars(select(TrustCertificateRow).order_by(TrustCertificateRow.id)))


def trusted(session: Session) -> tuple[tuple[bytes, ...], tuple[ForeignIssuer, ...]]:
    """Makers of seals and issuers that are trusted now."""
    rows = [row for row in list_all(session) if row.removed_at is None]
    makers = tuple(row.certificate for row in rows if row.kind == SEAL_MAKER)
    issuers = tuple(ForeignIssuer(row.profile or "", row.name, row.certificate) for row in rows if row.kind == ISSUER)
    return makers, issuers
