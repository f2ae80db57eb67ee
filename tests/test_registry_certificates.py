"""Certificates: what is registered, what is refused and by which field, one or many, again and at the same moment."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date
from typing import Any

import orjson
import pytest
from registry_house import (
    CARE,
    COMPANY,
    ELDER,
    FOOD,
    MARKET,
    OTHER_ELDER,
    House,
    actor,
    disability,
    food,
    senior,
)  # fmt: skip
from sqlalchemy import func, select

from registry.catalogue import service as catalogue
from registry.certificates import masking, searching
from registry.certificates import service as certificates
from registry.certificates.holders import HolderDraft
from registry.certificates.names import normalise_code, normalise_name, normalise_number
from registry.certificates.outcomes import Registered, RowRefusal
from registry.certificates.tables import Certificate, CertificateDisclosure, CertificateHolder, CertificateLookup
from registry.departments import service as departments
from registry.errors import DuplicateError, InvalidDraftError, LimitError, NotPermittedError
from registry.statuses.tables import StatusListRow
from verifier.commitment import reseal
from verifier.identifiers import check_identifier, make_identifier
from verifier.status import Status

pytest_plugins = ["registry_fixtures"]


def test_a_registered_certificate_stands_with_its_entry_in_one_transaction(house: House) -> None:
    registered = house.certificate()
    (entry,) = house.entries()
    certificate: Certificate = house.see(certificates.get, registered.id)
    assert certificate.salts is not None
    assert reseal(certificate.face, certificate.salts).digest == entry.digest
    assert entry.facts == {
        "type": FOOD,
        "type_version": house.see(catalogue.get_type, FOOD).version,
        "status_list": certificate.status_list,
        "status_index": certificate.status_index,
    }
    assert entry.department == MARKET and certificate.status == Status.VALID
    type_code, issuer, _, version = check_identifier(registered.identifier)
    assert (type_code, issuer, version) == (FOOD, MARKET, 1)


def test_nothing_personal_is_in_the_entry_or_in_any_column_but_the_face(house: House) -> None:
    registered = house.certificate(senior())
    certificate: Certificate = house.see(certificates.get, registered.id)
    (entry,) = house.entries()
    payload = entry.to_bytes()
    shown = b"".join(
        str(getattr(certificate, column.name)).encode()
        for column in Certificate.__table__.columns
        if column.name != "face"
    )
    for secret in (ELDER.encode(), "随甲".encode()):
        assert secret not in payload and secret not in shown and secret in certificate.face


def test_work_that_fails_leaves_nothing_behind(house: House) -> None:
    with pytest.raises(RuntimeError), house.work(actor()) as work:
        certificates.register(work, food())
        raise RuntimeError
    assert house.see(searching.list_page, searching.Search()).certificates == []
    assert house.entries() == []


FAULTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("a wrong check character", {"holders": (HolderDraft("随证", COMPANY[:-1] + "C", "001"),)},
     "holders[0].holder_code", "wrong_check_character"),
    ("an unknown type", {"type_code": FOOD[:-1] + "9"}, "certificate_type_code", "type_unknown"),
    ("a material type", {"type_code": "11310105MB9T00011M901"}, "certificate_type_code", "not_a_certificate_type"),
    ("a missing field", {"extend_info": {"premises": "示例路"}}, "extend_info.legal_representative", "schema_mismatch"),
    ("a field too many", {"extend_info": {**food().extend_info, "colour": "红"}},
     "extend_info.colour", "schema_mismatch"),
    ("a day that does not exist", {"issue_date": "20250229"}, "issue_date", "date_does_not_exist"),
    ("a date of another form", {"valid_from": "2026-01-01"}, "valid_from", "date_does_not_exist"),
    ("an end before the beginning", {"valid_to": "20251231"}, "valid_to", "ends_before_it_begins"),
    ("a period that is too short", {"valid_to": "20291231"}, "valid_to", "wrong_validity"),
    ("no end where there must be one", {"valid_to": "长期"}, "valid_to", "wrong_validity"),
    ("an issue in the future", {"issue_date": "20261123"}, "issue_date", "issued_in_the_future"),
    ("a number of another form", {"number": "沪食 123"}, "certificate_number", "wrong_form"),
    ("a number that is too long", {"number": "JY2" + "0" * 200}, "certificate_number", "wrong_form"),
    ("a holder of the wrong kind", {"holders": (HolderDraft("随甲", ELDER, "111"),)},
     "holders[0].holder_code_type_code", "holder_kind_not_allowed"),
    ("two holders where one is allowed", {"holders": food().holders * 2}, "holders", "wrong_count"),
    ("no holder", {"holders": ()}, "holders", "wrong_count"),
    ("a name of spaces", {"holders": (HolderDraft("　 ", COMPANY, "001"),)}, "holders[0].holder_name", "wrong_name"),
    ("a control character in a name", {"holders": (HolderDraft("随\x00证", COMPANY, "001"),)},
     "holders[0].holder_name", "wrong_name"),
    ("a control character in the data", {"extend_info": {**food().extend_info, "premises": "示\x00例"}},
     "extend_info", "control_character"),
    ("a lone surrogate", {"extend_info": {**food().extend_info, "premises": "示\ud800例"}}, "extend_info", ""),
    ("version 000", {"version": "000"}, "certificate_version", "wrong_form"),
    ("an area that is none", {"area_code": "长宁"}, "area_code", "wrong_form"),
    ("an identifier with a wrong check character",
     {"identifier": make_identifier(FOOD, MARKET, "1", 1)[:-1] + "?"},
     "certificate_identifier", "wrong_check_character"),
    ("another issuer's identifier", {"identifier": make_identifier(FOOD, CARE, "1", 1)},
     "certificate_identifier", "differs_from_fields"),
    ("an associated identifier that is none", {"associated_identifier": "1.2.3"},
     "associated_identifier", "wrong_form"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_fault_is_refused_by_its_field_and_the_row_beside_it_is_accepted(
    sqlite_house: House, fault: tuple[str, dict[str, Any], str, str]
) -> None:
    _, changes, field, reason = fault
    good, bad = sqlite_house.do(certificates.register_many, [food(1), food(2, **changes)])
    assert isinstance(good, Registered)
    assert isinstance(bad, RowRefusal) and bad.row == 2
    assert (field, reason) in [(error.field, error.reason if reason else "") for error in bad.errors], bad.errors
    assert all(error.message and not error.message.isascii() for error in bad.errors)


def test_every_fault_of_a_draft_is_named_at_once(sqlite_house: House) -> None:
    draft = food(number="?", issue_date="20260230", area_code="x", version="1")
    with pytest.raises(InvalidDraftError) as refused:
        sqlite_house.do(certificates.register, draft)
    fields = {error.field for error in refused.value.errors}
    assert fields == {"certificate_number", "issue_date", "area_code", "certificate_version"}


def test_several_holders_stand_and_the_same_one_twice_is_refused(sqlite_house: House) -> None:
    definition = dict(next(one for one in catalogue.builtin_definitions() if one["code"] == SENIOR_CODE))
    definition.update(holder={"code_types": ["111"], "minimum": 1, "maximum": 3}, version=definition["version"] + 1)
    sqlite_house.do(catalogue.install_type, definition)
    two = (HolderDraft("随甲", ELDER, "111"), HolderDraft("随乙", OTHER_ELDER, "111"))
    registered = sqlite_house.certificate(senior(holders=two))
    assert len(sqlite_house.see(certificates.holders_of, registered.id)) == 2
    twice = (HolderDraft("随甲", ELDER, "111"), HolderDraft("随甲甲", ELDER, "111"))
    with pytest.raises(InvalidDraftError) as refused:
        sqlite_house.do(certificates.register, senior(2, holders=twice))
    assert refused.value.errors[0].reason == "holder_twice"


SENIOR_CODE = senior().type_code


def test_a_number_that_must_begin_with_its_holders_is_checked(sqlite_house: House) -> None:
    assert sqlite_house.certificate(disability())
    with pytest.raises(InvalidDraftError) as refused:
        sqlite_house.do(certificates.register, disability(number=OTHER_ELDER + "42"))
    assert refused.value.errors[0].reason == "number_differs_from_holder"


def test_only_the_issuer_with_a_scope_registers(house: House) -> None:
    assert house.certificate()
    with pytest.raises(NotPermittedError) as other:
        house.do(certificates.register, food(2, department=MARKET), who=actor(CARE))
    with pytest.raises(NotPermittedError) as unscoped:
        house.do(certificates.register, food(2), who=actor(CARE))
    (scope,) = [one for one in house.see(departments.list_scopes, MARKET, "issue") if one.type_code == FOOD]
    house.do(departments.end_scope, MARKET, scope.id, scope.valid_from_on, "示例：职责划转")
    house.clock.pass_by(days=1)
    with pytest.raises(NotPermittedError) as ended:
        house.do(certificates.register, food(2))
    assert [error.value.reason for error in (other, unscoped, ended)] == [
        "not_the_issuer", "scope_missing", "scope_missing"
    ]  # fmt: skip


def test_the_same_content_again_is_the_same_certificate_and_no_second_entry(house: House) -> None:
    first = house.certificate()
    again = house.certificate()
    assert (again.id, again.identifier, again.entry_id, again.duplicate) == (first.id, first.identifier, None, True)
    assert len(house.entries()) == 1


def test_other_content_under_a_taken_number_or_identifier_is_refused_with_what_stands(house: House) -> None:
    first = house.certificate()
    with pytest.raises(DuplicateError) as number:
        house.do(certificates.register, food(area_code="310106"))
    with pytest.raises(DuplicateError) as identifier:
        house.do(certificates.register, food(2, identifier=first.identifier))
    assert (number.value.reason, number.value.existing_id) == ("number_taken", first.id)
    assert (identifier.value.reason, identifier.value.existing_id) == ("identifier_taken", first.id)
    house.certificate(food(version="002"))
    assert len(house.entries()) == 2


def test_a_batch_answers_every_row_and_can_be_repeated(house: House) -> None:
    drafts = [food(number) for number in range(300)]
    drafts[47] = food(47, issue_date="20260231")
    drafts[200] = replace(drafts[3])
    drafts[201] = food(3, area_code="310106")
    outcomes = house.do(certificates.register_many, drafts)
    assert [place for place, one in enumerate(outcomes) if isinstance(one, RowRefusal)] == [47, 201]
    assert outcomes[200].duplicate and outcomes[200].id == outcomes[3].id
    assert outcomes[201].existing_id == outcomes[3].id and outcomes[201].errors[0].reason == "number_taken"
    assert len(house.entries()) == 297
    again = house.do(certificates.register_many, drafts)
    assert [getattr(one, "id", None) for one in again] == [getattr(one, "id", None) for one in outcomes]
    assert all(one.duplicate for one in again if isinstance(one, Registered))
    assert len(house.entries()) == 297


def test_a_batch_over_the_limit_is_refused_whole(sqlite_house: House) -> None:
    with pytest.raises(LimitError):
        sqlite_house.do(certificates.register_many, [food()] * (certificates.MAX_BATCH_ROWS + 1))


def test_ids_identifiers_and_slots_of_a_batch_are_all_different(house: House) -> None:
    outcomes = house.do(certificates.register_many, [food(number) for number in range(500)])
    with house.registry.read(actor()) as work:
        slots = work.session.execute(select(Certificate.status_list, Certificate.status_index)).all()
        counted = work.session.scalar(select(func.sum(StatusListRow.allotted)))
    assert len({one.id for one in outcomes}) == len({one.identifier for one in outcomes}) == 500
    assert len(set(slots)) == counted == 500
    assert [one.id for one in outcomes] == sorted(one.id for one in outcomes)


def test_rivals_with_the_same_rows_register_each_certificate_once(house: House) -> None:
    drafts = [food(number) for number in range(60)]
    outcomes: list[list[Any]] = []
    barrier = threading.Barrier(4)

    def register(order: int) -> None:
        barrier.wait()
        own = drafts if order % 2 else drafts[::-1]
        outcomes.append(house.do(certificates.register_many, own))

    threads = [threading.Thread(target=register, args=(order,)) for order in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4 and all(isinstance(one, Registered) for many in outcomes for one in many)
    assert sum(not one.duplicate for many in outcomes for one in many) == 60
    assert len({one.id for many in outcomes for one in many}) == 60
    assert len(house.entries()) == 60


def test_names_are_normalised_before_hashing_and_kept_raw_beside(house: House) -> None:
    # The same company, written with half-width brackets, full-width letters and stray spaces.
    tidy = food(holders=(HolderDraft("上海随证（示例）Ａ餐饮有限公司", COMPANY, "001"),))
    sloppy = food(holders=(HolderDraft(" 上海 随证(示例)A餐饮有限公司　", COMPANY.lower(), "001"),))
    first = house.certificate(sloppy)
    assert house.certificate(tidy).id == first.id
    certificate: Certificate = house.see(certificates.get, first.id)
    (holder,) = orjson.loads(certificate.face)["holders"]
    assert holder["holder_name"] == "上海随证（示例）A餐饮有限公司" and holder["holder_code"] == COMPANY
    assert certificate.raw == {"holders[0].holder_name": " 上海 随证(示例)A餐饮有限公司　"}


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("张 三", "张三"),
        ("阿依古丽•买买提", "阿依古丽·买买提"),
        ("阿依古丽・买买提", "阿依古丽·买买提"),
        ("Example  (Shanghai) Ltd ", "Example (Shanghai) Ltd"),
        ("上海ABC(中国)有限公司", "上海ABC（中国）有限公司"),
        ("\uf900山", "豈山"),
        ("𠮷田", "𠮷田"),
        ("\ue000某", "\ue000某"),
        ("示例餐饮１２号", "示例餐饮12号"),
    ],
)
def test_a_name_has_one_normal_form(raw: str, normal: str) -> None:
    assert normalise_name(raw) == normal == normalise_name(normal)


def test_numbers_have_one_normal_form() -> None:
    assert normalise_code("３１０１０５１８９９１２３１９９９ｘ ") == OTHER_ELDER == normalise_code(OTHER_ELDER.lower())
    assert normalise_number("ＪＹ２（１） 2－3") == "JY2(1)2-3"


def test_an_issued_certificate_is_found_by_number_identifier_and_holder_only(house: House) -> None:
    one, other = house.certificate(senior(1)), house.certificate(senior(2, OTHER_ELDER))
    house.certificate(food())

    def ids(**search: Any) -> list[str]:
        return [row.id for row in house.see(searching.list_page, searching.Search(**search)).certificates]

    assert ids(holder=("111", ELDER)) == [one.id] and ids(holder=("111", OTHER_ELDER.lower())) == [other.id]
    assert ids(holder=("414", ELDER)) == []
    assert ids(number=senior(2).number) == [other.id] and ids(identifier=one.identifier) == [one.id]
    assert ids(type_code=SENIOR_CODE) == [other.id, one.id] and ids(department=CARE) == []
    with house.registry.read(actor()) as work:
        assert all(len(index) == 32 for index in work.session.scalars(select(CertificateHolder.holder_index)))


def test_a_list_is_read_to_its_end_page_by_page_while_it_grows(house: House) -> None:
    first = {one.id for one in house.do(certificates.register_many, [food(number) for number in range(25)])}
    seen: list[str] = []
    cursor: str | None = None
    for turn in range(4):
        page = house.see(searching.list_page, searching.Search(), cursor, 10)
        seen += [row.id for row in page.certificates]
        house.certificate(food(100 + turn))
        cursor = page.cursor
        if cursor is None:
            break
    assert cursor is None and set(seen) == first and len(seen) == 25 and seen == sorted(seen, reverse=True)


def test_a_period_narrows_by_the_day_of_issue_and_is_read_page_by_page_from_the_last_day_on(house: House) -> None:
    days = ["20260103", "20260105", "20260105", "20260101", "20260105", "20260107"]
    made = [house.certificate(food(n, issue_date=day)) for n, day in enumerate(days)]

    def ids(cursor: str | None = None, limit: int = 10, **search: Any) -> tuple[list[str], str | None]:
        page = house.see(searching.list_page, searching.Search(**search), cursor, limit)
        return [row.id for row in page.certificates], page.cursor

    third, fifth = date(2026, 1, 3), date(2026, 1, 5)
    wanted = [made[n].id for n in (4, 2, 1, 0)]
    assert ids(issued_from=third, issued_to=fifth) == (wanted, None)
    assert ids(issued_from=date(2026, 1, 6))[0] == [made[5].id] and ids(issued_to=date(2026, 1, 2))[0] == [made[3].id]
    seen, cursor = ids(limit=2, issued_from=third, issued_to=fifth)
    house.certificate(food(100, issue_date="20260107"))
    further, end = ids(cursor, 2, issued_from=third, issued_to=fifth)
    assert seen + further == wanted and end is None
    assert ids(issued_from=third, number=food(3).number)[0] == [] and ids(issued_to=third, department=CARE)[0] == []
    with pytest.raises(InvalidDraftError) as reversed_period:
        ids(issued_from=fifth, issued_to=third)
    with pytest.raises(InvalidDraftError) as foreign_cursor:
        ids(made[0].id, issued_from=third)
    refused = [raised.value.errors[0].reason for raised in (reversed_period, foreign_cursor)]
    assert refused == ["ends_before_it_begins", "wrong_cursor"]


def test_who_looks_a_holder_up_and_what_for_is_written_down_without_the_number(house: House) -> None:
    one = house.certificate(senior(1))
    search = searching.Search(holder=("111", ELDER))
    with house.registry.begin(actor(CARE, "window")) as work:
        assert [row.id for row in searching.look_up(work, search, " 办理老年人补贴 ").certificates] == [one.id]
    for purpose in ("", "  ", "字" * 201, "办\n理"):
        with pytest.raises(InvalidDraftError), house.registry.begin(actor(CARE, "window")) as work:
            searching.look_up(work, search, purpose)
    with house.registry.read(actor()) as work:
        (row,) = work.session.scalars(select(CertificateLookup))
    assert (row.purpose, row.actor, row.department) == ("办理老年人补贴", actor(CARE).id, CARE)
    assert (row.sought, row.sought_index) == ("holder", house.registry.blind.of("111", ELDER))


def test_faces_are_masked_but_for_the_issuers_registrars_and_disclosure_is_recorded(house: House) -> None:
    registered = house.certificate(disability())

    def shown(who: Any) -> dict[str, Any]:
        with house.registry.begin(who) as work:
            return masking.masked(work, certificates.get(work, registered.id), who)

    whole, masked = shown(actor(MARKET, "registrar")), shown(actor(CARE, "window"))
    assert whole["holders"][0]["holder_code"] == ELDER
    assert masked["holders"] == [
        {"holder_name": "随*", "holder_code": "3101**********0006", "holder_code_type_code": "111"}
    ]
    assert masked["certificate_number"] == "3101************0642"
    info = masked["extend_info"]
    assert (info["guardian"], info["disability_category"]) == ("随*子", "***") and info["guardian_phone"].startswith(
        "02"
    )
    assert ELDER not in str(masked) and shown(actor(MARKET, "window")) == masked

    window = actor(CARE, "window")
    with house.registry.begin(window) as work:
        certificate = certificates.get(work, registered.id)
        assert masking.disclose(work, certificate, "核对残疾等级") == whole
        with pytest.raises(InvalidDraftError):
            masking.disclose(work, certificate, "  ")
    with pytest.raises(NotPermittedError), house.registry.begin(actor(CARE, "venue")) as work:
        masking.disclose(work, certificates.get(work, registered.id), "好奇")
    with house.registry.read(window) as work:
        (row,) = work.session.scalars(select(CertificateDisclosure))
    assert (row.certificate_id, row.actor, row.purpose) == (registered.id, window.id, "核对残疾等级")


def test_organisations_are_public_but_sole_traders_are_not(sqlite_house: House) -> None:
    company = sqlite_house.certificate(food(1))
    trader = sqlite_house.certificate(food(2, holders=(HolderDraft("长宁区随甲小吃店", "92310105MA1FWT030X", "001"),)))
    window = actor(CARE, "window")
    with sqlite_house.registry.read(window) as work:
        first, second = (
            masking.masked(work, certificates.get(work, one.id), window)["holders"][0] for one in (company, trader)
        )
    assert first["holder_code"] == COMPANY and "*" in second["holder_name"] and "*" in second["holder_code"]
