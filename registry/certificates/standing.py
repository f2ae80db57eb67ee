"""Drafts whose place is taken: the same content is answered with what stands, other content is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import select

from registry.certificates.outcomes import Outcome, Outcomes, Registered, Row, RowRefusal
from registry.certificates.tables import Certificate
from registry.errors import BusyError, FieldError
from registry.work import Work

#: What the registry fills in from its catalogues: it may have been renamed since and makes no other certificate.
_FILLED_IN = frozenset(("certificate_name", "issuing_authority_name", "define_authority_name", "define_authority_code"))
#: Parameters of one statement; SQLite allows 32,766.
_CHUNK = 5_000
_Key = tuple[str, str, str, str]


def answer(work: Work, rows: Sequence[Row], outcomes: Outcomes) -> list[Row]:
    """The rows that were inserted; the others get their outcome."""
    inserted = set(
        work.session.scalars(select(Certificate.id).where(Certificate.id >= rows[0].id, Certificate.id <= rows[-1].id))
    )
    losers = [row for row in rows if row.id not in inserted]
    by_key, by_identifier = _standing(work, losers)
    for row in losers:
        at_identifier = by_identifier.get(row.identifier)
        existing = by_key.get(key_of(row)) or at_identifier
        outcomes[row.place] = _outcome(row, existing, at_identifier)
    return [row for row in rows if row.id in inserted]


def _standing(work: Work, losers: Sequence[Row]) -> tuple[dict[_Key, Certificate], dict[str, Certificate]]:
    by_key: dict[_Key, Certificate] = {}
    by_identifier: dict[str, Certificate] = {}
    for start in range(0, len(losers), _CHUNK):
        chunk = losers[start : start + _CHUNK]
        numbers = {row.examined.face["certificate_number"] for row in chunk}
        for found in work.session.scalars(select(Certificate).where(Certificate.number.in_(numbers))):
            by_key[found.number, found.type_code, found.department, found.version] = found
        identifiers = {row.draft.identifier for row in chunk if row.draft.identifier is not None}
        if identifiers:
            for found in work.session.scalars(select(Certificate).where(Certificate.identifier.in_(identifiers))):
                by_identifier[found.identifier] = found
    return by_key, by_identifier


def key_of(row: Row) -> _Key:
    """What there is one certificate of: number, type, issuer, version."""
    face = row.examined.face
    return (
        face["certificate_number"],
        face["certificate_type_code"],
        face["issuing_authority_code"],
        face["certificate_version"],
    )


def _outcome(row: Row, existing: Certificate | None, at_identifier: Certificate | None) -> Outcome:
    if existing is None:
        # Its rival was there when we inserted and is not there now: only a rival that gave up explains that.
        raise BusyError("row_contended", "同一证照正在被另一请求处理，请稍后重试。")
    if _same_content(row, existing):
        return Registered(existing.id, existing.identifier, None, duplicate=True)
    if at_identifier is not None:
        error = FieldError("certificate_identifier", "identifier_taken", "该证照标识已登记，且内容不同。")
    else:
        error = FieldError("certificate_number", "number_taken", "同一证照编号和版本已登记，且内容不同。")
    return RowRefusal(row.place + 1, (error,), existing.id)


def _same_content(row: Row, existing: Certificate) -> bool:
    stands: dict[str, Any] = orjson.loads(existing.face)
    left_out = _FILLED_IN if row.draft.identifier is not None else _FILLED_IN | {"certificate_identifier"}
    face = row.examined.face
    return stands.keys() == face.keys() and all(
        stands[name] == value for name, value in face.items() if name not in left_out
    )
