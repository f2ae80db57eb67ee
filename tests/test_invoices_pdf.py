"""E-invoices in PDF: from the attached XML and from the face, signed as a whole, and the same item as their OFD."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pdf_maker
import pytest
import segno
import typst
from conftest import missing
from ofd_maker import Cast, make_cast, make_seal, sign_sealed
from pyhanko.pdf_utils.embed import EmbeddedFileObject, FileSpec, embed_file
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from registry_house import CARE, MARKET, House, actor
from test_inspect_invoices import DIGITAL, XBRL
from test_invoices import ELDER_HOLDER, count, hand_in, sealed

from codes import pages
from registry.departments import service as departments
from registry.errors import InvalidDraftError
from registry.files import service as files
from registry.files.store import looked_at
from registry.invoices import rules
from registry.invoices import service as invoices
from registry.invoices.rules import ReadInvoice
from registry.materials.rules import INVOICE_TYPE
from registry.materials.tables import Material
from verifier import State, sm2
from verifier.digests import sm3
from verifier.documents.findings import Roots
from verifier.documents.inspecting import inspect
from verifier.documents.invoice_faces import read_face
from verifier.errors import MalformedError

pytest_plugins = ["registry_fixtures"]
NEW = f"01,32,,{DIGITAL},106.00,20261120,,5F98"
OLD = "01,10,050001700111,99999951,300.00,20201010,14754822929856772523,E400,"
"""As in the OFD sample of a real maker."""
NEW_WORDS = (
    f"发票号码：{DIGITAL}\n开票日期：2026年11月20日\n合 计 ¥100.00 ¥6.00\n价税合计（大写）壹佰零陆圆整（小写）¥106.00"
)
OLD_WORDS = "050001700111\n99999951\n2020 年 10 月 10 日\n￥300.00 ￥18.00\n（小写） ￥ 318.00"


@pytest.fixture(scope="module")
def cast() -> Cast:
    if not sm2.available():
        missing("SM2 in the system's OpenSSL")
    return make_cast()


def face(qr: str = NEW, words: str = NEW_WORDS) -> bytes:
    """A page with this text, and a QR as makers of invoices draw it."""
    picture = io.BytesIO()
    segno.make(qr, error="m", micro=False).save(picture, kind="svg", scale=2)
    source = '#image(bytes(sys.inputs.code), width: 30mm)\n#set text(font: "Noto Sans CJK SC")\n#sys.inputs.words'
    inputs = {"code": picture.getvalue().decode(), "words": words}
    return typst.compile(source.encode(), format="pdf", sys_inputs=inputs)


def signed(data: bytes, attached: bytes | None = None) -> bytes:
    root, signer = pdf_maker.make_people()
    if attached is not None:
        writer = IncrementalPdfFileWriter(io.BytesIO(data))
        file = EmbeddedFileObject.from_file_data(writer, data=attached, mime_type="text/xml")
        embed_file(writer, FileSpec("invoice.xml", file_name="发票.xml", embedded_data=file))
        made = io.BytesIO()
        writer.write(made)
        data = made.getvalue()
    return pdf_maker.sign(data, signer, root=root)


def now() -> datetime:
    """A moment after what was signed by the clock."""
    return datetime.now(UTC) + timedelta(seconds=1)


def read(data: bytes, roots: Roots | None = None) -> ReadInvoice:
    return invoices.read_file(data, roots or Roots(), now())


def faults(data: bytes) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDraftError) as refused:
        read(data)
    assert all(one.message.endswith("。") for one in refused.value.errors)
    return [(one.field, one.reason) for one in refused.value.errors]


# Reading.


def test_a_signed_face_is_read_and_its_unknown_maker_is_told() -> None:
    data = signed(face())
    found = read(data)
    assert (found.key, found.issued_on, found.data["amount_with_tax"]) == (f"invoice::{DIGITAL}", "20261120", "106.00")
    assert (found.seal, found.data["seal_reason"]) == (State.UNDECIDED, "unknown_maker")
    root, _ = pdf_maker.make_people()
    assert read(data, Roots((root.trusted,))).seal is State.VALID


def test_an_older_invoice_is_read_with_the_sums_on_its_face() -> None:
    found = read(signed(face(OLD, OLD_WORDS)))
    assert found.key == "invoice:050001700111:99999951"
    assert [found.data[name] for name in ("amount_without_tax", "tax", "amount_with_tax")] == [
        "300.00",
        "18.00",
        "318.00",
    ]


def test_an_attached_xml_is_read_and_has_to_say_what_the_face_says() -> None:
    found = read(signed(face(), XBRL))
    assert (found.data["seller_name"], found.data["amount_without_tax"]) == ("上海随证测试有限公司", "100.00")
    assert read(signed(face("https://example.org/", "别的"), XBRL)).key == found.key
    assert faults(signed(face(), XBRL.replace(b">106.00<", b">107.00<").replace(b">6.00<", b">7.00<"))) == [
        ("amount_with_tax", "contradictory")
    ]


def test_what_is_no_signed_whole_is_refused_by_its_reason() -> None:
    whole = signed(face())
    flipped = bytearray(whole)
    flipped[whole.index(b"/MediaBox") + 12] ^= 1
    # A form of signatures that nobody here judges (ISO 32000-1 section 12.8.3.2).
    other = whole.replace(b"ETSI.CAdES.detached", b"adbe.x509.rsa_sha1 ")
    assert other != whole
    for data, reason in (
        (face(), "not_sealed"), (pdf_maker.encrypted(face()), "not_sealed"), (other, "seal_not_judged"),
        (b"junk\n" + whole, "not_all_covered"), (pdf_maker.change_page(whole), "altered"), (bytes(flipped), "altered"),
        (whole[: len(whole) // 2], "altered"),
    ):  # fmt: skip
        with pytest.raises(InvalidDraftError) as refused:
            rules.examine(inspect(data, "", Roots(), now()), now().date())
        (fault,) = refused.value.errors
        assert (fault.field, fault.reason, fault.message[-1]) == ("file", reason, "。"), fault


def test_a_face_under_an_e_seal_with_sm2_is_read(cast: Cast) -> None:
    _, signer = pdf_maker.make_people()
    room = pdf_maker.sign(face(), signer, room=16_384).replace(b"ETSI.CAdES.detached", b"adbe.pkcs7.detached")
    seal = make_seal(cast.maker, [cast.signer.certificate], 4)
    data = pdf_maker.with_value(room, sign_sealed(cast.signer, seal, sm3(pdf_maker.covered(room)), 4))
    found = read(data, Roots((cast.root.trusted,)))
    assert (found.key, found.seal) == (f"invoice::{DIGITAL}", State.VALID)
    assert faults(data.replace(b"/MediaBox", b"/MediaBoy", 1)) == [("file", "altered")]


def test_a_signed_pdf_that_is_no_invoice_or_contradicts_itself_is_refused() -> None:
    assert faults(signed(face("https://example.org/"))) == [("file", "no_invoice")]
    assert faults(signed(face(words=NEW_WORDS.replace("106.00", "906.00")))) == [("amount_with_tax", "contradictory")]


@pytest.mark.parametrize(
    ("qr", "words", "differing"),
    [
        (NEW, NEW_WORDS, []),
        (NEW, NEW_WORDS.replace(DIGITAL, DIGITAL[:-1] + "1"), ["number"]),
        (NEW, NEW_WORDS.replace(DIGITAL, DIGITAL + "1"), ["number"]),
        (NEW, NEW_WORDS.replace("20日", "21日"), ["issued_on"]),
        (NEW, NEW_WORDS.replace("106.00", "906.00"), ["amount_with_tax"]),
        (NEW.replace("106.00", "100.00"), NEW_WORDS, ["amount_with_tax"]),
        (OLD, OLD_WORDS, []),
        (OLD, OLD_WORDS.replace("318.00", "381.00"), ["amount_with_tax"]),
        (OLD, OLD_WORDS.replace("050001700111", "050001700112"), ["code"]),
        (OLD.replace("300.00", "318"), OLD_WORDS.replace("￥300.00 ￥18.00", "￥318.00 ***"), []),
    ],
)
def test_a_code_that_says_something_else_than_its_page_is_told(qr: str, words: str, differing: list[str]) -> None:
    found = read_face(("https://example.org/", qr), words, covered=True)
    assert found is not None and found["differing"] == differing


def test_several_invoices_and_a_page_of_pictures_are_refused() -> None:
    for codes, words, reason in (((NEW, OLD), NEW_WORDS, "several_invoices"), ((NEW,), " \n", "no_text")):
        with pytest.raises(MalformedError) as refused:
            read_face(codes, words, covered=True)
        assert refused.value.reason == reason
    assert read_face(("SZ1:A", "01,32,,1,1,1"), NEW_WORDS, covered=True) is None
    negative = read_face((NEW.replace(",106", ",-106"),), NEW_WORDS.replace("¥", "-¥"), covered=True)
    assert negative is not None and negative["fields"]["amount_with_tax"]["value"] == "-106.00"


def test_the_pages_of_an_unsigned_file_are_not_even_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = list[bytes]()
    real = pages.read
    monkeypatch.setattr(pages, "read", lambda data: drawn.append(data) or real(data))
    faults(face())
    assert not drawn
    assert read(signed(face())) and len(drawn) == 1


# One item.


def test_the_same_invoice_in_ofd_and_in_pdf_is_one_item(house: House, cast: Cast) -> None:
    house.do(departments.grant_scope, CARE, INVOICE_TYPE, "issue")
    first = hand_in(house, sealed(cast))
    again = hand_in_pdf(house, signed(face()), CARE)
    assert (first.is_new, again.is_new, again.differs) == (True, False, [])
    assert first.material.id == again.material.id and count(house, Material) == 1
    assert house.see(invoices.count_files, first.material.id) == 2
    other = DIGITAL[:-1] + "1"
    assert hand_in_pdf(house, signed(face(NEW.replace(DIGITAL, other), NEW_WORDS.replace(DIGITAL, other))), CARE).is_new


def hand_in_pdf(house: House, data: bytes, department: str = MARKET) -> Any:
    stored, invoice = looked_at([data]), read(data)
    house.do(files.register, stored, who=actor(department))
    return house.do(invoices.register, invoice, stored.sha256, ELDER_HOLDER, who=actor(department))
