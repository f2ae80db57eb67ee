"""What stops the log, beside what every use case can refuse."""

from __future__ import annotations

from registry.errors import RegistryError
from verifier.note import Checkpoint


class LogContradictionError(RegistryError):
    """Two heads of this log cannot both be true, so nothing more is signed, published or anchored.

    `ours` and `theirs` are the two heads. Do: stop the process, keep everything, find out which one was altered (a
    database restored from an old backup is the usual innocent cause).
    """

    def __init__(self, reason: str, message: str, ours: Checkpoint, theirs: Checkpoint) -> None:
        heads = {"ours": _show(ours), "theirs": _show(theirs)}
        super().__init__(
            reason, f"{message}本库：{heads['ours']}；对方：{heads['theirs']}。已停止存证，请核查。", heads
        )
        self.ours = ours
        self.theirs = theirs


def _show(head: Checkpoint) -> str:
    return f"{head.size}@{head.root.hex()}"


class TileLostError(RegistryError):
    """A tile is not in its place or not of its length. Do: publish again, which makes it anew from the database."""

    def __init__(self, path: str) -> None:
        super().__init__("tile_lost", f"存证日志的瓦片 {path} 缺失或不完整，将从数据库重建。", {"path": path})
        self.path = path
