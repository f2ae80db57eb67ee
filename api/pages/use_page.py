"""What can be used for a matter, and how a use ended, as pages show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from api.pages import proofs, times, wording
from api.pages.texts import Texts
from api.pages.use_views import AuthorisationView, CaseView, ItemView, SlotView, UseResult
from api.pages.views import Fact
from registry.authorisations import rules as authorisation_rules
from registry.authorisations import service as authorisations
from registry.authorisations.tables import Authorisation
from registry.catalogue import service as catalogue
from registry.catalogue.tables import Matter
from registry.certificates import masking
from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.disputes import marks
from registry.errors import RegistryError
from registry.log.published import PublishedLog
from registry.log.standing import Place, places_of
from registry.materials import service as materials
from registry.materials.tables import Material
from registry.uses import service as uses
from registry.uses.rules import REASONS
from registry.uses.tables import Consumption, Use
from registry.work import Work
from verifier.entry import Kind
from verifier.identifiers import mask_name
from verifier.status import Status
from verifier.times import shanghai_day

#: Of one slot: an enterprise may have ten thousand licences of one type.
MOST_ITEMS = 50


def slots_of(
    work: Work,
    matter: Matter,
    holder: bytes,
    t: Texts,
    delegated: bool = False,
    limit: frozenset[str] | None = None,
    number: str = "",
) -> list[SlotView]:
    """Each slot of the matter with what the applicant has for it: what is in force first, MOST_ITEMS of them.

    number: only the certificate of this number.
    delegated: a delegated code was shown, so that it is the authorisation, for the types of `limit` or for all.
    """
    names = {row.code: row.name for row in catalogue.list_types(work)}
    granted = authorisations.list_granted(work, matter.department)
    slots = []
    for slot in catalogue.slots_of(work, matter.code):
        fitting = _fitting(work, holder, slot.accepts, number)
        more, fitting = len(fitting) > MOST_ITEMS, fitting[:MOST_ITEMS]
        items = [_item(work, row, matter, holder, granted, names, t) for row in fitting]
        if delegated:
            items = [
                replace(item, authorisation=None, delegated=limit is None or row.type_code in limit)
                for item, row in zip(items, fitting, strict=True)
            ]
        items.sort(key=lambda item: (not item.in_force, item.authorisation is None))
        slots.append(SlotView(slot.name, slot.required, [names.get(code, code) for code in slot.accepts], items, more))
    return slots


def _fitting(work: Work, holder: bytes, accepts: Sequence[str], number: str) -> list[Certificate | Material]:
    """One more than are shown, where there are as many."""
    most = MOST_ITEMS + 1
    found = certificates.of_holder(work, holder, among=accepts, number=number, most=most)
    return [*found] if number else [*found, *materials.of_holder(work, holder, among=accepts, most=most)]


def _item(
    work: Work,
    row: Certificate | Material,
    matter: Matter,
    holder: bytes,
    granted: Sequence[Authorisation],
    names: Mapping[str, str],
    t: Texts,
) -> ItemView:
    kind = "certificate" if isinstance(row, Certificate) else "material"
    number, holders, issuer = _described(work, row)
    today = shanghai_day(work.at)
    in_time = row.valid_from_on <= today and (row.valid_to_on is None or today <= row.valid_to_on)
    against = uses.obstacle(work, kind, row.id)
    used = uses.consumption_of(work, kind, row.id) if against == "already_used" else None
    only_late = row.status == Status.VALID and not in_time
    return ItemView(
        kind=kind,
        id=row.id,
        type_name=names.get(row.type_code, row.type_code),
        number=number,
        holders=holders,
        issuer_name=issuer,
        valid_to=f"{row.valid_to_on:%Y%m%d}" if row.valid_to_on else times.LONG_TERM,
        tone="dormant" if used or only_late or row.status != Status.VALID else "valid",
        status=t("use.out_of_time") if only_late else t("use.used_up") if used else wording.status_name(row.status, t),
        in_force=against is None,
        why_not=_used_up(work, used, t) if used else t.said(f"reason.{against}", REASONS[against]) if against else "",
        disputed=kind == "certificate" and marks.open_of(work, row.id) is not None,
        authorisation=_authorisation(work, row, kind, matter, holder, granted, t) if against is None else None,
    )


def _used_up(work: Work, used: Consumption, t: Texts) -> str:
    by = wording.department_names(work).get(used.department, used.department)
    return t("use.used_up_by", by=by, at=times.moment(used.consumed_at, t))


def _described(work: Work, row: Certificate | Material) -> tuple[str, list[str], str]:
    """Number, holders (people's names masked) and issuer."""
    if isinstance(row, Material):
        return row.title, [], wording.department_names(work).get(row.department, row.department)
    face = masking.masked(work, row, work.actor)
    holders = [
        holder["holder_name"]
        if holder["holder_code_type_code"].startswith("0") or "*" in holder["holder_name"]
        else mask_name(holder["holder_name"])
        for holder in face["holders"]
    ]
    return str(face["certificate_number"]), holders, str(face["issuing_authority_name"])


def _authorisation(
    work: Work,
    row: Certificate | Material,
    kind: str,
    matter: Matter,
    holder: bytes,
    granted: Sequence[Authorisation],
    t: Texts,
) -> AuthorisationView | None:
    """The first authorisation that covers this use; judged by the same rule that the use itself will be."""
    wanted = authorisation_rules.Wanted(
        matter.department, kind, row.id, row.type_code, matter.code, matter.purpose, frozenset((holder,)), work.at
    )
    for grant in granted:
        if authorisation_rules.refusal((grant,), wanted) is None:
            return AuthorisationView(grant.id, _grant_text(grant, t))
    return None


def _grant_text(grant: Authorisation, t: Texts) -> str:
    left = t("use.unlimited") if grant.max_uses is None else t("use.left", n=grant.max_uses - grant.used)
    route = wording.route_name(grant.route, t)
    return t("use.grant", route=route, left=left, until=times.moment(grant.valid_to_at, t))


def item_name(work: Work, use: Use) -> str:
    """The type of the item that was used."""
    row = _row(work, use.item_kind, use.item_id)
    found = catalogue.find_type(work, row.type_code) if row else None
    return found.name if found else use.item_kind


def _row(work: Work, kind: str, item_id: str) -> Certificate | Material | None:
    return certificates.find(work, item_id) if kind == "certificate" else materials.find(work, item_id)


def receipt_page(work: Work, log: PublishedLog, use: Use, t: Texts) -> UseResult:
    """A use that was accepted, with the way of its entry to the chain."""
    matter = catalogue.find_matter(work, use.matter_code)
    grant = authorisations.find(work, use.authorisation_id)
    place = places_of(work, [use.id], Kind.USE).get(use.id, Place("registered", None))
    receipt = proofs.find_receipt(work, log, use.id, Kind.USE)
    facts = [
        Fact(t("use.case_no"), use.case_no, mono=True),
        Fact(t("use.matter"), matter.name if matter else use.matter_code),
        Fact(t("use.purpose"), use.purpose),
        Fact(t("use.item"), _item_line(work, use.item_kind, use.item_id)),
        Fact(t("use.authorisation"), _grant_text(grant, t) if grant else "—"),
        Fact(t("use.recent_at"), times.moment(use.used_at, t)),
        Fact(t("use.number"), use.id, mono=True),
    ]
    return UseResult(
        accepted=True, title=t("use.accepted"), reason=t("use.accepted_detail"), next="", facts=facts,
        next_href=next_href(use.matter_code), steps=proofs.steps_of(use.used_at, place, receipt, t),
        receipt_href=f"/api/v1/uses/{use.id}/receipt" if receipt else None,
        copies_href=f"/certificates/{use.item_id}/copies?use={use.id}" if use.item_kind == "certificate" else None,
        extracts_href=f"/certificates/{use.item_id}/extracts?use={use.id}" if use.item_kind == "certificate" else None,
    )  # fmt: skip


def next_href(matter_code: str) -> str:
    """Where the next case of the same matter begins."""
    return f"/use?matter={quote(matter_code)}"


def refused_page(work: Work, refused: RegistryError, item: tuple[str, str], case: CaseView, t: Texts) -> UseResult:
    """A use that was refused: the reason, what it rests on, and what to do instead."""
    facts = [
        Fact(t("use.case_no"), case.case_no, mono=True),
        Fact(t("use.item"), _item_line(work, *item)),
        *_first_use(work, refused.evidence, t),
    ]
    if "refusal_id" in refused.evidence:
        facts.append(Fact(t("use.refusal_number"), str(refused.evidence["refusal_id"]), mono=True))
    return UseResult(
        accepted=False, title=t("use.refused"), reason=t.refusal(refused.reason, refused.message),
        next=t.find(f"next.{refused.reason}") or t("use.refused_next"), facts=facts,
        case=case, next_href=next_href(case.matter),
    )  # fmt: skip


def _first_use(work: Work, evidence: Mapping[str, Any], t: Texts) -> list[Fact]:
    if "first_use_id" not in evidence:
        return []
    names = wording.department_names(work)
    by = names.get(str(evidence["first_department"]), str(evidence["first_department"]))
    at = datetime.fromisoformat(str(evidence["first_used_at"]))
    return [
        Fact(t("use.first"), t("use.first_by", by=by, at=times.moment(at, t))),
        Fact(t("use.first_proof"), str(evidence["first_commitment"]), mono=True),
    ]


def _item_line(work: Work, kind: str, item_id: str) -> str:
    row = _row(work, kind, item_id)
    if row is None:
        return "—"
    found = catalogue.find_type(work, row.type_code)
    return f"{found.name if found else row.type_code} {_described(work, row)[0]}"
