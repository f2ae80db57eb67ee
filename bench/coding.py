"""Benches of codes by suite: text to claims against bare checks of signatures, claims to text against bare signing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from world import NOON, World, make_world

from bench.measure import Result, at_most, each, in_turns
from verifier import check_code, sm2
from verifier.code import CodeClaims, open_code, show_code, sign_code
from verifier.cose import to_be_signed
from verifier.suites import PublicKey, SoftwareKey, Suite
from verifier.trust import TrustBundle

#: Many short turns: on a busy machine most of them are undisturbed.
ROUNDS = 151
CODES = 40
GOAL = 1.8
_ECDSA = ec.ECDSA(hashes.SHA256())


def code_verify() -> Result:
    """Different texts to claims, with signature, key, period and status, against their bare signature checks."""
    return _verify("code_verify", Suite.ED25519)


def code_verify_es256() -> Result:
    """As `code_verify`, with ES256."""
    return _verify("code_verify_es256", Suite.ES256)


def code_verify_sm2() -> Result:
    """As `code_verify`, with SM2-SM3 by the system's OpenSSL."""
    return _verify("code_verify_sm2", Suite.SM2)


def dynamic_verify() -> Result:
    """Text to claims of dynamic codes, each of another phone, against one bare verification; two signatures are due."""
    world = make_world()
    trust = world.trust()
    # P-256, as wallets make them: every browser has it.
    devices = [SoftwareKey.generate(Suite.ES256) for _ in range(CODES)]
    texts = [show_code(world.code(device_key=device.public), device, NOON) for device in devices]
    bare = [_bare_check_of(text, world.code_key.public) for text in texts]
    pairs = in_turns(each(lambda text: check_code(text, trust, NOON), texts), each(lambda work: work(), bare), ROUNDS)
    return at_most("dynamic_verify", pairs, CODES, 2.5)


def code_issue() -> Result:
    """Different claims to signed texts, against signing the same bytes with the library alone."""
    return _issue("code_issue", Suite.ED25519)


def code_issue_es256() -> Result:
    """As `code_issue`, with ES256."""
    return _issue("code_issue_es256", Suite.ES256)


def code_issue_sm2() -> Result:
    """As `code_issue`, with SM2-SM3 by the system's OpenSSL."""
    return _issue("code_issue_sm2", Suite.SM2)


def bare_check(key: PublicKey, signature: bytes, message: bytes) -> Callable[[], object]:
    """The library's own check of one signature, with the key loaded and the signature in the library's form."""
    if key.suite is Suite.ED25519:
        ed25519 = Ed25519PublicKey.from_public_bytes(key.raw)
        return lambda: ed25519.verify(signature, message)
    if key.suite is Suite.SM2:
        library, handle = sm2.library(), sm2.loaded(key.raw)
        sm2_der = sm2.signature_to_der(signature)
        return lambda: library.verify(handle, sm2_der, message, sm2.DEFAULT_ID)
    p256 = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.raw)
    der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    return lambda: p256.verify(der, message, _ECDSA)


def _generate(suite: Suite) -> tuple[SoftwareKey, Callable[[bytes], object]]:
    """A key, and the library's own signing with it, its result in the library's form."""
    if suite is Suite.SM2:
        of_sm2, library = sm2.PrivateKey.generate(), sm2.library()
        return SoftwareKey(of_sm2), lambda message: library.sign(of_sm2.handle, message, sm2.DEFAULT_ID)
    if suite is Suite.ES256:
        p256 = ec.generate_private_key(ec.SECP256R1())
        return SoftwareKey(p256), lambda message: p256.sign(message, _ECDSA)
    of_ed25519 = Ed25519PrivateKey.generate()
    return SoftwareKey(of_ed25519), of_ed25519.sign


def _verify(name: str, suite: Suite) -> Result:
    key, _ = _generate(suite)
    trust, claims = _world(key)
    texts = [sign_code(one, key) for one in claims]
    bare = [_bare_check_of(text, key.public) for text in texts]
    pairs = in_turns(each(lambda text: check_code(text, trust, NOON), texts), each(lambda work: work(), bare), ROUNDS)
    return at_most(name, pairs, CODES, GOAL)


def _bare_check_of(text: str, key: PublicKey) -> Callable[[], object]:
    _, message, _ = open_code(text)
    return bare_check(key, message.signature, to_be_signed(message.protected, message.payload or b""))


def _issue(name: str, suite: Suite) -> Result:
    key, bare_sign = _generate(suite)
    _, claims = _world(key)
    signed = []
    for one in claims:
        _, message, _ = open_code(sign_code(one, key))
        signed.append(to_be_signed(message.protected, message.payload or b""))
    pairs = in_turns(each(lambda one: sign_code(one, key), claims), each(bare_sign, signed), ROUNDS)
    return at_most(name, pairs, CODES, GOAL)


def _world(key: SoftwareKey) -> tuple[TrustBundle, list[CodeClaims]]:
    """A trust bundle that knows this code key, and claims that differ."""
    world: World = make_world()
    keys = [replace(one, public=key.public) if "code:person" in one.purposes else one for one in world.content.keys]
    numbers = range(CODES)
    claims = [world.claims(code_id=number.to_bytes(8, "big"), status_index=900 + number) for number in numbers]
    return world.trust(keys=tuple(keys)), claims
