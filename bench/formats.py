"""Benches of the formats: canonical JSON, codes, evidence bundles."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from world import NOON, food_face, make_world

from bench.measure import Result, at_least, at_most, in_turns
from verifier import State, check_code, verify_evidence
from verifier.canonical import canonicalise
from verifier.code import open_code, show_code
from verifier.cose import Type, open1, open_typed, to_be_signed
from verifier.merkle import Frontier
from verifier.receipt import sign_root
from verifier.suites import SoftwareKey, Suite

ROUNDS = 15


def canonicalise_bench() -> Result:
    """Canonical bytes of 10,000 random certificates against the `rfc8785` library; every byte is compared first."""
    source = random.Random(1)
    faces = [food_face(number, area_code=str(source.randrange(310101, 310152))) for number in range(10_000)]
    for face in faces:
        if canonicalise(face) != rfc8785.dumps(face):
            raise AssertionError("canonicalise differs from rfc8785")
    part = faces[:1000]
    pairs = in_turns(_each(canonicalise, part), _each(rfc8785.dumps, part), ROUNDS)
    return at_least("canonicalise", pairs, len(part), 10)


def code_verify() -> Result:
    """Text to claims, with signature, key, period and status, against the bare signature verification."""
    world = make_world()
    trust, text, calls = world.trust(), world.code(), 400
    _, message, _ = open_code(text)
    signed = to_be_signed(message.protected, message.payload or b"")
    bare = _bare(world.code_key.public.raw, message.signature, signed)
    pairs = in_turns(_times(lambda: check_code(text, trust, NOON), calls), _times(bare, calls), ROUNDS)
    return at_most("code_verify", pairs, calls, 2)


def dynamic_verify() -> Result:
    """Text to claims of dynamic codes, each of another phone, against one bare verification; two signatures are due."""
    world = make_world()
    trust = world.trust()
    # P-256, as wallets make them: every browser has it.
    devices = [SoftwareKey.generate(Suite.ES256) for _ in range(400)]
    texts = [show_code(world.code(device_key=device.public), device, NOON) for device in devices]
    _, message, _ = open_code(texts[0])
    bare = _bare(world.code_key.public.raw, message.signature, to_be_signed(message.protected, message.payload or b""))
    pairs = in_turns(_each(lambda text: check_code(text, trust, NOON), texts), _times(bare, len(texts)), ROUNDS)
    return at_most("dynamic_verify", pairs, len(texts), 2.5)


def verify_bundle() -> Result:
    """A whole evidence bundle against the two bare signature verifications that it needs: entry and receipt."""
    world = make_world(1000)
    trust, data, calls = world.trust(), world.bundle(700).to_bytes(), 200
    if verify_evidence(data, trust, NOON).state is not State.VALID:
        raise AssertionError("the bundle of the bench is not valid")
    entry, payload = open_typed(world.signed_entries[700], Type.ENTRY, limit=8192)
    first = _bare(world.department_key.public.raw, entry.signature, to_be_signed(entry.protected, payload))
    root = Frontier().append_many(world.leaves).root()
    receipt_protected = _receipt_protected(world.bundle(700).receipt)
    signature = sign_root(root, world.content.origin, world.log_key)
    second = _bare(world.log_key.public.raw, signature, to_be_signed(receipt_protected, root))

    def both() -> None:
        first()
        second()

    pairs = in_turns(_times(lambda: verify_evidence(data, trust, NOON), calls), _times(both, calls), ROUNDS)
    return at_most("verify_bundle", pairs, calls, 2)


def _receipt_protected(receipt: bytes) -> bytes:
    return open1(receipt, limit=8192).protected


def _bare(raw: bytes, signature: bytes, message: bytes) -> Callable[[], object]:
    key = Ed25519PublicKey.from_public_bytes(raw)
    return lambda: key.verify(signature, message)


def _each(work: Callable[[Any], object], items: Sequence[Any]) -> Callable[[], object]:
    def run() -> None:
        for item in items:
            work(item)

    return run


def _times(work: Callable[[], object], calls: int) -> Callable[[], object]:
    def run() -> None:
        for _ in range(calls):
            work()

    return run
