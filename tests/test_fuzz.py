"""A few thousand inputs of the fuzz driver in every run; `make fuzz N=…` throws as many as there is time for."""

from __future__ import annotations

import fuzz
import pytest
from fuzz_mutations import Target
from fuzz_targets import targets

EVERY = targets()
#: Readers of what is not signed take nothing for good.
READERS = {"entry", "cbor", "base45", "picture of a code", "picture as a file"}


@pytest.mark.parametrize("target", EVERY, ids=lambda target: target.name)
def test_what_is_altered_is_what_is_accepted_unaltered(target: Target) -> None:
    def takes(seed: bytes) -> bool:
        try:
            return target.accepts(seed)
        except target.ours:
            return False

    assert any(map(takes, target.seeds)) is (target.name not in READERS)


def test_some_thousand_altered_and_random_inputs_raise_nothing_foreign_and_are_not_accepted() -> None:
    tally = fuzz.run(8000, 20261122, EVERY)
    assert sum(tally.tried.values()) == 8000
    assert set(tally.tried) == {target.name for target in EVERY}


def test_a_reader_that_breaks_a_law_is_found_out() -> None:
    def careless(data: bytes) -> bool:
        return data[0] > 0

    with pytest.raises(fuzz.FaultError, match=r"accepted|raised"):
        fuzz.run(200, 1, [Target("careless", 1, [b"\x01\x02\x03"], careless)])
