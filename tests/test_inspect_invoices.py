"""E-invoices in OFD files: both dialects and the custom data, what a seal covers, and the one-time key."""

from __future__ import annotations

import pytest
from ofd_maker import Maker, make_cast, plain_files, sealer
from test_inspect_ofd import judge, real

from verifier import State
from verifier.documents.invoices import one_time_key

DIGITAL = "26312000001234567890"
XBRL = f"""<?xml version="1.0" encoding="UTF-8"?>
<xbrl xmlns="http://www.xbrl.org/2003/instance" xmlns:einv="http://xbrl.mof.gov.cn/taxonomy/2023-12-31/einv">
  <context id="c"/>
  <einv:InvoiceNumber contextRef="c">{DIGITAL}</einv:InvoiceNumber>
  <einv:DateOfIssue contextRef="c">2026-11-20</einv:DateOfIssue>
  <einv:SellerName contextRef="c">上海随证测试有限公司</einv:SellerName>
  <einv:SellerIdNum contextRef="c">91310105MA1FWT014B</einv:SellerIdNum>
  <einv:TotalAmWithoutTax contextRef="c">100.00</einv:TotalAmWithoutTax>
  <einv:TotalTaxAm contextRef="c">6.00</einv:TotalTaxAm>
  <einv:TotalTax-includedAmount contextRef="c">106.00</einv:TotalTax-includedAmount>
</xbrl>""".encode()
DIGITAL_XML = f"""<EInvoice><Header><EIid>{DIGITAL}</EIid></Header><EInvoiceData>
<SellerInformation><SellerIdNum>91310105MA1FWT014B</SellerIdNum></SellerInformation>
<BasicInformation><TotalTax-includedAmount>106.00</TotalTax-includedAmount></BasicInformation></EInvoiceData>
<TaxSupervisionInfo><InvoiceNumber>{DIGITAL}</InvoiceNumber><IssueTime>2026-11-20</IssueTime></TaxSupervisionInfo>
</EInvoice>""".encode()


def values(invoice: dict[str, object]) -> dict[str, str]:
    fields = invoice["fields"]
    assert isinstance(fields, dict)
    return {name: field["value"] for name, field in fields.items()}


@pytest.mark.parametrize(
    ("name", "code", "number", "total", "seller", "covered"),
    [
        ("invoice-gomain.ofd", "033002000211", "83089647", "526.00", "兰溪市悦济舫餐厅", True),
        ("invoice-v4.ofd", "050001700111", "99999951", "318.00", "杭州融易算企业管理咨询有限公司", True),
        ("plain-no-page.ofd", "031001900511", "04875996", "57.00", "上海阿金大白餐饮管理有限公司", False),
    ],
)
def test_real_invoices_are_read(name: str, code: str, number: str, total: str, seller: str, covered: bool) -> None:
    invoice = judge(real(name)).invoice
    assert invoice is not None
    assert (invoice["code"], invoice["number"], invoice["key"]) == (code, number, f"invoice:{code}:{number}")
    found = values(invoice)
    assert (found["amount_with_tax"], found["seller_name"]) == (total, seller)
    assert len(found["check_code"]) == 20 and found["issued_on"].startswith("2020年")
    assert {field["covered"] for field in invoice["fields"].values()} == {covered}
    assert invoice["differing"] == []


@pytest.mark.parametrize(("data", "dialect"), [(XBRL, "xbrl"), (DIGITAL_XML, "einvoice")])
def test_the_dialects_of_digital_invoices_are_read(data: bytes, dialect: str) -> None:
    cast = make_cast()
    maker = Maker(plain_files(attached={"issuer.xml": data})).add(sealer(cast))
    found = judge(maker.packed(), cast.root.trusted)
    assert found.state is State.VALID and found.invoice is not None
    assert (found.invoice["dialects"], found.invoice["key"]) == ([dialect], f"invoice::{DIGITAL}")
    fields = values(found.invoice)
    assert (fields["amount_with_tax"], fields["seller_tax_id"]) == ("106.00", "91310105MA1FWT014B")
    assert fields["issued_on"] == "2026-11-20"


def test_fields_that_no_seal_covers_or_that_differ_are_told() -> None:
    cast = make_cast()
    custom = (
        f'<ofd:CustomData Name="发票号码">{DIGITAL}</ofd:CustomData>'
        '<ofd:CustomData Name="价税合计">9106.00</ofd:CustomData>'
        '<ofd:CustomData Name="购买方名称">某某</ofd:CustomData>'
    )
    files = plain_files(attached={"issuer.xml": XBRL}, custom=custom)
    found = judge(Maker(files).add(sealer(cast), leave_out=("OFD.xml",)).packed(), cast.root.trusted)
    assert found.invoice is not None
    assert found.invoice["differing"] == ["amount_with_tax"]
    fields = found.invoice["fields"]
    assert (fields["amount_with_tax"]["covered"], fields["amount_with_tax"]["value"]) == (True, "106.00")
    assert (fields["buyer_name"]["covered"], fields["buyer_name"]["dialect"]) == (False, "custom_data")
    assert (found.state, found.reason) == (State.UNDECIDED, "not_all_covered")


def test_an_xml_that_is_no_invoice_is_none() -> None:
    for data in (b"<note/>", b"<xbrl/>", b"<eInvoice/>", b"not xml", b"<eInvoice>"):
        maker = Maker(plain_files(attached={"a.xml": data})).add(sealer(make_cast()))
        assert judge(maker.packed()).invoice is None


@pytest.mark.parametrize(
    ("code", "number", "key"),
    [
        ("031001900511", "04875996", "invoice:031001900511:04875996"),
        ("", DIGITAL, f"invoice::{DIGITAL}"),
        ("031001900511", DIGITAL, f"invoice::{DIGITAL}"),
        (" 0310 01900511", "0487 5996", "invoice:031001900511:04875996"),
        ("", "04875996", None),
        ("12", "04875996", None),
        ("031001900511", "abc", None),
        ("０３１００１９００５１１", "04875996", None),
    ],
)
def test_the_one_time_key_is_code_and_number(code: str, number: str, key: str | None) -> None:
    assert one_time_key(code, number) == key
