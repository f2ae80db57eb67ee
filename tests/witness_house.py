"""A log in memory that can fork, and a witness in a folder that is asked without a network."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from world import NOON, fixed_key

from api.witness.cosigner import Cosigner
from api.witness.folder import Identity, open_folder
from api.witness.submission import Answer, write_submission
from verifier.cosignature import Witness, find_cosignatures
from verifier.merkle import Frontier, consistency_path, leaf_hash, root_of
from verifier.note import Checkpoint, sign_checkpoint, split_note
from verifier.suites import SoftwareKey

ORIGIN = "log.example/evidence"


class Tree:
    """A log of numbered leaves; from leaf `fork_at` on those of `branch` differ from those of other branches."""

    def __init__(
        self, most: int = 40, *, branch: str = "main", fork_at: int = 1 << 60, origin: str = ORIGIN, key: str = "log"
    ) -> None:
        names = [f"{branch if number >= fork_at else 'main'} {number}" for number in range(most)]
        self.leaves = [leaf_hash(name.encode()) for name in names]
        self.origin, self.key = origin, fixed_key(key)
        self._nodes: dict[tuple[int, int], bytes] = {}
        Frontier().append_many(self.leaves, lambda level, at, node: self._nodes.__setitem__((level, at), node))

    def head(self, size: int) -> Checkpoint:
        return Checkpoint(self.origin, size, root_of(self.leaves[:size]))

    def note(self, size: int, key: SoftwareKey | None = None) -> str:
        return sign_checkpoint(self.head(size), key or self.key)

    def proof(self, old: int, new: int) -> list[bytes]:
        return consistency_path(old, new, lambda level, at: self._nodes[level, at]) if 0 < old < new else []

    def submission(self, old: int, new: int) -> bytes:
        return write_submission(old, self.proof(old, new), self.note(new))


class Department:
    """A witness of one log, opened from its folder."""

    def __init__(
        self, folder: Path, name: str | None = "market.example/w1", *, key: str = "log",
        clock: Callable[[], datetime] = lambda: NOON, origin: str = ORIGIN,
    ) -> None:  # fmt: skip
        self.identity: Identity = open_folder(folder, name)
        keys = {origin: (fixed_key(key).public,)}
        self.cosigner = Cosigner(self.identity, keys.get, clock)

    @property
    def witness(self) -> Witness:
        return Witness(self.identity.name, self.identity.key.public, datetime.min.replace(tzinfo=NOON.tzinfo))

    def ask(self, tree: Tree, old: int, new: int) -> Answer:
        return self.cosigner.add_checkpoint(tree.submission(old, new))

    def size(self) -> int:
        return max((one.head.size for one in self.identity.memory.remembered()), default=0)

    def check(self, answer: Answer, note: str) -> datetime:
        """The time in an answer's one line, once it holds on the note."""
        assert answer.status == 200, answer.text
        [(cosignature, _)] = find_cosignatures(
            split_note(note)[0], answer.text.removesuffix("\n").split("\n"), [self.witness]
        )
        return cosignature.at
