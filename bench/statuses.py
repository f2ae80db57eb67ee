"""Benches of status lists at the scale of a district: what their signed tokens weigh, and a look-up after loading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from bench.measure import Result, each, in_turns
from verifier.status import CAPACITY, Status, StatusList
from verifier.suites import SoftwareKey, Suite

_SEED = 36903
_AT = datetime(2026, 1, 1, tzinfo=UTC)
_CHANGED = tuple(status for status in Status if status is not Status.VALID)
LOOKUPS = 100_000
ROUNDS = 21


def status_list_10m() -> Result:
    """All tokens of 10 million slots, 1 % of them in a random state; the limit is the entropy of that content."""
    return _size("status_list_10m", 10_000_000, 0.01, _CHANGED, goal=400)


def status_list_25m() -> Result:
    """All tokens of 25 million slots, 0.5 % of them revoked; the limit is the entropy of that content."""
    return _size("status_list_25m", 25_000_000, 0.005, (Status.REVOKED,), goal=500)


def status_lookup() -> Result:
    """The state at a random index of a loaded token, against a bare index into bytes."""
    random = Random(_SEED)
    key = SoftwareKey.generate(Suite.ED25519)
    token = _lists(random, CAPACITY, 0.01, _CHANGED)[0].to_token(key, "bench", _AT, _AT + timedelta(days=7))
    loaded = StatusList.from_token(token, "bench", key.public)
    bare = bytes(CAPACITY)
    slots = [random.randrange(CAPACITY) for _ in range(LOOKUPS)]
    pairs = in_turns(each(loaded.get, slots), each(bare.__getitem__, slots), ROUNDS)
    mine, theirs = (sorted(side)[ROUNDS // 2] / LOOKUPS * 1e9 for side in zip(*pairs, strict=True))
    ratios = [one / other for one, other in pairs]
    spread = f"{min(ratios):.2f}–{max(ratios):.2f}"
    return Result(
        "status_lookup",
        round(mine, 1),
        "ns",
        round(theirs, 1),
        round(mine / theirs, 2),
        "< 1000 ns",
        mine < 1000,
        spread,
    )


def _size(name: str, slots: int, share: float, states: Sequence[Status], goal: int) -> Result:
    key = SoftwareKey.generate(Suite.ED25519)
    lists = _lists(Random(_SEED), slots, share, states)
    tokens = [
        one.to_token(key, f"bench/{number}", _AT, _AT + timedelta(days=7)) for number, one in enumerate(lists, start=1)
    ]
    for number, (one, token) in enumerate(zip(lists, tokens, strict=True), start=1):
        if StatusList.from_token(token, f"bench/{number}", key.public).to_bytes() != one.to_bytes():
            raise AssertionError(f"token {number} does not give its list back")
    size = sum(map(len, tokens)) / 1000
    a_slot = -share * math.log2(share) - (1 - share) * math.log2(1 - share) + share * math.log2(len(states))
    limit = slots * a_slot / 8 / 1000
    met = size < goal
    spread = f"{len(tokens)} tokens"
    return Result(name, round(size, 1), "kB", round(limit, 1), round(size / limit, 3), f"< {goal} kB", met, spread)


def _lists(random: Random, slots: int, share: float, states: Sequence[Status]) -> list[StatusList]:
    lists = [StatusList() for _ in range(-(-slots // CAPACITY))]
    for place in random.sample(range(slots), round(slots * share)):
        lists[place // CAPACITY].set(place % CAPACITY, random.choice(states))
    return lists
