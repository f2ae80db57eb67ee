"""SM2 over SM3: the standards' vectors, OpenSSL in both directions, and the suite that keys and codes use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import missing
from der_maker import sm2_pkcs8
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier import cose, sm2
from verifier.digests import sm3
from verifier.errors import MalformedError, SignatureError, UndecidedError, VerificationError
from verifier.suites import PublicKey, SoftwareKey, Suite, public_key

VECTOR = json.loads((Path(__file__).parent / "sm2.json").read_text())
POINT = bytes.fromhex(VECTOR["public_hex"])
SIGNATURE = bytes.fromhex(VECTOR["signature_hex"])
MESSAGE = VECTOR["message"].encode()


@pytest.fixture(scope="module", autouse=True)
def _library() -> None:
    if not sm2.available():
        missing("OpenSSL 3 with SM2")


@pytest.fixture(scope="module")
def key() -> SoftwareKey:
    return SoftwareKey.generate(Suite.SM2)


def _openssl(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = shutil.which("openssl")
    if not command:
        missing("the OpenSSL command")
    assert command
    return subprocess.run([command, *map(str, arguments)], capture_output=True, check=False)


def test_the_standards_example_is_reproduced() -> None:
    assert sm2.z_value(POINT).hex() == VECTOR["z_hex"]
    assert sm3(sm2.z_value(POINT) + MESSAGE).hex() == VECTOR["e_hex"]
    sm2.check(POINT, SIGNATURE, MESSAGE)
    sm2.check_digest(POINT, SIGNATURE, bytes.fromhex(VECTOR["e_hex"]))
    private = sm2.PrivateKey.from_pkcs8(sm2_pkcs8(int(VECTOR["private_hex"], 16), POINT))
    assert private.point == sm2.compress(POINT)
    sm2.check(POINT, private.sign(MESSAGE), MESSAGE)


def test_sm3_agrees_with_the_standard_and_with_openssl(tmp_path: Path) -> None:
    assert sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert sm3(b"abcd" * 16).hex() == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
    for length in (0, 1, 55, 56, 63, 64, 65, 4096):
        data = os.urandom(length)
        (tmp_path / "m").write_bytes(data)
        assert _openssl("dgst", "-sm3", "-binary", tmp_path / "m").stdout == sm3(data)


def test_openssl_accepts_what_we_sign(tmp_path: Path, key: SoftwareKey) -> None:
    (tmp_path / "k.pem").write_bytes(key.to_pem())
    assert _openssl("pkey", "-in", tmp_path / "k.pem", "-pubout", "-out", tmp_path / "p.pem").returncode == 0
    for length in (0, 1, 1000):
        message = os.urandom(length)
        (tmp_path / "m").write_bytes(message)
        (tmp_path / "s").write_bytes(sm2.signature_to_der(key.sign(message)))
        check = ("-sigopt", "distid:1234567812345678", "-signature", tmp_path / "s", tmp_path / "m")
        done = _openssl("dgst", "-sm3", "-verify", tmp_path / "p.pem", *check)
        assert done.returncode == 0, done.stderr
        (tmp_path / "m").write_bytes(message + b"!")
        assert _openssl("dgst", "-sm3", "-verify", tmp_path / "p.pem", *check).returncode == 1


def test_we_accept_what_openssl_signs_and_nothing_else(tmp_path: Path) -> None:
    _openssl("genpkey", "-algorithm", "SM2", "-out", tmp_path / "k.pem")
    theirs = SoftwareKey.from_pem((tmp_path / "k.pem").read_bytes())
    (tmp_path / "m").write_bytes(MESSAGE)
    sign = ("dgst", "-sm3", "-sign", tmp_path / "k.pem", "-sigopt", "distid:1234567812345678")
    signature = sm2.signature_from_der(_openssl(*sign, tmp_path / "m").stdout)
    theirs.public.check(signature, MESSAGE)
    for at in range(64):
        flipped = signature[:at] + bytes((signature[at] ^ 1,)) + signature[at + 1 :]
        with pytest.raises(SignatureError):
            theirs.public.check(flipped, MESSAGE)
    with pytest.raises(SignatureError):
        theirs.public.check(signature, MESSAGE + b"!")
    with pytest.raises(SignatureError):
        SoftwareKey.generate(Suite.SM2).public.check(signature, MESSAGE)
    with pytest.raises(SignatureError):
        sm2.check(theirs.public.raw, signature, MESSAGE, b"ALICE123@YAHOO.COM")


def test_the_two_encodings_of_a_signature_are_one_signature(key: SoftwareKey) -> None:
    for _ in range(40):
        signature = key.sign(MESSAGE)
        assert sm2.signature_from_der(sm2.signature_to_der(signature)) == signature
        assert sm2.signature_from_der(signature) == signature


@given(st.binary(max_size=90))
@settings(max_examples=200, deadline=None)
def test_noise_is_never_a_signature(noise: bytes) -> None:
    for attempt in (noise, noise[:64].ljust(64, b"\0")):
        with pytest.raises(SignatureError):
            sm2.check(POINT, sm2.signature_from_der(attempt), MESSAGE)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x02" * 32,
        b"\x04" + POINT[1:33],
        POINT[:64] + bytes((POINT[64] ^ 1,)),
        b"\x00" * 33,
        b"\x02" + b"\xff" * 32,
    ],
)
def test_bytes_that_are_no_point_are_no_key(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        sm2.affine(raw)
    with pytest.raises(MalformedError):
        public_key(Suite.SM2, raw)


def test_the_long_form_of_a_point_is_no_second_name_of_a_key() -> None:
    with pytest.raises(MalformedError):
        public_key(Suite.SM2, POINT)


def test_the_published_message_of_the_suite_holds() -> None:
    known = public_key(Suite.SM2, bytes.fromhex(VECTOR["cose"]["public_hex"]))
    assert known.kid.hex() == VECTOR["cose"]["kid_hex"]
    message, payload = cose.open_typed(bytes.fromhex(VECTOR["cose"]["message_hex"]), cose.Type.ENTRY, limit=1000)
    message.check(known)
    assert payload == VECTOR["cose"]["payload"].encode()
    assert message.header[cose.ALG] == Suite.SM2 == -65538


def test_a_code_signed_with_sm2_is_valid_like_any_other() -> None:
    from dataclasses import replace

    from world import NOON, make_world

    from verifier import CodeKind, State, verify

    world = make_world()
    signer = SoftwareKey.generate(Suite.SM2)
    keys = [replace(key, public=signer.public) if "code:venue" in key.purposes else key for key in world.content.keys]
    trust = world.trust(keys=tuple(keys))
    text = replace(world, code_key=signer).code(CodeKind.VENUE)
    verdict = verify(text.encode(), trust, NOON)
    assert verdict.state is State.VALID, verdict.message
    stranger = replace(world, code_key=SoftwareKey.generate(Suite.SM2)).code(CodeKind.VENUE)
    assert verify(stranger.encode(), trust, NOON).state is State.UNDECIDED


def test_an_sm2_key_under_the_name_of_another_suite_is_refused(key: SoftwareKey) -> None:
    message, _ = cose.open_typed(cose.sign1(b"p", key, cose.Type.ENTRY), cose.Type.ENTRY, limit=1000)
    with pytest.raises(VerificationError):
        message.check(PublicKey(Suite.ES256, key.public.raw))


def test_without_the_library_nothing_is_decided_and_nothing_is_valid() -> None:
    program = (
        "import ctypes\n"
        "def refuse(*_, **__): raise OSError('no library')\n"
        "ctypes.CDLL = refuse\n"
        "from verifier import sm2\n"
        "from verifier.suites import public_key, SoftwareKey, Suite\n"
        f"key = public_key({int(Suite.SM2)}, sm2.compress(bytes.fromhex('{POINT.hex()}')))\n"
        "for act in (lambda: key.check(bytes(range(64)), b'm'), lambda: SoftwareKey.generate(Suite.SM2)):\n"
        "    try: act()\n"
        "    except sm2.Sm2UnavailableError as error: print(error.reason)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sm2_unavailable"] * 2
    assert issubclass(sm2.Sm2UnavailableError, UndecidedError)


def test_a_signature_costs_little(key: SoftwareKey) -> None:
    signature = key.sign(MESSAGE)
    began = time.process_time()
    for _ in range(100):
        key.public.check(signature, MESSAGE)
    assert (time.process_time() - began) / 100 < 0.005
