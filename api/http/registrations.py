"""Group commit: registrations that arrive together are written in one transaction, each with its own answer and key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from registry.certificates import service as certificates
from registry.certificates.outcomes import Registered
from registry.certificates.rules import CertificateDraft
from registry.errors import BusyError
from registry.files.service import AttachedFile
from registry.idempotency import service as idempotency
from registry.idempotency.service import Answer, Claim
from registry.work import REGISTRY, Actor, Registry, Work


@dataclass(frozen=True, slots=True)
class Registration:
    """One request to register one certificate; `claim` is its idempotency key, `answer` what it is told when it stands.

    Successors are not registered so: what becomes of them depends on another certificate.
    """

    actor: Actor
    claim: Claim | None
    draft: CertificateDraft
    files: tuple[AttachedFile, ...]
    answer: Callable[[Registered], Answer]


class Written(NamedTuple):
    """What a request is answered, durable; `is_replay` if it was answered so before."""

    answer: Answer
    is_replay: bool


def write_together(registry: Registry, group: Sequence[Registration]) -> list[Written | Exception]:
    """Write a group in one transaction; the outcome of each, in order. Nothing is written of one whose outcome is an
    exception, and it does not keep the others from being written.

    What nobody foresaw (a value that no column takes, a rival elsewhere under the same key) ends the transaction; then
    each is written in one of its own.
    """
    if len(group) > 1:
        try:
            with registry.begin(REGISTRY) as work:
                return _write(work, group)
        except (OperationalError, PoolTimeoutError) as away:
            return [away] * len(group)
        except Exception as failed:  # noqa: BLE001 (whose fault it is comes out one by one)
            if isinstance(failed, BusyError) and failed.reason == "database_busy":
                return [failed] * len(group)
    return [_write_alone(registry, one) for one in group]


def _write_alone(registry: Registry, one: Registration) -> Written | Exception:
    try:
        with registry.begin(REGISTRY) as work:
            outcome = _write(work, [one])[0]
            if isinstance(outcome, Exception):
                raise outcome
            return outcome
    except Exception as error:  # noqa: BLE001 (it is this request's outcome, and raised there)
        return error


def _write(work: Work, group: Sequence[Registration]) -> list[Written | Exception]:
    found: dict[int, Written | Exception] = {}
    keyed = {place: one.claim for place, one in enumerate(group) if one.claim is not None}
    for place, known in zip(keyed, idempotency.claim_many(work, list(keyed.values())), strict=True):
        if known is not None:
            found[place] = known if isinstance(known, Exception) else Written(known, is_replay=True)
    fresh = [place for place in range(len(group)) if place not in found]
    by_actor: dict[Actor, list[int]] = {}
    for place in fresh:
        by_actor.setdefault(group[place].actor, []).append(place)
    for actor, places in by_actor.items():
        acting = replace(work, actor=actor)
        drafts, files = [group[place].draft for place in places], [group[place].files for place in places]
        for place, outcome in zip(places, certificates.register_many(acting, drafts, files), strict=True):
            if isinstance(outcome, Registered):
                found[place] = Written(group[place].answer(outcome), is_replay=False)
            else:
                found[place] = certificates.refusal_of(outcome)
    _keep_answers(work, [(keyed[place], found[place]) for place in fresh if place in keyed])
    return [found[place] for place in range(len(group))]


def _keep_answers(work: Work, outcomes: Sequence[tuple[Claim, Written | Exception]]) -> None:
    idempotency.record_many(work, [(claim, done.answer) for claim, done in outcomes if isinstance(done, Written)])
    idempotency.release_many(work, [claim for claim, done in outcomes if isinstance(done, Exception)])
