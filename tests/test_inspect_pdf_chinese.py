"""Signatures and e-seals of 国密 algorithms in PDF: SignedData and both standards of seals, true and altered."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import ofd_maker
import pytest
from ofd_maker import Person, make_cast, make_person, make_seal, sign_data, sign_sealed
from pdf_maker import change_page, covered, make_people, plain, sign, with_value

from verifier import State, sm2
from verifier.digests import sm3
from verifier.documents.certificates import Certificate, load_file
from verifier.documents.findings import Inspection, Roots
from verifier.documents.inspecting import inspect

AT = datetime(2026, 12, 1, tzinfo=UTC)
CAST = make_cast()
FAMILIES = ("1.2.156.10197.6.1.4.2.2", "1.2.840.113549.1.7.2")


def room(form: bytes = b"adbe.pkcs7.detached") -> bytes:
    """A file with room for a signature value of that form."""
    _, signer = make_people()
    return sign(plain(), signer, room=16_384).replace(b"ETSI.CAdES.detached", form.ljust(19))


def judge(data: bytes, *trusted: Certificate) -> Inspection:
    return inspect(data, "file.pdf", Roots(trusted or (CAST.root.trusted,)), AT)


def put(value: Any, data: bytes | None = None) -> bytes:
    """A file with the value that the function makes of the covered bytes."""
    data = data or room()
    return with_value(data, value(covered(data)))


@pytest.mark.parametrize("family", FAMILIES)
def test_signed_data_with_sm2_is_judged(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ofd_maker, "SIGNED_DATA", family)
    for data in (put(lambda content: sign_data(CAST.signer, content)), put(bare)):
        found = judge(data)
        assert (found.state, found.reason) == (State.VALID, "ok"), found.message
        facts = found.signatures[0].facts
        assert (facts["form"], facts["variant"]) == ("adbe.pkcs7.detached", "signed-data")
        assert facts["coverage"] == "entire_file"
        assert facts["signer"]["subject"] == "测试局电子印章证书"
        assert judge(data, make_person("别的根", authority=True).trusted).reason == "unknown_maker"
        altered = judge(data.replace(b"(100)", b"(900)", 1))
        assert (altered.state, altered.signatures[0].integrity) == (State.INVALID, "broken")
        assert judge(change_page(data)).reason == "changed_after_signing"


def bare(content: bytes) -> bytes:
    return sign_data(CAST.signer, content, attributes=False)


@pytest.mark.parametrize("version", [4, 1])
def test_an_e_seal_in_a_pdf_is_judged_by_its_maker(version: int) -> None:
    seal = make_seal(CAST.maker, [CAST.signer.certificate], version)
    data = put(lambda content: sign_sealed(CAST.signer, seal, sm3(content), version))
    found = judge(data)
    assert (found.state, found.signatures[0].kind) == (State.VALID, "seal"), found.message
    assert found.signatures[0].facts["seal"]["name"] == "测试专用章"
    assert judge(data.replace(b"(100)", b"(900)", 1)).state is State.INVALID
    stranger = make_person("没有列入的人", CAST.root, "测试根")
    data = put(lambda content: sign_sealed(stranger, seal, sm3(content), version))
    assert (judge(data).state, judge(data).reason) == (State.INVALID, "signer_not_in_seal")


def test_a_form_that_may_sign_other_bytes_is_not_called_altered() -> None:
    data = room(b"GM.Somebody.detach")
    assert judge(put(lambda content: sign_data(CAST.signer, content), data)).state is State.VALID
    found = judge(put(lambda content: sign_data(CAST.signer, content + b"!"), data))
    assert (found.state, found.reason) == (State.UNDECIDED, "unsupported_form")
    assert "GM.Somebody.detach" in found.message
    found = judge(put(lambda content: sign_data(CAST.signer, content + b"!")))
    assert (found.state, found.reason) == (State.INVALID, "content_changed")


def test_a_value_that_was_altered_or_hides_something_is_invalid() -> None:
    data = put(lambda content: sign_data(CAST.signer, content))
    value = sign_data(CAST.signer, covered(data))
    # The signed attributes, then the signature.
    for at in (value.rindex(sm3(covered(data))), len(value) - 90, len(value) - 60, len(value) - 5):
        changed = bytearray(value)
        changed[at] ^= 4
        assert judge(with_value(data, bytes(changed))).state is State.INVALID, at
    assert judge(with_value(data, value + b"hidden")).reason == "hidden_bytes"
    assert judge(with_value(data, value[:-9])).state is not State.VALID


class OpenSslKey:
    """An SM2 key that only the OpenSSL command has."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._run("ecparam", "-name", "SM2", "-genkey", "-noout", "-out", "key.pem")
        self._run("req", "-new", "-x509", "-key", "key.pem", "-sm3", *IDENTITY, "-subj", "/CN=OpenSSL", "-out", "c.pem")
        self.certificate = load_file((folder / "c.pem").read_bytes())[0]

    def sign(self, message: bytes) -> bytes:
        (self._folder / "message").write_bytes(message)
        self._run("dgst", "-sm3", "-sign", "key.pem", *IDENTITY, "-out", "signature", "message")
        return sm2.signature_from_der((self._folder / "signature").read_bytes())

    def _run(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._folder, check=True, capture_output=True)


IDENTITY = ("-sigopt", "distid:1234567812345678")


def test_what_openssl_signed_is_judged_like_our_own(tmp_path: Path) -> None:
    key = OpenSslKey(tmp_path)
    person = Person(cast(Any, key), key.certificate.data)

    def value(content: bytes) -> bytes:
        issuer = key.certificate.parsed.issuer.public_bytes()
        return sign_data(person, content, issuer=issuer, at=key.certificate.not_before + timedelta(days=1))

    data = put(value)
    found = inspect(data, "a.pdf", Roots((key.certificate,)), datetime(2100, 1, 1, tzinfo=UTC))
    assert (found.state, found.reason) == (State.VALID, "ok"), found.message
