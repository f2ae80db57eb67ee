"""What a new version of a type changes, as a person who publishes it wants to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Change = Literal["added", "removed", "changed", "rule"]

#: Facts of a definition that are named one by one; fields are compared apart.
RULES = (
    "name", "definer_name", "holder", "number_pattern", "number_hint", "number_is_personal",
    "number_begins_with_holder_code", "validity", "one_time", "face",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One change: of a field (its Chinese title), or of a rule (its name in RULES)."""

    change: Change
    subject: str


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Every change from one definition to the next."""
    before, after = old["schema"].get("properties", {}), new["schema"]["properties"]
    was, is_now = set(old["schema"].get("required", ())), set(new["schema"]["required"])
    found = [Difference("added", _title(name, after)) for name in after if name not in before]
    found += [Difference("removed", _title(name, before)) for name in before if name not in after]
    for name in after:
        if name in before and (before[name] != after[name] or (name in was) != (name in is_now)):
            found.append(Difference("changed", _title(name, after)))
    return found + [Difference("rule", rule) for rule in RULES if _rule(old, rule) != _rule(new, rule)]


def _rule(definition: Mapping[str, Any], rule: str) -> Any:
    value = definition.get(rule)
    return {**value, "code_types": sorted(value["code_types"])} if rule == "holder" and value else value


def _title(name: str, properties: Mapping[str, Any]) -> str:
    return str(properties[name].get("title") or name)
