"""Extracts of the licences of tests/world.py: the stage for tests and fuzzing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
from world import DEPARTMENT, NOON, ORIGIN, OTHER_DEPARTMENT, World, fixed_draw, fixed_key, make_world

from verifier.extract import OPEN_FIELDS, Occasion, sign_extract
from verifier.sd_jwt import SEPARATOR, assemble
from verifier.suites import PublicKey, SigningKey
from verifier.trust import TrustBundle
from verifier.trust_content import TrustedKey

NUMBER = 1
NEEDED = ("certificate_number", "area_code")


def trusting(world: World, key: SigningKey | None = None, **changes: Any) -> TrustBundle:
    """The trust bundle in which the department's key, or another one of it, signs extracts as well."""
    (first, *others) = world.content.keys
    keys = [replace(first, purposes=("entries", "extract")), *others]
    if key is not None:
        keys = [first, TrustedKey(key.public, DEPARTMENT, ("extract",), first.valid_from), *others]
    return world.trust(**{"keys": tuple(keys), **changes})


def occasion(**changes: Any) -> Occasion:
    """An extract made an hour before noon, for ten days."""
    facts: dict[str, Any] = {
        "id": "01hq0000000000000000000009", "receiver": OTHER_DEPARTMENT, "matter_code": "CN-0001",
        "matter_name": "户外招牌设置", "purpose": "办理户外招牌设置", "case_no": "2026-000001",
        "made_at": NOON - timedelta(hours=1), "ends_at": NOON + timedelta(days=10),
    }  # fmt: skip
    return Occasion(**{**facts, **changes})


def shown(world: World, number: int = NUMBER) -> dict[str, Any]:
    """What a matter needs of a licence."""
    face = orjson.loads(world.sealed[number].canonical)
    part = {name: face[name] for name in (*OPEN_FIELDS, *NEEDED)}
    part["holders"] = [{"holder_name": one["holder_name"]} for one in face["holders"]]
    part["extend_info"] = {name: face["extend_info"][name] for name in ("business_scope", "premises")}
    return part


def make(
    world: World, key: SigningKey | None = None, device: PublicKey | None = None, draw: str = "salts", **changes: Any
) -> str:
    """The extract of a licence: five fields."""
    return sign_extract(
        shown(world), world.signed_entries[NUMBER], occasion(**changes), ORIGIN, key or world.department_key,
        fixed_draw(draw), device,
    )  # fmt: skip


def only(text: str, places: set[int]) -> str:
    """The SD-JWT with some of its disclosures."""
    jwt, *disclosures, _ = text.split(SEPARATOR)
    return assemble(jwt, [one for place, one in enumerate(disclosures) if place in places])


__all__ = ["DEPARTMENT", "NOON", "ORIGIN", "OTHER_DEPARTMENT", "fixed_key", "make", "make_world", "occasion", "only"]
