"""Makes vectors/codes/codes.json (`python tests/code_vectors.py`): a code of every kind in every suite, and bad ones.

ES256 and SM2-SM3 sign with fresh randomness, so these are made once; a test holds two readers against them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from world import FOOD, NOON, VENUE_ID, fixed_draw, make_world

from codes import payload
from verifier import CodeKind, cbor
from verifier.code import CodeClaims, Grant, GrantKind, open_code, show_code, sign_code
from verifier.cose import sign1, to_be_signed
from verifier.ids import id_value
from verifier.presentation import present
from verifier.suites import SoftwareKey, Suite

FILE = Path(__file__).parent / "vectors" / "codes" / "codes.json"
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def make_code_vectors() -> dict[str, Any]:
    """{at, valid: [{kind, suite, public, kid, type, claims_hex, text}], presented: [{suite, public, kid, text, …}],
    refused: [{reason, public, suite, text}]}."""
    world = make_world(1)
    keys = {
        Suite.ED25519: SoftwareKey.from_seed(fixed_draw("code vectors")(32)),
        Suite.ES256: SoftwareKey.generate(Suite.ES256),
        Suite.SM2: SoftwareKey.generate(Suite.SM2),
    }
    valid = []
    said = [(kind, world.claims(kind).to_bytes()) for kind in CodeKind]
    said += [(CodeKind.VENUE, claims) for claims in _older_venues()]
    for kind, claims in said:
        for key in keys.values():
            text = payload.encode(sign1(claims, key, kind.envelope))
            valid.append(
                {"kind": kind.name.lower(), "type": int(kind.envelope), "claims_hex": claims.hex()} | _by(key, text)
            )
    held = world.claims()
    licence = Grant(GrantKind.CERTIFICATE, FOOD, 1, 902, NOON + timedelta(days=1))
    shown = [replace(held, grants=grants) for grants in ((), held.grants, (licence,))]
    presented = [one for key in keys.values() for claims in shown for one in _presented(claims, key)]
    good = payload.decode(valid[0]["text"])
    return {"at": NOON.isoformat(), "valid": valid, "presented": presented, "refused": _refused(keys, good)}


def _older_venues() -> list[bytes]:
    """The claims of venue codes from before the string: named, with the id as text; then by its 16 bytes alone."""
    named = make_world(1).claims(CodeKind.VENUE, name="随证体育馆").to_bytes()
    content = cbor.decode_any(named)
    content[-65537][4:6] = [None, id_value(VENUE_ID)]
    return [named, cbor.encode(content)]


def _presented(claims: CodeClaims, issuer: SoftwareKey) -> list[dict[str, Any]]:
    """Dynamic codes of this issuer on a device of each suite a device may have; shown at the vectors' time."""
    made = []
    devices = (SoftwareKey.from_seed(fixed_draw("device vectors")(32)), SoftwareKey.generate(Suite.ES256))
    for device in devices:
        static = sign_code(replace(claims, device_key=device.public), issuer)
        made.append(
            _by(issuer, show_code(static, device, NOON))
            | {
                "device_suite": int(device.public.suite),
                "device": device.public.raw.hex(),
                "code_hex": payload.decode(static).hex(),
                "shown_at": int(NOON.timestamp()),
                "static_text": static,
                "shown_a_minute_ago": show_code(static, device, NOON - timedelta(seconds=60)),
            }
        )
    return made


def _by(key: SoftwareKey, text: str) -> dict[str, Any]:
    public = key.public
    return {"suite": int(public.suite), "public": public.raw.hex(), "kid": public.kid.hex(), "text": text}


def _refused(keys: dict[Suite, SoftwareKey], good: bytes) -> list[dict[str, Any]]:
    """What every reader must refuse, each made from a good code."""
    claims = open_code(payload.encode(good))[1].payload or b""
    elliptic = sign1(claims, keys[Suite.ES256], CodeKind.PERSON.envelope)
    s = int.from_bytes(elliptic[-32:])
    altered = bytearray(good)
    altered[-1] ^= 1
    cases = {
        "not_canonical": (Suite.ES256, elliptic[:-32] + (_P256_ORDER - s).to_bytes(32)),
        "wrong_signature": (Suite.ED25519, bytes(altered)),
        "trailing_byte": (Suite.ED25519, good + b"\x00"),
        "untagged": (Suite.ED25519, good[1:]),
        "longer_length": (Suite.ED25519, good[:2] + b"\x59\x00" + good[3:]),
        "two_grants_on_a_phone": (Suite.ED25519, _two_grants(keys[Suite.ED25519])),
        "venue_string_short": (Suite.ED25519, _venue_string(keys[Suite.ED25519], lambda string, _: string[:-1])),
        "venue_string_long": (Suite.ED25519, _venue_string(keys[Suite.ED25519], lambda string, _: string + b"\x00")),
        "venue_lasts_too_long": (Suite.ED25519, _venue_string(keys[Suite.ED25519], _ends_late)),
        "string_of_a_person": (
            Suite.ED25519,
            sign1(make_world(1).claims(CodeKind.VENUE).to_bytes(), keys[Suite.ED25519], CodeKind.PERSON.envelope),
        ),
        "venue_by_text": (Suite.ED25519, _venue_by_text(claims, keys[Suite.ED25519])),
        "unknown_kind": (Suite.ED25519, sign1(claims, keys[Suite.ED25519], 65029)),
        "suite_of_another_key": (Suite.ES256, _claiming_another_suite(claims, keys[Suite.ES256])),
    }
    return [{"fault": fault} | _by(keys[suite], payload.encode(data)) for fault, (suite, data) in cases.items()]


def _two_grants(key: SoftwareKey) -> bytes:
    """Shown by its phone, so that nothing else is wrong with it."""
    device = SoftwareKey.from_seed(fixed_draw("device vectors")(32))
    claims = make_world(1).claims(device_key=device.public)
    text = sign_code(replace(claims, grants=claims.grants * 2), key)
    return present(payload.decode(text), device, NOON)


def _venue_by_text(claims: bytes, key: SoftwareKey) -> bytes:
    content = cbor.decode_any(claims)
    content[-65537][6][0][1] = VENUE_ID
    return sign1(cbor.encode(content), key, CodeKind.PERSON.envelope)


def _venue_string(key: SoftwareKey, alter: Callable[[bytes, dict[Any, Any]], bytes]) -> bytes:
    content = cbor.decode_any(make_world(1).claims(CodeKind.VENUE).to_bytes())
    content[-65537] = alter(content[-65537], content)
    return sign1(cbor.encode(content), key, CodeKind.VENUE.envelope)


def _ends_late(string: bytes, content: dict[Any, Any]) -> bytes:
    content[4] = 2**32
    return string


def _claiming_another_suite(claims: bytes, key: SoftwareKey) -> bytes:
    protected = cbor.encode({1: int(Suite.ED25519), 4: key.public.kid, 16: int(CodeKind.PERSON.envelope)})
    parts = [protected, {}, claims, key.sign(to_be_signed(protected, claims))]
    return b"\xd2" + cbor.encode(parts)


if __name__ == "__main__":
    FILE.write_text(json.dumps(make_code_vectors(), indent=1) + "\n", encoding="utf-8")
