"""Use cases of idempotency keys: claim before the work, record after it, in the same transaction as the work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import CursorResult, delete, update

from registry import upserts
from registry.errors import ConflictError
from registry.idempotency import rules
from registry.idempotency.tables import IdempotencyKey
from registry.work import Work

#: How long an answer is kept. After that the same key is a new request.
KEPT_FOR = timedelta(days=30)


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
    if found.request_sha256 != request_sha256:
        raise ConflictError("idempotency_key_reused", "该 Idempotency-Key 已用于另一请求，请换用新的键。", {"key": key})
    if found.status is None:
        # Committed without an answer: the work was done in parts. The caller repeats it; each part is idempotent.
        return None
    return Answer(found.status, found.body)


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
