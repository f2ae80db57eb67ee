"""The status lists of a trust bundle: a token that stays the same for days, and a small delta of what changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.statuses import service as statuses
from registry.work import Work
from verifier.errors import VerificationError
from verifier.status import StatusList
from verifier.status_delta import MAX_CHANGES, changes_between, sign_delta
from verifier.suites import SigningKey
from verifier.trust import status_subject

#: A delta may be as large as this, whatever the size of its base; beyond, half of the base.
_SMALL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Signing:
    """Under which key, in which log's name and for which time lists are signed."""

    key: SigningKey
    origin: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Lists:
    """Tokens and deltas by list number; a list without a delta is as its token says."""

    tokens: Mapping[int, bytes]
    deltas: Mapping[int, bytes]


def sign_lists(work: Work, before: Mapping[int, bytes], signing: Signing) -> Lists:
    """Every list as it is now, on top of the tokens of the bundle before where that is the smaller thing to load.

    A token is replaced when half of its life is over, when its key is another one, and when its delta grew large.
    """
    tokens: dict[int, bytes] = {}
    deltas: dict[int, bytes] = {}
    for number in statuses.list_numbers(work):
        present = statuses.build_list(work, number)
        token = before.get(number)
        delta = None if token is None else _delta(token, present, number, signing)
        if token is None or delta is None:
            subject = status_subject(signing.origin, number)
            tokens[number] = present.to_token(signing.key, subject, signing.issued_at, signing.expires_at)
        else:
            tokens[number], deltas[number] = token, delta
    return Lists(tokens, deltas)


def _delta(token: bytes, present: StatusList, number: int, signing: Signing) -> bytes | None:
    """What leads from the token to the present; None if a new token is called for."""
    subject = status_subject(signing.origin, number)
    try:
        base = StatusList.from_token(token, subject, signing.key.public)
    except VerificationError:
        # Of another key, or of an earlier form.
        return None
    if base.issued_at is None or not timedelta(0) <= signing.issued_at - base.issued_at < _half_life(signing):
        return None
    changes = changes_between(base, present)
    if len(changes) > MAX_CHANGES:
        return None
    delta = sign_delta(base, changes, signing.key, subject, signing.issued_at, signing.expires_at)
    return delta if len(delta) <= max(_SMALL_BYTES, len(token) // 2) else None


def _half_life(signing: Signing) -> timedelta:
    return (signing.expires_at - signing.issued_at) / 2
