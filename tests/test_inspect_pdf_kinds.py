"""PDF files of other kinds: restricted, with bytes in front, with signatures that we cannot judge."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from pdf_maker import change_page, make_people, plain, sign, with_value
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer

from verifier import State
from verifier.documents.findings import Inspection, Roots
from verifier.documents.inspecting import inspect

AT = datetime(2100, 1, 1, tzinfo=UTC)
ROOT, SIGNER = make_people()


def judge(data: bytes) -> Inspection:
    return inspect(data, "file.pdf", Roots((ROOT.trusted,)), AT)


@pytest.fixture(scope="module")
def signed() -> bytes:
    return sign(plain(), SIGNER, root=ROOT)


def restricted(password: str) -> bytes:
    writer = copy_into_new_writer(PdfFileReader(io.BytesIO(plain())))
    writer.encrypt("owner", password)
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def test_a_file_that_opens_without_password_is_read_and_one_that_does_not_is_undecided() -> None:
    found = judge(restricted(""))
    assert (found.state, found.reason, found.document["pages"]) == (State.UNDECIDED, "no_signature", 2)
    assert [note.reason for note in found.notes] == ["usage_restricted"]
    assert judge(restricted("secret")).reason == "encrypted"


def test_bytes_in_front_of_the_header_keep_a_file_from_being_valid(signed: bytes) -> None:
    assert judge(signed).state is State.VALID
    for front in (b"\xef\xbb\xbf", b"HTTP/1.1 200 OK\r\n\r\n"):
        found = judge(front + signed)
        assert (found.state, found.reason) == (State.UNDECIDED, "leading_bytes")
        assert found.signatures[0].integrity == "intact"
    assert judge(b"\n" + change_page(signed)).state is State.INVALID


@pytest.mark.parametrize("form", [b"adbe.x509.rsa_sha1", b"adbe.pkcs7.sha1", b"Somebody.Else"])
def test_a_form_that_is_not_supported_is_named(signed: bytes, form: bytes) -> None:
    found = judge(signed.replace(b"ETSI.CAdES.detached", form.ljust(19)))
    assert (found.state, found.reason) == (State.UNDECIDED, "unsupported_form")
    assert form.decode() in found.message


@pytest.mark.parametrize("value", [b"", b"\x30\x03abc", b"noise" * 20])
def test_a_value_that_is_no_signature_is_invalid(signed: bytes, value: bytes) -> None:
    found = judge(with_value(signed, value))
    assert (found.state, found.reason) == (State.INVALID, "wrong_signature_value")
