"""Three witnesses beside the small registry in memory, and cosigned checkpoints of its head."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from world import ISSUED, NOON, ORIGIN, World, fixed_key

from verifier import TrustBundle
from verifier.cosignature import Witness, cosign
from verifier.note import Checkpoint, sign_checkpoint

NAMES = ("market.example/w1", "care.example/w1", "street.example/w1")
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
SEEN = ISSUED + timedelta(minutes=2)


def witness(name: str, **changes: Any) -> Witness:
    """The witness of this name, whose key is the fixed key of the name."""
    return replace(Witness(name, fixed_key(name).public, BEGUN), **changes)


def trusting(world: World, threshold: int = 2, names: tuple[str, ...] = NAMES, **changes: Any) -> TrustBundle:
    """The world's trust bundle with these witnesses."""
    put = {"witnesses": tuple(witness(name) for name in names), "witness_threshold": threshold}
    return world.trust(**{**put, **changes})


def head_of(world: World) -> Checkpoint:
    """The world's one head."""
    anchor = world.content.heads[0]
    return Checkpoint(ORIGIN, anchor.size, anchor.root)


def lines(world: World, *names: str, at: datetime = SEEN, head: Checkpoint | None = None) -> bytes:
    """The lines of these witnesses."""
    head = head or head_of(world)
    return "".join(cosign(head, name, fixed_key(name), at) for name in names).encode()


def cosigned(world: World, *names: str, at: datetime = SEEN, head: Checkpoint | None = None) -> bytes:
    """The log's checkpoint with the lines of these witnesses."""
    note = sign_checkpoint(head or head_of(world), world.log_key)
    return note.encode() + lines(world, *names, at=at, head=head)


def evidence(world: World, *names: str, **options: Any) -> bytes:
    """Evidence of licence 1 whose head is cosigned by these witnesses."""
    return replace(world.bundle(1), cosigned=cosigned(world, *names, **options)).to_bytes()


def witness_vectors(world: World) -> dict[str, tuple[bytes, datetime]]:
    """What is presented under the trust bundle with three witnesses of whom two are needed."""
    first, second, _ = NAMES
    other = replace(head_of(world), root=bytes(32))
    notes = {
        "valid-evidence-cosigned.szb": cosigned(world, first, second),
        "cosigned-by-one.szb": cosigned(world, first),
        "cosigned-twice-by-one.szb": cosigned(world, first) + lines(world, first, at=NOON),
        "cosigned-by-strangers.szb": cosigned(world, "a.example", "b.example"),
        "cosigned-another-head.szb": cosigned(world, *NAMES, head=other),
        "cosigned-with-a-wrong-line.szb": cosigned(world, second, NAMES[2]) + lines(world, first, head=other),
        "not-cosigned.szb": None,
    }
    return {name: (replace(world.bundle(1), cosigned=note).to_bytes(), NOON) for name, note in notes.items()}
