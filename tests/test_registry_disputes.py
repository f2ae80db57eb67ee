"""Disputes: each step beside the one that is refused, the mark, the notices, and whom a withdrawal recalls."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from registry_house import CARE, COMPANY, MARKET, House, actor, food, request
from sqlalchemy import func, select

from registry.certificates import service as certificates
from registry.disputes import listing, marks, rules
from registry.disputes import service as disputes
from registry.disputes.tables import Dispute, DisputeStep
from registry.errors import (
    DuplicateError,
    InvalidDraftError,
    NotFoundError,
    NotPermittedError,
    ReuseRefusedError,
    TransitionError,
)
from registry.log.tables import LogEntry
from registry.notices import service as notices
from registry.signing.contents import Wanted, contents_of
from registry.uses import service as uses
from verifier.commitment import reseal
from verifier.entry import Entry, Kind
from verifier.status import Status

pytest_plugins = ["registry_fixtures"]

WRONG = "经营场所应为示例路 2 号。"


def _raised(house: House, item: str) -> str:
    row: Dispute = house.do(disputes.raise_dispute, item, WRONG, for_holder=True, who=actor(CARE))
    return row.id


def _used(house: House, item: str) -> Any:
    return house.do(uses.reuse, request(item, house.grant()), who=actor(CARE))


def _kinds(house: House, department: str) -> list[str]:
    return [one.kind for one in reversed(house.see(notices.inbox, department))]


def test_a_dispute_goes_its_way_to_a_corrected_certificate_and_everybody_concerned_is_told(house: House) -> None:
    item = house.certificate()
    use = _used(house, item.id)
    dispute = _raised(house, item.id)
    assert house.see(disputes.waiting, MARKET) == 1
    # Raised on Sunday 22 November: two working days later is Tuesday; accepted, ten later is a Friday.
    assert house.see(marks.open_of, item.id).due_on == date(2026, 11, 24)
    accepted = house.do(disputes.accept, dispute, holds=False)
    assert accepted.due_on == date(2026, 12, 4)
    with pytest.raises(TransitionError) as early:
        house.do(disputes.correct, dispute, "已更正经营场所。")
    assert early.value.reason == "not_corrected_yet"
    new = house.certificate(food(1, version="002", associated_identifier=item.identifier))
    corrected = house.do(disputes.correct, dispute, "已更正经营场所。")
    assert corrected.successor_id == new.id
    assert house.see(marks.open_of, item.id) is None
    assert house.see(disputes.waiting, CARE) == 1
    assert house.do(disputes.close, dispute, who=actor(CARE)).state == "closed"
    assert house.see(disputes.waiting, CARE) == house.see(disputes.waiting, MARKET) == 0
    assert _kinds(house, MARKET) == ["dispute_raised"]
    assert _kinds(house, CARE) == ["dispute_accepted", "status_changed", "dispute_decided", "dispute_decided"]
    assert {one.use_id for one in house.see(notices.told_of, item.id) if one.use_id} == {use.id}


def test_what_the_issuer_holds_is_not_reused_until_it_is_decided(house: House) -> None:
    item = house.certificate().id
    dispute = _raised(house, item)
    _used(house, item)
    house.do(disputes.accept, dispute, holds=True)
    with pytest.raises(ReuseRefusedError) as refused:
        _used(house, item)
    assert refused.value.reason == "item_disputed"
    house.do(disputes.reject, dispute, "经核对，登记无误。")
    assert _used(house, item)


def test_a_certificate_has_one_open_dispute_and_may_have_another_later(house: House) -> None:
    item = house.certificate().id
    dispute = _raised(house, item)
    with pytest.raises(DuplicateError) as known:
        _raised(house, item)
    assert known.value.existing_id == dispute
    house.do(disputes.reject, dispute, "登记无误。")
    assert _raised(house, item) != dispute


def test_only_the_issuer_answers_only_who_raised_it_closes_and_strangers_see_nothing(house: House) -> None:
    item = house.certificate().id
    dispute = _raised(house, item)
    for act, args in ((disputes.accept, {"holds": True}), (disputes.reject, {"outcome": "不成立。"})):
        with pytest.raises(NotPermittedError):
            house.do(act, dispute, who=actor(CARE), **args)
    with pytest.raises(TransitionError):
        house.do(disputes.close, dispute, who=actor(CARE))
    house.do(disputes.reject, dispute, "不成立。")
    with pytest.raises(NotPermittedError):
        house.do(disputes.close, dispute)
    with pytest.raises(NotFoundError):
        house.do(disputes.get, dispute, who=actor("91310105MA1FWT0226", "window"))
    with pytest.raises(InvalidDraftError):
        house.do(disputes.raise_dispute, item, "  ", for_holder=False, who=actor(CARE))


def test_a_list_goes_on_page_by_page_what_is_due_first_and_closed_last(house: House) -> None:
    raised = [_raised(house, house.certificate(food(number)).id) for number in range(1, 7)]
    house.do(disputes.accept, raised[0], holds=False)
    for dispute in (raised[1], raised[3]):
        house.do(disputes.reject, dispute, "登记无误。")
        house.do(disputes.close, dispute, who=actor(CARE))
    expected = [raised[2], raised[4], raised[5], raised[0], raised[1], raised[3]]
    for department in (None, MARKET, CARE):
        for size in (1, 2, 4, 6):
            found: list[str] = []
            cursor, more = None, True
            while more:
                page = house.see(listing.list_page, department, cursor, size)
                assert 0 < len(page.disputes) <= size
                found += [row.id for row in page.disputes]
                cursor, more = page.cursor, page.cursor is not None
            assert found == expected
    assert house.see(listing.list_page, COMPANY).disputes == []
    for wrong in ("", "x", "0_2026-11-24", f"0_2026-13-01_{raised[0]}", f"2_2026-11-24_{raised[0]}"):
        with pytest.raises(InvalidDraftError):
            house.see(listing.list_page, None, wrong)


def test_a_revocation_tells_every_case_that_relied_on_it_and_nobody_else(house: House) -> None:
    item, other = house.certificate().id, house.certificate(food(2)).id
    first, second = _used(house, item), _used(house, item)
    _used(house, other)
    house.do(certificates.change_status, item, "revoke", "申请材料虚假。")
    told = house.see(notices.told_of, item)
    assert {one.use_id for one in told} == {first.id, second.id}
    assert [(one.department, one.status) for one in told] == [(CARE, Status.REVOKED)] * 2
    assert house.see(notices.told_of, other) == []
    assert house.see(notices.unread, CARE) == 2
    with pytest.raises(NotFoundError):
        house.do(notices.mark_read, told[0].id)
    house.do(notices.mark_read, told[0].id, who=actor(CARE))
    assert house.see(notices.unread, CARE) == 1


def test_a_day_late_is_overdue_and_the_day_itself_is_not() -> None:
    due = date(2026, 11, 24)
    assert not rules.is_overdue("raised", due, due)
    assert rules.is_overdue("raised", due, date(2026, 11, 25))
    assert not rules.is_overdue("closed", due, date(2026, 11, 25))


def test_each_step_is_an_entry_that_tells_nothing_of_what_was_said(house: House) -> None:
    item = house.certificate().id
    dispute = _raised(house, item)
    house.do(disputes.accept, dispute, holds=True)
    house.do(disputes.reject, dispute, "经核对，登记无误。")
    house.do(disputes.close, dispute, who=actor(CARE))
    with house.work() as work:
        steps = list(work.session.scalars(select(DisputeStep).order_by(DisputeStep.id)))
        rows = {row.id: row for row in work.session.scalars(select(LogEntry).where(LogEntry.item == dispute))}
        wanted = [Wanted(row.id, row.kind, row.item) for row in rows.values()]
        contents = contents_of(work.session, wanted)
    told = []
    for step in steps:
        entry = Entry.from_bytes(rows[step.entry_id].payload)
        told.append((entry.kind, entry.department, dict(entry.facts)))
        # What a department that signs itself is shown is what the entry commits to.
        assert reseal(*contents[step.entry_id]).digest == entry.digest
        for words in (WRONG, item, "登记无误"):
            assert words.encode() in step.content or words == "登记无误"
            assert words.encode() not in rows[step.entry_id].payload
    steps_taken = ((CARE, "raised"), (MARKET, "accepted"), (MARKET, "rejected"), (CARE, "closed"))
    assert told == [(Kind.DISPUTE, department, {"step": step}) for department, step in steps_taken]
    assert len(rows) == 4
    # A step that is refused leaves none.
    with pytest.raises(TransitionError):
        house.do(disputes.close, dispute, who=actor(CARE))
    with house.work() as work:
        assert work.session.scalar(select(func.count()).select_from(DisputeStep)) == 4
