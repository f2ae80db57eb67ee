"""Which accidents throw out a block that a rule calls final: every fork of a small network is tried."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from clique_model import IsFinal, fewest_late_seals, lead_of_a_split
from hypothesis import given
from hypothesis import strategies as st

from chain.finality import ROUNDS, blocks_of_rounds


def rule(validators: int, rounds: int) -> IsFinal:
    """The rule that the sender goes by, with so many rounds."""

    def is_final(after: Sequence[int]) -> bool:
        return blocks_of_rounds([bytes([sealer]) for sealer in after], validators, rounds) is not None

    return is_final


@pytest.mark.parametrize(("validators", "with_one", "with_two"), [(3, 2, 4), (4, 2, 5)])
def test_a_second_round_takes_more_than_twice_the_accidents_of_one(
    validators: int, with_one: int, with_two: int
) -> None:
    """One round is given up where two signers seal without having heard of a better branch."""
    for rounds, fewest in ((1, with_one), (ROUNDS, with_two)):
        longest = rounds * (validators // 2 + 1) + 3
        assert fewest_late_seals(validators, rule(validators, rounds), fewest, longest) == fewest


@pytest.mark.parametrize("validators", [1, 2])
def test_one_validator_or_two_cannot_make_a_rival_that_lasts(validators: int) -> None:
    assert fewest_late_seals(validators, rule(validators, ROUNDS), 6, 2 * validators + 3) is None


@pytest.mark.parametrize("validators", range(1, 8))
def test_after_two_rounds_no_split_lets_the_rest_outweigh_the_block(validators: int) -> None:
    assert lead_of_a_split(validators, ROUNDS) < 0


def test_after_one_round_the_rest_may_draw_level_or_win() -> None:
    """Three of seven, each in its turn, outweigh five blocks out of turn: a plain split sufficed."""
    assert lead_of_a_split(5, 1) == 0
    assert lead_of_a_split(7, 1) == 1


@given(st.integers(1, 9), st.lists(st.integers(0, 8).map(lambda sealer: bytes([sealer])), max_size=40))
def test_each_round_holds_more_than_half_and_no_block_could_be_left_out(validators: int, sealers: list[bytes]) -> None:
    one, two = blocks_of_rounds(sealers, validators, 1), blocks_of_rounds(sealers, validators)
    if two is None:
        assert one is None or len(set(sealers[one:])) <= validators // 2
        return
    assert one is not None
    for begin, end in ((0, one), (one, two)):
        assert len(set(sealers[begin:end])) == validators // 2 + 1
        assert len(set(sealers[begin : end - 1])) == validators // 2


def test_however_many_blocks_half_of_the_validators_seal_nothing_is_final() -> None:
    assert blocks_of_rounds([b"a", b"b"] * 50, 4) is None
    assert blocks_of_rounds([b"a", b"b", b"c"] * 2, 4) == 6
    assert blocks_of_rounds([b"a", b"b", b"c", b"a", b"b"], 4) is None
