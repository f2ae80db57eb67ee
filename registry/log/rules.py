"""Decisions of the log that need no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from verifier.entry import Entry

_T = TypeVar("_T")


def runs(ids: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending ids as runs (first, last) of consecutive ones."""
    found: list[tuple[int, int]] = []
    for number in ids:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def link(payload: bytes, previous: bytes) -> bytes:
    """The payload with the leaf hash of the item's earlier entry; one that names an earlier entry itself stays."""
    entry = Entry.from_bytes(payload)
    return payload if entry.previous is not None else replace(entry, previous=previous).to_bytes()


def complete_nodes(size: int) -> list[tuple[int, int]]:
    """The maximal complete subtrees (level, index) of a tree, largest first: the nodes of its frontier."""
    nodes: list[tuple[int, int]] = []
    start = 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            nodes.append((level, start >> level))
            start += 1 << level
    return nodes


def chunks(items: Sequence[_T], count: int) -> Iterable[Sequence[_T]]:
    """The items in slices of at most `count`: databases limit the parameters of one statement."""
    return (items[start : start + count] for start in range(0, len(items), count))
