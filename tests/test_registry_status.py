"""Successors and status events: lawful histories, judged at any time, also when two officers act at once."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from registry_house import (
    BUSINESS,
    CARE,
    COMPANY,
    FOOD,
    MARKET,
    NOON,
    House,
    actor,
    food,
)  # fmt: skip

from registry.certificates import searching
from registry.certificates import service as certificates
from registry.certificates.drafts import parse_draft
from registry.certificates.outcomes import Registered
from registry.certificates.tables import Certificate
from registry.departments import service as departments
from registry.errors import DuplicateError, InvalidDraftError, NotPermittedError, TransitionError
from verifier.commitment import reseal
from verifier.entry import Kind
from verifier.identifiers import make_identifier
from verifier.status import Status

pytest_plugins = ["registry_fixtures"]


def test_a_successor_takes_the_place_of_its_predecessor(house: House) -> None:
    old = house.certificate()
    new = house.certificate(
        food(2, issue_date="20261101", valid_from="20261101", valid_to="20311031", associated_identifier=old.identifier)
    )
    (event,) = house.see(certificates.events_of, old.id)
    assert house.see(certificates.get, old.id).status == Status.SUPERSEDED
    assert (event.operation, event.operation_code, event.successor) == ("renew", "02", new.identifier)
    assert len(house.entries(Kind.STATUS)) == 1
    again = house.certificate(
        food(2, issue_date="20261101", valid_from="20261101", valid_to="20311031", associated_identifier=old.identifier)
    )
    assert again.duplicate and len(house.entries(Kind.STATUS)) == 1


def test_a_successor_of_what_cannot_be_replaced_is_refused_and_leaves_nothing(house: House) -> None:
    old, third = house.certificate(), house.certificate(food(3))
    house.do(certificates.change_status, third.id, "cancel", "企业注销")
    good, second, dead, foreign = house.do(
        certificates.register_many,
        [
            food(4, associated_identifier=old.identifier),
            food(5, associated_identifier=old.identifier),
            food(6, associated_identifier=third.identifier),
            food(7, associated_identifier=make_identifier(FOOD, COMPANY, "OLD1", 1)),
        ],
    )
    assert isinstance(good, Registered) and isinstance(foreign, Registered)
    assert [one.errors[0].reason for one in (second, dead)] == ["predecessor_not_replaceable"] * 2
    numbers = [row.number for row in house.see(searching.list_page, searching.Search()).certificates]
    assert len(numbers) == 4 and food(5).number not in numbers
    assert len(house.entries()) == 4


def test_a_row_like_a_refused_one_is_never_answered_with_what_was_taken_out(house: House) -> None:
    dead = house.certificate()
    house.do(certificates.change_status, dead.id, "cancel", "企业注销")
    draft = food(5, associated_identifier=dead.identifier)
    first, same, other = house.do(
        certificates.register_many, [draft, draft, replace(draft, associated_identifier=None)]
    )
    assert [(one.errors[0].reason, one.existing_id) for one in (first, same)] == [
        ("predecessor_not_replaceable", dead.id)
    ] * 2
    assert (other.errors[0].reason, other.existing_id, other.row) == ("rival_row_refused", None, 3)
    assert isinstance(house.certificate(food(5)), Registered)


def test_a_history_in_one_batch_is_replaced_in_its_order_or_falls_with_its_first_fault(house: House) -> None:
    one, two, three = (make_identifier(FOOD, MARKET, f"CHAIN{number}", 1) for number in (1, 2, 3))
    history = [
        food(3, identifier=three, associated_identifier=two),
        food(2, identifier=two, associated_identifier=one),
        food(1, identifier=one),
    ]
    dead = house.certificate(food(9))
    house.do(certificates.change_status, dead.id, "cancel", "企业注销")
    broken = [*history[:2], food(1, identifier=one, associated_identifier=dead.identifier)]
    reasons = [row.errors[0].reason for row in house.do(certificates.register_many, broken)]
    assert reasons == ["predecessor_refused", "predecessor_refused", "predecessor_not_replaceable"]
    assert len(house.entries(Kind.STATUS)) == 1
    circle = [food(1, identifier=one, associated_identifier=two), food(2, identifier=two, associated_identifier=one)]
    reasons = [row.errors[0].reason for row in house.do(certificates.register_many, circle)]
    assert sorted(reasons) == ["associated_with_itself", "predecessor_refused"]
    stand = [house.see(certificates.get, row.id).status for row in house.do(certificates.register_many, history)]
    assert stand == [Status.VALID, Status.SUPERSEDED, Status.SUPERSEDED]


def test_another_departments_certificate_is_taken_over_only_after_it_was_transferred_out(house: House) -> None:
    house.do(departments.grant_scope, CARE, FOOD, "issue")
    old = house.certificate()
    draft = food(2, associated_identifier=old.identifier)
    with pytest.raises(DuplicateError) as refused:
        house.do(certificates.register, draft, who=actor(CARE))
    assert refused.value.reason == "predecessor_not_replaceable"
    house.do(certificates.change_status, old.id, "transfer_out", "迁出本区")
    house.do(certificates.register, draft, who=actor(CARE))
    assert house.see(certificates.get, old.id).status == Status.SUPERSEDED


def test_a_status_event_changes_row_history_list_and_log_together(house: House) -> None:
    from registry.statuses import service as statuses

    registered = house.certificate()
    event = house.do(certificates.change_status, registered.id, "suspend", "接受调查", document="沪长市监〔2026〕1号")
    certificate: Certificate = house.see(certificates.get, registered.id)
    states = house.see(statuses.build_list, certificate.status_list)
    (entry,) = house.entries(Kind.STATUS)
    assert certificate.status == event.to_status == states.get(certificate.status_index) == Status.SUSPENDED
    assert entry.facts["status"] == Status.SUSPENDED and entry.facts["operation"] == "03"
    assert reseal(event.content, event.salts).digest == entry.digest
    house.do(certificates.change_status, registered.id, "return", "调查结束，发还")
    assert house.see(statuses.build_list, certificate.status_list).get(certificate.status_index) == Status.VALID
    changed = house.see(statuses.lists_changed_at)
    assert changed[certificate.status_list] > NOON


def test_a_status_event_that_is_not_lawful_is_refused_by_its_reason(house: House) -> None:
    registered = house.certificate()

    def refused(operation: str, error: type[Exception], **changes: Any) -> str:
        facts = {"reason": "事由", **changes}
        who = facts.pop("who", None)
        with pytest.raises(error) as seen:
            house.do(certificates.change_status, registered.id, operation, who=who, **facts)
        return str(getattr(seen.value, "reason", ""))

    assert refused("explode", TransitionError) == "unknown_operation"
    assert refused("return", TransitionError) == "transition_not_allowed"
    assert refused("renew", NotPermittedError) == "successor_needed"
    assert refused("suspend", NotPermittedError, who=actor(CARE)) == "not_the_issuer"
    assert refused("suspend", InvalidDraftError, reason=" ") == "invalid_draft"
    assert refused("suspend", InvalidDraftError, authority="法院") == "invalid_draft"
    assert refused("suspend", InvalidDraftError, document="x" * 201) == "invalid_draft"
    future, before = NOON.replace(year=2027), NOON.replace(year=2025)
    assert refused("suspend", TransitionError, effective_at=future) == "effective_in_the_future"
    assert refused("suspend", TransitionError, effective_at=before) == "effective_before_issue"
    house.do(certificates.change_status, registered.id, "suspend", "接受调查", effective_at=NOON.replace(month=6))
    earlier = NOON.replace(month=5)
    assert refused("return", TransitionError, effective_at=earlier) == "effective_before_last_event"
    house.do(certificates.change_status, registered.id, "revoke", "以欺骗手段取得", effective_at=earlier)
    assert refused("return", TransitionError) == "transition_not_allowed"


def test_the_state_of_any_past_moment_is_known_as_it_was_and_as_it_was_known(house: House) -> None:
    registered = house.certificate()
    day = NOON.replace
    house.do(certificates.change_status, registered.id, "suspend", "接受调查", effective_at=day(month=3))
    house.do(certificates.change_status, registered.id, "return", "发还", effective_at=day(month=5))
    known = house.clock.at
    house.clock.pass_by(days=1)
    house.do(certificates.change_status, registered.id, "revoke", "以欺骗手段取得", effective_at=day(month=2))

    def at(month: int, known_at: Any = None) -> Status:
        state: Status = house.see(certificates.status_at, registered.id, day(month=month), known_at)
        return state

    assert [at(month) for month in (1, 2, 4, 6)] == [Status.VALID, Status.REVOKED, Status.REVOKED, Status.REVOKED]
    assert [at(month, known) for month in (1, 4, 6)] == [Status.VALID, Status.SUSPENDED, Status.VALID]


def test_two_officers_at_the_same_moment_record_one_lawful_history(house: House) -> None:
    registered = house.certificate()
    outcomes: list[str] = []
    barrier = threading.Barrier(6)

    def suspend() -> None:
        barrier.wait()
        try:
            house.do(certificates.change_status, registered.id, "suspend", "接受调查")
            outcomes.append("done")
        except TransitionError as refused:
            outcomes.append(refused.reason)

    threads = [threading.Thread(target=suspend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done"] + ["transition_not_allowed"] * 5
    assert len(house.see(certificates.events_of, registered.id)) == 1


def test_a_draft_is_parsed_from_json_and_every_wrong_field_is_named() -> None:
    value = {
        "certificate_type_code": BUSINESS,
        "certificate_number": "05000000202601010001",
        "issue_date": "20260101",
        "valid_from": "20260101",
        "valid_to": "长期",
        "holders": [{"holder_name": "随证", "holder_code": COMPANY, "holder_code_type_code": "001"}],
        "extend_info": {},
    }
    draft = parse_draft(value)
    assert (draft.version, draft.area_code, draft.identifier, draft.holders[0].code) == ("001", "310105", None, COMPANY)
    for wrong, field in (
        ({**value, "colour": "red"}, "colour"),
        ({**value, "issue_date": 20260101}, "issue_date"),
        ({**value, "certificate_number": "0" * 999}, "certificate_number"),
        ({**value, "holders": []}, "holders"),
        ({**value, "holders": [{"holder_name": "随证"}]}, "holders[0].holder_code"),
        ({**value, "holders": ["随证"]}, "holders[0]"),
        ({**value, "extend_info": []}, "extend_info"),
        ({key: item for key, item in value.items() if key != "valid_to"}, "valid_to"),
        ([], ""),
    ):
        with pytest.raises(InvalidDraftError) as refused:
            parse_draft(wrong)
        assert field in [error.field for error in refused.value.errors]
