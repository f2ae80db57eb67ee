"""Codes as others see them: a reader made of docs/code-format.md and another COSE library, and codes by that one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import cbor2
import pytest
from code_vectors import FILE, make_code_vectors
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cwt import COSE, COSEHeaders, COSEKey, CWTError
from delegation_vectors import FILE as DELEGATION_FILE
from delegation_vectors import make_delegation_vectors
from world import VENUE_ID, make_world

from codes import payload
from verifier import State, verify
from verifier.code import CodeKind, open_code
from verifier.suites import SoftwareKey, Suite, public_key
from verifier.trust import TrustBundle, sign_trust
from verifier.trust_content import TrustedKey

VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
AT = datetime.fromisoformat(VECTORS["at"])
# RFC 9285, written from the RFC.
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def base45(text: str) -> bytes:
    data = b""
    for place in range(0, len(text), 3):
        group = [ALPHABET.index(character) for character in text[place : place + 3]]
        data += sum(digit * 45**power for power, digit in enumerate(group)).to_bytes(len(group) - 1)
    return data


def crockford(value: bytes) -> str:
    """The text of a 16-byte id, written from the page."""
    number = int.from_bytes(value, "big")
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[number >> 5 * place & 31] for place in reversed(range(26)))


def their_key(suite: int, public: bytes, kid: bytes) -> COSEKey:
    """The key in the other library's terms; it cannot do SM2."""
    if suite == Suite.ED25519:
        return COSEKey.new({1: 1, 3: suite, -1: 6, -2: public, 2: kid, 4: [2]})
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public).public_numbers()
    return COSEKey.new({1: 2, 3: suite, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32), 2: kid, 4: [2]})


def trusting(*vectors: dict[str, Any]) -> TrustBundle:
    """A trust bundle in which the keys of these vectors may sign every kind."""
    world = make_world(1)
    since = AT - timedelta(days=365)
    kinds = tuple(kind.purpose for kind in CodeKind)
    publics = {public_key(one["suite"], bytes.fromhex(one["public"])) for one in vectors}
    keys = tuple(TrustedKey(public, "registry", kinds, since) for public in sorted(publics, key=lambda key: key.kid))
    return TrustBundle.open(sign_trust(replace(world.content, keys=(*world.content.keys, *keys)), [world.root_key]))


def test_there_is_a_vector_for_every_kind_in_every_suite() -> None:
    made = {(one["kind"], one["suite"]) for one in VECTORS["valid"]}
    assert made == {(kind.name.lower(), int(suite)) for kind in CodeKind for suite in Suite}


def test_the_vectors_are_made_of_the_same_claims_today() -> None:
    def fixed(vectors: dict[str, Any]) -> list[tuple[str, str]]:
        return [(one["kind"], one["claims_hex"]) for one in vectors["valid"]]

    assert fixed(VECTORS) == fixed(make_code_vectors())


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=lambda one: f"{one['kind']} {one['suite']}")
def test_our_reader_accepts_every_vector(vector: dict[str, Any]) -> None:
    assert verify(vector["text"].encode(), trusting(*VECTORS["valid"]), AT).state is State.VALID


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda one: one["fault"])
def test_our_reader_refuses_every_bad_vector(vector: dict[str, Any]) -> None:
    verdict = verify(vector["text"].encode(), trusting(*VECTORS["valid"]), AT)
    assert verdict.state in (State.INVALID, State.UNDECIDED)


@pytest.mark.parametrize(
    "vector", [one for one in VECTORS["valid"] if one["suite"] != Suite.SM2], ids=lambda one: one["text"][-8:]
)
def test_anothers_reader_accepts_every_vector(vector: dict[str, Any]) -> None:
    public, kid = bytes.fromhex(vector["public"]), bytes.fromhex(vector["kid"])
    data = base45(vector["text"].removeprefix("SZ1:"))
    protected, unprotected, body = COSE.new().decode_with_headers(data, their_key(vector["suite"], public, kid))
    assert (protected, unprotected) == ({1: vector["suite"], 4: kid, 16: vector["type"]}, {})
    claims = cbor2.loads(body)
    assert body.hex() == vector["claims_hex"]
    assert claims[6] <= AT.timestamp() < claims[4]


VENUES = [one for one in VECTORS["valid"] if one["kind"] == "venue"]


@pytest.mark.parametrize("vector", VENUES, ids=lambda one: f"{one['suite']} {one['text'][-8:]}")
def test_a_reader_made_of_the_page_reads_every_form_of_a_venue(vector: dict[str, Any]) -> None:
    """The string at fixed places, and both arrays of posters that hang already."""
    said = cbor2.loads(cbor2.loads(base45(vector["text"].removeprefix("SZ1:"))).value[2])[-65537]
    if isinstance(said, bytes):
        places = ((0, 8), (8, 10), (10, 12), (12, 15), (15, 31))
        code_id, generation, status_list, status_index, venue = (said[start:end] for start, end in places)
        assert len(said) == 31
        numbers = tuple(int.from_bytes(part, "big") for part in (generation, status_list, status_index))
    else:
        code_id, *three, name, venue, grants = said
        numbers = tuple(three)
        assert grants == [] and name == (None if isinstance(venue, bytes) else "随证体育馆")
    assert (code_id.hex(), *numbers) == ("0102030405060708", 1, 1, 900)
    assert (venue if isinstance(venue, str) else crockford(venue)) == VENUE_ID


def test_there_are_three_forms_of_a_venue_and_the_string_is_no_larger_than_version_8_holds() -> None:
    forms = {(one["suite"], one["claims_hex"]) for one in VENUES}
    assert len(forms) == 3 * len(Suite)
    strings = [one for one in VENUES if isinstance(cbor2.loads(bytes.fromhex(one["claims_hex"]))[-65537], bytes)]
    assert len(strings) == len(Suite) and max(len(one["text"]) for one in strings) <= 221


@pytest.mark.parametrize("vector", VECTORS["presented"], ids=lambda one: one["text"][-8:])
def test_our_reader_accepts_every_presentation_and_not_the_code_alone_nor_an_old_one(vector: dict[str, Any]) -> None:
    trust = trusting(*VECTORS["valid"], vector)
    assert verify(vector["text"].encode(), trust, AT).state is State.VALID
    alone, old = (verify(vector[name].encode(), trust, AT) for name in ("static_text", "shown_a_minute_ago"))
    assert (alone.reason, old.reason) == ("proof_missing", "proof_expired")


@pytest.mark.parametrize("vector", VECTORS["presented"], ids=lambda one: one["text"][-8:])
def test_anothers_library_accepts_the_proof_of_every_presentation(vector: dict[str, Any]) -> None:
    """Made of the page and other libraries: the proof is a COSE_Sign1 with the header that is not sent."""
    shown_at, proof, protected, body, signature = cbor2.loads(base45(vector["text"].removeprefix("SZ1:")))
    code = b"\xd2" + cbor2.dumps([protected, {}, body, signature])
    assert (code.hex(), shown_at) == (vector["code_hex"], vector["shown_at"])
    header = cbor2.dumps({1: vector["device_suite"], 16: 65006}, canonical=True)
    signed = b"\xd2" + cbor2.dumps([header, {}, cbor2.dumps([code, shown_at]), proof])
    device = their_key(vector["device_suite"], bytes.fromhex(vector["device"]), b"device")
    assert COSE.new().decode(signed, device) == cbor2.dumps([code, shown_at])
    with pytest.raises(CWTError):
        COSE.new().decode(signed[:-1] + bytes((signed[-1] ^ 1,)), device)


def test_anothers_reader_refuses_an_altered_code() -> None:
    (vector,) = (one for one in VECTORS["refused"] if one["fault"] == "wrong_signature")
    key = their_key(vector["suite"], bytes.fromhex(vector["public"]), bytes.fromhex(vector["kid"]))
    with pytest.raises(CWTError):
        COSE.new().decode(base45(vector["text"].removeprefix("SZ1:")), key)


@pytest.mark.parametrize("kind", list(CodeKind))
def test_a_code_made_by_anothers_library_is_ours(kind: CodeKind) -> None:
    seed = bytes(range(32))
    key = SoftwareKey.from_seed(seed)
    signer = COSEKey.new({1: 1, 3: int(Suite.ED25519), -1: 6, -2: key.public.raw, -4: seed, 2: key.public.kid})
    claims = open_code(make_world(1).code(kind))[1].payload or b""
    header = {COSEHeaders.ALG: int(Suite.ED25519), COSEHeaders.KID: key.public.kid, 16: int(kind.envelope)}
    made = COSE.new().encode(claims, signer, protected=header)
    mine = {"suite": int(Suite.ED25519), "public": key.public.raw.hex()}
    assert verify(payload.encode(made).encode(), trusting(mine), AT).state is State.VALID


DELEGATIONS: dict[str, Any] = json.loads(DELEGATION_FILE.read_text(encoding="utf-8"))


def test_the_delegation_vectors_are_the_same_today() -> None:
    assert make_delegation_vectors() == DELEGATIONS


def test_a_reader_made_of_the_page_follows_the_chain_from_the_registry_to_the_proof() -> None:
    def check(public: bytes, signature: bytes, kid: bytes, typ: int, external: bytes, body: bytes) -> None:
        protected = cbor2.dumps({1: -19, 4: kid, 16: typ}, canonical=True)
        signed = cbor2.dumps(["Signature1", protected, external, body], canonical=True)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)

    def kid_of(public: bytes) -> bytes:
        return hashlib.sha256(b"ED25519\x00" + public).digest()[:8]

    protected, _, body, proof = cbor2.loads(base45(DELEGATIONS["valid"].removeprefix("SZ1:"))).value
    enterprise, kid, links, issued, lasts = cbor2.loads(body)
    assert issued <= AT.timestamp() < issued + lasts
    _, _, inner, signature = cbor2.loads(enterprise).value
    signer = bytes.fromhex(DELEGATIONS["registry"]["public"])
    check(signer, signature, kid_of(signer), 65002, b"", inner)
    external = cbor2.loads(inner)[-65537][5].encode()
    assert kid == kid_of(signer)
    for payload_bytes, signature in links:
        check(signer, signature, kid_of(signer), 65007, external, payload_bytes)
        signer, external = cbor2.loads(payload_bytes)[2], hashlib.sha256(payload_bytes + signature).digest()
    assert cbor2.loads(protected)[4] == kid_of(signer)
    check(signer, proof, kid_of(signer), 65008, b"", body)


@pytest.mark.parametrize("vector", DELEGATIONS["refused"], ids=lambda one: one["fault"])
def test_our_reader_refuses_every_bad_delegation(vector: dict[str, Any]) -> None:
    verdict = verify(vector["text"].encode(), trusting(DELEGATIONS["registry"]), AT)
    assert verdict.state is State.INVALID
