"""Benches of the formats: canonical JSON, evidence bundles."""

from __future__ import annotations

import random

import rfc8785
from world import NOON, food_face, make_world

from bench.coding import bare_check
from bench.measure import Result, at_least, at_most, each, in_turns
from verifier import State, verify_evidence
from verifier.canonical import canonicalise
from verifier.cose import Type, open1, open_typed, to_be_signed
from verifier.merkle import Frontier

ROUNDS = 15
#: Many short turns: on a busy machine most of them are undisturbed.
SHORT_ROUNDS, BUNDLES = 151, 20


def canonicalise_bench() -> Result:
    """Canonical bytes of 10,000 random certificates against the `rfc8785` library; every byte is compared first."""
    source = random.Random(1)
    faces = [food_face(number, area_code=str(source.randrange(310101, 310152))) for number in range(10_000)]
    for face in faces:
        if canonicalise(face) != rfc8785.dumps(face):
            raise AssertionError("canonicalise differs from rfc8785")
    part = faces[:1000]
    pairs = in_turns(each(canonicalise, part), each(rfc8785.dumps, part), ROUNDS)
    return at_least("canonicalise", pairs, len(part), 10)


def verify_bundle() -> Result:
    """Whole evidence bundles, all different, against the two bare signature checks of each: entry and receipt."""
    world = make_world(1000)
    trust, numbers = world.trust(), range(700, 700 + BUNDLES)
    bundles = [world.bundle(number).to_bytes() for number in numbers]
    if any(verify_evidence(data, trust, NOON).state is not State.VALID for data in bundles):
        raise AssertionError("a bundle of the bench is not valid")
    root = Frontier().append_many(world.leaves).root()
    receipt = open1(world.bundle(numbers[0]).receipt, limit=8192)
    of_root = bare_check(world.log_key.public, receipt.signature, to_be_signed(receipt.protected, root))
    of_entries = []
    for number in numbers:
        entry, payload = open_typed(world.signed_entries[number], Type.ENTRY, limit=8192)
        signed = to_be_signed(entry.protected, payload)
        of_entries.append(bare_check(world.department_key.public, entry.signature, signed))

    def bare() -> None:
        for of_entry in of_entries:
            of_entry()
            of_root()

    pairs = in_turns(each(lambda data: verify_evidence(data, trust, NOON), bundles), bare, SHORT_ROUNDS)
    return at_most("verify_bundle", pairs, len(bundles), 2)
