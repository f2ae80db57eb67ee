"""Codes of other systems: real ones made by others, made ones with every fault, and trust bundles made by hand."""

from __future__ import annotations

import base64
import io
import json
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cbor2
import pytest
import segno
from conftest import missing
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from world import make_world

from api.cli.main import main
from codes.payload import encode
from verifier.foreign.profile import ForeignIssuer
from verifier.suites import SoftwareKey
from verifier.trust import TrustBundle, sign_trust
from verifier.trust_content import TrustContent
from verifier.verdict import State
from verifier.verify import verify

REAL = Path(__file__).parents[2] / "shared" / "samples" / "dcc"
SIGNED_AT = datetime(2026, 3, 1, tzinfo=UTC)
AT = SIGNED_AT + timedelta(days=30)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def real(name: str) -> dict[str, Any]:
    """One of the published test codes with its certificate and its clock."""
    path = REAL / f"{name}.json"
    if not path.exists():
        missing("the samples of health codes")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def certificate_of(sample: dict[str, Any]) -> bytes:
    return base64.b64decode(sample["TESTCTX"]["CERTIFICATE"])


def clock_of(sample: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(sample["TESTCTX"]["VALIDATIONCLOCK"])


def make_certificate(key: Key, begins: datetime = SIGNED_AT - timedelta(days=100)) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "示例签发者")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, begins, begins + timedelta(days=700))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def make_code(key: Key, certificate: bytes, *, tag: int | None = 18, **changed: Any) -> str:
    """A code as the specification has it, signed by `key`."""
    issuer = ForeignIssuer("eu-dcc", "", certificate)
    elliptic = isinstance(key, ec.EllipticCurvePrivateKey)
    protected = cbor2.dumps({1: -7 if elliptic else -37, 4: issuer.kid})
    health = {
        "v": [{"co": "XX", "is": "示例", "dn": 1, "sd": 2, "dt": "2026-02-01"}],
        "nam": {"fn": "Muster", "gn": "A"},
    }
    claims = {1: "XX", 4: int((SIGNED_AT + timedelta(days=180)).timestamp()), 6: int(SIGNED_AT.timestamp())}
    body = cbor2.dumps(claims | {-260: {1: health}} | changed.get("claims", {}))
    signed = cbor2.dumps(["Signature1", protected, b"", body])
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    else:
        signature = key.sign(signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    parts = [protected, {}, changed.get("body", body), changed.get("signature", signature)]
    return "HC1:" + encode(
        zlib.compress(cbor2.dumps(parts if tag is None else cbor2.CBORTag(tag, parts)))
    ).removeprefix("SZ1:")


def trusting(*issuers: ForeignIssuer) -> TrustBundle:
    """A trust bundle that lists these issuers."""
    world = make_world(1)
    content = replace(
        world.content, issuers=issuers, issued_at=AT - timedelta(days=1), expires_at=AT + timedelta(days=30)
    )
    return TrustBundle.open(sign_trust(content, [world.root_key]))


@pytest.mark.parametrize("name", ["AT-1", "AT-2", "BG-1", "BG-2", "CH-1", "CH-2", "DE-1", "DE-2"])
def test_real_codes_of_four_countries_hold_at_the_time_of_their_clock(name: str) -> None:
    sample = real(name)
    trust = trusting(ForeignIssuer("eu-dcc", name, certificate_of(sample)))
    at = clock_of(sample)
    # The bundle was made later than the codes; what is asked is whether they held then.
    verdict = verify(sample["PREFIX"].encode(), trust, at)
    expected = sample["EXPECTEDRESULTS"]
    assert expected["EXPECTEDVERIFY"]
    assert verdict.state is State.VALID, verdict.message
    assert verify(sample["PREFIX"].encode(), trust, AT).state is State.NOT_IN_FORCE
    assert verify(sample["PREFIX"].encode(), trusting(), at).state is State.UNDECIDED
    said = json.loads(json.dumps(sample["JSON"]))["nam"]
    shown = json.dumps(verdict.to_json(), ensure_ascii=False)
    assert said["fn"] not in shown
    assert said["fnt"] not in shown


def test_every_real_picture_is_read_and_judged_with_a_bundle_made_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = sorted(REAL.glob("*.png"))
    if not pictures:
        missing("the samples of health codes")
    bundle = tmp_path / "trust.json"
    for number, path in enumerate(pictures):
        certificate = tmp_path / f"{path.stem}.cer"
        certificate.write_bytes(certificate_of(real(path.stem)))
        given = ["--trust", str(bundle)] if number else []
        adding = ["trust", "add-issuer", "--profile", "eu-dcc", "--certificate", str(certificate)]
        assert main([*adding, *given, "--out", str(bundle)]) == 0
    capsys.readouterr()
    for path in pictures:
        at = clock_of(real(path.stem)).isoformat()
        assert main(["scan", str(path), "--trust", str(bundle), "--at", at, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["state"], told["subject"]["profile"]) == ("valid", "eu-dcc")
    # Two certificates are used twice, and are listed once.
    assert len(TrustBundle.open(bundle.read_bytes()).content.issuers) == len({p.stem[:2] for p in pictures})
    assert (tmp_path / "trust.json.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("tag", [18, None])
@pytest.mark.parametrize(
    "make", [lambda: ec.generate_private_key(ec.SECP256R1()), lambda: rsa.generate_private_key(65537, 2048)]
)
def test_both_algorithms_hold_and_an_altered_byte_does_not(make: Any, tag: int | None) -> None:
    key = make()
    certificate = make_certificate(key)
    trust = trusting(ForeignIssuer("eu-dcc", "示例", certificate))
    assert verify(make_code(key, certificate, tag=tag).encode(), trust, AT).state is State.VALID
    body = cbor2.dumps(
        {1: "YY", 4: 2_000_000_000, 6: int(SIGNED_AT.timestamp()), -260: {1: {"v": [{"dn": 9, "sd": 9}], "nam": {}}}}
    )
    forged = verify(make_code(key, certificate, tag=tag, body=body).encode(), trust, AT)
    assert (forged.state, forged.reason) == (State.INVALID, "wrong_signature")


def test_what_an_issuer_may_not_do_is_named() -> None:
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    certificate = make_certificate(key)
    trust = trusting(ForeignIssuer("eu-dcc", "示例", certificate))
    later = make_certificate(key, SIGNED_AT + timedelta(days=1))
    cases = {
        "wrong_signature": (make_code(other, certificate), trust),
        "unknown_issuer": (make_code(other, make_certificate(other)), trust),
        "key_not_valid_then": (make_code(key, later), trusting(ForeignIssuer("eu-dcc", "示例", later))),
        "expired": (make_code(key, certificate, claims={4: int(AT.timestamp())}), trust),
        "not_yet_valid": (make_code(key, certificate, claims={6: int(AT.timestamp()) + 1}), trust),
        "wrong_suite": (
            make_code(rsa.generate_private_key(65537, 2048), certificate),
            trust,
        ),
        "wrong_field": (make_code(key, certificate, claims={6: "gestern"}), trust),
        "wrong_fields": (make_code(key, certificate, claims={-260: {1: {"nam": {}}}}), trust),
        "not_base45": ("HC1:a!c", trust),
        "not_compressed": ("HC1:" + encode(b"plain").removeprefix("SZ1:"), trust),
        "too_long": ("HC1:" + encode(zlib.compress(bytes(400_000))).removeprefix("SZ1:"), trust),
    }
    for reason, (text, known) in cases.items():
        verdict = verify(text.encode(), known, AT)
        assert verdict.state is not State.VALID
        assert verdict.reason == reason


_KEY = ec.generate_private_key(ec.SECP256R1())
_CERTIFICATE = make_certificate(_KEY)
_TRUST = trusting(ForeignIssuer("eu-dcc", "示例", _CERTIFICATE))
_TEXT = make_code(_KEY, _CERTIFICATE)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=400).map(lambda data: encode(zlib.compress(data))), st.text(max_size=300)))
def test_noise_is_never_valid_and_raises_nothing(noise: str) -> None:
    text = "HC1:" + noise.removeprefix("SZ1:")
    assert verify(text.encode(errors="replace"), _TRUST, AT).state is State.INVALID


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(_TEXT) - 5), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"))
def test_no_changed_character_of_a_code_is_valid(place: int, character: str) -> None:
    text = _TEXT[: 4 + place] + character + _TEXT[5 + place :]
    assert text == _TEXT or verify(text.encode(), _TRUST, AT).state is not State.VALID


def test_scan_tells_apart_ours_theirs_strangers_and_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = make_world(1)
    trust = tmp_path / "trust.json"
    issuer = ForeignIssuer("eu-dcc", "示例", _CERTIFICATE)
    content = replace(world.content, issuers=(issuer,))
    trust.write_bytes(sign_trust(content, [world.root_key]))
    sheet = Image.new("L", (1500, 800), 255)
    for place, text in enumerate((world.code(), _TEXT)):
        drawn = io.BytesIO()
        segno.make(text, error="m", micro=False).save(drawn, kind="png", scale=5)
        sheet.paste(Image.open(drawn), (place * 750, 0))
    both, strange, blank = tmp_path / "both.png", tmp_path / "strange.png", tmp_path / "blank.png"
    sheet.save(both)
    segno.make("https://example.org/", micro=False).save(str(strange), scale=5)
    Image.new("L", (300, 300), 255).save(blank)
    at = "2026-11-22T12:00:00+08:00"

    def scan(*pictures: Path) -> tuple[int, list[dict[str, Any]]]:
        status = main(["scan", *map(str, pictures), "--trust", str(trust), "--at", at, "--json"])
        return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    status, told = scan(both)
    assert [(one["state"], one["reason"]) for one in told] == [("valid", "ok"), ("not_in_force", "expired")]
    assert status == 2
    status, told = scan(both, strange)
    assert (status, told[-1]["reason"]) == (1, "not_ours")
    status, told = scan(blank)
    assert (status, told[0]["state"], told[0]["reason"]) == (3, "undecided", "no_code")
    assert main(["scan", str(both)]) == 3
    assert "没有给出信任包" in capsys.readouterr().out
    assert main(["scan", str(tmp_path / "none.png")]) == 64


def test_scan_reads_lines_as_a_scanner_types_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(1)
    trust = tmp_path / "trust.json"
    trust.write_bytes(world.trust().data)
    typed = f"{world.code()}\r\n\r\nhttps://example.org\n{world.code().lower()}\n".encode() + b"\xff\xfe\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed)))
    assert main(["scan", "-", "--trust", str(trust), "--at", "2026-11-22T12:00:00+08:00", "--json"]) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["picture"], one["state"]) for one in told] == [
        ("第 1 行", "valid"),
        ("第 3 行", "invalid"),
        ("第 4 行", "valid"),
        ("第 5 行", "invalid"),
    ]


def test_a_bundle_of_others_is_not_extended_by_a_stranger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, certificate, out = tmp_path / "trust.json", tmp_path / "a.pem", tmp_path / "out.json"
    bundle.write_bytes(make_world(1).trust().data)
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(_CERTIFICATE) + b"-----END CERTIFICATE-----\n"
    certificate.write_bytes(pem)
    key = tmp_path / "mine.pem"
    key.write_bytes(SoftwareKey.generate().to_pem())
    adding = ["trust", "add-issuer", "--profile", "eu-dcc", "--certificate", str(certificate), "--trust", str(bundle)]
    assert main([*adding, "--out", str(out)]) == 64
    assert "没有找到" in capsys.readouterr().err
    assert main([*adding, "--key", str(key), "--out", str(out)]) == 64
    assert "不是该信任包的根密钥" in capsys.readouterr().err
    certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert main([*adding, "--out", str(out)]) == 64
    assert not out.exists()


def test_root_keys_sign_one_after_the_other(tmp_path: Path) -> None:
    first, second = SoftwareKey.generate(), SoftwareKey.generate()
    content: TrustContent = replace(make_world(1).content, root_threshold=2, root_keys=(first.public, second.public))
    half, whole, key = tmp_path / "half.json", tmp_path / "whole.json", tmp_path / "second.pem"
    half.write_bytes(sign_trust(content, [first]))
    key.write_bytes(second.to_pem())
    assert main(["trust", "show", str(half)]) == 64
    assert main(["trust", "sign", str(half), "--key", str(key), "--out", str(whole)]) == 0
    assert TrustBundle.open(whole.read_bytes()).content == content
    assert main(["trust", "show", str(whole)]) == 0
    key.write_bytes(SoftwareKey.generate().to_pem())
    assert main(["trust", "sign", str(half), "--key", str(key), "--out", str(half)]) == 64
