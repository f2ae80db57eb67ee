"""OFD files as other makers write them, and what one entry more or less makes of a file whose seal holds."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from ofd_maker import NAMESPACE, Files, Maker, make_cast, pack, plain_files, sealer

from verifier import State
from verifier.documents import moments
from verifier.documents.findings import Format, Inspection, Roots
from verifier.documents.inspecting import inspect
from verifier.documents.invoices import amount_of, day_of
from verifier.documents.sniffing import sniff

AT = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
CAST = make_cast()
PAGE, SECOND = "Doc_0/Pages/Page_0/Content.xml", "Doc_0/Pages/Page_1/Content.xml"


def judge(data: bytes, name: str = "file.ofd") -> Inspection:
    return inspect(data, name, Roots((CAST.root.trusted,)), AT)


def sealed(files: Files | None = None, *leave_out: str) -> Files:
    return Maker(dict(files or plain_files())).add(sealer(CAST), leave_out=leave_out).files


def outcome(files: Files) -> tuple[State, str]:
    found = judge(pack(files))
    return found.state, found.reason


GOOD, UNCOVERED = (State.VALID, "ok"), (State.UNDECIDED, "not_all_covered")


def with_versions() -> Files:
    files = plain_files()
    listed = b'<ofd:Versions><ofd:Version ID="1" Current="true" BaseLoc="Doc_0/V/Version.xml"/></ofd:Versions>'
    files["OFD.xml"] = files["OFD.xml"].replace(b"<ofd:Signatures>", listed + b"<ofd:Signatures>")
    files["Doc_0/V/Version.xml"] = (
        f'<ofd:DocVersion xmlns:ofd="{NAMESPACE}"><ofd:FileList><ofd:File ID="1">/Doc_0/later.xml</ofd:File>'
        "</ofd:FileList><ofd:DocRoot>/Doc_0/Later.xml</ofd:DocRoot></ofd:DocVersion>"
    ).encode()
    files["Doc_0/Later.xml"] = files["Doc_0/Document.xml"].replace(b"Page_1/", b"Page_2/")
    files["Doc_0/Pages/Page_2/Content.xml"] = files[SECOND]
    return files


def test_every_version_of_a_document_has_to_be_covered() -> None:
    files = with_versions()
    assert outcome(sealed(files)) == GOOD
    for left_out in ("Doc_0/V/Version.xml", "Doc_0/Later.xml", "Doc_0/Pages/Page_2/Content.xml"):
        assert outcome(sealed(files, left_out)) == UNCOVERED, left_out


def test_a_page_that_no_seal_covers_cannot_be_taken_away_either() -> None:
    files = sealed(None, SECOND)
    assert outcome(files) == UNCOVERED
    del files[SECOND]
    assert outcome(files) == (State.UNDECIDED, "page_missing")


def test_an_entry_that_differs_in_upper_case_may_be_shown_instead() -> None:
    assert outcome(sealed() | {"Doc_0/other.txt": b"x"}) == GOOD
    assert outcome(sealed() | {PAGE.replace("Pages", "PAGES"): b"<x/>"}) == UNCOVERED


def test_what_an_unreadable_page_uses_is_unknown() -> None:
    files = sealed(plain_files() | {PAGE: b"<ofd:Page>"})
    assert outcome(files) == GOOD
    assert outcome(files | {"Doc_0/Res/picture.png": b"x"}) == UNCOVERED


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("utf8", "utf-8"), ("UTF-8", "utf-8-sig"), ("GBK", "gbk"), ("cp936", "gbk"), ("gb18030", "gb18030")],
)
def test_encodings_are_read_as_they_are_declared(declared: str, encoding: str) -> None:
    def rewritten(data: bytes) -> bytes:
        return f"<?xml version='1.0' encoding='{declared}'?>{data.decode()}".encode(encoding)

    files = {name: rewritten(data) if name.endswith(".xml") else data for name, data in plain_files().items()}
    found = judge(pack(sealed(files)))
    assert (found.state, found.notes) == (State.VALID, ())


def test_names_that_begin_with_the_folder_itself_are_the_same_names() -> None:
    assert outcome({f"./{name}": data for name, data in sealed().items()}) == GOOD


def test_a_package_packed_again_inside_a_folder_is_told_so() -> None:
    found = judge(pack({f"发票/{name}": data for name, data in sealed().items()}))
    assert (found.state, found.reason) == (State.INVALID, "no_entrance")
    assert "发票/OFD.xml" in found.message and "重新打包" in found.message


def test_encrypted_entries_leave_it_open() -> None:
    data = bytearray(pack(sealed()))
    for mark, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.index(mark) + flags] |= 1
    found = judge(bytes(data))
    assert (found.state, found.reason) == (State.UNDECIDED, "encrypted_entry")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026/1/5 9:05", "2026-01-05 01:05:00"),
        ("2026年1月5日9:05:07", "2026-01-05 01:05:07"),
        ("20260105090507Z", "2026-01-05 09:05:07"),
        ("2026-01-05", "2026-01-04 16:00:00"),
    ],
)
def test_times_are_read_as_makers_write_them(text: str, utc: str) -> None:
    assert moments.read(text).readings[0] == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_amounts_and_days_of_two_sources_are_compared_by_what_they_mean() -> None:
    amounts = {"¥1,234.50": "1234.50", "-¥100.00": "-100", "￥-100": "-100", "１００．００": "100"}
    assert {text: str(amount_of(text)) for text in amounts} == {
        "¥1,234.50": "1234.50", "-¥100.00": "-100.00", "￥-100": "-100", "１００．００": "100.00",
    }  # fmt: skip
    assert [amount_of(text) for text in ("1,23", "1.234", "", "***", "NaN", "Infinity")] == [None] * 6
    days = ("2026年1月5日", "2026-01-05 10:00:00", "20260105", "２０２６年１月５日")
    assert {day_of(text) for text in days} == {"20260105"}
    assert day_of("5/1/2026") is None
    invoice = (
        "<eInvoice><InvoiceNo>26312000001234567890</InvoiceNo><IssueDate>2026-01-05</IssueDate>"
        "<TaxInclusiveTotalAmount>1234.50</TaxInclusiveTotalAmount></eInvoice>"
    )
    custom = "".join(
        f'<ofd:CustomData Name="{name}">{value}</ofd:CustomData>'
        for name, value in (("开票日期", "2026年1月5日"), ("价税合计", "￥1,234.50"))
    )
    found = judge(pack(sealed(plain_files(attached={"a.xml": invoice.encode()}, custom=custom))))
    assert found.invoice is not None and found.invoice["differing"] == []


def test_files_that_are_no_documents_are_named() -> None:
    assert (judge(b"").state, judge(b"").reason) == (State.UNDECIDED, "empty_file")
    boxes = {b"heic": Format.HEIF, b"mif1": Format.HEIF, b"avif": Format.AVIF, b"mp42": Format.UNKNOWN}
    for brand, kind in boxes.items():
        assert sniff(b"\0\0\0\x18ftyp" + brand + b"\0" * 16) is kind
    for beginning in (b"Rar!\x1a\x07\x01\0", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b\x08\0"):
        found = judge(beginning + b"\0" * 40, "files.rar")
        assert found.format is Format.ARCHIVE and "解压" in found.message and not found.notes


@pytest.mark.parametrize(
    "location", ["Doc_0/Signs/Sign_0/Signature.xml", "Sign_0/Signature.xml", "./Sign_0/Signature.xml"]
)
def test_descriptions_of_signatures_are_found_as_makers_name_them(location: str) -> None:
    files = sealed()
    listing = files["Doc_0/Signs/Signatures.xml"]
    files["Doc_0/Signs/Signatures.xml"] = listing.replace(b"/Doc_0/Signs/Sign_0/Signature.xml", location.encode())
    assert outcome(files) == GOOD


def test_what_a_signature_covers_may_be_named_from_the_root_without_a_stroke() -> None:
    def without_stroke(paper: bytes) -> bytes:
        return paper.replace(b'FileRef="/', b'FileRef="')

    maker = Maker(plain_files())
    seal = sealer(CAST)
    maker.add(lambda paper: seal(without_stroke(paper)))
    name = "Doc_0/Signs/Sign_0/Signature.xml"
    files = maker.files | {name: without_stroke(maker.files[name])}
    assert outcome(files) == GOOD
    assert outcome(files | {PAGE: b"<changed/>"}) == (State.INVALID, "content_changed")
    del files[SECOND]
    assert outcome(files) == (State.INVALID, "content_changed")


def repacked(files: dict[str, bytes], method: int, zip64: bool = False, stroke: str = "/") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.filename = name.replace("/", stroke)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=zip64) as entry:
                entry.write(data)
    return made.getvalue()


class _Pipe(io.RawIOBase):
    """What is written to where nobody can go back: sizes stand behind the entries."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written += data
        return len(data)


def test_every_way_to_pack_the_same_entries_gives_the_same_answer() -> None:
    files = Maker().add(sealer(CAST)).files
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    packed = [repacked(files, zipfile.ZIP_STORED), repacked(files, zipfile.ZIP_DEFLATED, zip64=True)]
    packed += [repacked(files, zipfile.ZIP_DEFLATED, stroke="\\"), bytes(pipe.written)]
    for data in packed:
        assert judge(data).state is State.VALID, judge(data).message
    altered = files | {"Doc_0/Pages/Page_0/Content.xml": files["Doc_0/Pages/Page_0/Content.xml"] + b" "}
    assert judge(repacked(altered, zipfile.ZIP_STORED, stroke="\\")).reason == "content_changed"


def test_entries_that_the_directory_does_not_list_keep_a_file_from_being_valid() -> None:
    good = Maker().add(sealer(CAST)).packed()
    evil = pack(plain_files() | {"Doc_0/Pages/Page_0/Content.xml": b"<ofd:Page/>"})
    # Programs that read from the front see the first file, those that read the directory the second.
    for data in (evil + good, evil[: evil.index(b"PK\x01\x02")] + good):
        found = judge(data)
        assert (found.state, found.reason) == (State.UNDECIDED, "stray_entries")
        assert found.signatures[0].integrity == "intact"
    assert judge(good + b"\n\n").state is State.VALID
