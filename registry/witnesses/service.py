"""Use cases of witnesses: who they are, how many are needed, and which heads they cosigned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from registry import upserts
from registry.errors import DuplicateError
from registry.keys.rules import whole_second
from registry.keys.tables import KeyRow
from registry.log.tables import AnchorRow
from registry.witnesses import notes
from registry.witnesses.rules import Address
from registry.witnesses.tables import CosignatureRow, WitnessPolicy, WitnessRow
from registry.work import Work
from verifier.cosignature import SKEW, Witness
from verifier.suites import PublicKey, Suite


def configure(work: Work, addresses: Sequence[Address], threshold: int, distrusted: Sequence[PublicKey] = ()) -> None:
    """Let these be the witnesses from now on, `threshold` of whom are needed. Names and keys must be distinct.

    A key that is new begins now, one that is no longer named ends now; what it cosigned stays, unless it is distrusted:
    then nothing it ever cosigned counts, and it is never a witness again. Raises DuplicateError if a key stands under
    another name, serves something else here, or is distrusted.
    """
    at = whole_second(work.at)
    known = {row.kid: row for row in work.session.scalars(select(WitnessRow))}
    leaked = [key.kid for key in distrusted]
    work.session.execute(update(WitnessRow).where(WitnessRow.kid.in_(leaked)).values(distrusted=True))
    for address in addresses:
        _check_unused(work.session, address, known.get(address.public.kid))
    named = {address.public.kid for address in addresses}
    ended = update(WitnessRow).where(WitnessRow.valid_to.is_(None), WitnessRow.kid.not_in(named))
    # Closed before others open: one open key a name.
    work.session.execute(ended.values(valid_to=at))
    for address in addresses:
        fresh = {"kid": address.public.kid, "name": address.name, "public": address.public.raw, "url": address.url}
        # A witness's clock may be a little behind ours.
        work.session.execute(
            upserts.insert_or_ignore(work.session, WitnessRow),
            [{**fresh, "valid_from": at - SKEW, "valid_to": None, "distrusted": False}],
        )
        opened = update(WitnessRow).where(WitnessRow.kid == address.public.kid)
        work.session.execute(opened.values(url=address.url, valid_to=None))
    work.session.execute(upserts.insert_or_ignore(work.session, WitnessPolicy), [{"id": 1, "threshold": threshold}])
    work.session.execute(update(WitnessPolicy).values(threshold=threshold))


def _check_unused(session: Session, address: Address, known: WitnessRow | None) -> None:
    # A cosignature does not bind the name: under two names one key would count for two.
    if known is not None and known.name != address.name:
        message = f"该见证公钥已登记为 {known.name}，不能改名为 {address.name}；请其另换密钥。"
        raise DuplicateError("witness_renamed", message, known.name)
    if known is not None and known.distrusted:
        message = f"见证方 {known.name} 的这一公钥已列为不可信，不能再用；请其另换密钥。"
        raise DuplicateError("witness_distrusted", message, known.name)
    if session.get(KeyRow, address.public.kid) is not None:
        raise DuplicateError("witness_key_ours", "见证公钥是本登记处自己的密钥，不能作见证之用。", address.name)


def trusted(session: Session) -> tuple[tuple[Witness, ...], int]:
    """Every key that a witness ever had and that did not leak, by name and beginning, and how many are needed."""
    rows = select(WitnessRow).where(~WitnessRow.distrusted)
    ordered = session.scalars(rows.order_by(WitnessRow.name, WitnessRow.valid_from, WitnessRow.kid))
    return tuple(to_witness(row) for row in ordered), threshold_of(session)


def threshold_of(session: Session) -> int:
    """How many witnesses must have cosigned a head."""
    return session.scalar(select(WitnessPolicy.threshold)) or 0


def to_witness(row: WitnessRow) -> Witness:
    """The key that a row records."""
    return Witness(row.name, PublicKey(Suite.ED25519, row.public), row.valid_from, row.valid_to)


def newest_cosigned(session: Session, above: int) -> int | None:
    """The largest anchored head with more than `above` entries that enough witnesses cosigned; None if none are needed,
    or not yet enough did."""
    threshold = threshold_of(session)
    if threshold == 0:
        return None
    enough = (
        select(CosignatureRow.size)
        .join(WitnessRow, WitnessRow.kid == CosignatureRow.kid)
        .join(AnchorRow, AnchorRow.size == CosignatureRow.size)
        .where(CosignatureRow.size > above, ~WitnessRow.distrusted)
        .group_by(CosignatureRow.size)
        .having(func.count(WitnessRow.name.distinct()) >= threshold)
    )
    return session.scalar(enough.order_by(CosignatureRow.size.desc()).limit(1))


def cosigned_note(work: Work, size: int) -> bytes | None:
    """The checkpoint of that size with the lines of its witnesses; None if nobody cosigned it."""
    connection = work.session.connection()
    return notes.note_of(connection, size).encode() if notes.lines_of(connection, size) else None


def keep(session: Session, size: int, kid: bytes, line: str, cosigned_at: datetime) -> None:
    """Store a checked line under a head; a second one by the same key changes nothing."""
    row = {"size": size, "kid": kid, "line": line, "cosigned_at": cosigned_at}
    session.execute(upserts.insert_or_ignore(session, CosignatureRow), [row])
