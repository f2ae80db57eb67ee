"""Use cases of idempotency keys: claim before the work, record after it, in the same transaction as the work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import CursorResult, Select, delete, select, update

from registry import upserts
from registry.errors import ConflictError
from registry.idempotency import rules
from registry.idempotency.tables import IdempotencyKey
from registry.work import Work

#: How long an answer is kept. After that the same key is a new request.
KEPT_FOR = timedelta(days=30)

_RECORD = "UPDATE idempotency_keys SET status = ?, body = ? WHERE actor = ? AND key = ?"
_RELEASE = "DELETE FROM idempotency_keys WHERE actor = ? AND key = ? AND status IS NULL"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered the first time."""

    status: int
    body: Any


def claim(work: Work, key: str, request_sha256: bytes) -> Answer | None:
    """The recorded answer to this very request, or None: then the caller does the work and calls `record`.

    Two requests with one key at the same moment: the second waits for the first one's transaction and gets its answer,
    or does the work itself if the first one failed. Raises ConflictError when the key stands for another request,
    InvalidDraftError for a key of the wrong form.
    """
    rules.check_key(key)
    fresh = work.session.execute(
        upserts.insert_or_ignore(work.session, IdempotencyKey).returning(IdempotencyKey.key),
        [{"actor": work.actor.id, "key": key, "request_sha256": request_sha256, "at": work.at}],
    ).all()
    if fresh:
        return None
    found = work.session.get_one(IdempotencyKey, (work.actor.id, key))
    judged = _judge(Claim(work.actor.id, key, request_sha256), found)
    if isinstance(judged, ConflictError):
        raise judged
    return judged


class Claim(NamedTuple):
    """A key of an actor (`Actor.id`), and the digest of the request that it stands for."""

    actor: str
    key: str
    request_sha256: bytes


def claim_many(work: Work, claims: Sequence[Claim]) -> list[Answer | ConflictError | None]:
    """`claim` for requests of several actors, in their order: a conflict is given instead of raised.

    No two may have one key of one actor, and all keys must have the form. The caller does the work of those with None
    and then calls `record_many`, or `release_many` where it was refused.
    """
    at = upserts.Converter(work.session, IdempotencyKey.at)[work.at]
    rows = [(*claim, at) for claim in claims]
    columns = ("actor", "key", "request_sha256", "at")
    if upserts.insert_many(work.session, IdempotencyKey, columns, rows, ignore=True) == len(rows):
        return [None] * len(claims)
    keys = {claim.key for claim in claims}
    found = {(row.actor, row.key): row for row in work.session.scalars(_of_keys(keys))}
    return [_judge(claim, found[claim.actor, claim.key]) for claim in claims]


def record_many(work: Work, answers: Sequence[tuple[Claim, Answer]]) -> None:
    """`record` for each; committed together with the work itself."""
    if answers:
        convert = upserts.Converter(work.session, IdempotencyKey.body).convert
        rows = [(answer.status, convert(answer.body), claim.actor, claim.key) for claim, answer in answers]
        upserts.execute_many(work.session.connection(), _RECORD, rows)


def release_many(work: Work, claims: Sequence[Claim]) -> None:
    """Give up claims whose work was refused: the key stands for nothing."""
    if claims:
        rows = [(claim.actor, claim.key) for claim in claims]
        upserts.execute_many(work.session.connection(), _RELEASE, rows)


def _of_keys(keys: Collection[str]) -> Select[tuple[IdempotencyKey]]:
    return select(IdempotencyKey).where(IdempotencyKey.key.in_(keys))


def _judge(claim: Claim, found: IdempotencyKey) -> Answer | ConflictError | None:
    if found.request_sha256 != claim.request_sha256:
        return ConflictError(
            "idempotency_key_reused", "该 Idempotency-Key 已用于另一请求，请换用新的键。", {"key": claim.key}
        )
    # Committed without an answer: the work was done in parts. The caller repeats it; each part is idempotent.
    return None if found.status is None else Answer(found.status, found.body)


def record(work: Work, key: str, status: int, body: Any) -> None:
    """Keep the answer to the request claimed under this key; committed together with the work itself."""
    work.session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.actor == work.actor.id, IdempotencyKey.key == key)
        .values(status=status, body=body)
    )


def forget_old(work: Work) -> int:
    """Delete answers older than `KEPT_FOR`; how many."""
    result = work.session.execute(delete(IdempotencyKey).where(IdempotencyKey.at < work.at - KEPT_FOR))
    return result.rowcount if isinstance(result, CursorResult) else 0
