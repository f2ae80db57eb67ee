"""The holders of a form: as many as a type allows. The page adds and removes them; here, where it has no script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from api.pages.forms import Form, whole_number
from api.pages.views import FieldGroup, FormField, Holders
from registry.catalogue.rules import HolderRule

PARTS: Final = ("holder_name", "holder_code_type_code", "holder_code")
#: Stands for the place of a holder in the inputs of one that is not there yet.
BLANK: Final = "#"


@dataclass(frozen=True, slots=True)
class Moved:
    """A sent form with a holder more or fewer: its values, how many there are, and whom to look at."""

    values: Mapping[str, str]
    count: int
    focus: int


def count(rule: HolderRule, values: Mapping[str, str]) -> int:
    """How many holders a form has inputs for."""
    sent = takewhile(lambda place: f"holders.{place}.holder_name" in values, range(rule.maximum))
    return max(rule.minimum, len(list(sent)))


def moved(form: Form, rule: HolderRule, values: Mapping[str, str]) -> Moved | None:
    """What becomes of a form whose button adds a holder, or removes one; None for any other button."""
    button, _, text = form.text("do").partition(".")
    held = count(rule, values)
    if button == "add_holder":
        more = min(held + 1, rule.maximum)
        return Moved(values, more, more - 1)
    if button != "remove_holder":
        return None
    gone = whole_number(text)
    if gone is None or not gone < held or held == rule.minimum:
        return Moved(values, held, held - 1)
    kept = {name: value for name, value in values.items() if not name.startswith("holders.")}
    for place, before in enumerate(place for place in range(held) if place != gone):
        kept |= {f"holders.{place}.{part}": values.get(f"holders.{before}.{part}", "") for part in PARTS}
    return Moved(kept, held - 1, max(0, gone - 1))


def holders_of(
    held: int, rule: HolderRule, fields: Callable[[str], Sequence[FormField]], titles: tuple[str, str]
) -> Holders:
    """The inputs of so many holders; fields: those of the one whose place is named; titles: as `Holders` has them."""
    one, many = titles
    groups = [
        FieldGroup(one if held == 1 else many.replace(BLANK, str(place + 1)), fields(str(place)))
        for place in range(held)
    ]
    return Holders(groups, FieldGroup(many, fields(BLANK)), rule.minimum, rule.maximum, titles)
