"""How the fuzz driver alters what it has, and what a kind of input is."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from verifier.errors import VerificationError


@dataclass
class Target:
    """One kind of input. accepts(altered) is whether a reader takes it for good; it may raise errors of ours only.

    same(altered, seed): bytes that are the same thing in another dress, which may be accepted.
    """

    name: str
    weight: int
    seeds: list[bytes]
    accepts: Callable[[bytes], bool]
    same: Callable[[bytes, bytes], bool] = lambda altered, seed: altered == seed
    ours: tuple[type[Exception], ...] = (VerificationError,)
    alter: Callable[[random.Random, bytes], bytes] | None = None


def mutate(chance: random.Random, seed: bytes, others: list[bytes]) -> bytes:
    """The seed with one to four changes, most often one."""
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        place = chance.randrange(len(data)) if data else 0
        match chance.randrange(9):
            case 0 if data:
                data[place] ^= 1 << chance.randrange(8)
            case 1 if data:
                data[place] = chance.choice((0, 1, 0x17, 0x18, 0x1B, 0x5F, 0x7F, 0x80, 0xA0, 0xC0, 0xF6, 0xFF))
            case 2:
                data[place:place] = chance.randbytes(chance.choice((1, 1, 2, 9, 300)))
            case 3:
                del data[place : place + chance.choice((1, 1, 2, 8, 64))]
            case 4:
                del data[place:]
            case 5:
                data[place:place] = data[place : place + chance.randrange(1, 40)]
            case 6:
                other = chance.choice(others)
                cut = chance.randrange(len(other) + 1)
                data[place:] = other[cut:]
            case 7 if data:
                end = chance.randrange(len(data))
                data[place], data[end] = data[end], data[place]
            case 8:
                other = chance.choice(others)
                cut = chance.randrange(len(other) + 1)
                width = chance.randrange(1, 40)
                data[place : place + width] = other[cut : cut + width]
    return bytes(data)
