"""Use cases of extracts: make one for a use, list, find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select

from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot, TypeDefinition
from registry.catalogue.tables import Matter
from registry.certificates import service as certificates
from registry.certificates.entries import original_entry
from registry.certificates.tables import Certificate
from registry.departments import service as departments
from registry.devices import service as devices
from registry.devices.tables import Device
from registry.errors import (
    InvalidDraftError,
    NotFoundError,
    NotPermittedError,
    TransitionError,
)
from registry.extracts import detached, rules
from registry.extracts.rules import Choice, ExtractRequest
from registry.extracts.storing import Making, store
from registry.extracts.tables import Extract, ExtractDraft
from registry.ids import new_id_text
from registry.log.state import origin_of
from registry.uses import service as uses
from registry.uses.rules import REASONS
from registry.uses.tables import Use
from registry.work import Work
from verifier.extract import Occasion, draft_extract
from verifier.jws import ALGORITHMS
from verifier.presentation import device_key
from verifier.status import Status
from verifier.suites import SigningKey
from verifier.times import shanghai_day

#: The key of a department at a time.
KeyOf = Callable[[str, datetime], SigningKey]

_MOST_HELD = 100
_REFUSED = {
    "field_not_needed": "该事项的材料项不需要这些字段：{}。",
    "field_not_for_receiver": "证照类型不允许向这一层级的接收单位给出：{}。",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What an extract is taken from: the certificate and its face, and the slot of the matter that it satisfies."""

    row: Certificate
    face: dict[str, Any]
    definition: TypeDefinition
    matter: Matter
    slot: Slot


def make(work: Work, request: ExtractRequest, use: Use, key_of: KeyOf) -> Extract | ExtractDraft:
    """Make the extract of a certificate for a use of the actor's department, with its log entry.

    It is signed by the certificate's issuer, who must be allowed to issue now; where the issuer signs itself, it waits
    for that as a draft (registry.extracts.detached). Raises InvalidDraftError, NotFoundError
    (certificate, receiver), NotPermittedError (another's use; a use that would be refused now; a field that the matter
    does not need or the type does not let go to the receiver; a receiver or an issuer without a right to the type),
    TransitionError (the issuer's key is SM2), NotAnchoredYetError, KeyUnavailableError.
    """
    source = _source(work, request, use)
    request = _checked(work, request, source)
    fields = _fields(work, request, source)
    signed_entry = original_entry(work, source.row.id)
    made_at = work.at.replace(microsecond=0)
    issuer = source.row.department
    key = None if detached.signs_itself(work, issuer) else key_of(issuer, made_at)
    suite = detached.own_key(work, issuer).suite if key is None else key.public.suite
    if suite not in ALGORITHMS:
        message = "发证部门使用国密 SM2 密钥，尚无登记的 JOSE 算法名称，不能出具摘录件；可以改用加注件。"
        raise TransitionError("sm2", "extract", message, "suite_without_jose")
    device = _device(work, source.row.id)
    occasion = Occasion(
        id=new_id_text(work.at, work.draw), receiver=request.receiver, matter_code=source.matter.code,
        matter_name=source.matter.name, purpose=use.purpose, case_no=use.case_no, made_at=made_at,
        ends_at=request.expires_at,
    )  # fmt: skip
    unsigned = draft_extract(
        rules.select(source.face, fields), signed_entry, occasion, origin_of(work.session.connection()), work.draw,
        None if device is None else device_key(device.public_key),
    )  # fmt: skip
    making = Making(use, occasion, fields, None if device is None else device.id)
    if key is None:
        return detached.keep(work, making, issuer, unsigned)
    return store(work, making, unsigned.signed(key.public, key.sign(unsigned.to_be_signed(key.public))), work.actor.id)


def _checked(work: Work, request: ExtractRequest, source: Source) -> ExtractRequest:
    """The request in whole seconds, if it has no faults and its receiver and the issuer have the rights it takes."""
    cut = ExtractRequest(
        request.certificate_id, request.receiver, request.expires_at.replace(microsecond=0), request.fields
    )
    errors = rules.check_request(cut, work.at, source.row.valid_to_on)
    if errors:
        raise InvalidDraftError(errors)
    today, type_code = shanghai_day(work.at), source.row.type_code
    departments.get(work, cut.receiver)
    if not departments.has_scope(work.session, cut.receiver, type_code, "use", today):
        raise NotPermittedError("receiver_not_entitled", "接收单位无权使用此类证照，不能向其出具摘录件。")
    if not departments.has_scope(work.session, source.row.department, type_code, "issue", today):
        message = "发证部门现在无权颁发此类证照（权限到期或已被暂停），不能以其名义出具摘录件。"
        raise NotPermittedError("issuer_not_entitled", message)
    return cut


def _source(work: Work, request: ExtractRequest, use: Use) -> Source:
    if work.actor.department is None or use.department != work.actor.department:
        raise NotFoundError("use_unknown", "本部门没有对该证照的这次用证，请核对编号。")
    if (use.item_kind, use.item_id) != ("certificate", request.certificate_id):
        raise NotFoundError("use_unknown", "本部门没有对该证照的这次用证，请核对编号。")
    reason = uses.refusal_now(work, use)
    if reason is not None:
        raise NotPermittedError(reason, REASONS[reason])
    return source_of(work, use.item_id, use.matter_code, use.slot_code)


def source_of(work: Work, certificate_id: str, matter_code: str, slot_code: str | None = None) -> Source:
    """What an extract for a matter would be taken from; without a slot's code, the first that accepts the type.

    Raises NotFoundError (certificate, matter), NotPermittedError (no such slot).
    """
    row, matter = certificates.get(work, certificate_id), catalogue.get_matter(work, matter_code)
    for slot in catalogue.slots_of(work, matter_code):
        if row.type_code in slot.accepts and slot_code in (None, slot.code):
            registered = catalogue.definition_at(work, row.type_code, row.type_version)
            definition = rules.governed_by(catalogue.definition_of(work, row.type_code), registered)
            return Source(row, orjson.loads(row.face), definition, matter, slot)
    raise NotPermittedError("type_not_accepted", REASONS["type_not_accepted"])


def choice_of(work: Work, source: Source, receiver: str) -> Choice:
    """What may go out to this receiver, and what stays. Raises NotFoundError."""
    return rules.choose(source.face, source.slot, source.definition, departments.get(work, receiver).level)


def _fields(work: Work, request: ExtractRequest, source: Source) -> tuple[str, ...]:
    choice = choice_of(work, source, request.receiver)
    if request.fields is None:
        return choice.going
    refused = rules.refusal(request.fields, choice)
    if refused is not None:
        reason, parts = refused
        known = rules.parts_of(source.face)
        titles = [rules.title_of(part, source.definition) if part in known else part[:60] for part in parts]
        raise NotPermittedError(reason, _REFUSED[reason].format("、".join(titles)), {"fields": parts})
    return tuple(part for part in choice.going if part in request.fields)


def _device(work: Work, certificate_id: str) -> Device | None:
    """The phone of the certificate's holder, where there is one holder who uses one."""
    holders = certificates.holders_of(work, certificate_id)
    return devices.in_use(work, holders[0]) if len(holders) == 1 else None


def get(work: Work, extract_id: str) -> Extract:
    """An extract that the actor's department made, receives or issued; auditors see all.

    Raises NotFoundError, TransitionError: its issuer has not signed it yet.
    """
    found = work.session.get(Extract, extract_id) or work.session.get(ExtractDraft, extract_id)
    if found is None or not _may_see(work, found, certificates.get(work, found.certificate_id)):
        raise NotFoundError("extract_unknown", "没有这份摘录件，请核对编号。")
    if isinstance(found, ExtractDraft):
        message = "这份摘录件正等待发证部门签署，签署后即可下载。"
        raise TransitionError("draft", "take", message, "awaiting_signature")
    return found


def list_of(work: Work, certificate_id: str) -> list[Extract | ExtractDraft]:
    """The extracts of a certificate that the actor may see, drafts too, newest first. Raises NotFoundError."""
    row = certificates.get(work, certificate_id)
    found: list[Extract | ExtractDraft] = []
    for table in (Extract, ExtractDraft):
        found += work.session.scalars(select(table).where(table.certificate_id == certificate_id))
    return sorted((one for one in found if _may_see(work, one, row)), key=lambda one: one.id, reverse=True)


def held_by(work: Work, device_id: str) -> list[Extract]:
    """The extracts that are bound to a phone and hold now, newest first."""
    query = select(Extract).where(Extract.device_id == device_id, Extract.expires_at > work.at)
    found = work.session.scalars(query.order_by(Extract.id.desc()).limit(_MOST_HELD))
    return [one for one in found if state_of(work, one) is Status.VALID]


def fields_by_use(work: Work, use_ids: list[str]) -> dict[str, list[str]]:
    """What was told of certificates, by use: names of parts, each once."""
    told: dict[str, list[str]] = {}
    for one in work.session.scalars(select(Extract).where(Extract.use_id.in_(use_ids)).order_by(Extract.id)):
        known = told.setdefault(one.use_id, [])
        known += [part for part in one.fields if part not in known]
    return told


def _may_see(work: Work, extract: Extract | ExtractDraft, row: Certificate) -> bool:
    departments_of = (extract.department, extract.receiver, row.department)
    return work.actor.has_role("auditor") or work.actor.department in departments_of


def state_of(work: Work, extract: Extract | ExtractDraft) -> Status | None:
    """VALID, the original's state where that is not in force, or None once the extract is past its own end."""
    original = Status(certificates.get(work, extract.certificate_id).status)
    if original is not Status.VALID:
        return original
    return None if work.at >= extract.expires_at else Status.VALID
