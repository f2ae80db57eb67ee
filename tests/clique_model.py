"""Clique's fork choice as a model: every order in which honest signers may seal two branches of one fork.

What the model takes from EIP-225 and go-ethereum 1.13 (`consensus/clique`, `core/forkchoice.go`): a signer may seal
once in any floor(N/2)+1 blocks in a row of a branch; a block weighs 2 in its sealer's turn and 1 out of it; a node
leaves a branch for a heavier one, for one of the same weight that is not longer, and for no other. How long a message
takes is up to the adversary. A signer that seals upon a branch although a better one exists has not heard of it: that
is a late seal, and their number is what an accident costs.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

#: Whether the first block of a branch is final; given the sealers of the blocks after it, the newest first.
IsFinal = Callable[[Sequence[int]], bool]


@dataclass(frozen=True, slots=True)
class Branch:
    """Blocks since the fork: weight and number of them, and the newest sealers, also those of before the fork."""

    length: int
    weight: int
    sealers: tuple[int, ...]

    def is_no_worse_than(self, weight: int, length: int) -> bool:
        """Whether a node whose head this is not may take it for one of that weight and length."""
        return self.weight > weight or (self.weight == weight and self.length <= length)

    def sealed_by(self, signer: int, validators: int) -> Branch:
        """One block longer. The signer in turn at the first height after the fork is 0."""
        weight = 2 if self.length % validators == signer else 1
        return Branch(self.length + 1, self.weight + weight, (*self.sealers, signer))


@dataclass(frozen=True, slots=True)
class Fork:
    """Two branches, where each signer sealed last (branch, weight, length), and whether the first was ever final."""

    branches: tuple[Branch, Branch]
    last: tuple[tuple[int, int, int] | None, ...]
    was_final: bool = False

    @property
    def is_thrown_out(self) -> bool:
        """Whether somebody holds the first branch's first block for final, and the other branch may win."""
        ours, rival = self.branches
        return self.was_final and rival.is_no_worse_than(ours.weight, ours.length)


def fewest_late_seals(validators: int, is_final: IsFinal, at_most: int, longest: int) -> int | None:
    """With how few late seals a final block is thrown out; None if `at_most`, on branches so long, do not suffice."""
    costs = {fork: 0 for fork in _beginnings(validators)}
    waiting = deque((0, fork) for fork in costs)
    while waiting:
        cost, fork = waiting.popleft()
        if costs[fork] < cost:
            continue
        if fork.is_thrown_out:
            return cost
        for is_late, after in _moves(fork, validators, is_final, longest):
            dearer = cost + is_late
            if dearer <= at_most and dearer < costs.get(after, at_most + 1):
                costs[after] = dearer
                (waiting.append if is_late else waiting.appendleft)((dearer, after))
    return None


def _beginnings(validators: int) -> Iterator[Fork]:
    """Whoever sealed the blocks before the fork."""
    for sealers in itertools.permutations(range(validators), validators // 2):
        yield Fork((Branch(0, 0, sealers), Branch(0, 0, sealers)), (None,) * validators)


def _moves(fork: Fork, validators: int, is_final: IsFinal, longest: int) -> Iterator[tuple[bool, Fork]]:
    recent = validators // 2
    for signer, side in itertools.product(range(validators), (0, 1)):
        branch, other, last = fork.branches[side], fork.branches[1 - side], fork.last[signer]
        # No signer seals a block that is lighter than one it sealed before.
        may_leave = last is None or last[0] == side or branch.is_no_worse_than(*last[1:])
        if branch.length == longest or not may_leave or (recent and signer in branch.sealers[-recent:]):
            continue
        after = branch.sealed_by(signer, validators)
        was_final = fork.was_final or (side == 0 and is_final(after.sealers[: -after.length - 1 : -1][:-1]))
        if side == 1 or was_final:
            # Only the newest sealers matter any more.
            after = replace(after, sealers=after.sealers[-recent:] if recent else ())
        branches = (after, other) if side == 0 else (other, after)
        last_of_all = (*fork.last[:signer], (side, after.weight, after.length), *fork.last[signer + 1 :])
        yield not branch.is_no_worse_than(other.weight, other.length), Fork(branches, last_of_all, was_final)


def lead_of_a_split(validators: int, rounds: int) -> int:
    """By how much the rest may outweigh a final branch where nobody seals on both: the worst case of any split."""
    quorum = validators // 2 + 1
    leads = []
    for rest in itertools.combinations(range(validators), validators - quorum):
        most = [one for one in range(validators) if one not in rest]
        ours = min(_weights(most, validators, rounds * quorum + 1))
        leads.append(
            max(itertools.chain(*(_weights(rest, validators, length) for length in range(len(rest) + 1)))) - ours
        )
    return max(leads)


def _weights(signers: Sequence[int], validators: int, length: int, sealers: tuple[int, ...] = ()) -> Iterator[int]:
    """What every branch of that length, sealed by these signers alone, may weigh."""
    if len(sealers) == length:
        yield sum(2 if place % validators == signer else 1 for place, signer in enumerate(sealers))
        return
    recent = sealers[-(validators // 2) :] if validators > 1 else ()
    for signer in signers:
        if signer not in recent:
            yield from _weights(signers, validators, length, (*sealers, signer))
