"""Files that nobody means well with: bombs, paths that leave, entities, cuts, noise. Each refused as its rule says."""

from __future__ import annotations

import io
import random
import resource
import struct
import time
import zipfile
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ofd_maker import Maker, make_cast, pack, plain_files, sealer, unpack, unsealed_files
from test_inspect_ofd import REAL, real

from verifier import State
from verifier.documents import archive, ofd
from verifier.documents.findings import Format, Inspection, Roots
from verifier.documents.inspecting import inspect
from verifier.documents.sniffing import sniff
from verifier.errors import MalformedError

AT = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def judge(data: bytes, name: str = "file.ofd") -> Inspection:
    return inspect(data, name, Roots(), AT)


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as file:
        for name, data in entries:
            file.writestr(zipfile.ZipInfo(name), data, method)
    return made.getvalue()


def test_a_zip_bomb_is_refused_unread_in_little_time_and_memory() -> None:
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    zeros = b"\0" * (archive.MAX_ENTRY_BYTES + 1)
    files = plain_files()
    bombs = (
        pack(files | {"Doc_0/big.bin": zeros}),
        pack(files | {"Doc_0/ratio.bin": zeros[: 4 * 2**20]}),
        zipped(*files.items(), *((f"Doc_0/{number}", b"") for number in range(archive.MAX_ENTRIES + 1))),
    )
    made = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for bomb in bombs:
        found = judge(bomb)
        assert (found.state, found.reason) == (State.INVALID, "zip_bomb")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - made < 100 * 1024
    assert made >= before and time.process_time() - began < 20


def test_an_entry_without_a_name_is_refused() -> None:
    data = zipped(*plain_files().items(), ("nothing", b"x")).replace(b"nothing", b"\0othing")
    found = judge(data)
    assert (found.state, found.reason) == (State.INVALID, "unsafe_path")


def test_a_zip_that_lies_about_its_sizes_is_refused() -> None:
    data = bytearray(pack(plain_files() | {"Doc_0/lie.bin": b"\0" * 3_000_000}))
    for mark, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = data.rindex(b"Doc_0/lie.bin") if mark == b"PK\x01\x02" else data.index(b"Doc_0/lie.bin")
        start = data.rindex(mark, 0, place)
        data[start + at : start + at + 4] = struct.pack("<I", 1000)
    package = archive.Archive(bytes(data))
    with pytest.raises(MalformedError) as refused:
        package.read("Doc_0/lie.bin")
    assert refused.value.reason == "broken_entry"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../outside.xml", "unsafe_path"),
        ("Doc_0/../../outside.xml", "unsafe_path"),
        ("/etc/passwd", "unsafe_path"),
        ("C:/windows.xml", "unsafe_path"),
        ("Doc_0\\..\\..\\outside.xml", "unsafe_path"),
        ("\\\\server\\page.xml", "unsafe_path"),
        ("Doc_0//page.xml", "unsafe_path"),
        ("Doc_0/a\x1bb.xml", "unsafe_path"),
        ("a" * 600, "unsafe_path"),
    ],
)
def test_an_entry_whose_path_is_unsafe_is_refused(name: str, reason: str) -> None:
    found = judge(zipped(*plain_files().items(), (name, b"x")))
    assert (found.state, found.reason) == (State.INVALID, reason)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused() -> None:
    found = judge(zipped(*plain_files().items(), ("OFD.xml", b"<other/>")))
    assert (found.state, found.reason) == (State.INVALID, "duplicate_entry")


@pytest.mark.parametrize(
    ("entry", "old", "new"),
    [
        ("OFD.xml", b"Doc_0/Document.xml", b"../../etc/passwd"),
        ("Doc_0/Document.xml", b"Pages/Page_0/Content.xml", b"../../Pages/Content.xml"),
        ("Doc_0/Attachs/Attachments.xml", b"note.xml", b"../../../note.xml"),
    ],
)
def test_a_location_that_leaves_the_package_is_refused(entry: str, old: bytes, new: bytes) -> None:
    files = Maker().add(sealer(make_cast())).files
    files[entry] = files[entry].replace(old, new)
    found = judge(pack(files))
    assert (found.state, found.reason) == (State.INVALID, "unsafe_path")


@pytest.mark.parametrize(
    "prologue",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
@pytest.mark.parametrize("entry", ["OFD.xml", "Doc_0/Document.xml", "Doc_0/Pages/Page_0/Content.xml"])
def test_dtd_and_entities_are_refused(entry: str, prologue: bytes) -> None:
    files = unsealed_files()
    files[entry] = prologue + files[entry]
    found = judge(pack(files))
    assert (found.state, found.reason) == (State.INVALID, "xml_entities")


@pytest.mark.parametrize("entry", ["OFD.xml", "Doc_0/Document.xml", "Doc_0/Signs/Signatures.xml"])
def test_broken_xml_where_it_matters_is_refused_and_elsewhere_remarked(entry: str) -> None:
    files = dict(Maker().add(sealer(make_cast())).files)
    files[entry] = files[entry][:-10]
    assert (judge(pack(files)).state, judge(pack(files)).reason) == (State.INVALID, "broken_xml")
    page = unsealed_files() | {"Doc_0/Pages/Page_0/Content.xml": b"<ofd:Page>"}
    found = judge(pack(page))
    assert found.reason == "no_signature"
    assert "broken_xml" in {note.reason for note in found.notes}


def test_deep_and_broad_xml_ends_soon() -> None:
    files = plain_files()
    began = time.process_time()
    for bad in (b"<a>" * 200_000 + b"</a>" * 200_000, b"<a/>" * 600_000, b"<a " + b'x="1" ' * 200_000 + b"/>"):
        assert judge(pack(files | {"OFD.xml": bad})).state is State.INVALID
    assert time.process_time() - began < 20


def test_huge_pages_and_too_many_pages_are_told() -> None:
    files = unsealed_files()
    document = files["Doc_0/Document.xml"]
    huge = files | {"Doc_0/Document.xml": document.replace(b"0 0 210 297", b"0 0 1e9 1e9")}
    assert "huge_page" in {note.reason for note in judge(pack(huge)).notes}
    page = b'<ofd:Page ID="1" BaseLoc="Pages/Page_0/Content.xml"/>'
    many = files | {"Doc_0/Document.xml": document.replace(page, page * (ofd.MAX_PAGES + 1))}
    assert judge(pack(many)).reason == "too_many_pages"


def test_a_package_that_asks_for_endless_parsing_is_refused() -> None:
    package = ofd.open_package(pack(unsealed_files() | {"Doc_0/big.xml": b"<a>" + b"<b/>" * 200_000 + b"</a>"}))
    refused = 0
    while not refused:
        try:
            package.parse("Doc_0/big.xml")
        except MalformedError as error:
            refused += error.reason == "too_much_work"
        package._tags_left //= 2
    assert package._tags_left < ofd.MAX_PARSED_TAGS / 4


def test_thousands_of_missing_pages_take_little_time() -> None:
    files = unsealed_files()
    pages = b"".join(b'<ofd:Page BaseLoc="Pages/%d.xml"/>' % number for number in range(ofd.MAX_PAGES - 2))
    files["Doc_0/Document.xml"] = files["Doc_0/Document.xml"].replace(b"</ofd:Pages>", pages + b"</ofd:Pages>")
    began = time.process_time()
    assert judge(pack(files)).reason == "no_signature"
    assert time.process_time() - began < 5


def test_chinese_names_and_encodings_of_older_programs_are_read() -> None:
    files = unsealed_files(attached={"发票.xml": "<说明>电子</说明>".encode()})
    listing = files["Doc_0/Attachs/Attachments.xml"].decode()
    files["Doc_0/Attachs/Attachments.xml"] = ('<?xml version="1.0" encoding="GBK"?>' + listing).encode("gb18030")
    found = judge(pack(files)).document["documents"][0]["attachments"]
    assert found == [{"name": "发票", "entry": "Doc_0/Attachs/发票.xml", "size": 23}]
    # A name in GB 18030 without the mark for UTF-8, as old programs write it.
    files["Doc_0/Attachs/Attachments.xml"] = listing.replace("发票.xml", "发票一.xml").encode()
    data = bytearray(pack(files))
    name, old = "发票.xml".encode(), "发票一.xml".encode("gb18030")
    assert len(name) == len(old)
    for mark, flags, place in ((b"PK\x03\x04", 6, data.index(name)), (b"PK\x01\x02", 8, data.rindex(name))):
        start = data.rindex(mark, 0, place)
        data[place : place + len(name)] = old
        data[start + flags + 1] &= ~0x08
    found = judge(bytes(data)).document["documents"][0]["attachments"]
    assert found == [{"name": "发票", "entry": "Doc_0/Attachs/发票一.xml", "size": 23}]


@pytest.mark.parametrize("name", ["invoice-gomain.ofd", "two-seals.ofd", "integrity.ofd"])
def test_a_cut_file_is_invalid(name: str) -> None:
    data = real(name)
    for length in (len(data) - 1, len(data) // 2, 100):
        found = judge(data[:length])
        assert found.state is not State.VALID
        assert length == 100 or found.state is State.INVALID


def test_mutated_real_files_never_break_the_verifier() -> None:
    chance = random.Random(7)
    for name in REAL:
        files, data = unpack(real(name)), real(name)
        entries = [entry for entry in files if len(files[entry]) < 20_000]
        for _ in range(25):
            entry = chance.choice(entries)
            changed = bytearray(files[entry])
            for _ in range(chance.randint(1, 8)):
                at = chance.randrange(len(changed))
                changed[at : at + chance.choice((0, 1, 1, 3))] = chance.randbytes(chance.choice((0, 1, 1, 2, 40)))
                changed = changed or bytearray(b"x")
            assert judge(pack(files | {entry: bytes(changed)})).state is not State.VALID
            raw = bytearray(data)
            for _ in range(4):
                raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
            assert judge(bytes(raw)).state is not State.VALID


BEGINNINGS = (
    *(b"", b"PK\x03\x04", b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"BM"),
    *(b"RIFF....WEBPVP8 ", b"GIF89a", b"<", b"{", b"SZ1:"),
)


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=400))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_noise_gives_an_answer_and_never_an_error(beginning: bytes, noise: bytes) -> None:
    found = judge(beginning + noise, "noise.bin")
    assert found.state in (State.INVALID, State.UNDECIDED) and found.message


@given(st.binary(min_size=1, max_size=300))
@settings(max_examples=200, deadline=None)
def test_noise_for_a_signature_value_is_never_believed(noise: bytes) -> None:
    found = judge(Maker().add(lambda _: noise).packed())
    assert found.state in (State.INVALID, State.UNDECIDED)


def test_pictures_tell_their_size_without_being_decoded() -> None:
    from PIL import Image

    for name, kind in (("PNG", Format.PNG), ("JPEG", Format.JPEG), ("GIF", Format.GIF), ("BMP", Format.BMP),
                       ("WEBP", Format.WEBP), ("TIFF", Format.TIFF)):  # fmt: skip
        made = io.BytesIO()
        Image.new("RGB", (321, 123)).save(made, name)
        found = judge(made.getvalue(), f"picture.{name.lower()}")
        assert (found.format, found.state, found.reason) == (kind, State.UNDECIDED, "no_signature")
        assert (found.document["width"], found.document["height"], found.document["pages"]) == (321, 123, 1)
        assert not found.notes
    pages = [Image.new("L", (10, 20)) for _ in range(3)]
    made = io.BytesIO()
    pages[0].save(made, "TIFF", save_all=True, append_images=pages[1:])
    assert judge(made.getvalue()).document["pages"] == 3
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 2**31 - 1, 2**31 - 1)
    assert judge(header).document["huge"] is True
    assert judge(header[:20]).reason == "broken_picture"


def test_types_come_from_the_content_and_a_name_that_lies_is_remarked() -> None:
    found = judge(pack(plain_files()), "invoice.pdf")
    assert found.format is Format.OFD
    assert [note.reason for note in found.notes] == ["name_differs"]
    assert sniff(zipped(("[Content_Types].xml", b""))) is Format.OFFICE
    assert sniff(zipped(("a.txt", b""))) is Format.ZIP
    assert sniff("纯文本".encode()) is Format.TEXT
    assert sniff("纯文本".encode("gb18030")) is Format.TEXT
    assert sniff(zlib.compress(b"\0" * 50)) is Format.UNKNOWN
    assert judge(b"\x00\x01", "a").reason == "unknown_format"
