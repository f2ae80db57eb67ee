"""E-invoices: read from the file, one item for each whoever hands it in, used once, refused when altered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from api_office import COMPANY as OFFICE_COMPANY
from api_office import ISSUER, PERSON, USER, OpenOffice, open_office, settings_in
from conftest import missing
from ofd_maker import Cast, Maker, make_cast, pack, plain_files, sealer, unpack, unsealed_files
from registry_house import CARE, COMPANY, ELDER, MARKET, PURPOSE, House, actor, request
from sqlalchemy import func, select
from test_inspect_invoices import DIGITAL, DIGITAL_XML, XBRL
from test_inspect_ofd import AT, real

from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot
from registry.certificates.holders import HolderDraft
from registry.departments import service as departments
from registry.errors import InvalidDraftError, NotPermittedError, ReuseRefusedError
from registry.files import service as files
from registry.files.store import looked_at
from registry.invoices import rules
from registry.invoices import service as invoices
from registry.invoices.rules import ReadInvoice
from registry.invoices.service import HandedIn
from registry.log.tables import LogEntry
from registry.materials import service as materials
from registry.materials.rules import INVOICE_TYPE, MaterialDraft
from registry.materials.tables import Material
from registry.uses import service as uses
from verifier import State, sm2
from verifier.documents.findings import Roots

pytest_plugins = ["registry_fixtures"]
ELDER_HOLDER = HolderDraft("随甲", ELDER, "111")
NAME = "随证购票人"


@pytest.fixture(scope="module", autouse=True)
def _library() -> None:
    if not sm2.available():
        missing("SM2 in the system's OpenSSL")


@pytest.fixture(scope="module")
def cast() -> Cast:
    return make_cast()


def sealed(cast: Cast, xml: bytes = XBRL, **more: Any) -> bytes:
    """A sealed OFD file with this invoice in it."""
    return Maker(plain_files(attached={"issuer.xml": xml}, **more)).add(sealer(cast)).packed()


def read(data: bytes, roots: Roots | None = None) -> ReadInvoice:
    return invoices.read_file(data, roots or Roots(), AT)


def faults(data: bytes) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDraftError) as refused:
        read(data)
    assert all(one.message.endswith("。") for one in refused.value.errors)
    return [(one.field, one.reason) for one in refused.value.errors]


def hand_in(house: House, data: bytes, department: str = MARKET, holder: HolderDraft | None = ELDER_HOLDER) -> HandedIn:
    stored, invoice = looked_at([data]), read(data)
    house.do(files.register, stored, who=actor(department))
    done: HandedIn = house.do(invoices.register, invoice, stored.sha256, holder, who=actor(department))
    return done


def count(house: House, table: Any, *where: Any) -> int:
    return int(house.see(lambda work: work.session.scalar(select(func.count()).select_from(table).where(*where))))


# Reading.


@pytest.mark.parametrize(
    ("name", "number", "issued_on", "amounts", "buyer"),
    [
        ("invoice-gomain.ofd", "83089647", "20200723", ("510.68", "15.32", "526.00"), "91320115MA202UKD7X"),
        ("invoice-v4.ofd", "99999951", "20201010", ("300.00", "18.00", "318.00"), None),
    ],
)
def test_a_real_invoice_is_read_and_its_unknown_seal_maker_is_told(
    name: str, number: str, issued_on: str, amounts: tuple[str, ...], buyer: str | None
) -> None:
    found = read(real(name))
    data = found.data
    assert (data["invoice_number"], found.issued_on) == (number, issued_on)
    assert (data["amount_without_tax"], data["tax"], data["amount_with_tax"]) == amounts
    assert (found.seal, data["seal_reason"]) == (State.UNDECIDED, "unknown_maker")
    # The second sample's buyer has a number that is none: somebody has to say who hands it in.
    assert (found.buyer[1] if found.buyer else None) == buyer


@pytest.mark.parametrize("name", ["invoice-gomain.ofd", "invoice-v4.ofd"])
def test_an_altered_byte_a_lost_seal_and_a_cut_file_are_refused(name: str) -> None:
    data = real(name)
    inside = unpack(data)
    victim = next(entry for entry in inside if entry.endswith("Content.xml") and "Page" in entry)
    altered = bytearray(inside[victim])
    altered[-2] ^= 1
    assert faults(pack({**inside, victim: bytes(altered)})) == [("file", "altered")]
    listing = next(entry for entry in inside if entry.endswith("Signatures.xml"))
    emptied = b'<ofd:Signatures xmlns:ofd="http://www.ofdspec.org/2016"/>'
    assert faults(pack({**inside, listing: emptied})) == [("file", "altered")]
    assert {field for field, _ in faults(data[: len(data) // 2])} == {"file"}


def test_what_is_no_invoice_is_named(cast: Cast) -> None:
    assert faults(sealed(cast, b"<note/>")) == [("file", "no_invoice")]
    assert faults(b"%PDF-1.7 nothing") == [("file", "altered")]
    assert faults(XBRL) == [("file", "not_ofd_or_pdf")]
    assert faults(b"PK\x03\x04OFD.xml, and then nothing")[0][0] == "file"


def test_a_valid_seal_is_valid_and_without_any_the_fields_are_nobodys(cast: Cast) -> None:
    assert read(sealed(cast), Roots((cast.root.trusted,))).seal is State.VALID
    bare = faults(pack(unsealed_files(attached={"issuer.xml": XBRL})))
    assert bare == [(name, "not_sealed") for name in ("invoice_number", "issued_on", "amount_with_tax")]


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (b">106.00<", b">107.00<", ("amount_with_tax", "contradictory")),
        (b">106.00<", b">many<", ("amount_with_tax", "no_amount")),
        (b">100.00<", b">Infinity<", ("amount_without_tax", "no_amount")),
        (b">2026-11-20<", b">2026-02-30<", ("issued_on", "date_does_not_exist")),
        (b">2026-11-20<", b">2999-01-01<", ("issued_on", "in_the_future")),
        (b"DateOfIssue", b"SomethingElse", ("issued_on", "missing_in_file")),
        (DIGITAL.encode(), b"12345678", ("invoice_number", "wrong_form")),
    ],
)
def test_a_fault_inside_is_named_by_its_field(cast: Cast, before: bytes, after: bytes, fault: tuple[str, str]) -> None:
    assert faults(sealed(cast, XBRL.replace(before, after))) == [fault]


def test_two_dialects_that_differ_are_refused_and_untaxed_invoices_are_not(cast: Cast) -> None:
    other = DIGITAL_XML.replace(b"106.00", b"206.00")
    files_ = plain_files(attached={"a.xml": XBRL, "b.xml": other})
    assert faults(Maker(files_).add(sealer(cast)).packed()) == [("amount_with_tax", "contradictory")]
    untaxed = XBRL.replace(b">6.00<", b">***<").replace(b">106.00<", b">100.00<")
    assert read(sealed(cast, untaxed)).data["tax"] == "0.00"


def test_the_number_of_a_digital_invoice_is_its_whole_name(cast: Cast) -> None:
    coded = XBRL.replace(b"<einv:SellerName", b"<einv:InvoiceCode>031001900511</einv:InvoiceCode><einv:SellerName", 1)
    assert read(sealed(cast, coded)).key == read(sealed(cast)).key == f"invoice::{DIGITAL}"


# One item.


def test_two_departments_and_two_files_are_one_item(house: House, cast: Cast) -> None:
    house.do(departments.grant_scope, CARE, INVOICE_TYPE, "issue")
    first = hand_in(house, sealed(cast))
    again = hand_in(house, sealed(cast), CARE, HolderDraft("上海随证餐饮有限公司", COMPANY, "001"))
    other = hand_in(house, sealed(cast, XBRL.replace(b"100.00", b"101.00").replace(b"6.00<", b"5.00<", 1)), CARE)
    assert (first.is_new, again.is_new, other.is_new) == (True, False, False)
    assert first.material.id == again.material.id == other.material.id
    assert (first.material.department, first.differs, again.differs) == (MARKET, [], [])
    assert other.differs == ["amount_without_tax", "tax"]
    # Every seal is made anew, so these are three files.
    assert house.see(invoices.count_files, first.material.id) == 3
    assert count(house, Material) == 1
    assert hand_in(house, sealed(cast, XBRL.replace(b"890<", b"891<"))).is_new


def test_typing_one_and_a_stranger_are_refused(house: House, cast: Cast) -> None:
    typed = MaterialDraft(INVOICE_TYPE, "电子发票", (ELDER_HOLDER,), "20261120", "长期", dict(read(sealed(cast)).data))
    with pytest.raises(InvalidDraftError) as refused:
        house.do(materials.register, typed)
    assert refused.value.errors[0].reason == "read_from_file"
    with pytest.raises(NotPermittedError):
        hand_in(house, sealed(cast), CARE)
    with pytest.raises(InvalidDraftError) as nobody:
        hand_in(house, sealed(cast), holder=None)
    assert [one.field for one in nobody.value.errors] == ["holder"]
    with pytest.raises(InvalidDraftError) as lost:
        house.do(invoices.register, read(sealed(cast)), b"\0" * 32, ELDER_HOLDER)
    assert [one.field for one in lost.value.errors] == ["sha256"]
    assert count(house, Material) == 0


def test_an_organisation_on_the_invoice_is_its_holder(house: House) -> None:
    done = hand_in(house, real("invoice-gomain.ofd"), holder=None)
    holders = materials.content_of(done.material)["holders"]
    assert [one["holder_code"] for one in holders] == ["91320115MA202UKD7X"]


def test_twelve_at_once_make_one_item_and_one_use(house: House, cast: Cast) -> None:
    house.do(departments.grant_scope, CARE, INVOICE_TYPE, "issue")
    house.do(departments.grant_scope, MARKET, INVOICE_TYPE, "use")
    made = [sealed(cast) for _ in range(4)]
    barrier, done, results = threading.Barrier(12), list[HandedIn](), list[str]()

    def race(number: int) -> None:
        barrier.wait()
        done.append(hand_in(house, made[number % 4], (MARKET, CARE)[number % 2]))

    run(race)
    assert len(done) == 12 and sum(one.is_new for one in done) == 1
    (item,) = {one.material.id for one in done}
    assert count(house, LogEntry, LogEntry.item == item) == count(house, Material) == 1
    for matter, department in (("IN-0001", CARE), ("IN-0002", MARKET)):
        slot = (Slot("CL01", "发票", (INVOICE_TYPE,)),)
        house.do(catalogue.register_matter, matter, "示例报销", department, PURPOSE, slot)
    grants = [
        house.grant(item, item_kind="material", grantee=department, matter_code=matter)
        for matter, department in (("IN-0001", CARE), ("IN-0002", MARKET))
    ]

    def use(number: int) -> None:
        place = number % 2
        wanted = request(
            item, grants[place], item_kind="material", matter_code=f"IN-000{place + 1}", case_no=f"{number}"
        )
        barrier.wait()
        try:
            house.do(uses.reuse, wanted, who=actor((CARE, MARKET)[place]))
            results.append("won")
        except ReuseRefusedError as refused:
            assert refused.evidence["first_department"] in (CARE, MARKET)
            results.append(refused.reason)

    run(use)
    assert sorted(results) == ["already_used"] * 11 + ["won"]


def run(act: Any) -> None:
    threads = [threading.Thread(target=act, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_differing_names_only_what_both_state() -> None:
    assert rules.differing({"tax": "1.00", "seller_name": "甲"}, {"tax": "2.00", "buyer_name": "乙"}) == ["tax"]


# By API.


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("invoices"))) as office:
        scope = {"type_code": INVOICE_TYPE, "action": "issue", "valid_from_on": "2020-01-01"}
        assert office.send("POST", f"/api/v1/departments/{USER}/scopes", json=scope).status_code == 201
        yield office


def send(office: OpenOffice, data: bytes, department: str, **more: Any) -> Any:
    octets = {"Content-Type": "application/octet-stream"}
    stored = office.send("POST", "/api/v1/files", "window", department, content=data, headers=octets).json()
    body = {"sha256": stored["sha256"], **more}
    return office.send("POST", "/api/v1/invoices", "window", department, json=body)


def test_the_api_tells_the_first_item_and_keeps_names_out_of_the_log(office: OpenOffice, cast: Cast) -> None:
    named = f"<einv:BuyerName>{NAME}</einv:BuyerName><einv:SellerName".encode()
    xml = XBRL.replace(b"<einv:SellerName", named, 1)
    person = {"holder_name": NAME, "holder_code": PERSON, "holder_code_type_code": "111"}
    first = send(office, sealed(cast, xml), ISSUER, holder=person)
    assert first.status_code == 202, first.text
    assert (first.json()["duplicate"], first.json()["seal"]["state_name"]) == (False, "无法判定")
    company = {"holder_name": "上海随证测试有限公司", "holder_code": OFFICE_COMPANY, "holder_code_type_code": "001"}
    again = send(office, sealed(cast, xml), USER, holder=company).json()
    assert (again["id"], again["duplicate"], again["department"]) == (first.json()["id"], True, ISSUER)
    own = office.send("GET", first.json()["status_url"], "window").json()["data"]
    other = office.send("GET", first.json()["status_url"], "window", USER).text
    assert (own["buyer_name"], own["seal_state"]) == (NAME, "undecided")
    assert NAME not in other and NAME not in first.text
    office.settle()
    with office.services.registry.engine.connect() as connection:
        held = connection.exec_driver_sql("SELECT * FROM log_entries").all()
    assert held and all(NAME not in str(row) and NAME.encode() not in b"".join(_bytes(row)) for row in held)


def _bytes(row: Any) -> list[bytes]:
    return [bytes(value) for value in row if isinstance(value, bytes | memoryview)]


def test_the_api_refuses_what_is_altered_and_who_may_not(office: OpenOffice, cast: Cast) -> None:
    inside = unpack(sealed(cast))
    inside["Doc_0/Attachs/issuer.xml"] = XBRL.replace(b"106.00", b"906.00")
    refused = send(office, pack(inside), ISSUER)
    assert refused.status_code == 422
    assert [(one["field"], one["reason"]) for one in refused.json()["errors"]] == [("file", "altered")]
    missing = office.send("POST", "/api/v1/invoices", "window", json={"sha256": "0" * 64})
    assert (missing.status_code, missing.json()["reason"]) == (404, "file_unknown")
    body = {"sha256": "0" * 64}
    assert office.send("POST", "/api/v1/invoices", "auditor", json=body).status_code == 403
