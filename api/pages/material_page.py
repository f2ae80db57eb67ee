"""Everything that is known of one material, as its page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.pages import proofs, times, wording
from api.pages.material_views import FileCard, MaterialPage, SealLine
from api.pages.texts import Texts
from api.pages.views import Fact, Tone
from registry.catalogue import service as catalogue
from registry.catalogue.rules import TypeDefinition
from registry.certificates import masking
from registry.log.published import PublishedLog
from registry.log.standing import Place, places_of
from registry.materials import service as materials
from registry.materials.tables import Material
from registry.uses import service as uses
from registry.uses.tables import Consumption
from registry.work import Work
from verifier.documents.findings import FORMAT_CHINESE, Inspection, Signed
from verifier.entry import Kind
from verifier.verdict import STATE_CHINESE, State

_TONES: Mapping[State, Tone] = {
    State.VALID: "valid", State.INVALID: "invalid", State.NOT_IN_FORCE: "dormant", State.UNDECIDED: "undecided",
}  # fmt: skip


def sees_whole(work: Work, row: Material) -> bool:
    """Whether the actor is a registrar or window of the department that registered it."""
    return work.actor.department == row.department and work.actor.has_role("registrar", "window")


def material_page(
    work: Work, log: PublishedLog, row: Material, t: Texts, inspected: Sequence[Inspection] | None = None
) -> MaterialPage:
    """The page of a material, masked for the actor; with what its files were found to be, if they were inspected."""
    definition = catalogue.definition_at(work, row.type_code, row.type_version)
    whole = sees_whole(work, row)
    content = shown_content(row, definition, whole=whole)
    place = places_of(work, [row.id], Kind.MATERIAL).get(row.id, Place("registered", None))
    receipt = proofs.find_receipt(work, log, row.id, Kind.MATERIAL)
    use = uses.consumption_of(work, "material", row.id) if definition.one_time else None
    names = wording.department_names(work)
    return MaterialPage(
        id=row.id, title=row.title if whole else definition.name,
        type_name=definition.name, tone=wording.tone_of(row.status), status=wording.status_name(row.status, t),
        masked=not whole, facts=_facts(row, content, names, t), data=_data(content["data"], definition),
        files=_files(content["files"], inspected, t) if whole else (), may_inspect=whole and bool(content["files"]),
        inspected=inspected is not None, consumed=use is not None,
        consumption=_consumption(use, names, t) if definition.one_time else "",
        steps=proofs.steps_of(row.registered_at, place, receipt, t),
        proof=proofs.proof_of(log, receipt, t) if receipt else None,
    )  # fmt: skip


def shown_content(row: Material, definition: TypeDefinition, *, whole: bool) -> dict[str, Any]:
    """The content of a material, masked unless the reader sees it whole."""
    content = materials.content_of(row)
    if whole:
        return content
    alike = {"holders": content["holders"], "certificate_number": "", "extend_info": content["data"]}
    masked = masking.mask_face(alike, definition)
    return {**content, "holders": masked["holders"], "data": masked["extend_info"]}


def _facts(row: Material, content: Mapping[str, Any], names: Mapping[str, str], t: Texts) -> list[Fact]:
    until = t("date.long_term") if row.valid_to_on is None else times.day(row.valid_to_on, t)
    holders = [f"{one['holder_name']} {one['holder_code']}" for one in content["holders"]]
    return [
        Fact(t("materials.holder"), t("list.separator").join(holders)),
        Fact(t("materials.department"), names.get(row.department, row.department)),
        Fact(t("materials.period"), f"{times.day(row.valid_from_on, t)} – {until}"),
        Fact(t("materials.case"), row.case_no or "—", mono=True),
        Fact(t("materials.matter"), row.matter_code or "—", mono=True),
        Fact(t("materials.id"), row.id, mono=True),
    ]


def _data(data: Mapping[str, Any], definition: TypeDefinition) -> list[Fact]:
    parts: Mapping[str, Any] = definition.schema.schema.get("properties", {})
    return [
        Fact(str(parts.get(name, {}).get("title") or name), _text(data[name]))
        for name in definition.order
        if name in data
    ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    return "、".join(map(str, value)) if isinstance(value, list) else str(value)


def _files(files: Sequence[Mapping[str, Any]], inspected: Sequence[Inspection] | None, t: Texts) -> list[FileCard]:
    found: Sequence[Inspection | None] = inspected if inspected is not None else [None] * len(files)
    return [_file(file, one, t) for file, one in zip(files, found, strict=True)]


def _file(file: Mapping[str, Any], found: Inspection | None, t: Texts) -> FileCard:
    name, note = str(file["name"]), f"{wording.file_size(int(file['size']))} · {file['media_type']}"
    if found is None:
        return FileCard(name, note, str(file["sha256"]))
    return FileCard(
        name, f"{t.said(f'format.{found.format}', FORMAT_CHINESE[found.format])} · {note}", found.sha256,
        _TONES[found.state], t.said(f"verdict.{found.state}", STATE_CHINESE[found.state]), found.message,
        [_seal(one, t) for one in found.signatures],
    )  # fmt: skip


def _seal(signed: Signed, t: Texts) -> SealLine:
    seal, signer = signed.facts.get("seal") or {}, signed.facts.get("signer") or {}
    state = signed.verdict.state
    return SealLine(
        str(seal.get("name") or signer.get("subject") or signed.identity), _TONES[state],
        t.said(f"verdict.{state}", STATE_CHINESE[state]), signed.verdict.message,
    )  # fmt: skip


def _consumption(use: Consumption | None, names: Mapping[str, str], t: Texts) -> str:
    if use is None:
        return t("materials.unused")
    at = times.moment(use.consumed_at, t)
    return t("materials.used", department=names.get(use.department, use.department), at=at)
