"""Use cases of root documents: install the next one, find the chain, and the keys that it lets publish."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.errors import DuplicateError, FieldError, InvalidDraftError, KeyUnavailableError
from registry.keys import rules as key_rules
from registry.keys.service import KeyService
from registry.log.tables import LogState
from registry.trust.tables import TrustRootRow
from registry.work import Work
from verifier.errors import VerificationError
from verifier.root import MAX_CHAIN, RootDocument
from verifier.suites import PublicKey, SigningKey


def chain_of(session: Session) -> tuple[RootDocument, ...]:
    """The newest root documents, oldest first; none where bundles vouch for themselves."""
    rows = session.scalars(select(TrustRootRow).order_by(TrustRootRow.version.desc()).limit(MAX_CHAIN))
    return tuple(RootDocument.from_bytes(row.document) for row in rows)[::-1]


def install(work: Work, keys: KeyService, data: bytes) -> RootDocument:
    """Take a root document into use: signed by enough root keys, following the one before, and naming keys we have.

    Repeating the newest changes nothing. Raises InvalidDraftError, DuplicateError (another one of this version).
    """
    try:
        document = RootDocument.from_bytes(data)
        chain = chain_of(work.session)
        newest = chain[-1] if chain else None
        if newest is not None and document.content == newest.content:
            return newest
        if newest is not None and document.content.version <= newest.content.version:
            version = str(document.content.version)
            raise DuplicateError("root_exists", "已有同版本或更新的根文件。", version)
        if newest is None and document.content.version != 1:
            raise InvalidDraftError([FieldError("root", "root_does_not_follow", "第一个根文件应为第 1 版。")])
        document.check(newest)
    except VerificationError as wrong:
        raise InvalidDraftError([FieldError("root", wrong.reason, f"{wrong.message}。")]) from wrong
    _check_fits(work, keys, document)
    work.session.add(TrustRootRow(version=document.content.version, document=document.to_bytes(), installed_at=work.at))
    work.session.flush()
    return document


def _check_fits(work: Work, keys: KeyService, document: RootDocument) -> None:
    content = document.content
    origin = work.session.scalars(select(LogState.origin)).one()
    errors = []
    if content.registry != origin:
        errors.append(FieldError("registry", "wrong_registry", f"根文件属于另一个登记机构，应为 {origin}。"))
    if not content.issued_at <= work.at < content.expires_at:
        errors.append(FieldError("expires_at", "root_expired", "根文件不在有效期内。"))
    ours = {key.public for key in keys.known_in(work.session.connection()) if key.purpose == key_rules.TRUST_ROOT}
    if len(ours & set(content.publishers)) < content.publisher_threshold:
        message = "根文件指定的发布密钥中，本机持有的不足以签署信任包。"
        errors.append(FieldError("publishers", "publishers_not_here", message))
    if errors:
        raise InvalidDraftError(errors)


def publishers(keys: KeyService, document: RootDocument, known: tuple[PublicKey, ...]) -> tuple[SigningKey, ...]:
    """The keys of ours by which a root document lets us publish. Raises KeyUnavailableError for too few."""
    held, problem = [], None
    for public in document.content.publishers:
        if public in known:
            try:
                held.append(keys.load(public.kid))
            except KeyUnavailableError as unavailable:
                problem = unavailable
    if len(held) < document.content.publisher_threshold:
        message = "没有足够的发布密钥可用：更换发布密钥后，须先由根密钥签署指定新密钥的根文件。"
        raise problem or KeyUnavailableError("publishers_not_here", message)
    return tuple(held)
