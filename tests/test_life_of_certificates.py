"""How a certificate stood on a day, one decision about many, and the lapse by date: on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from api_office import ISSUER, LICENCE, USER, key, licence, open_office, reason, register, settings_in
from registry_house import CARE, NOON, House, actor, food, request
from sqlalchemy import func, select

from registry.certificates import changing
from registry.certificates import service as certificates
from registry.certificates.rules import CertificateDraft
from registry.errors import InvalidDraftError, LimitError, NotPermittedError
from registry.log.tables import LogEntry
from registry.notices import service as notices
from registry.statuses import service as statuses
from registry.statuses.bulk import Decided, Undecided
from registry.uses import service as uses
from registry.work import REGISTRY
from verifier.commitment import reseal
from verifier.entry import Entry, Kind
from verifier.status import Status

pytest_plugins = ["registry_fixtures"]


def ending_on(day: str, number: int = 1) -> CertificateDraft:
    """A food licence of five years whose last day is this one of 2026."""
    begins = f"2021{int(day[4:]) + 1:04d}"
    return food(number, issue_date=begins, valid_from=begins, valid_to=day)


def test_one_decision_about_many_is_an_event_an_entry_and_a_slot_for_each(house: House) -> None:
    rows = [house.certificate(food(number)) for number in range(1, 6)]
    house.do(certificates.change_status, rows[4].id, "cancel", "企业注销")
    ids = [*(row.id for row in rows), "0" * 26, rows[0].id]
    outcomes = house.do(changing.change_many, ids, "suspend", "专项检查", document="沪长市监〔2026〕9号")
    assert [one.id for one in outcomes] == ids[:6]
    assert all(isinstance(one, Decided) and one.status is Status.SUSPENDED for one in outcomes[:4])
    assert [one.reason for one in outcomes[4:]] == ["transition_not_allowed", "certificate_unknown"]
    for row in rows[:4]:
        stands = house.see(certificates.get, row.id)
        (event,) = house.see(certificates.events_of, row.id)
        assert (stands.status, event.to_status, event.document) == (2, 2, "沪长市监〔2026〕9号")
        with house.registry.read(REGISTRY) as work:
            built = statuses.build_list(work, stands.status_list)
            assert built.get(stands.status_index) is Status.SUSPENDED
            stored = work.session.get_one(LogEntry, event.entry_id)
            entry = Entry.from_bytes(stored.payload or b"")
        assert entry.digest == reseal(event.content, event.salts).digest and entry.facts["status"] == 2


def test_a_repeated_decision_adds_nothing_and_the_way_back_is_open_again(house: House) -> None:
    ids = [house.certificate(food(number)).id for number in (1, 2)]
    first = house.do(changing.change_many, ids, "suspend", "专项检查")
    again = house.do(changing.change_many, ids, "suspend", "专项检查")
    assert [(one.id, one.event_id) for one in again] == [(one.id, one.event_id) for one in first]
    assert all(one.duplicate for one in again)
    another = house.do(changing.change_many, ids, "suspend", "另一次检查")
    assert all(isinstance(one, Undecided) for one in another)
    back = house.do(changing.change_many, ids, "return", "检查合格")
    assert all(one.status is Status.VALID and not one.duplicate for one in back)
    assert [event.sequence for event in house.see(certificates.events_of, ids[0])] == [1, 2]


def test_another_department_decides_nothing_and_a_decision_without_a_reason_writes_nothing(house: House) -> None:
    row = house.certificate()
    (other,) = house.do(changing.change_many, [row.id], "revoke", "理由", who=actor(CARE))
    assert other.reason == "not_the_issuer"
    with pytest.raises(InvalidDraftError):
        house.do(changing.change_many, [row.id], "revoke", " ")
    with pytest.raises(NotPermittedError):
        house.do(changing.change_many, [row.id], "renew", "延续")
    with pytest.raises(LimitError):
        house.do(changing.change_many, [str(n) for n in range(changing.MAX_CHANGED + 1)], "revoke", "理由")
    assert house.see(certificates.events_of, row.id) == []


def test_numbers_name_the_newest_version_of_the_departments_own(house: House) -> None:
    old = house.certificate()
    new = house.certificate(food(1, version="002", associated_identifier=old.identifier))
    number = house.see(certificates.get, new.id).number
    found = house.do(changing.find_by_numbers, food().type_code, [number, "JY29999999999999"])
    assert found == ([new.id], ["JY29999999999999"])
    assert house.do(changing.find_by_numbers, food().type_code, [number], who=actor(CARE)) == ([], [number])


def test_a_certificate_lapses_at_the_midnight_after_its_last_day_and_not_before(house: House) -> None:
    ending = house.certificate(ending_on("20261122"))
    longer = house.certificate(ending_on("20261123", 2))
    assert house.see(certificates.get, ending.id).valid_to_on == NOON.date()
    with house.work() as work:
        assert changing.lapse_due(work) == 0
    house.clock.pass_by(hours=12, minutes=1)
    house.do(certificates.change_status, longer.id, "suspend", "检查")
    with house.work() as work:
        assert changing.lapse_due(work) == 1
        assert changing.lapse_due(work) == 0
    (event,) = house.see(certificates.events_of, ending.id)
    assert (event.operation, event.effective_at) == ("lapse", datetime(2026, 11, 22, 16, tzinfo=UTC))
    house.clock.pass_by(days=1)
    with house.work() as work:
        assert changing.lapse_due(work) == 1
    assert house.see(certificates.get, longer.id).status == Status.LAPSED
    # 延续 is still open to what has lapsed.
    renewed = food(
        3, issue_date="20261124", valid_from="20261124", valid_to="20311123", associated_identifier=ending.identifier
    )
    house.certificate(renewed)
    assert house.see(certificates.get, ending.id).status == Status.SUPERSEDED


def test_a_suspension_after_the_last_day_stands_before_the_lapse(house: House) -> None:
    row = house.certificate(ending_on("20261122"))
    house.clock.pass_by(hours=20)
    house.do(certificates.change_status, row.id, "suspend", "检查")
    with house.work() as work:
        assert changing.lapse_due(work) == 1
    suspended, lapsed = house.see(certificates.events_of, row.id)
    assert lapsed.effective_at == suspended.effective_at


def test_standing_is_told_for_any_past_moment_and_as_it_was_known_then(house: House) -> None:
    made = house.certificate(food())
    house.clock.pass_by(days=2)
    house.do(certificates.change_status, made.id, "suspend", "检查")
    suspended_at = house.clock.at
    house.clock.pass_by(days=2)
    house.do(
        certificates.change_status, made.id, "revoke", "骗取许可", None, NOON - timedelta(days=30), "撤〔2026〕1号"
    )

    def at(moment: datetime, known_at: datetime | None = None) -> certificates.Standing:
        with house.registry.read(REGISTRY) as work:
            return certificates.standing_at(work, certificates.get(work, made.id), moment, known_at)

    assert at(suspended_at).status is Status.REVOKED
    assert at(suspended_at, suspended_at).status is Status.SUSPENDED
    assert at(NOON, suspended_at).in_force and not at(NOON).in_force
    before = at(NOON - timedelta(days=31))
    assert before.in_force and before.event is None
    assert not at(datetime(2025, 12, 31, tzinfo=UTC)).began
    with pytest.raises(InvalidDraftError):
        at(house.clock.at + timedelta(days=1))


def test_over_http_a_day_and_a_thousand_at_once(tmp_path: Path) -> None:
    with open_office(settings_in(tmp_path)) as office:
        ids = [register(office, number)["id"] for number in range(1, 4)]
        body = {"operation": "suspend", "reason": "专项检查", "ids": [*ids[:2], "X" * 26]}
        same = key()
        answer = office.send("POST", "/api/v1/status-changes", "registrar", json=body, headers=same)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["changed"], told["unchanged"], told["refused"]) == (2, 0, 1)
        again = office.send("POST", "/api/v1/status-changes", "registrar", json=body, headers=same)
        assert again.json() == told and again.headers["Idempotency-Replayed"] == "true"
        numbers = {"type_code": LICENCE, "numbers": [licence(3)["certificate_number"], "1234"]}
        of = {"operation": "report_loss", "reason": "遗失", "of": numbers}
        items = office.send("POST", "/api/v1/status-changes", "registrar", json=of).json()["items"]
        assert [(one["outcome"], one["number"]) for one in items] == [("changed", None), ("refused", "1234")]
        neither = {"operation": "suspend", "reason": "专项检查"}
        assert reason(office.send("POST", "/api/v1/status-changes", "registrar", json=neither), 422) == "invalid_draft"
        assert office.send("POST", "/api/v1/status-changes", "window", json=body).status_code == 403
        other = office.send("POST", "/api/v1/status-changes", "registrar", USER, json=of).json()
        assert other["changed"] == 0 and ISSUER not in str(other)
        path = f"/api/v1/certificates/{ids[0]}/status"
        now = office.send("GET", path, "window").json()
        assert (now["status"], now["in_force"], now["event"]["reason"]) == ("suspended", False, "专项检查")
        then = office.send("GET", path, "window", params={"at": "2026-02-01T00:00:00+08:00"}).json()
        assert (then["status"], then["in_force"], then["event"]) == ("valid", True, None)
        future = office.send("GET", path, "window", params={"at": "2199-01-01T00:00:00+08:00"})
        assert reason(future, 422) == "invalid_draft"
        with office.services.registry.read(REGISTRY) as work:
            kinds = select(func.count()).select_from(LogEntry).where(LogEntry.kind == int(Kind.STATUS))
            assert work.session.scalar(kinds) == 3


def test_a_decision_cut_off_between_two_parts_goes_on_under_the_same_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing, "PART", 2)
    with open_office(settings_in(tmp_path)) as office:
        ids = [register(office, number)["id"] for number in range(1, 6)]
        body = {"operation": "suspend", "reason": "专项检查", "ids": ids}
        same = key()
        with office.services.engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER broken BEFORE INSERT ON status_events"
                f" WHEN NEW.item_id = '{ids[3]}' BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END"
            )
        broken = office.send("POST", "/api/v1/status-changes", "registrar", json=body, headers=same)
        assert broken.status_code == 500
        path = "/api/v1/certificates/{}/status"
        states = [office.send("GET", path.format(one), "window").json()["status"] for one in ids]
        assert states == ["suspended", "suspended", "valid", "valid", "valid"]
        with office.services.engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER broken")
        told = office.send("POST", "/api/v1/status-changes", "registrar", json=body, headers=same).json()
        assert [one["outcome"] for one in told["items"]] == ["unchanged"] * 2 + ["changed"] * 3
        again = office.send("POST", "/api/v1/status-changes", "registrar", json=body, headers=same)
        assert again.json() == told and again.headers["Idempotency-Replayed"] == "true"
        other = {**body, "reason": "另一次检查"}
        refused = office.send("POST", "/api/v1/status-changes", "registrar", json=other, headers=same)
        assert reason(refused, 422) == "idempotency_key_reused"


def test_a_refused_decision_gives_its_key_back(tmp_path: Path) -> None:
    with open_office(settings_in(tmp_path)) as office:
        ids, same = [register(office, 1)["id"]], key()
        body = {"operation": "suspend", "reason": " ", "ids": ids}
        refused = office.send("POST", "/api/v1/status-changes", "registrar", json=body, headers=same)
        assert reason(refused, 422) == "invalid_draft"
        better = {**body, "reason": "专项检查"}
        assert (
            office.send("POST", "/api/v1/status-changes", "registrar", json=better, headers=same).json()["changed"] == 1
        )


def test_one_decision_about_many_tells_everybody_who_relied_on_one_of_them(house: House) -> None:
    used, other = house.certificate(), house.certificate(food(2))
    use = house.do(uses.reuse, request(used.id, house.grant(used.id)), who=actor(CARE))
    again = [house.do(changing.change_many, [used.id, other.id], "suspend", "专项检查") for _ in range(2)]
    assert [len(outcomes) for outcomes in again] == [2, 2]
    (told,) = house.see(notices.inbox, CARE)
    assert (told.kind, told.item_id, told.use_id, told.status) == (
        "status_changed", used.id, use.id, int(Status.SUSPENDED),
    )  # fmt: skip
