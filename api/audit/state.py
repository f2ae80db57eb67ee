"""Where an audit stood, in a small file: it is taken up again there, and what it saw is held against the log later."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import orjson

from registry.log.tiles import TILE_WIDTH
from verifier.errors import InclusionError
from verifier.merkle import HASH_BYTES, Frontier
from verifier.note import Checkpoint

FORMAT = "suizheng-audit/1"


class StateError(Exception):
    """The file is not the state of an audit. `.message` says what to do."""

    def __init__(self, path: Path) -> None:
        self.message = f"{path} 不是核查进度文件，或已损坏；请另给一个文件名，从头核查。"
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class AuditState:
    """`done`: the tree as far as it was rebuilt, whole tiles only. `head`: the published head that was audited last."""

    head: Checkpoint
    done: Frontier

    def write(self, path: Path) -> None:
        """Replace the file, completely or not at all."""
        body = {
            "format": FORMAT,
            "origin": self.head.origin,
            "checkpoint_size": self.head.size,
            "checkpoint_root": self.head.root.hex(),
            "done": self.done.size,
            "frontier": base64.b64encode(self.done.to_bytes()).decode(),
        }
        fresh = path.with_name(path.name + ".new")
        # Not through what somebody may have laid there.
        fresh.unlink(missing_ok=True)
        with fresh.open("xb") as file:
            file.write(orjson.dumps({**body, "digest": _digest(body)}, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    @classmethod
    def read(cls, path: Path) -> AuditState | None:
        """What the file holds; None if there is none. Raises StateError."""
        try:
            body = orjson.loads(path.read_bytes())
            digest = body.pop("digest")
            if body["format"] != FORMAT or digest != _digest(body) or body["done"] % TILE_WIDTH:
                raise StateError(path)
            root = bytes.fromhex(body["checkpoint_root"])
            frontier = Frontier.from_bytes(body["done"], base64.b64decode(body["frontier"]))
            if len(root) != HASH_BYTES:
                raise StateError(path)
            return cls(Checkpoint(body["origin"], body["checkpoint_size"], root), frontier)
        except FileNotFoundError:
            return None
        except (OSError, KeyError, TypeError, ValueError, AttributeError, InclusionError) as error:
            raise StateError(path) from error


def _digest(body: dict[str, object]) -> str:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
