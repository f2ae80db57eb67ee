"""Use cases of uses: rely on an item for a case; see who relied on what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

from sqlalchemy import insert, select

from registry import upserts
from registry.authorisations import rules as authorisation_rules
from registry.authorisations import service as authorisations
from registry.authorisations.tables import Authorisation
from registry.catalogue import service as catalogue
from registry.catalogue.tables import Matter
from registry.certificates import service as certificates
from registry.certificates.names import normalise_code
from registry.delegations import showing
from registry.delegations.rules import Shown
from registry.departments import service as departments
from registry.departments.standing import suspended_among
from registry.disputes import marks
from registry.errors import InvalidDraftError, NotFoundError, NotPermittedError, ReuseRefusedError
from registry.ids import id_bytes, id_text, new_id, new_id_text
from registry.items import Item, find_item
from registry.keys.own import signs_itself
from registry.log import service as log
from registry.signing.service import is_awaited
from registry.uses import rules
from registry.uses.rules import ReuseRequest
from registry.uses.tables import Consumption, Use, UseHolder, UseRefusal
from registry.work import Work
from verifier.commitment import Sealed, seal
from verifier.entry import Entry, Kind
from verifier.times import shanghai_day


def subject_index(work: Work, code_type: str, code: str) -> bytes:
    """The blind index of an applicant, for a request."""
    return work.blind.of(code_type, normalise_code(code))


def reuse(work: Work, request: ReuseRequest) -> Use:
    """Rely on an item for a case, as the actor's department: use, log entry, count, and consumption in one transaction.

    A one-time item has exactly one use, whoever asks at the same moment. Raises ReuseRefusedError with one of
    rules.REASONS (recorded; for `already_used` the evidence is the first use), NotFoundError (item), InvalidDraftError.
    """
    errors = rules.check_request(request)
    if errors:
        raise InvalidDraftError(errors)
    department = work.actor.department
    if department is None:
        raise NotPermittedError("no_department", "只有部门可以用证，请使用部门账号。")
    item = find_item(work, request.item_kind, request.item_id)
    if item is None:
        raise NotFoundError("item_unknown", "没有登记该证照或材料，请核对编号。")
    chain = [] if request.shown else authorisations.lock_chain(work, request.authorisation_id)
    facts = _gather(work, request, department, item, chain)
    reason = rules.refusal(request, facts)
    if request.shown is not None and reason == "authorisation_missing":
        request, chain, reason = _by_delegation(work, request, request.shown, facts)
    if reason is not None:
        _refuse(work, request, department, reason, {"item_status": item.status.name.lower()})
    return _store(work, request, department, item, chain, facts)


def obstacle(work: Work, item_kind: str, item_id: str) -> str | None:
    """The reason of rules.REASONS that lies in an item or in the actor's scope, whatever case and authorisation."""
    department, item = work.actor.department, find_item(work, item_kind, item_id)
    if department is None or item is None:
        return "not_entitled"
    asked = ReuseRequest(item_kind, item_id, "", "", "", "", None, "", "")
    facts = _gather(work, asked, department, item, [])
    if not facts.scope:
        return "not_entitled"
    used = "already_used" if consumption_of(work, item_kind, item_id) else None
    return rules.item_refusal(facts) or used


def _by_delegation(
    work: Work, request: ReuseRequest, shown: Shown, facts: rules.Facts
) -> tuple[ReuseRequest, list[Authorisation], str | None]:
    """The request under the authorisation that the shown code gives; or why it gives none, and then nothing stays."""
    case = showing.Case(facts.department, request.matter_code, request.case_no.strip())
    reason = showing.refusal(work, shown, case, facts.type_code)
    if reason is not None:
        return request, [], reason
    if work.blind.of("001", shown.enterprise) not in facts.holders:
        return request, [], "delegation_wrong_enterprise"
    tried = work.session.begin_nested()
    row = showing.authorise(work, shown, case, facts.type_code)
    chain = authorisations.lock_chain(work, row.id)
    reason = rules.refusal(request, replace(facts, chain=chain))
    if reason is not None:
        tried.rollback()
        return request, [], reason
    tried.commit()
    return replace(request, authorisation_id=row.id), chain, None


def _gather(work: Work, request: ReuseRequest, department: str, item: Item, chain: list[Authorisation]) -> rules.Facts:
    row = catalogue.find_matter(work, request.matter_code)
    matter = None
    if row is not None:
        slots = catalogue.slots_of(work, row.code)
        matter = rules.Matter(row.department, row.purpose, slots, retired=row.retired_at is not None)
    today = shanghai_day(work.at)
    wanted = authorisation_rules.Wanted(
        department, item.kind, item.id, item.type_code, request.matter_code, request.purpose.strip(), item.holders,
        work.at,
    )  # fmt: skip
    return rules.Facts(
        matter=matter, department=department, item_status=item.status, item_erased=item.salts is None,
        scope=departments.has_scope(work.session, department, item.type_code, "use", today), type_code=item.type_code,
        valid_from_on=item.valid_from_on, valid_to_on=item.valid_to_on, holders=item.holders, chain=chain,
        wanted=wanted, today=today, held=_is_held(work, item),
        unsigned=_is_unsigned(work, item),
        suspended=bool(suspended_among(work.session, [link.department for link in chain])),
    )  # fmt: skip


def find_covering(work: Work, certificate_id: str, matter: Matter) -> Authorisation | None:
    """An authorisation of the actor's department by which it may use a certificate for a matter of its own now."""
    if matter.department != work.actor.department:
        return None
    row, holders = certificates.get(work, certificate_id), certificates.holders_of(work, certificate_id)
    wanted = authorisation_rules.Wanted(
        matter.department, "certificate", row.id, row.type_code, matter.code, matter.purpose, frozenset(holders),
        work.at,
    )  # fmt: skip
    granted = authorisations.list_granted(work, matter.department)
    return next((one for one in granted if authorisation_rules.refusal((one,), wanted) is None), None)


def refusal_now(work: Work, use: Use) -> str | None:
    """Why a use that was made would be refused now, one of rules.REASONS; None if not. That it counted is no reason."""
    item = find_item(work, use.item_kind, use.item_id)
    if item is None:
        return "item_erased"
    request = ReuseRequest(
        item_kind=use.item_kind, item_id=use.item_id, matter_code=use.matter_code, case_no=use.case_no,
        purpose=use.purpose, authorisation_id=use.authorisation_id, subject_index=use.subject_index,
        operator=use.operator, device=use.device, slot_code=use.slot_code,
    )  # fmt: skip
    chain = authorisations.lock_chain(work, use.authorisation_id)
    facts = _gather(work, request, use.department, item, chain)
    reason = rules.refusal(request, facts)
    return rules.item_refusal(facts) if reason == "authorisation_exhausted" else reason


def _is_held(work: Work, item: Item) -> bool:
    dispute = marks.open_of(work, item.id) if item.kind == "certificate" else None
    return dispute is not None and dispute.holds


def _is_unsigned(work: Work, item: Item) -> bool:
    """Whether its department signs itself and has not yet: the key service's signature is a matter of seconds."""
    return signs_itself(work.session, item.department, work.at) and is_awaited(work.session, item.id, item.department)


def _refuse(work: Work, request: ReuseRequest, department: str, reason: str, evidence: dict[str, Any]) -> NoReturn:
    row = UseRefusal(
        id=new_id_text(work.at, work.draw), item_kind=request.item_kind, item_id=request.item_id,
        department=department, matter_code=request.matter_code, case_no=request.case_no,
        operator=request.operator, device=request.device, reason=reason, evidence=evidence, refused_at=work.at,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    raise ReuseRefusedError(reason, rules.REASONS[reason], {**evidence, "refusal_id": row.id})


def _store(
    work: Work,
    request: ReuseRequest,
    department: str,
    item: Item,
    chain: list[Authorisation],
    facts: rules.Facts,
) -> Use:
    use_item = new_id(work.at, work.draw)
    sealed = seal(_content(work, request, department, item), work.draw)
    if item.one_time:
        _consume(work, request, department, item, id_text(use_item), sealed)
    authorisations.count_use(work, chain)
    entry = Entry(
        kind=Kind.USE, item=use_item, department=department, recorded_at=work.at, digest=sealed.digest,
        facts={"matter": request.matter_code, "one_time": int(item.one_time)},
    )  # fmt: skip
    slot = rules.slot_for(facts.matter, request, item.type_code) if facts.matter else None
    use = Use(
        id=id_text(use_item), item_kind=item.kind, item_id=item.id, department=department,
        matter_code=request.matter_code, slot_code=slot.code if slot else "", case_no=request.case_no.strip(),
        purpose=request.purpose.strip(), authorisation_id=request.authorisation_id,
        subject_index=request.subject_index, operator=request.operator, device=request.device, used_at=work.at,
        content=sealed.canonical, salts=sealed.salts, entry_id=log.submit(work, entry),
    )  # fmt: skip
    work.session.add(use)
    work.session.flush()
    holders = [{"holder_index": holder, "use_id": use.id} for holder in sorted(item.holders)]
    work.session.execute(insert(UseHolder), holders)
    return use


def _content(work: Work, request: ReuseRequest, department: str, item: Item) -> dict[str, Any]:
    """What the use's commitment binds; it names the item by the digest that the log holds of it."""
    return {
        "item_kind": item.kind,
        "item_id": item.id,
        "item_sha256": item.sha256.hex(),
        "department": department,
        "matter_code": request.matter_code,
        "case_no": request.case_no.strip(),
        "purpose": request.purpose.strip(),
        "authorisation_id": request.authorisation_id,
        "operator": request.operator,
        "device": request.device,
        "used_at": work.at.isoformat(),
    }


def _consume(work: Work, request: ReuseRequest, department: str, item: Item, use_id: str, sealed: Sealed) -> None:
    """Make this the item's only use, or refuse with the first one as evidence."""
    assert item.salts is not None
    values = {
        "item_kind": item.kind, "item_id": item.id, "use_id": use_id, "department": department,
        "consumed_at": work.at, "nullifier": rules.nullifier(id_bytes(item.id), item.salts),
        "commitment": sealed.digest.sha256,
    }  # fmt: skip
    # The primary key decides. On PostgreSQL a rival that has not committed is waited for; if it gives up, we win.
    won = work.session.execute(
        upserts.insert_or_ignore(work.session, Consumption).returning(Consumption.use_id), [values]
    ).all()
    if not won:
        _refuse(work, request, department, "already_used", _first_use(work, item))


def _first_use(work: Work, item: Item) -> dict[str, Any]:
    consumption, use = work.session.execute(
        select(Consumption, Use).join(Use, Use.id == Consumption.use_id)
        .where(Consumption.item_kind == item.kind, Consumption.item_id == item.id)
    ).tuples().one()  # fmt: skip
    return {
        "first_use_id": use.id,
        "first_department": consumption.department,
        "first_used_at": consumption.consumed_at.isoformat(),
        "first_entry_id": use.entry_id,
        "first_commitment": consumption.commitment.hex(),
    }


def find(work: Work, use_id: str) -> Use | None:
    """The use of this id."""
    return work.session.get(Use, use_id)


def get(work: Work, use_id: str) -> Use:
    """The use of this id. Raises NotFoundError."""
    found = find(work, use_id)
    if found is None:
        raise NotFoundError("use_unknown", "没有这条用证记录，请核对编号。")
    return found


def relying_on(work: Work, item_kind: str, item_id: str) -> list[Use]:
    """Every use that rests on an item, oldest first: whom to tell when it is withdrawn."""
    query = select(Use).where(Use.item_kind == item_kind, Use.item_id == item_id).order_by(Use.id)
    return list(work.session.scalars(query))


def of_holder(work: Work, holder_index: bytes) -> list[Use]:
    """Every use of anything a person or organisation holds, newest first: what they can see."""
    query = select(Use).join(UseHolder, UseHolder.use_id == Use.id).where(UseHolder.holder_index == holder_index)
    return list(work.session.scalars(query.order_by(Use.id.desc())))


def list_page(work: Work, department: str | None = None, cursor: str | None = None, limit: int = 50) -> list[Use]:
    """Uses, newest first, of one department if given; `cursor` is the last id of the page before."""
    query = select(Use).order_by(Use.id.desc()).limit(max(1, min(limit, 200)))
    if department is not None:
        query = query.where(Use.department == department)
    return list(work.session.scalars(query if cursor is None else query.where(Use.id < cursor)))


def refusals_of(work: Work, item_id: str) -> list[UseRefusal]:
    """Refused uses of an item, newest first."""
    query = select(UseRefusal).where(UseRefusal.item_id == item_id).order_by(UseRefusal.id.desc())
    return list(work.session.scalars(query))


def consumption_of(work: Work, item_kind: str, item_id: str) -> Consumption | None:
    """Who consumed a one-time item, if anyone has."""
    return work.session.get(Consumption, (item_kind, item_id))
