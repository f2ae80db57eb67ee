"""Extracts of departments that sign themselves: kept as drafts, handed out to be signed, and taken back.

As in registry.signing the registry's clock dates what is handed out, and its signature is taken for 15 minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import select

from registry.certificates import service as certificates
from registry.departments import service as departments
from registry.errors import NotFoundError
from registry.extracts.storing import Making, store
from registry.extracts.tables import Extract, ExtractDraft
from registry.ids import new_id_text
from registry.keys import rules as key_rules
from registry.keys.service import periods_in
from registry.keys.tables import KeyRow
from registry.signing import rules as signing_rules
from registry.signing import service as signing
from registry.signing.tables import Preparation
from registry.uses import service as uses
from registry.uses.tables import Use
from registry.work import Work
from verifier.errors import MalformedError, SignatureError
from verifier.extract import TYPE, Occasion, Unsigned
from verifier.jws import ALGORITHMS, parse_object
from verifier.sd_jwt import open_sd_jwt
from verifier.suites import PublicKey, public_key
from verifier.times import shanghai_day

#: signed: it can be downloaded; signed_before: with another signature, which stays; refused: what would refuse it now
#: (the use, the issuer's or the receiver's right, its own end); unknown: no draft of the department's.
Outcome = Literal["signed", "signed_before", "wrong_signature", "refused", "unknown"]


class ToSign(NamedTuple):
    """A draft to be signed: the bytes for the key, its disclosures, and the face, with salts, that it is part of."""

    extract_id: str
    to_be_signed: bytes
    disclosures: tuple[str, ...]
    face: bytes
    salts: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was handed out. held_back: drafts that may not become extracts now."""

    preparation: Preparation
    key: PublicKey
    extracts: Sequence[ToSign]
    held_back: Sequence[str]


def signs_itself(work: Work, department: str) -> bool:
    """Whether the key in force is the department's own."""
    periods = periods_in(work.session.connection(), key_rules.department_purpose(department))
    present = key_rules.in_force(periods, work.at)
    return present is not None and present.own


def own_key(work: Work, department: str) -> PublicKey:
    """The department's own key in force. Raises NotPermittedError."""
    periods = periods_in(work.session.connection(), key_rules.department_purpose(department))
    return signing.key_of_period(work.session, signing_rules.own_key(periods, work.at))


def keep(work: Work, making: Making, issuer: str, unsigned: Unsigned) -> ExtractDraft:
    """Keep an extract until its issuer signs it."""
    use, occasion = making.use, making.occasion
    draft = ExtractDraft(
        id=occasion.id, certificate_id=use.item_id, use_id=use.id, issuer=issuer, department=use.department,
        receiver=occasion.receiver, matter_code=occasion.matter_code, purpose=occasion.purpose,
        fields=list(making.fields), device_id=making.device_id, claims=unsigned.claims,
        disclosures=list(unsigned.disclosures), asked_at=work.at, asked_by=work.actor.id, expires_at=occasion.ends_at,
    )  # fmt: skip
    work.session.add(draft)
    work.session.flush()
    return draft


def prepare(work: Work, limit: int) -> Prepared:
    """Hand out up to `limit` drafts of the actor's department, oldest first, dated now.

    Raises NotPermittedError: no department, suspended, no key of its own in force.
    """
    department, _ = signing.acting(work)
    key, at = own_key(work, department), work.at.replace(microsecond=0)
    chosen, held_back = _choose(work, department, at, limit) if key.suite in ALGORITHMS else ([], [])
    preparation = Preparation(
        id=new_id_text(work.at, work.draw), department=department, kid=key.kid, recorded_at=at,
        expires_at=at + signing_rules.SIGNATURES_TAKEN_FOR, entries=len(chosen), prepared_by=work.actor.id,
    )  # fmt: skip
    work.session.add(preparation)
    work.session.flush()
    return Prepared(preparation, key, [_to_sign(work, one, key, at) for one in chosen], held_back)


def _choose(work: Work, department: str, at: datetime, limit: int) -> tuple[list[ExtractDraft], list[str]]:
    """Drafts that may become extracts now, and the ids of those before them that may not."""
    chosen: list[ExtractDraft] = []
    held_back: list[str] = []
    waiting = select(ExtractDraft).where(ExtractDraft.issuer == department, ExtractDraft.expires_at > at)
    for draft in work.session.scalars(waiting.order_by(ExtractDraft.id)):
        if not _may_become(work, draft, at):
            held_back.append(draft.id)
            continue
        chosen.append(draft)
        if len(chosen) == limit:
            break
    return chosen, held_back


def commit(work: Work, preparation_id: str, signatures: Sequence[tuple[str, bytes]]) -> list[tuple[str, Outcome]]:
    """Take signatures (draft, 64 bytes) of a preparation; each has an outcome of its own, in the same order.

    Repeating it changes nothing. Raises NotFoundError, NotPermittedError (no department, suspended, the key was ended
    meanwhile), TransitionError (it ran out, and something was not signed yet).
    """
    department, _ = signing.acting(work)
    preparation = work.session.get(Preparation, preparation_id)
    if preparation is None or preparation.department != department:
        raise NotFoundError("preparation_unknown", "没有这次待签请求，请重新领取。")
    row = work.session.get_one(KeyRow, preparation.kid, with_for_update={"read": True})
    key, ids = public_key(row.suite, row.public), [one for one, _ in signatures]
    # Locked: of two that sign the same draft at the same moment, one finds it gone.
    waiting = select(ExtractDraft).where(ExtractDraft.id.in_(ids), ExtractDraft.issuer == department)
    drafts = {one.id: one for one in work.session.scalars(waiting.with_for_update())}
    if drafts:
        signing.check_open(preparation, row, work.at)
    return [
        (extract_id, _take(work, drafts.get(extract_id), extract_id, key, preparation.recorded_at, signature))
        for extract_id, signature in signatures
    ]


def _take(
    work: Work, draft: ExtractDraft | None, extract_id: str, key: PublicKey, at: datetime, signature: bytes
) -> Outcome:
    if draft is None:
        return _before(work, extract_id, key, signature)
    if not _may_become(work, draft, at):
        return "refused"
    unsigned, given = _unsigned(draft).dated(at), signing.in_form(key, signature)
    try:
        key.check(given, unsigned.to_be_signed(key))
    except (MalformedError, SignatureError):
        return "wrong_signature"
    store(work, _making(work, draft, at), unsigned.signed(key, given), draft.asked_by)
    work.session.delete(draft)
    work.session.flush()
    return "signed"


def _before(work: Work, extract_id: str, key: PublicKey, signature: bytes) -> Outcome:
    """What a repeated signature comes to."""
    found = work.session.get(Extract, extract_id)
    if found is None or certificates.get(work, found.certificate_id).department != work.actor.department:
        return "unknown"
    sd_jwt = open_sd_jwt(found.text.encode(), TYPE)
    return "signed" if sd_jwt.jwt.signature == signing.in_form(key, signature) else "signed_before"


def _may_become(work: Work, draft: ExtractDraft, at: datetime) -> bool:
    """Whether what the draft rests on holds: the use, its end, and the rights of issuer and receiver."""
    today, type_code = shanghai_day(at), certificates.get(work, draft.certificate_id).type_code
    return (
        at < draft.expires_at
        and departments.has_scope(work.session, draft.issuer, type_code, "issue", today)
        and departments.has_scope(work.session, draft.receiver, type_code, "use", today)
        and uses.refusal_now(work, work.session.get_one(Use, draft.use_id)) is None
    )


def _to_sign(work: Work, draft: ExtractDraft, key: PublicKey, at: datetime) -> ToSign:
    unsigned, row = _unsigned(draft).dated(at), certificates.get(work, draft.certificate_id)
    return ToSign(draft.id, unsigned.to_be_signed(key), unsigned.disclosures, row.face, row.salts or b"")


def _unsigned(draft: ExtractDraft) -> Unsigned:
    return Unsigned(draft.claims, tuple(draft.disclosures))


def _making(work: Work, draft: ExtractDraft, at: datetime) -> Making:
    use, claims = work.session.get_one(Use, draft.use_id), parse_object(draft.claims)
    occasion = Occasion(
        id=draft.id, receiver=draft.receiver, matter_code=draft.matter_code, matter_name=claims["matter"]["name"],
        purpose=draft.purpose, case_no=use.case_no, made_at=at, ends_at=draft.expires_at,
    )  # fmt: skip
    return Making(use, occasion, tuple(draft.fields), draft.device_id)
