"""An inclusion proof as steps that a person can follow: which hashes meet, from which side, where to draw them. Pure.

The drawing has two columns: at every level the way from the leaf and the one hash that is given stand side by side, as
they do in the tree, and meet in the node above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from verifier.merkle import node_hash

WIDTH: Final = 360
_BOX_WIDTH, _BOX_HEIGHT, _ROW = 150, 46, 92
_LEFT, _RIGHT = 10, WIDTH - _BOX_WIDTH - 10
_TOP: Final = 6
_SHOWN_HEX: Final = 10


@dataclass(frozen=True, slots=True)
class Meeting:
    """One step up: two hashes and what they make. `first`, `last`: the entries under the given hash, both inclusive."""

    number: int
    left: bytes
    right: bytes
    parent: bytes
    given_left: bool
    first: int
    last: int

    @property
    def given(self) -> bytes:
        """The hash that the proof gives."""
        return self.left if self.given_left else self.right

    @property
    def own(self) -> bytes:
        """The hash that was computed so far."""
        return self.right if self.given_left else self.left


@dataclass(frozen=True, slots=True)
class Box:
    """A node as it is drawn. role: "root", "way", "leaf" or "given"; step: the meeting it is part of, 0 at the top."""

    role: str
    x: int
    y: int
    hash: str
    short: str
    first: int
    last: int
    step: int

    @property
    def middle(self) -> int:
        """Where lines meet it."""
        return self.x + _BOX_WIDTH // 2


@dataclass(frozen=True, slots=True)
class Edge:
    """A line between two nodes as a path; `way` if it is part of the way from the leaf."""

    path: str
    way: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """All that is drawn, in a box of `width` by `height`."""

    width: int
    height: int
    boxes: Sequence[Box]
    edges: Sequence[Edge]


def meetings_of(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> list[Meeting]:
    """The steps from the leaf up, in order; a path of another length than (index, size) asks for raises ValueError."""
    node, meetings = leaf, []
    for number, (given, (first, end)) in enumerate(zip(path, siblings_of(index, size), strict=True), 1):
        given_left = first < index
        left, right = (given, node) if given_left else (node, given)
        node = node_hash(left, right)
        meetings.append(Meeting(number, left, right, node, given_left, first, end - 1))
    return meetings


def siblings_of(index: int, size: int) -> list[tuple[int, int]]:
    """Which entries (from, to) each hash of a path stands for, from the leaf up (RFC 9162 section 2.1.3.1)."""
    spans: list[tuple[int, int]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def draw(index: int, size: int, leaf: bytes, meetings: Sequence[Meeting]) -> Drawing:
    """Where everything stands, the root at the top."""
    root = meetings[-1].parent if meetings else leaf
    top = _box("leaf" if not meetings else "root", (WIDTH - _BOX_WIDTH) // 2, _TOP, root, 0, size - 1, 0)
    boxes, edges, parent = [top], [], top
    first, last = 0, size - 1
    for row, meeting in enumerate(reversed(meetings), 1):
        y = _TOP + row * _ROW
        if meeting.given_left:
            first = meeting.last + 1
        else:
            last = meeting.first - 1
        sides = (_RIGHT, _LEFT) if meeting.given_left else (_LEFT, _RIGHT)
        role = "leaf" if row == len(meetings) else "way"
        own = _box(role, sides[0], y, meeting.own, first, last, meeting.number)
        given = _box("given", sides[1], y, meeting.given, meeting.first, meeting.last, meeting.number)
        edges += [_edge(parent, given, way=False), _edge(parent, own, way=True)]
        boxes += [given, own]
        parent = own
    # The way lies over what only joins it.
    edges.sort(key=lambda edge: edge.way)
    return Drawing(WIDTH, _TOP + len(meetings) * _ROW + _BOX_HEIGHT + 18, boxes, edges)


def script_of(leaf: bytes, meetings: Sequence[Meeting]) -> str:
    """The same computation as a script for any shell with sha256sum."""
    lines = [
        """h() { printf "$(printf '01%s%s' "$1" "$2" | sed 's/../\\\\x&/g')" | sha256sum | cut -c1-64; }""",
        f"n={leaf.hex()}",
    ]
    for meeting in meetings:
        given = meeting.given.hex()
        lines.append(f'n=$(h {given} "$n")' if meeting.given_left else f'n=$(h "$n" {given})')
    return "\n".join([*lines, 'echo "$n"'])


def leaf_script(address: str, offset: int, length: int) -> str:
    """How the leaf's hash comes out of the published entries: `offset` and `length` of the entry in its bundle."""
    return f"(printf '\\0'; curl -s {address} | tail -c +{offset + 1} | head -c {length}) | sha256sum | cut -c1-64"


def _box(role: str, x: int, y: int, hashed: bytes, first: int, last: int, step: int) -> Box:
    return Box(role, x, y, hashed.hex(), f"{hashed.hex()[:_SHOWN_HEX]}…", first, last, step)


def _edge(upper: Box, lower: Box, *, way: bool) -> Edge:
    begin, end = upper.y + _BOX_HEIGHT, lower.y
    bend = (begin + end) // 2
    return Edge(f"M{upper.middle} {begin}C{upper.middle} {bend} {lower.middle} {bend} {lower.middle} {end}", way)
