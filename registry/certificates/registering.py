"""Registering certificates in bulk: one pass over the drafts, a handful of statements for all of them.

The steps, in this order: (1) judge every draft, (2) take ids, serials, status slots and randomness for all that passed,
(3) seal, (4) insert what does not stand already: the constraints decide races, (5) answer those that do, (6) put
successors in their predecessors' place, (7) holders, files and log entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from registry import upserts
from registry.batches import collector_paused, pool_of
from registry.certificates import desks, standing, succession
from registry.certificates.outcomes import Outcomes, Registered, Row, RowRefusal
from registry.certificates.rules import CertificateDraft, Examined
from registry.certificates.tables import Certificate, CertificateFile, CertificateHolder
from registry.errors import FieldError
from registry.files import service as files_service
from registry.files.service import AttachedFile
from registry.files.tables import StoredFileRow
from registry.ids import new_ids
from registry.log import service as log
from registry.statuses import service as statuses
from registry.work import Work
from verifier.commitment import SALT_BYTES, seal
from verifier.entry import Entry, Kind
from verifier.errors import MalformedError
from verifier.identifiers import make_identifier
from verifier.times import shanghai_day


def run(
    work: Work, drafts: Sequence[CertificateDraft], files: Sequence[tuple[AttachedFile, ...]]
) -> list[Registered | RowRefusal]:
    """The outcome of every draft, in order."""
    with collector_paused():
        return _run(work, drafts, files)


def _run(
    work: Work, drafts: Sequence[CertificateDraft], files: Sequence[tuple[AttachedFile, ...]]
) -> list[Registered | RowRefusal]:
    outcomes: Outcomes = [None] * len(drafts)
    passed = _judge(work, drafts, files, outcomes)  # (1)
    if passed:
        rows = _equip(work, passed, drafts, files)  # (2)
        rows = _seal(work, rows, outcomes)  # (3)
        rows = _insert(work, rows, outcomes)  # (4), (5)
        rows = succession.run(work, rows, outcomes)  # (6)
        _complete(work, rows, outcomes)  # (7)
    return [outcome for outcome in outcomes if outcome is not None]


_Passed = tuple[int, desks.Desk, Examined]


def _judge(
    work: Work,
    drafts: Sequence[CertificateDraft],
    files: Sequence[tuple[AttachedFile, ...]],
    outcomes: Outcomes,
) -> list[_Passed]:
    open_desk = desks.opener(work)
    stored = files_service.find_many(work, {file.sha256 for attached in files for file in attached})
    passed: list[_Passed] = []
    for place, draft in enumerate(drafts):
        desk = open_desk(draft.type_code, draft.department)
        if isinstance(desk, desks.Closed):
            outcomes[place] = RowRefusal(place + 1, (desk.error,), permitted=desk.permitted)
            continue
        examined = desk.examiner.examine(draft)
        if isinstance(examined, Examined) and files[place]:
            examined = _attach(examined, files[place], stored)
        if isinstance(examined, Examined):
            passed.append((place, desk, examined))
        else:
            outcomes[place] = RowRefusal(place + 1, tuple(examined))
    return passed


def _attach(
    examined: Examined, attached: tuple[AttachedFile, ...], stored: Mapping[bytes, StoredFileRow]
) -> Examined | list[FieldError]:
    shown, errors = files_service.show(attached, stored)
    examined.face["files"] = shown
    return errors or examined


def _equip(
    work: Work,
    passed: list[_Passed],
    drafts: Sequence[CertificateDraft],
    files: Sequence[tuple[AttachedFile, ...]],
) -> list[Row]:
    ids = new_ids(len(passed), work.at, work.draw)
    slots = statuses.allot(work, len(passed))
    _give_identifiers(work, [item for item in passed if drafts[item[0]].identifier is None])
    rows = []
    for (place, desk, examined), (item, text), slot in zip(passed, ids, slots, strict=True):
        draft = drafts[place]
        if draft.identifier is not None:
            examined.face["certificate_identifier"] = draft.identifier
        version = desk.examiner.definition.version
        rows.append(Row(place, draft, examined, version, files[place], item, text, slot))
    return rows


def _give_identifiers(work: Work, passed: list[_Passed]) -> None:
    year = shanghai_day(work.at).year
    by_issuer: dict[str, list[_Passed]] = {}
    for item in passed:
        by_issuer.setdefault(item[1].examiner.issuer.code, []).append(item)
    for issuer, items in sorted(by_issuer.items()):
        serial = _take_serials(work, issuer, year, len(items))
        for _, desk, examined in items:
            version = int(examined.face["certificate_version"])
            identifier = make_identifier(desk.examiner.definition.code, issuer, f"{year}{serial:07d}", version)
            examined.face["certificate_identifier"] = identifier
            serial += 1


_TAKE = (
    "INSERT INTO identifier_counters AS counter (department, year, taken) VALUES (?, ?, ?)"
    " ON CONFLICT (department, year) DO UPDATE SET taken = counter.taken + excluded.taken RETURNING taken"
)


def _take_serials(work: Work, department: str, year: int, count: int) -> int:
    """The first of `count` serials that nobody else gets."""
    taken: int = upserts.fetch_many(work.session.connection(), _TAKE, (department, year, count))[0][0]
    return taken - count + 1


def _seal(work: Work, rows: list[Row], outcomes: Outcomes) -> list[Row]:
    draw = pool_of(work.draw, sum(len(row.examined.face) for row in rows) * SALT_BYTES)
    sealed = []
    for row in rows:
        try:
            row.sealed = seal(row.examined.face, draw)
        except MalformedError as wrong:
            outcomes[row.place] = RowRefusal(row.place + 1, (FieldError("", wrong.reason, f"{wrong.message}。"),))
        else:
            sealed.append(row)
    return sealed


_COLUMNS = (
    "id", "type_code", "type_version", "department", "identifier", "number", "version", "status", "status_list",
    "status_index", "issued_on", "valid_from_on", "valid_to_on", "associated_identifier", "registered_at",
    "registered_by", "face", "salts", "sha256", "sm3", "raw",
)  # fmt: skip


def _insert(work: Work, rows: list[Row], outcomes: Outcomes) -> list[Row]:
    if not rows:
        return rows
    in_order = rows
    if work.session.get_bind().dialect.name == "postgresql":
        # Rivals insert in the same order, so that they wait for each other instead of locking each other out.
        in_order = sorted(rows, key=standing.key_of)
    values = _values(work, in_order)
    if upserts.insert_many(work.session, Certificate, _COLUMNS, values, ignore=True) == len(rows):
        return rows
    return standing.answer(work, rows, outcomes)


def _values(work: Work, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    session = work.session
    days = upserts.Converter(session, Certificate.issued_on)
    at = upserts.Converter(session, Certificate.registered_at)[work.at]
    raws = upserts.Converter(session, Certificate.raw)
    by = work.actor.id
    values = []
    for row in rows:
        sealed, examined, face = row.sealed, row.examined, row.examined.face
        assert sealed is not None
        values.append(
            (
                row.id, face["certificate_type_code"], row.type_version, face["issuing_authority_code"],
                face["certificate_identifier"], face["certificate_number"], face["certificate_version"], 0,
                row.slot[0], row.slot[1], days[examined.issued_on], days[examined.valid_from_on],
                days[examined.valid_to_on], row.draft.associated_identifier, at, by, sealed.canonical, sealed.salts,
                sealed.digest.sha256, sealed.digest.sm3, raws.convert(examined.raw) if examined.raw else None,
            )
        )  # fmt: skip
    return values


def _complete(work: Work, rows: list[Row], outcomes: Outcomes) -> None:
    if not rows:
        return
    session, index = work.session, work.blind.of
    holders = [(index(*key), row.id, position) for row in rows for position, key in enumerate(row.examined.holders)]
    upserts.insert_many(session, CertificateHolder, ("holder_index", "certificate_id", "position"), holders)
    files = [(row.id, position, file.sha256, file.name) for row in rows for position, file in enumerate(row.files)]
    if files:
        upserts.insert_many(session, CertificateFile, ("certificate_id", "position", "sha256", "name"), files)
    entry_ids = log.submit_many(work, [_entry(work, row) for row in rows])
    for row, entry_id in zip(rows, entry_ids, strict=True):
        outcomes[row.place] = Registered(row.id, row.identifier, entry_id)


def _entry(work: Work, row: Row) -> Entry:
    face, sealed = row.examined.face, row.sealed
    assert sealed is not None
    return Entry(
        kind=Kind.CERTIFICATE,
        item=row.item,
        department=face["issuing_authority_code"],
        recorded_at=work.at,
        digest=sealed.digest,
        facts={
            "type": face["certificate_type_code"],
            "type_version": row.type_version,
            "status_list": row.slot[0],
            "status_index": row.slot[1],
        },
    )
