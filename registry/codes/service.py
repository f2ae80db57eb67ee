"""Use cases of codes: issue, re-issue, report a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from registry.catalogue import service as catalogue
from registry.certificates import service as certificates
from registry.certificates.names import normalise_code
from registry.codes import enterprises, printing, rules
from registry.codes.tables import Code
from registry.departments import service as departments
from registry.errors import BusyError, FieldError, InvalidDraftError, NotFoundError, NotPermittedError, TransitionError
from registry.ids import id_bytes, id_text, new_id
from registry.log import service as log
from registry.relatives import service as relatives
from registry.statuses import service as statuses
from registry.venues import service as venues
from registry.work import Work
from verifier.code import CODE_ID_BYTES, CodeClaims, CodeKind, Grant, GrantKind, sign_code
from verifier.commitment import seal
from verifier.entry import Entry, Kind
from verifier.identifiers import IdentifierError, check_holder_number
from verifier.status import CHINESE, Status
from verifier.suites import PublicKey, SigningKey
from verifier.times import SHANGHAI, shanghai_day


def issue(work: Work, request: rules.CodeRequest, key: SigningKey) -> Code:
    """Issue the next generation of a code; an older one of the same kind and subject is dead from now on (SUPERSEDED).

    `key` must be in force for the kind's purpose. Raises InvalidDraftError (also when the person holds nothing of what
    is to be shown, or may have no printed code, or the enterprise has another name), NotFoundError (venue),
    NotPermittedError (also a relative who is not bound, and an enterprise's code that another department issued),
    BusyError (the same code is being issued elsewhere).
    """
    errors = rules.check_request(request)
    if errors:
        raise InvalidDraftError(errors)
    subject, name = _subject(work, request)
    _check_may_issue(work, request.kind)
    claimed_by = printing.check_claim(work, request) if request.kind is CodeKind.PRINTED else None
    wanted = {"types": list(request.types), "venues": list(request.venues)}
    grants = grants_of(work, bytes.fromhex(subject), wanted) if request.kind in rules.OF_PEOPLE else ()
    older = newest(work, request.kind, subject)
    if request.kind is CodeKind.ENTERPRISE:
        enterprises.check(work, subject, name or "", older)
    lasts = request.lasts or rules.LONGEST[request.kind]
    generation = (older.generation if older else 0) + 1
    code = store(work, request.kind, subject, name, grants, wanted, lasts, generation, key, place=request.place)
    code.claimed_by = claimed_by
    if older is not None:
        retire(work, older, Status.SUPERSEDED, code)
    if request.kind is CodeKind.VENUE:
        _end_posters(work, subject)
    return code


def _subject(work: Work, request: rules.CodeRequest) -> tuple[str, str | None]:
    if request.kind in rules.OF_PEOPLE and request.holder is not None:
        code_type, number = request.holder[0], normalise_code(request.holder[1])
        try:
            check_holder_number(code_type, number, "holder")
        except IdentifierError as wrong:
            raise InvalidDraftError([FieldError("holder", wrong.reason, f"{wrong.message}。")]) from wrong
        return work.blind.of(code_type, number).hex(), None
    if request.kind is CodeKind.VENUE:
        venue = venues.get(work, request.subject or "")
        if work.actor.kind != "registry" and work.actor.department != venue.department:
            raise NotPermittedError("not_the_venues_department", "只能为本部门的场所签发场所码。")
        return venue.id, venue.name
    return request.subject or "", (request.name or "").strip()


def grants_of(
    work: Work, holder_index: bytes, wanted: Mapping[str, Sequence[str]], *, all_of_them: bool = True
) -> tuple[Grant, ...]:
    """What the person holds of what is wanted, the longest lasting of each.

    Raises InvalidDraftError if one lacks; with all_of_them=False that one is left out.
    """
    today = shanghai_day(work.at)
    held = [
        rules.Holding(row.type_code, (row.status_list, row.status_index), _end(row.valid_to_on))
        for row in certificates.of_holder(work, holder_index)
        if row.status == Status.VALID and row.valid_from_on <= today and _end(row.valid_to_on) > work.at
    ]
    passes = [
        rules.Holding(row.venue_id, (row.status_list, row.status_index), row.valid_to_at)
        for row in venues.passes_of(work, holder_index, work.at)
    ]
    shown = rules.best(held, wanted["types"]), rules.best(passes, wanted["venues"])
    missing = [ref for ref in wanted["types"] if ref not in shown[0]] + [
        ref for ref in wanted["venues"] if ref not in shown[1]
    ]
    if missing and all_of_them:
        message = f"此人没有有效的{_name_of(work, missing[0])}。"
        raise InvalidDraftError([FieldError("types", "holds_nothing_of_it", message)])
    return tuple(
        Grant(kind, holding.ref, *holding.slot, min(holding.until, rules.FAR))
        for kind, chosen in zip((GrantKind.CERTIFICATE, GrantKind.PASS), shown, strict=True)
        for holding in sorted(chosen.values(), key=lambda holding: holding.ref)
    )


def _name_of(work: Work, ref: str) -> str:
    found_type, venue = catalogue.find_type(work, ref), venues.find(work, ref)
    return found_type.name if found_type else f"“{venue.name}”的通行证" if venue else ref


def _end(valid_to_on: Any) -> datetime:
    if valid_to_on is None:
        return rules.FAR
    return datetime.combine(valid_to_on, time.min, SHANGHAI) + timedelta(days=1)


def poster_subject(venue_id: str, number: int) -> str:
    """The subject of the n-th poster's code in the table: its claims name the venue alone."""
    return f"{venue_id}#{number}"


def _end_posters(work: Work, venue_id: str) -> None:
    """A new generation of a venue's code ends every poster of the older ones."""
    query = select(Code).where(
        Code.kind == int(CodeKind.VENUE), Code.subject.startswith(f"{venue_id}#"), Code.status == int(Status.VALID)
    )
    for code in work.session.scalars(query.with_for_update()).all():
        retire(work, code, Status.SUPERSEDED)


def newest(work: Work, kind: CodeKind, subject: str) -> Code | None:
    """The newest generation of a kind and subject, locked."""
    query = select(Code).where(Code.kind == int(kind), Code.subject == subject)
    query = query.order_by(Code.generation.desc()).limit(1).with_for_update()
    return work.session.scalars(query.execution_options(populate_existing=True)).first()


def store(
    work: Work,
    kind: CodeKind,
    subject: str,
    name: str | None,
    grants: tuple[Grant, ...],
    wanted: dict[str, list[str]],
    lasts: timedelta,
    generation: int,
    key: SigningKey,
    department: str | None = None,
    device: PublicKey | None = None,
    place: str | None = None,
) -> Code:
    """Store a new code with its entry: a generation of a line that the caller has looked up. Raises BusyError."""
    ((list_id, slot),) = statuses.allot(work, 1)
    # Codes carry whole seconds; a code must not end before it begins.
    issued_at = work.at.replace(microsecond=0)
    claims = CodeClaims(
        kind=kind, code_id=work.draw(CODE_ID_BYTES), generation=generation, status_list=list_id, status_index=slot,
        issued_at=issued_at, expires_at=issued_at + lasts, name=None if kind is CodeKind.VENUE else name,
        subject=None if kind in rules.OF_PEOPLE else subject.partition("#")[0], grants=grants, device_key=device,
        place=place,
    )  # fmt: skip
    text, *grant_texts = [sign_code(one, key) for one in (rules.apart(claims) if device else (claims,))]
    if kind is CodeKind.PRINTED and len(text) > rules.MAX_PRINTED_CHARS:
        message = "印制的码放不下这么多权益，请减少：大约可放一项证照加一张通行证，或两张通行证。"
        raise InvalidDraftError([FieldError("types", "too_large_for_print", message)])
    item = new_id(work.at, work.draw)
    department = department or work.actor.department or departments.operator(work).code
    code = Code(
        id=claims.code_id.hex(), item_id=id_text(item), kind=int(kind), subject=subject, generation=generation,
        name=name, place=place, department=department, status=int(Status.VALID), status_list=list_id,
        status_index=slot,
        wanted=wanted, issued_at=issued_at, issued_by=work.actor.id, expires_at=claims.expires_at,
        text=text, device_key=None if device is None else device.raw, grant_texts=grant_texts if device else None,
    )  # fmt: skip
    try:
        with work.session.begin_nested():
            work.session.add(code)
            work.session.flush()
    except IntegrityError as rival:
        raise BusyError("code_contended", "同一对象的码正在被另一请求签发，请稍后重试。") from rival
    record(work, code)
    return code


def record(work: Work, code: Code) -> None:
    """Put the code as it is now into the log."""
    texts = {"text": code.text} | ({} if code.grant_texts is None else {"grant_texts": code.grant_texts})
    content = {"code_id": code.id, "kind": code.kind, "generation": code.generation} | texts
    entry = Entry(
        kind=Kind.CODE,
        item=id_bytes(code.item_id),
        department=code.department,
        recorded_at=work.at,
        digest=seal(content, work.draw).digest,
        facts={
            "code_kind": code.kind,
            "generation": code.generation,
            "status": code.status,
            "status_list": code.status_list,
            "status_index": code.status_index,
        },
    )
    log.submit(work, entry)


def retire(work: Work, code: Code, status: Status, replaced_by: Code | None = None) -> None:
    """Put a code out of force; one that is so already keeps its state."""
    if code.status == Status.VALID:
        code.status = int(status)
        statuses.set_status(work, code.status_list, code.status_index, status)
        record(work, code)
    code.replaced_by = replaced_by.id if replaced_by else code.replaced_by
    work.session.flush()


def reissue(work: Work, code_id: str, key: SigningKey, lasts: timedelta | None = None) -> Code:
    """A new generation for the subject of a code, with the same grants as far as they still hold; the old one is dead.

    Raises NotFoundError, NotPermittedError, InvalidDraftError, TransitionError (not the newest generation; a printed
    code, which is claimed again with the holder's number, so that age and relation are looked at again), BusyError.
    """
    code = _own(work, code_id)
    kind = CodeKind(code.kind)
    _check_may_issue(work, kind)
    if kind is CodeKind.PRINTED:
        message = "离线码请凭证件号码再次申领，原码随即失效。"
        raise TransitionError(Status(code.status).name.lower(), "reissue", message, reason="claim_again")
    if code.device_key is not None:
        message = "手机上的码由手机自动换发；换手机或手机遗失请在“手机登记”中办理。"
        raise TransitionError("bound", "reissue", message, reason="bound_to_a_device")
    if "#" in code.subject:
        raise TransitionError("poster", "reissue", "海报请在场所页面另做一张。", reason="make_another_poster")
    last = newest(work, kind, code.subject)
    if last is None or last.id != code.id:
        raise TransitionError("superseded", "reissue", "该码已被新码替代，请对最新的码操作。", reason="not_the_newest")
    grants = grants_of(work, bytes.fromhex(code.subject), code.wanted) if kind in rules.OF_PEOPLE else ()
    lasts = min(lasts or code.expires_at - code.issued_at, rules.LONGEST[kind])
    generation = code.generation + 1
    fresh = store(work, kind, code.subject, code.name, grants, code.wanted, lasts, generation, key, place=code.place)
    retire(work, code, Status.SUPERSEDED, fresh)
    if kind is CodeKind.VENUE:
        _end_posters(work, code.subject)
    return fresh


def report_loss(work: Work, code_id: str) -> Code:
    """Put a code out of force as lost (挂失); repeating it changes nothing.

    Raises NotFoundError, NotPermittedError, TransitionError (out of force for another reason).
    """
    return _lose(work, _own(work, code_id))


def _lose(work: Work, code: Code) -> Code:
    if code.status == Status.LOST:
        return code
    if code.status != Status.VALID:
        message = f"该码{CHINESE[Status(code.status)]}，不能挂失。"
        raise TransitionError(Status(code.status).name.lower(), "report_loss", message)
    retire(work, code, Status.LOST)
    return code


def revoke(work: Work, code_id: str) -> Code:
    """Put a code out of force for good: what it stands on is gone. Repeating it changes nothing.

    Raises NotFoundError, NotPermittedError.
    """
    code = _own(work, code_id)
    retire(work, code, Status.REVOKED)
    return code


def lose_printed(work: Work, holder: tuple[str, str]) -> Code:
    """Put a person's printed code out of force as lost, whichever department issued it: whoever lost the paper has no
    number of it to tell. Repeating it changes nothing. Raises InvalidDraftError, NotFoundError, TransitionError.
    """
    subject = relatives.index_of(work, holder, "holder").hex()
    code = newest(work, CodeKind.PRINTED, subject)
    if code is None:
        raise NotFoundError("no_printed_code", "此人没有领过离线码，请核对证件号码。")
    return _lose(work, code)


def _check_may_issue(work: Work, kind: CodeKind) -> None:
    _check_desk(work, kind)
    if work.actor.department is not None:
        departments.check_standing(work, work.actor.department)


def _check_desk(work: Work, kind: CodeKind) -> None:
    if kind in rules.OF_DESKS and not work.actor.has_role("registrar", "window"):
        raise NotPermittedError("desk_needed", "个人码、离线码和企业码由窗口或登记员办理。")


def _own(work: Work, code_id: str) -> Code:
    query = select(Code).where(Code.id == code_id).with_for_update()
    code = work.session.scalars(query.execution_options(populate_existing=True)).first()
    if code is None:
        raise _unknown()
    if work.actor.kind != "registry" and work.actor.department != code.department:
        raise NotPermittedError("not_the_issuer", "只能办理本部门签发的码。")
    return code


def find(work: Work, code_id: str) -> Code | None:
    """The code of this id (16 hexadecimal digits)."""
    return work.session.get(Code, code_id)


def get(work: Work, code_id: str) -> Code:
    """The code of this id. Raises NotFoundError."""
    found = find(work, code_id)
    if found is None:
        raise _unknown()
    return found


def get_own(work: Work, code_id: str) -> Code:
    """A code of the actor's own department, whose text it may see: whoever has the text can show the code.

    Raises NotFoundError, NotPermittedError.
    """
    row = get(work, code_id)
    if work.actor.department != row.department:
        raise NotPermittedError("not_the_issuer", "只能查看本部门签发的码。")
    _check_desk(work, CodeKind(row.kind))
    return row


def find_newest(work: Work, kind: CodeKind, subject: str) -> Code | None:
    """The newest generation of a kind and subject, whatever its state."""
    query = select(Code).where(Code.kind == int(kind), Code.subject == subject)
    return work.session.scalars(query.order_by(Code.generation.desc()).limit(1)).first()


def list_page(work: Work, department: str | None = None, limit: int = 50, kind: CodeKind | None = None) -> list[Code]:
    """The newest codes that stand alone, of one department and one kind if given."""
    query = (
        select(Code)
        .where(Code.device_key.is_(None))
        .order_by(Code.issued_at.desc(), Code.id)
        .limit(max(1, min(limit, 200)))
    )
    if department is not None:
        query = query.where(Code.department == department)
    if kind is not None:
        query = query.where(Code.kind == kind)
    return list(work.session.scalars(query))


def _unknown() -> NotFoundError:
    return NotFoundError("code_unknown", "没有这个码，请核对编号。")
