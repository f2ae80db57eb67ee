"""Phones on real databases: tickets, enrolment, renewal, loss; each allowed step beside its forbidden neighbour."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from registry_house import CARE, COMPANY, ELDER, NOON, OTHER_ELDER, SENIOR, House, actor, senior
from sqlalchemy import select
from test_registry_places import RULE

from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.codes.tables import Code
from registry.devices import rules
from registry.devices import service as devices
from registry.devices.tables import Device, EnrolmentTicket
from registry.errors import (
    AuthenticationError,
    DuplicateError,
    InvalidDraftError,
    NotFoundError,
    TransitionError,
)  # fmt: skip
from registry.log.tables import LogEntry
from registry.statuses import service as statuses
from registry.venues import service as venues
from registry.work import Actor
from verifier.code import CodeKind, Grant, open_code
from verifier.device_request import DeviceRequest, open_request, sign_request
from verifier.entry import Entry, Kind
from verifier.errors import MalformedError, SignatureError, ValidityError
from verifier.status import Status
from verifier.suites import SoftwareKey, Suite

pytest_plugins = ["registry_fixtures"]

KEY = SoftwareKey.from_seed(b"s" * 32)
PHONE, OTHER_PHONE = SoftwareKey.generate(Suite.ES256), SoftwareKey.from_seed(b"o" * 32)
ANYONE = Actor("device", "system", None)


@pytest.fixture
def ready(house: House) -> House:
    house.certificate(senior())
    return house


def ticket(house: House, holder: str = ELDER, types: tuple[str, ...] = (SENIOR,)) -> devices.NewTicket:
    made: devices.NewTicket = house.do(devices.hand_out, ("111", holder), types, (), who=actor(CARE))
    return made


def asked(house: House, action: str, arguments: tuple[str | bytes, ...], phone: SoftwareKey = PHONE) -> DeviceRequest:
    return open_request(sign_request(action, arguments, phone, house.clock.at))


def enrol(
    house: House, made: devices.NewTicket, phone: SoftwareKey = PHONE, pin: str | None = None
) -> tuple[Device, Code]:
    arguments = (made.secret, made.pin if pin is None else pin, phone.public.raw)
    row: tuple[Device, Code] = house.do(devices.enrol, asked(house, "enrol", arguments, phone), KEY, who=ANYONE)
    return row


def renew(house: House, device: Device, phone: SoftwareKey = PHONE, action: str = "renew") -> Code:
    _, code = house.do(devices.renew, asked(house, action, (device.id,), phone), KEY, who=ANYONE)
    assert isinstance(code, Code)
    return code


def status_of(house: House, code: Code) -> Status:
    return house.see(statuses.build_list, code.status_list).get(code.status_index)  # type: ignore[no-any-return]


def shown_apart(code: Code) -> list[tuple[Grant, ...]]:
    """The grants of each text of a phone's code but the first, which has none; all are the same code."""
    opened = [open_code(text)[2] for text in code.grant_texts or ()]
    assert {(one.code_id.hex(), one.expires_at, one.device_key) for one in opened} <= {
        (code.id, code.expires_at, open_code(code.text)[2].device_key)
    }
    return [one.grants for one in opened]


def events(house: House) -> list[Any]:
    with house.registry.read(actor()) as work:
        rows = work.session.scalars(select(LogEntry).where(LogEntry.kind == int(Kind.DEVICE)).order_by(LogEntry.id))
        return [Entry.from_bytes(row.payload or b"").facts["event"] for row in rows]


def test_a_phone_is_enrolled_by_ticket_and_pin_and_gets_a_code_bound_to_its_key(ready: House) -> None:
    device, code = enrol(ready, ticket(ready))
    kind, message, claims = open_code(code.text)
    message.check(KEY.public)
    assert (kind, claims.device_key, claims.name) == (CodeKind.PERSON, PHONE.public, None)
    assert claims.grants == () and [[one.ref for one in of] for of in shown_apart(code)] == [[SENIOR]]
    assert claims.expires_at - claims.issued_at == rules.CODE_LASTS
    assert ready.see(devices.holder_of, code) == device.holder_index != bytes.fromhex(code.subject)
    assert events(ready) == [1] and device.enrolled_by == actor(CARE).id and code.department == CARE


def test_a_wrong_pin_is_counted_and_five_of_them_end_the_ticket(ready: House) -> None:
    made = ticket(ready)
    wrong = "000000" if made.pin != "000000" else "000001"
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(AuthenticationError) as refused:
            enrol(ready, made, pin=wrong)
        assert refused.value.reason == "wrong_pin" and (str(left) in refused.value.message or not left)
    with pytest.raises(AuthenticationError) as locked:
        enrol(ready, made)
    assert locked.value.reason == "ticket_locked"


def test_a_ticket_is_good_for_ten_minutes_and_once(ready: House) -> None:
    made = ticket(ready)
    ready.clock.pass_by(minutes=9)
    first = enrol(ready, made)
    again = enrol(ready, made)
    assert (again[0].id, again[1].id) == (first[0].id, first[1].id)
    with pytest.raises(AuthenticationError) as used:
        enrol(ready, made, OTHER_PHONE)
    assert used.value.reason == "ticket_used"
    late = ticket(ready)
    ready.clock.pass_by(minutes=10)
    with pytest.raises(AuthenticationError) as expired:
        enrol(ready, late, OTHER_PHONE)
    assert expired.value.reason == "ticket_expired"


def test_only_the_key_that_signs_is_enrolled_and_only_once(ready: House) -> None:
    made = ticket(ready)
    arguments = (made.secret, made.pin, OTHER_PHONE.public.raw)
    with pytest.raises((SignatureError, MalformedError)):
        ready.do(devices.enrol, asked(ready, "enrol", arguments), KEY, who=ANYONE)
    for bad in ((made.secret, made.pin), (made.secret, made.pin, b"short"), (b"bytes", made.pin, PHONE.public.raw)):
        with pytest.raises(MalformedError):
            ready.do(devices.enrol, asked(ready, "enrol", bad), KEY, who=ANYONE)
    enrol(ready, made)
    with pytest.raises(DuplicateError):
        enrol(ready, ticket(ready))
    with pytest.raises(AuthenticationError):
        enrol(ready, devices.NewTicket(made.ticket, "another secret", made.pin))


def test_a_window_enrols_people_for_what_they_hold(ready: House) -> None:
    for holder, types in ((OTHER_ELDER, (SENIOR,)), (ELDER, ()), (ELDER, (SENIOR,) * 5), ("x", (SENIOR,))):
        with pytest.raises(InvalidDraftError):
            ticket(ready, holder, types)
    with pytest.raises(InvalidDraftError):
        ready.do(devices.hand_out, ("001", COMPANY), (SENIOR,), (), who=actor(CARE))


def test_a_renewal_lasts_longer_with_the_same_id_and_comes_when_it_is_due(ready: House) -> None:
    device, first = enrol(ready, ticket(ready))
    early = renew(ready, device)
    assert early.text == first.text
    ready.clock.pass_by(hours=13)
    later = renew(ready, device)
    old, new = open_code(first.text)[2], open_code(later.text)[2]
    assert (new.code_id, new.generation, new.status_index) == (old.code_id, old.generation, old.status_index)
    assert new.expires_at > old.expires_at and new.device_key == PHONE.public


def test_a_renewal_drops_what_the_person_no_longer_holds_at_once(ready: House) -> None:
    venue = ready.do(venues.register, "随证体育馆", "示例路 1 号", "310105", COMPANY, RULE, who=actor(CARE))
    day = timedelta(days=1)
    ready.do(venues.grant_pass, venue.id, "111", ELDER, NOON, NOON + day, who=actor(CARE))
    made = ready.do(devices.hand_out, ("111", ELDER), (SENIOR,), (venue.id,), who=actor(CARE))
    device, code = enrol(ready, made)
    assert [[one.ref for one in of] for of in shown_apart(code)] == [[SENIOR], [venue.id]]
    ready.clock.pass_by(hours=25)
    assert [[one.ref for one in of] for of in shown_apart(renew(ready, device))] == [[SENIOR]]


def test_nobody_else_renews_it_and_no_request_serves_twice_or_for_another_action(ready: House) -> None:
    device, _ = enrol(ready, ticket(ready))
    with pytest.raises((SignatureError, MalformedError)):
        renew(ready, device, OTHER_PHONE)
    with pytest.raises(MalformedError):
        renew(ready, device, action="uses")
    with pytest.raises(NotFoundError):
        ready.do(devices.renew, asked(ready, "renew", ("0" * 26,)), KEY, who=ANYONE)
    old = asked(ready, "renew", (device.id,))
    ready.clock.pass_by(minutes=3)
    with pytest.raises(ValidityError):
        ready.do(devices.renew, old, KEY, who=ANYONE)


def test_a_lost_phone_ends_with_its_code_and_a_new_phone_takes_its_place(ready: House) -> None:
    device, code = enrol(ready, ticket(ready))
    ended = ready.do(devices.end, device.id, "lost", who=actor(CARE))
    assert ended.ended_by_reason == "lost" and status_of(ready, code) is Status.LOST
    assert ready.do(devices.end, device.id, "lost", who=actor(CARE)).ended_at == ended.ended_at
    with pytest.raises(TransitionError) as refused:
        renew(ready, device)
    assert refused.value.reason == "device_lost"
    with pytest.raises(TransitionError):
        ready.do(devices.end, device.id, "withdrawn", who=actor(CARE))
    with pytest.raises(InvalidDraftError):
        ready.do(devices.end, device.id, "replaced", who=actor(CARE))
    fresh, fresh_code = enrol(ready, ticket(ready), OTHER_PHONE)
    assert status_of(ready, fresh_code) is Status.VALID
    assert open_code(fresh_code.text)[2].generation == open_code(code.text)[2].generation + 1
    assert renew(ready, fresh, OTHER_PHONE).id == fresh_code.id
    assert events(ready) == [1, 2, 1]


def test_a_second_phone_replaces_the_first_and_leaves_the_paper_alone(ready: House) -> None:
    paper = ready.do(codes.issue, CodeRequest(CodeKind.PERSON, ("111", ELDER), types=(SENIOR,)), KEY, who=actor(CARE))
    device, code = enrol(ready, ticket(ready))
    assert status_of(ready, paper) is Status.VALID
    enrol(ready, ticket(ready), OTHER_PHONE)
    assert status_of(ready, code) is Status.SUPERSEDED
    with pytest.raises(TransitionError) as refused:
        renew(ready, device)
    assert refused.value.reason == "device_replaced"
    listed = ready.see(devices.of_holder, ("111", ELDER))
    assert [row.ended_by_reason for row in listed] == [None, "replaced"]
    assert events(ready) == [1, 4, 1]
    assert code.id not in {row.id for row in ready.see(codes.list_page)}
    with pytest.raises(TransitionError):
        ready.do(codes.reissue, code.id, KEY, who=actor(CARE))


def test_two_phones_that_redeem_one_ticket_at_once_have_one_winner(ready: House) -> None:
    made = ticket(ready)
    outcomes: list[str] = []

    def redeem(phone: SoftwareKey) -> None:
        try:
            enrol(ready, made, phone)
            outcomes.append("enrolled")
        except AuthenticationError as refused:
            outcomes.append(refused.reason)

    threads = [threading.Thread(target=redeem, args=(SoftwareKey.generate(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["enrolled", "ticket_used", "ticket_used", "ticket_used"]


def test_nothing_that_is_stored_or_logged_tells_number_secret_or_pin(ready: House) -> None:
    made = ticket(ready)
    enrol(ready, made)
    with ready.registry.read(actor()) as work:
        rows = [*work.session.scalars(select(Device)), *work.session.scalars(select(EnrolmentTicket))]
        entries = work.session.scalars(select(LogEntry.payload).where(LogEntry.kind == int(Kind.DEVICE))).all()
        stored = repr([{column.name: getattr(row, column.name) for column in row.__table__.columns} for row in rows])
    for secret in (ELDER, made.secret):
        assert secret not in stored and all(secret.encode() not in (entry or b"") for entry in entries)
    assert f"'{made.pin}'" not in stored
