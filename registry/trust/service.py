"""Use cases of trust bundles: make, sign, keep and find the newest one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from registry import upserts
from registry.catalogue.tables import Matter, TypeVersion
from registry.departments.tables import Department, DepartmentStanding, Scope
from registry.errors import KeyUnavailableError
from registry.keys import rules as key_rules
from registry.keys.service import KeyService
from registry.keys.tables import KeyRow
from registry.log import chains
from registry.log.anchoring import to_anchor
from registry.log.tables import AnchorChainRow, AnchorRow, AnchorValidatorsRow, LogState
from registry.statuses.tables import StatusListRow, StatusValue
from registry.trust import certificates, lists, roots, rules
from registry.trust.tables import TrustBundleRow, TrustCertificateRow, TrustRootRow
from registry.venues import service as venues
from registry.venues.tables import Venue
from registry.witnesses.service import trusted as trusted_witnesses
from registry.witnesses.tables import WitnessPolicy, WitnessRow
from registry.work import Work
from verifier import trust_content as form
from verifier.errors import VerificationError
from verifier.root import RootDocument
from verifier.suites import SigningKey
from verifier.trust import TrustBundle, sign_trust
from verifier.trust_update import shorten

LIFETIME = timedelta(days=7)
#: How many bundles are kept, so that a reader of any of them is sent no more than what is new.
KEPT = 64
#: Any one root key is enough; the format allows for more (verifier.trust).
ROOT_THRESHOLD = 1


@dataclass(frozen=True, slots=True)
class Current:
    """A trust bundle that is up to date, and from when on it is to be renewed although nothing changes."""

    data: bytes
    renewed_at: datetime


@dataclass(frozen=True, slots=True)
class _Keys:
    chain: tuple[RootDocument, ...]
    roots: tuple[SigningKey, ...]
    log: SigningKey
    status: SigningKey


def publish(work: Work, keys: KeyService, lifetime: timedelta = LIFETIME) -> bytes:
    """The newest trust bundle: the present one if nothing in it changed and half its life is left, else a new version.

    Writes only when a new version is made; `find_current` tells without a writing transaction. Two processes that
    publish at the same moment give out the same bundle. Raises KeyUnavailableError.
    """
    digest = _content_digest(work.session)
    newest = _newest(work.session)
    if newest is not None and _is_current(newest, digest, work.at):
        return newest.bundle
    version = 1 if newest is None else newest.version + 1
    issued_at = key_rules.whole_second(work.at)
    chain = roots.chain_of(work.session)
    signers = _root_keys(keys, work.at) if not chain else _publishers(keys, chain[-1])
    held = _Keys(chain, signers, keys.key_for(key_rules.LOG, work.at), keys.key_for(key_rules.STATUS, work.at))
    origin = work.session.scalars(select(LogState.origin)).one()
    signing = lists.Signing(held.status, origin, issued_at, issued_at + lifetime)
    states = lists.sign_lists(work, _tokens(newest), signing)
    content = _content(work, keys, held, version, signing, states)
    row = {
        "version": version,
        "content_digest": digest,
        "issued_at": issued_at,
        "expires_at": content.expires_at,
        "bundle": sign_trust(content, held.roots),
    }
    # On PostgreSQL another process may be first with this version: then its bundle is the one.
    work.session.execute(upserts.insert_or_ignore(work.session, TrustBundleRow), [row])
    work.session.execute(delete(TrustBundleRow).where(TrustBundleRow.version <= version - KEPT))
    return work.session.get_one(TrustBundleRow, version, populate_existing=True).bundle


def find_current(work: Work) -> Current | None:
    """The newest trust bundle if it is up to date, else None: then `publish` makes one."""
    newest = _newest(work.session)
    if newest is None or not _is_current(newest, _content_digest(work.session), work.at):
        return None
    return Current(newest.bundle, _renewed_at(newest))


def update_since(work: Work, version: int, newest: bytes) -> bytes | None:
    """What leads from the bundle of that version to the newest; None if that one is not kept any more."""
    row = work.session.get(TrustBundleRow, version)
    return None if row is None else shorten(row.bundle, newest)


def _newest(session: Session) -> TrustBundleRow | None:
    return session.scalars(select(TrustBundleRow).order_by(TrustBundleRow.version.desc()).limit(1)).one_or_none()


def _is_current(row: TrustBundleRow, digest: bytes, at: datetime) -> bool:
    return row.content_digest == digest and at < _renewed_at(row)


def _renewed_at(row: TrustBundleRow) -> datetime:
    return row.issued_at + (row.expires_at - row.issued_at) / 2


def _content_digest(session: Session) -> bytes:
    """A digest that changes whenever anything in the bundle does. It reads every state that is not "valid"."""
    value = StatusValue.value
    watched: tuple[Select[Any], ...] = (
        select(Department.code, Department.name, Department.level).order_by(Department.code),
        select(Scope.department, Scope.type_code, Scope.action, Scope.valid_from_on, Scope.valid_to_on).order_by(
            Scope.id
        ),
        select(DepartmentStanding.id).order_by(DepartmentStanding.id),
        select(KeyRow.kid, KeyRow.purpose, KeyRow.valid_from, KeyRow.valid_to).order_by(KeyRow.kid),
        select(TypeVersion.code, TypeVersion.version).order_by(TypeVersion.code, TypeVersion.version),
        select(Matter.code, Matter.name).order_by(Matter.code),
        select(Venue.id, Venue.rule_version).order_by(Venue.id),
        select(func.count(), func.max(AnchorRow.size)).select_from(AnchorRow),
        select(AnchorChainRow.chain_id, AnchorChainRow.contract, AnchorChainRow.valid_to).order_by(
            AnchorChainRow.chain_id, AnchorChainRow.contract
        ),
        select(func.count()).select_from(AnchorValidatorsRow),
        # Neither alone: two changes may fall into one millisecond, and several may make up for each other in the sums.
        select(StatusListRow.id, StatusListRow.changed_at).order_by(StatusListRow.id),
        select(WitnessRow.kid, WitnessRow.valid_from, WitnessRow.valid_to, WitnessRow.distrusted).order_by(
            WitnessRow.kid
        ),
        select(WitnessPolicy.threshold),
        select(TrustRootRow.version).order_by(TrustRootRow.version),
        select(TrustCertificateRow.id).where(TrustCertificateRow.removed_at.is_(None)).order_by(TrustCertificateRow.id),
        select(StatusValue.list_id, func.count(), func.sum(value), func.sum(value * StatusValue.slot))
        .group_by(StatusValue.list_id)
        .order_by(StatusValue.list_id),
    )
    # What keys are for is written in code, and a new release may add to it.
    state = hashlib.sha256(repr((sorted(rules.PURPOSES.items()), rules.DEPARTMENT_PURPOSES)).encode())
    for query in watched:
        rows = [tuple(row) for row in session.execute(query)]
        state.update(orjson.dumps(rows, default=_plain) + b"\n")
    return state.digest()


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _publishers(keys: KeyService, document: RootDocument) -> tuple[SigningKey, ...]:
    known = tuple(key.public for key in keys.known() if key.purpose == key_rules.TRUST_ROOT)
    return roots.publishers(keys, document, known)


def _root_keys(keys: KeyService, at: datetime) -> tuple[SigningKey, ...]:
    """The root key in force, first, and those before it: who still trusts an older one must accept this bundle too."""
    present = keys.key_for(key_rules.TRUST_ROOT, at)
    held = [present]
    for period in keys.periods(key_rules.TRUST_ROOT):
        if period.valid_from <= at and period.kid != present.public.kid:
            try:
                held.append(keys.load(period.kid))
            except KeyUnavailableError:
                # An old root key may have been destroyed on purpose; the present one is enough for new readers.
                continue
    return tuple(held)


def _scopes(session: Session) -> tuple[form.Scope, ...]:
    decided: dict[str, list[tuple[str, datetime]]] = {}
    for row in session.scalars(select(DepartmentStanding).order_by(DepartmentStanding.id)):
        decided.setdefault(row.department, []).append((row.state, row.since_at))
    suspended = {code: rules.suspensions(decisions) for code, decisions in decided.items()}
    return tuple(
        scope
        for row in session.scalars(select(Scope).where(Scope.action == "issue").order_by(Scope.id))
        for scope in rules.trusted_scopes(
            row.department, row.type_code, row.valid_from_on, row.valid_to_on, suspended.get(row.department, ())
        )
    )


def _tokens(row: TrustBundleRow | None) -> Mapping[int, bytes]:
    """The status list tokens of a bundle; none if an earlier release wrote it in another form."""
    try:
        return {} if row is None else TrustBundle.open(row.bundle).content.statuses
    except VerificationError:
        return {}


def _content(
    work: Work, keys: KeyService, held: _Keys, version: int, signing: lists.Signing, states: lists.Lists
) -> form.TrustContent:
    session = work.session
    known = [rules.trusted_key(key) for key in keys.known()]
    witnesses, witness_threshold = trusted_witnesses(session)
    root = held.chain[-1].content if held.chain else None
    seal_makers, issuers = certificates.trusted(session)
    return form.TrustContent(
        registry=signing.origin,
        version=version,
        issued_at=signing.issued_at,
        expires_at=signing.expires_at,
        root_threshold=root.publisher_threshold if root else ROOT_THRESHOLD,
        root_keys=root.publishers if root else (held.roots[0].public,),
        origin=signing.origin,
        log_kid=held.log.public.kid,
        status_kid=held.status.public.kid,
        keys=tuple(key for key in known if key is not None),
        departments=tuple(
            form.Department(row.code, row.name, row.level)
            for row in session.scalars(select(Department).order_by(Department.code))
        ),
        scopes=_scopes(session),
        types=tuple(
            rules.trusted_type(row.code, row.version, row.definition)
            for row in session.scalars(select(TypeVersion).order_by(TypeVersion.code, TypeVersion.version))
        ),
        heads=tuple(to_anchor(row) for row in chains.listed_anchors(session)),
        venues=venues.trusted(work),
        statuses=states.tokens,
        status_deltas=states.deltas,
        chains=chains.trusted_chains(session),
        witnesses=witnesses,
        witness_threshold=witness_threshold,
        issuers=issuers,
        seal_makers=seal_makers,
        root_chain=held.chain,
        matters={row.code: row.name for row in session.scalars(select(Matter).order_by(Matter.code))},
    )
