"""PDF files that other readers mend or pass over: broken tables of objects, padding, bytes behind the end."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime

import pytest
from pdf_maker import change_page, make_people, plain, sign

from verifier import State
from verifier.documents.findings import Inspection, Roots
from verifier.documents.inspecting import inspect

ROOT, SIGNER = make_people()


def judge(data: bytes) -> Inspection:
    return inspect(data, "a.pdf", Roots((ROOT.trusted,)), datetime(2100, 1, 1, tzinfo=UTC))


def notes_of(found: Inspection) -> list[str]:
    return [note.reason for note in found.notes]


@pytest.fixture(scope="module")
def signed() -> bytes:
    return sign(plain(), SIGNER, root=ROOT)


def elsewhere(data: bytes, place: bytes = b"0") -> bytes:
    """The file with its last table said to be at another place."""
    at = data.rindex(b"startxref")
    return data[:at] + re.sub(rb"\d+", place, data[at:], count=1)


def packed() -> bytes:
    """A file whose catalog, pages and page are in an object stream, and whose table is nowhere."""
    bodies = [
        b"<</Type/Catalog/Pages 3 0 R>>",
        b"<</Type/Pages/Kids[4 0 R]/Count 1>>",
        b"<</Type/Page/Parent 3 0 R/MediaBox[0 0 595 842]>>",
    ]
    head, place = b"", 0
    for number, body in enumerate(bodies, 2):
        head += b"%d %d " % (number, place)
        place += len(body) + 1
    stream = zlib.compress(head + b" ".join(bodies))
    about = b"<</Type/ObjStm/N 3/First %d/Filter/FlateDecode/Length %d>>" % (len(head), len(stream))
    return b"%PDF-1.7\n1 0 obj\n" + about + b"\nstream\n" + stream + b"\nendstream\nendobj\nstartxref\n9\n%%EOF\n"


def test_a_broken_table_is_rebuilt_where_nothing_was_signed() -> None:
    for data in (elsewhere(plain()), elsewhere(plain(), b"99999999"), plain().replace(b"\n", b"\r\n")):
        found = judge(data)
        assert (found.state, found.reason, found.document["pages"]) == (State.UNDECIDED, "no_signature", 2)
        assert notes_of(found) == ["table_rebuilt"]
    found = judge(packed())
    assert (found.reason, found.document["pages"], notes_of(found)) == ("no_signature", 1, ["table_rebuilt"])
    # The last object of a number counts, as in every reader.
    assert judge(elsewhere(change_page(plain()))).document["pages"] == 2


def test_a_broken_table_of_a_signed_or_cut_off_file_is_not_rebuilt(signed: bytes) -> None:
    for data in (elsewhere(signed), plain()[:-7], packed().replace(b"/N 3", b"/N x")):
        assert (judge(data).state, judge(data).reason) == (State.INVALID, "broken_pdf")


def test_an_object_stream_that_unfolds_without_end_is_refused() -> None:
    bomb = zlib.compress(b"\0" * (80 << 20), 9)
    head = b"<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>\nstream\n" % len(bomb)
    data = b"%PDF-1.7\n" + b"".join(b"%d 0 obj" % n + head + bomb + b"\nendstream\nendobj\n" for n in (1, 2))
    assert judge(data + b"startxref\n9\n%%EOF\n").reason == "broken_pdf"


def test_padding_behind_the_end_is_nothing_and_content_is(signed: bytes) -> None:
    for blank in (b"\n", b"\r\n\0\0", b"\0" * 5000):
        assert judge(signed + blank).state is State.VALID
        assert judge(plain() + blank).reason == "no_signature"
    for more in (b"PK\x03\x04 another file", b"<script>alert(1)</script>%%EOF\n", b"\0" * 5000 + b"more"):
        found = judge(signed + more)
        assert (found.state, found.reason) == (State.UNDECIDED, "trailing_bytes")
        assert found.signatures[0].integrity == "intact"
    assert judge(plain() + b"\0" * 5000 + b"more").reason == "no_signature"


def test_a_file_put_before_or_behind_a_signed_one_is_not_taken_for_it(signed: bytes) -> None:
    assert judge(signed + plain()).reason == "lost_signature"
    assert judge(plain() + signed).state is State.INVALID
    earlier = re.findall(rb"startxref\s+(\d+)", signed)[0]
    assert judge(signed + b"\nstartxref\n" + earlier + b"\n%%EOF\n").reason == "lost_signature"
