"""Everything that is known of one certificate, as its page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import orjson
from sqlalchemy import select

from api.pages import certificate_history, proofs, times, wording
from api.pages.certificate_views import CertificatePage, ChangeLink, CodeForm
from api.pages.faces import face_of
from api.pages.texts import Texts
from api.pages.views import CodeCard, DisputeMark, Event, Fact, FileLine, ProblemView
from registry.catalogue import service as catalogue
from registry.certificates import service as certificates
from registry.certificates.rules import offered
from registry.certificates.tables import Certificate
from registry.codes.tables import Code
from registry.disputes import marks
from registry.log.published import PublishedLog
from registry.log.standing import Place, places_of
from registry.statuses.rules import UNDOING, Operation
from registry.uses import service as uses
from registry.work import Work
from verifier.code import CodeKind
from verifier.entry import Kind
from verifier.status import Status


def sees_whole(work: Work, row: Certificate) -> bool:
    """Whether the actor is a registrar of the issuer, who sees faces whole."""
    return work.actor.department == row.department and work.actor.has_role("registrar")


def holder_of(row: Certificate) -> dict[str, str]:
    """The first holder as registered, unmasked: for use cases, never for a page."""
    holder: dict[str, str] = orjson.loads(row.face)["holders"][0]
    return holder


def certificate_page(
    work: Work,
    log: PublishedLog,
    row: Certificate,
    face: Mapping[str, Any],
    t: Texts,
    *,
    problem: ProblemView | None = None,
    disclosed: bool = False,
    on: date | None = None,
) -> CertificatePage:
    """The page of a certificate whose face is already masked for the actor (or disclosed to them)."""
    definition = catalogue.definition_at(work, row.type_code, row.type_version)
    place = places_of(work, [row.id], Kind.CERTIFICATE).get(row.id, Place("registered", None))
    receipt = proofs.find_receipt(work, log, row.id, Kind.CERTIFICATE)
    whole = sees_whole(work, row)
    code = _live_code(work, row)
    return CertificatePage(
        id=row.id,
        face=face_of(face, definition),
        tone=wording.tone_of(row.status),
        status=wording.status_name(row.status, t),
        progress=place.stage,
        masked=not whole and not disclosed,
        may_disclose=not whole and not disclosed and work.actor.has_role("window", "auditor"),
        steps=proofs.steps_of(row.registered_at, place, receipt, t),
        proof=proofs.proof_of(log, receipt, t) if receipt else None,
        events=_events(work, row, t),
        uses=_uses(work, row, t),
        code=_card(code, t) if code and _may_show(work, code) else None,
        code_form=_code_form(row, t) if whole and code is None and row.status == Status.VALID else None,
        evidence_ready=receipt is not None and row.salts is not None,
        may_take=whole,
        facts=_facts(row, t),
        files=_files(work, row, face, whole, t),
        changes=_changes(work, row, t),
        closed=whole and not operations_of(work, row),
        dispute=_dispute(work, row),
        may_dispute=work.actor.department is not None and work.actor.has_role("window", "registrar"),
        as_of=certificate_history.as_of(work, row, on or work.at.astimezone(times.SHANGHAI).date(), t),
        versions=certificate_history.versions(work, row, t),
        problem=problem,
    )


def _dispute(work: Work, row: Certificate) -> DisputeMark | None:
    found = marks.open_of(work, row.id)
    if found is None:
        return None
    concerned = work.actor.department in (found.issuer, found.raised_by) or work.actor.has_role("auditor")
    return DisputeMark(found.holds, f"/disputes/{found.id}" if concerned else None)


def _facts(row: Certificate, t: Texts) -> list[Fact]:
    facts = [
        Fact(t("fact.identifier"), row.identifier, mono=True),
        Fact(t("fact.type_code"), row.type_code, mono=True),
        Fact(t("fact.version"), row.version),
        Fact(t("fact.registered"), times.moment(row.registered_at, t)),
        Fact("SHA-256", row.sha256.hex(), mono=True),
        Fact("SM3", row.sm3.hex(), mono=True),
    ]
    if row.associated_identifier:
        facts.insert(1, Fact(t("fact.associated"), row.associated_identifier, mono=True))
    return facts


def _events(work: Work, row: Certificate, t: Texts) -> list[Event]:
    names = wording.department_names(work)
    events = [
        Event(
            title=wording.operation_name(event.operation, t),
            at=event.effective_at,
            text=event.reason,
            note=" · ".join(filter(None, (names.get(event.authority, event.authority), event.document))),
        )
        for event in reversed(certificates.events_of(work, row.id))
    ]
    issuer = names.get(row.department, row.department)
    return [*events, Event(t("certificate.registered"), row.registered_at, note=issuer)]


def _uses(work: Work, row: Certificate, t: Texts) -> list[Event]:
    """Each reliance for the issuer, whom it concerns, and for auditors; any other department is told of its own."""
    names = wording.department_names(work)
    tells_all = work.actor.department == row.department or work.actor.has_role("auditor")
    return [
        Event(
            title=names.get(use.department, use.department),
            at=use.used_at,
            text=t("certificate.use", purpose=use.purpose),
        )
        for use in reversed(uses.relying_on(work, "certificate", row.id))
        if tells_all or use.department == work.actor.department
    ]


def _files(work: Work, row: Certificate, face: Mapping[str, Any], whole: bool, t: Texts) -> list[FileLine]:
    shown: Sequence[Mapping[str, Any]] = face.get("files", ())
    return [
        FileLine(
            href=f"/certificates/{row.id}/files/{place}" if whole else "",
            name=str(file["name"]),
            note=f"{wording.file_size(int(file['size']))} · {file['media_type']}",
        )
        for place, file in enumerate(shown)
    ]


def operations_of(work: Work, row: Certificate) -> list[Operation]:
    """The legal operations that the actor may do about it now: its issuer's registrars; and those of another issuer,
    who take in what was transferred out."""
    if sees_whole(work, row):
        lawful = offered(Status(row.status), row.valid_to_on, work.at.astimezone(times.SHANGHAI).date())
        return sorted(lawful, key=lambda operation: operation not in UNDOING)
    taken_in = work.actor.has_role("registrar") and row.status == Status.TRANSFERRED
    return [Operation.TRANSFER_IN] if taken_in and work.actor.department else []


def _changes(work: Work, row: Certificate, t: Texts) -> list[ChangeLink]:
    return [
        ChangeLink(
            href=f"/certificates/{row.id}/changes/{operation.label}",
            name=wording.operation_name(operation.label, t),
            meaning=t(f"meaning.{operation.label}"),
            is_way_back=operation in UNDOING,
        )
        for operation in operations_of(work, row)
    ]


def _live_code(work: Work, row: Certificate) -> Code | None:
    """The newest code in force of the first holder: an enterprise's by its USCC, a person's if it shows this type."""
    holder = holder_of(row)
    subject, kind = holder["holder_code"], CodeKind.ENTERPRISE
    if holder["holder_code_type_code"] != "001":
        index = certificates.holders_of(work, row.id)[0]
        subject, kind = index.hex(), CodeKind.PERSON
    query = select(Code).where(
        Code.kind == int(kind), Code.subject == subject, Code.status == int(Status.VALID), Code.expires_at > work.at
    )
    found = work.session.scalars(query.order_by(Code.generation.desc()).limit(1)).one_or_none()
    if found is not None and kind is CodeKind.PERSON and row.type_code not in found.wanted["types"]:
        return None
    return found


def _may_show(work: Work, code: Code) -> bool:
    return work.actor.department == code.department and work.actor.has_role("registrar", "window", "venue")


def _card(code: Code, t: Texts) -> CodeCard:
    title = wording.kind_name(CodeKind(code.kind), t)
    note = t(
        "certificate.code_note",
        generation=code.generation,
        until=times.day(code.expires_at.astimezone(times.SHANGHAI).date(), t),
    )
    return CodeCard(code.id, title, t("codes.alt", title=title), note)


def _code_form(row: Certificate, t: Texts) -> CodeForm | None:
    code_type = holder_of(row)["holder_code_type_code"]
    if code_type == "001":
        return CodeForm(t("certificate.enterprise_code"), t("codes.enterprise.form"))
    if code_type.startswith("0"):
        return None
    return CodeForm(t("certificate.person_code"), t("codes.person.form"))
