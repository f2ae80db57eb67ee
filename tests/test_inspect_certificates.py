"""SM2 certificates that OpenSSL issued: read, checked, and followed to a root."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import missing

from verifier import sm2
from verifier.documents.certificates import Certificate, check_trusted, load_file, load_many
from verifier.errors import MalformedError, SignatureError, UntrustedIssuerError

DISTID = "distid:1234567812345678"


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """root.pem, middle.pem and end.pem, each issued by the one before; loner.pem by itself."""
    openssl = shutil.which("openssl")
    if not openssl or not sm2.available():
        missing("OpenSSL 3 with SM2")
    assert openssl
    folder = tmp_path_factory.mktemp("ca")
    (folder / "ca.ext").write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n")
    (folder / "end.ext").write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    for name in ("root", "middle", "end", "loner"):
        run("ecparam", "-name", "SM2", "-genkey", "-noout", "-out", f"{name}.key")
    for name in ("root", "loner"):
        new = ("req", "-new", "-x509", "-key", f"{name}.key", "-sm3", "-sigopt", DISTID, "-days", "30")
        run(*new, "-subj", f"/C=CN/CN={name}", "-out", f"{name}.pem")
    for name, issuer, kind in (("middle", "root", "ca"), ("end", "middle", "end")):
        request = ("req", "-new", "-key", f"{name}.key", "-sm3", "-sigopt", DISTID, "-subj", f"/C=CN/CN={name}")
        run(*request, "-out", f"{name}.csr")
        given = ("-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial", "-extfile", f"{kind}.ext")
        options = ("-sm3", "-sigopt", DISTID, "-vfyopt", DISTID, "-days", "20")
        run("x509", "-req", "-in", f"{name}.csr", *given, *options, "-out", f"{name}.pem")
    return folder


@pytest.fixture
def people(issued: Path) -> dict[str, Certificate]:
    return {name: load_file((issued / f"{name}.pem").read_bytes())[0] for name in ("root", "middle", "end", "loner")}


def test_an_sm2_certificate_of_openssl_is_read(issued: Path, people: dict[str, Certificate]) -> None:
    end = people["end"]
    assert (end.subject, end.issuer) == ("end", "middle")
    der = subprocess.run(
        ["openssl", "ec", "-in", issued / "end.key", "-pubout", "-outform", "DER"], capture_output=True, check=True
    ).stdout
    assert end.point == der[-65:]
    assert people["root"].is_authority() and people["middle"].is_authority() and not end.is_authority()


def test_signatures_of_openssl_on_certificates_hold_and_no_others(people: dict[str, Certificate]) -> None:
    people["root"].check_issued(people["root"])
    people["root"].check_issued(people["middle"])
    people["middle"].check_issued(people["end"])
    for issuer in ("root", "loner", "end"):
        with pytest.raises(SignatureError):
            people[issuer].check_issued(people["end"])


def test_a_chain_leads_to_the_root_through_the_certificates_that_travel_along(people: dict[str, Certificate]) -> None:
    now, others = datetime.now(UTC), [people["middle"], people["loner"]]
    check_trusted(people["end"], [people["root"]], others, now, "签名人")
    check_trusted(people["end"], [people["middle"]], [], now, "签名人")
    for roots, along, at in (
        ([people["root"]], [], now),
        ([people["loner"]], others, now),
        ([], others, now),
        ([people["root"]], others, now + timedelta(days=25)),
    ):
        with pytest.raises(UntrustedIssuerError):
            check_trusted(people["end"], roots, along, at, "签名人")


def test_a_changed_certificate_is_a_forgery_where_its_root_is_known(people: dict[str, Certificate]) -> None:
    data = people["middle"].data
    changed = Certificate.load(data.replace(b"middle", b"muddle"))
    with pytest.raises(SignatureError) as refused:
        check_trusted(changed, [people["root"]], [], datetime.now(UTC), "签名人")
    assert refused.value.reason == "forged_certificate"


def test_junk_among_certificates_is_left_out(people: dict[str, Certificate]) -> None:
    assert load_many([b"", b"\x30\x03\x02\x01\x01", people["end"].data, b"x" * 70_000]) == [people["end"]]
    for junk in (b"", b"\x30\x00", b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"):
        with pytest.raises(MalformedError):
            load_file(junk)
