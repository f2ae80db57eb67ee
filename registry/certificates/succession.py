"""Successors: a certificate that names its predecessor takes its place (延续, 变更, 转入)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Protocol

from sqlalchemy import delete, select

from registry.certificates.outcomes import Outcomes, Registered, Row, RowRefusal
from registry.certificates.tables import Certificate
from registry.errors import FieldError, TransitionError
from registry.statuses import service as statuses
from registry.statuses.rules import Operation, next_status
from registry.work import Work
from verifier.status import Status
from verifier.times import SHANGHAI

_CHUNK = 5_000
_FIELD = "associated_identifier"


def run(work: Work, rows: list[Row], outcomes: Outcomes) -> list[Row]:
    """The rows that keep their place; a row whose predecessor it may not replace is taken out again and refused.

    A predecessor that is not registered here (issued elsewhere or long ago) is no fault: the reference is kept.
    """
    successors = [row for row in rows if row.draft.associated_identifier is not None]
    if not successors:
        return rows
    predecessors = _lock(work, [str(row.draft.associated_identifier) for row in successors])
    unsettled = {row.id for row in successors}
    refused: dict[str, RowRefusal] = {}
    for row in _after_their_predecessors(successors):
        predecessor = predecessors.get(str(row.draft.associated_identifier))
        if predecessor is not None:
            refusal = _judge(work, row, predecessor, unsettled, refused)
            if refusal is not None:
                refused[row.id] = outcomes[row.place] = refusal
        unsettled.discard(row.id)
    _take_out(work, refused)
    _answer_again(outcomes, refused)
    return [row for row in rows if row.id not in refused]


def _after_their_predecessors(successors: Sequence[Row]) -> list[Row]:
    """The rows, each after the one of the same batch that it replaces: a whole history may come in one file."""
    waiting = {row.identifier: row for row in successors}
    ordered: list[Row] = []
    for row in successors:
        back: list[Row] = []
        one = waiting.pop(row.identifier, None)
        while one is not None:
            back.append(one)
            one = waiting.pop(str(one.draft.associated_identifier), None)
        ordered += reversed(back)
    return ordered


def _judge(
    work: Work, row: Row, predecessor: Certificate, unsettled: Collection[str], refused: Mapping[str, RowRefusal]
) -> RowRefusal | None:
    if predecessor.id in refused:
        error = FieldError(_FIELD, "predecessor_refused", "关联证照在同一批中，未能登记；请先改正那一行。")
        return RowRefusal(row.place + 1, (error,))
    if predecessor.id in unsettled:
        error = FieldError(_FIELD, "associated_with_itself", "关联证照标识不能是自身，也不能绕回自身。")
        return RowRefusal(row.place + 1, (error,))
    fault = _replace(work, row, predecessor)
    return None if fault is None else RowRefusal(row.place + 1, (fault,), predecessor.id)


def _answer_again(outcomes: Outcomes, refused: Mapping[str, RowRefusal]) -> None:
    """Rows that were answered with what has been taken out since: nothing stands in their place."""
    for place, outcome in enumerate(outcomes if refused else ()):
        if isinstance(outcome, Registered) and outcome.id in refused:
            first = refused[outcome.id]
            outcomes[place] = RowRefusal(place + 1, first.errors, first.existing_id)
        elif isinstance(outcome, RowRefusal) and outcome.existing_id in refused:
            message = "同一批中已有一行用了该证照编号或标识，那一行未能登记；请改正后一并重新提交。"
            error = FieldError(outcome.errors[0].field, "rival_row_refused", message)
            outcomes[place] = RowRefusal(place + 1, (error,))


def _lock(work: Work, identifiers: Sequence[str]) -> dict[str, Certificate]:
    found: dict[str, Certificate] = {}
    for start in range(0, len(identifiers), _CHUNK):
        query = select(Certificate).where(Certificate.identifier.in_(identifiers[start : start + _CHUNK]))
        locked = query.order_by(Certificate.id).with_for_update().execution_options(populate_existing=True)
        for certificate in work.session.scalars(locked):
            found[certificate.identifier] = certificate
    return found


def _replace(work: Work, row: Row, predecessor: Certificate) -> FieldError | None:
    """Supersede the predecessor, or tell why that is not lawful."""
    face = row.examined.face
    if predecessor.type_code != face["certificate_type_code"]:
        return FieldError(_FIELD, "predecessor_of_another_type", "关联证照与本证照的类型不同。")
    operation = _operation(row, predecessor)
    try:
        next_status(Status(predecessor.status), operation)
        change = statuses.Change(
            operation, f"由新证照替代（{operation.chinese}）", face["issuing_authority_code"], work.at,
            successor=row.identifier,
        )  # fmt: skip
        event = statuses.record_change(work, subject_of(predecessor), change)
    except TransitionError as unlawful:
        return FieldError(_FIELD, "predecessor_not_replaceable", f"关联证照{unlawful.message}")
    predecessor.status = event.to_status
    work.session.flush()
    return None


def _operation(row: Row, predecessor: Certificate) -> Operation:
    if predecessor.department != row.examined.face["issuing_authority_code"]:
        # Only what its issuer has transferred out can be taken in by another.
        return Operation.TRANSFER_IN
    ended = predecessor.valid_to_on is not None and row.examined.valid_from_on > predecessor.valid_to_on
    renewed = predecessor.valid_to_on != row.examined.valid_to_on and row.examined.valid_to_on is not None
    if predecessor.status == Status.LAPSED or ended or (renewed and predecessor.status == Status.VALID):
        return Operation.RENEW
    return Operation.CHANGE


class Standing(Protocol):
    """What the status machine needs to know of a certificate."""

    @property
    def id(self) -> str: ...
    @property
    def department(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def status_list(self) -> int: ...
    @property
    def status_index(self) -> int: ...
    @property
    def issued_on(self) -> date: ...


def subject_of(certificate: Standing) -> statuses.Subject:
    """The certificate as the status machine sees it; no event takes effect before the day of issue."""
    issued_at = datetime.combine(certificate.issued_on, time.min, SHANGHAI)
    slot = (certificate.status_list, certificate.status_index)
    return statuses.Subject(
        "certificate", certificate.id, certificate.department, Status(certificate.status), slot, issued_at
    )


def _take_out(work: Work, ids: Iterable[str]) -> None:
    # They were inserted in this transaction and nothing refers to them yet; nobody else has seen them.
    refused = list(ids)
    if refused:
        work.session.execute(delete(Certificate).where(Certificate.id.in_(refused)))
