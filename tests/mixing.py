"""Evidence bundles put together from parts that are each genuine, of different items, logs and moments."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from world import DEPARTMENT, FOOD, ISSUED, World, fixed_draw, fixed_key, food_face, make_world

from verifier.commitment import seal
from verifier.cose import Type, sign1
from verifier.entry import Entry, Kind
from verifier.evidence import EvidenceBundle
from verifier.merkle import Frontier, leaf_hash

PARTS = ("face", "salts", "signed_entry", "receipt", "anchor", "files")


def donors(world: World) -> dict[str, EvidenceBundle]:
    """Bundles to take parts from: two items of the world's log, one of them under an older head that its trust does
    not list, the same data in a log by another key, and an item that another department signed."""
    older = make_world(len(world.leaves) - 1)
    return {
        "first": world.bundle(0),
        "second": world.bundle(1),
        "second under an older head": older.bundle(1),
        "second in another log": replace(world, log_key=fixed_key("another log")).bundle(1),
        "by another department": _by_another_department(world),
    }


def _by_another_department(world: World) -> EvidenceBundle:
    """The second item, signed by a key that the trust bundle does not know, in a log of the right key."""
    sealed = seal(food_face(1), fixed_draw("salts 1"))
    facts = {"type": FOOD, "type_version": 1, "version": 1, "status_list": 1, "status_index": 1}
    entry = Entry(Kind.CERTIFICATE, b"m" * 16, DEPARTMENT, ISSUED, sealed.digest, facts)
    signed = list(world.signed_entries)
    signed[1] = sign1(entry.to_bytes(), fixed_key("another department"), Type.ENTRY)
    leaves = tuple(map(leaf_hash, signed))
    anchor = replace(world.content.heads[0], root=Frontier().append_many(leaves).root())
    content = replace(world.content, heads=(anchor,))
    return replace(world, signed_entries=tuple(signed), leaves=leaves, content=content).bundle(1)


def mixed(world: World) -> Iterator[tuple[tuple[str, ...], bytes, bool]]:
    """Every choice of a donor for each part: who gave what, the bundle's bytes, and whether it is genuine."""
    given = donors(world)
    for names in itertools.product(given, repeat=len(PARTS)):
        parts = {part: getattr(given[name], part) for part, name in zip(PARTS, names, strict=True)}
        yield names, replace(given[names[0]], **parts).to_bytes(), _is_genuine(given, parts)


def _is_genuine(given: dict[str, EvidenceBundle], parts: dict[str, object]) -> bool:
    """Byte for byte an item of the world's log under its listed head; files may be left out, and none added."""
    wholes = [{part: getattr(given[name], part) for part in PARTS} for name in ("first", "second")]
    return any(parts in (whole, {**whole, "files": ()}) for whole in wholes)
