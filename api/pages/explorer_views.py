"""What the explorer's templates see; nothing in it is more than the published log says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.pages.proof_tree import Drawing, Meeting
from api.pages.views import Fact, ProblemView


@dataclass(frozen=True, slots=True)
class HeadRow:
    """A signed head: where it is on the chain, how long that took, and how many witnesses cosigned it."""

    size: int
    root: str
    signed_at: datetime
    anchored_at: datetime | None
    block: str
    lag: str
    witnesses: int


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry in the list."""

    index: int
    kind: str
    about: str
    department: str
    recorded_at: datetime
    leaf: str
    progress: str


@dataclass(frozen=True, slots=True)
class WitnessLine:
    """A witness and how far it is."""

    name: str
    size: int
    at: datetime | None
    note: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command line to copy, and what it does."""

    title: str
    text: str
    note: str


@dataclass(frozen=True, slots=True)
class ExplorerPage:
    """The overview. newer, older: addresses of the neighbouring pages of entries."""

    q: str
    problem: ProblemView | None
    figures: Sequence[Fact]
    entries: Sequence[EntryRow]
    newer: str | None
    older: str | None
    heads: Sequence[HeadRow]
    chain: Sequence[Fact]
    chain_note: str
    witnesses: Sequence[WitnessLine]
    commands: Sequence[Command]


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One entry with its proof under `head_size`. `proof` None: it is not under a published head yet."""

    index: int
    title: str
    progress: str
    facts: Sequence[Fact]
    signed: Sequence[Fact]
    head_size: int
    head_note: str
    root: str
    leaf: str
    drawing: Drawing | None
    meetings: Sequence[Meeting]
    script: str
    leaf_script: str
    newer: str | None
    older: str | None
