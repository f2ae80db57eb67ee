"""Use cases of devices: hand out a ticket, enrol by it, renew the code, end a device."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from registry.accounts.rules import new_secret, secret_digest
from registry.certificates.names import normalise_code
from registry.codes import bound
from registry.codes.tables import Code
from registry.departments import service as departments
from registry.devices import rules
from registry.devices.tables import Device, EnrolmentTicket
from registry.errors import (
    AuthenticationError,
    DuplicateError,
    FieldError,
    InvalidDraftError,
    NotFoundError,
    NotPermittedError,
    TransitionError,
)
from registry.ids import id_bytes, new_id_text
from registry.log import service as log
from registry.scans import service as scans
from registry.scans.tables import Scan
from registry.uses import service as uses
from registry.uses.tables import Use
from registry.venues import service as venues
from registry.venues.tables import VisitRow
from registry.work import Work
from verifier.commitment import seal
from verifier.device_request import DeviceRequest
from verifier.entry import Entry, Kind
from verifier.identifiers import IdentifierError, check_holder_number, is_organisation
from verifier.presentation import device_key
from verifier.suites import PublicKey, SigningKey

ENROL, RENEW, USES, EXTRACTS = "enrol", "renew", "uses", "extracts"

#: What an entry says happened to a device.
EVENTS = {"enrolled": 1, "lost": 2, "withdrawn": 3, "replaced": 4}
_PIN = "enrolment-pin"


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket with its secret (for the QR) and its PIN (to be told by word of mouth); both are shown once."""

    ticket: EnrolmentTicket
    secret: str
    pin: str


def hand_out(work: Work, holder: tuple[str, str], types: Sequence[str], venues_shown: Sequence[str]) -> NewTicket:
    """A ticket for the phone of the person (code type, number) who stands at the window.

    Raises InvalidDraftError (also when the person holds nothing of what is to be shown), NotPermittedError.
    """
    errors = rules.check_grants(types, venues_shown)
    index, wrong = _index(work, holder)
    if errors or wrong:
        raise InvalidDraftError([*errors, *wrong])
    if work.actor.department is None:
        raise NotPermittedError("no_department", "只有部门的窗口可以办理手机登记。")
    departments.check_standing(work, work.actor.department)
    wanted = {"types": list(types), "venues": list(venues_shown)}
    bound.check_held(work, index, wanted)
    secret, pin, ticket_id = new_secret(work.draw), rules.new_pin(work.draw), new_id_text(work.at, work.draw)
    ticket = EnrolmentTicket(
        id=ticket_id, secret_sha256=secret_digest(secret), pin_digest=_pin_digest(work, ticket_id, pin),
        holder_index=index, wanted=wanted, department=work.actor.department, created_at=work.at,
        created_by=work.actor.id, expires_at=work.at + rules.TICKET_LASTS, attempts=0,
    )  # fmt: skip
    work.session.add(ticket)
    work.session.flush()
    return NewTicket(ticket, secret, pin)


def enrol(work: Work, request: DeviceRequest, key: SigningKey) -> tuple[Device, Code]:
    """Enrol the phone that signed this request [ticket's secret, PIN, public key]; an older phone of the person ends.

    The same request by the same phone again changes nothing. Raises AuthenticationError (ticket or PIN; a wrong PIN is
    counted), DuplicateError (the key was enrolled before), NotPermittedError (the ticket's
    department is suspended), SignatureError, MalformedError, ValidityError, BusyError.
    """
    public = device_key(request.arguments[2] if len(request.arguments) > 2 else None)
    request.check(public, ENROL, work.at)
    ticket = _ticket(work, request.text(0))
    if ticket.device_id is not None:
        known = get(work, ticket.device_id)
        if known.public_key == public.raw:
            return known, bound.get(work, known.code_id)
    departments.check_standing(work, ticket.department)
    rules.check_ticket(ticket.expires_at, ticket.attempts, ticket.device_id is not None, work.at)
    if not hmac.compare_digest(ticket.pin_digest, _pin_digest(work, ticket.id, request.text(1))):
        ticket.attempts += 1
        left = rules.MAX_ATTEMPTS - ticket.attempts
        raise AuthenticationError(
            "wrong_pin", f"口令不对，还可以再试 {left} 次。" if left else "口令不对，凭条已作废。"
        )
    _check_fresh_key(work, public)
    older = in_use(work, ticket.holder_index)
    if older is not None:
        _end(work, older, "replaced")
    code = bound.issue(work, ticket.holder_index, ticket.wanted, public, ticket.department, rules.CODE_LASTS, key)
    device = Device(
        id=new_id_text(work.at, work.draw), holder_index=ticket.holder_index, public_key=public.raw,
        department=ticket.department, code_id=code.id, enrolled_at=work.at, enrolled_by=ticket.created_by,
        renewed_at=work.at,
    )  # fmt: skip
    work.session.add(device)
    work.session.flush()
    ticket.device_id = device.id
    _log(work, device, "enrolled")
    return device, code


def renew(work: Work, request: DeviceRequest, key: SigningKey) -> tuple[Device, Code]:
    """The present code of the phone that signed this request [device id]: signed anew where it is due.

    Raises NotFoundError, TransitionError (the device ended, or its code is out of force), SignatureError,
    MalformedError, ValidityError.
    """
    device = asking(work, request, RENEW)
    code = bound.renew(work, device.code_id, device.holder_index, rules.CODE_LASTS, rules.RENEWED_AFTER, key)
    device.renewed_at = work.at
    return device, code


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a person's items and of their phone's code, newest first."""

    uses: list[Use]
    visits: list[VisitRow]
    scans: list[Scan]


def seen_by(work: Work, request: DeviceRequest) -> Seen:
    """Every use of what the phone's owner holds, every visit with this phone's code, and every look of a window at a
    code of theirs. Raises as `renew` does."""
    device = asking(work, request, USES)
    return Seen(
        uses.of_holder(work, device.holder_index),
        venues.visits_of_code(work, device.code_id),
        scans.of_holder(work, device.holder_index),
    )


def asking(work: Work, request: DeviceRequest, action: str) -> Device:
    """The device in use that signed this request, whose first argument is its id. Raises as `renew` does."""
    query = select(Device).where(Device.id == request.text(0)).with_for_update()
    device = work.session.scalars(query.execution_options(populate_existing=True)).first()
    if device is None:
        raise _unknown()
    request.check(device_key(device.public_key), action, work.at)
    rules.check_in_use(device.ended_by_reason)
    return device


def end(work: Work, device_id: str, reason: str) -> Device:
    """Put a device out of use at once as lost or withdrawn, its code with it; repeating it changes nothing.

    Any window may do it: whoever lost a phone goes to the nearest one. Raises NotFoundError, InvalidDraftError.
    """
    if reason not in rules.REASONS:
        raise InvalidDraftError(
            [FieldError("reason", "unknown_reason", "停用原因应为 lost（挂失）或 withdrawn（注销）。")]
        )
    query = select(Device).where(Device.id == device_id).with_for_update()
    device = work.session.scalars(query.execution_options(populate_existing=True)).first()
    if device is None:
        raise _unknown()
    if device.ended_at is None:
        _end(work, device, reason)
    elif device.ended_by_reason != reason:
        raise TransitionError(device.ended_by_reason or "", "end", "这部手机的登记已经停用。", reason="already_ended")
    return device


def of_holder(work: Work, holder: tuple[str, str]) -> list[Device]:
    """Every device that was ever enrolled for a person (code type, number), newest first. Raises InvalidDraftError."""
    index, wrong = _index(work, holder)
    if wrong:
        raise InvalidDraftError(wrong)
    return list(work.session.scalars(select(Device).where(Device.holder_index == index).order_by(Device.id.desc())))


def in_use(work: Work, holder_index: bytes) -> Device | None:
    """The one device a person uses now."""
    query = select(Device).where(Device.holder_index == holder_index, Device.ended_at.is_(None)).with_for_update()
    return work.session.scalars(query.execution_options(populate_existing=True)).first()


def holder_of(work: Work, code: Code) -> bytes:
    """The blind index of the person whose code this is: a phone's code stands in a line of its own."""
    device = work.session.scalars(select(Device).where(Device.code_id == code.id)).one_or_none()
    return device.holder_index if device is not None else bytes.fromhex(code.subject)


def get(work: Work, device_id: str) -> Device:
    """The device of this id. Raises NotFoundError."""
    found = work.session.get(Device, device_id)
    if found is None:
        raise _unknown()
    return found


def _ticket(work: Work, secret: str) -> EnrolmentTicket:
    digest = secret_digest(secret)
    query = select(EnrolmentTicket).where(EnrolmentTicket.secret_sha256 == digest).with_for_update()
    found = work.session.scalars(query.execution_options(populate_existing=True)).first()
    if found is None:
        raise AuthenticationError("ticket_unknown", "登记凭条无效，请在窗口重新领取。")
    return found


def _check_fresh_key(work: Work, public: PublicKey) -> None:
    known = work.session.scalars(select(Device).where(Device.public_key == public.raw)).first()
    if known is not None:
        raise DuplicateError("device_known", "这部手机的密钥已登记过；请在手机上清除后重新登记。", known.id)


def _end(work: Work, device: Device, reason: str) -> None:
    bound.end(work, device.code_id, rules.END_STATUS[reason])
    device.ended_at, device.ended_by_reason = work.at, reason
    work.session.flush()
    _log(work, device, reason)


def _log(work: Work, device: Device, event: str) -> None:
    content = {"device": device.id, "event": event, "key": device.public_key.hex(), "code_id": device.code_id}
    entry = Entry(
        kind=Kind.DEVICE, item=id_bytes(device.id), department=device.department, recorded_at=work.at,
        digest=seal(content, work.draw).digest, facts={"event": EVENTS[event]},
    )  # fmt: skip
    log.submit(work, entry)


def _pin_digest(work: Work, ticket_id: str, pin: str) -> bytes:
    # Under the blind index's key: six digits alone would be found at once by whoever copies the database.
    return work.blind.of(_PIN, f"{ticket_id}|{pin}")


def _index(work: Work, holder: tuple[str, str]) -> tuple[bytes, list[FieldError]]:
    code_type, number = holder[0], normalise_code(holder[1])
    if is_organisation(code_type):
        return b"", [FieldError("holder_code_type_code", "not_a_person", "手机只能为自然人登记。")]
    try:
        check_holder_number(code_type, number)
    except IdentifierError as wrong:
        return b"", [FieldError("holder_code", wrong.reason, f"{wrong.message}。")]
    return work.blind.of(code_type, number), []


def _unknown() -> NotFoundError:
    return NotFoundError("device_unknown", "没有登记这部手机，请到窗口登记。")
