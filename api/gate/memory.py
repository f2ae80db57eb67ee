"""The replay memory of a gate: which codes opened it, and that memory as lines of a file."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from verifier import times
from verifier.admission import Admitted

MAX_REMEMBERED = 200_000
"""Codes in the replay memory: more than one gate admits in the longest anti-passback window, a day at 2 a second."""


class Memory(OrderedDict[bytes, Admitted]):
    """Which codes opened this gate, newest last; the oldest are forgotten over MAX_REMEMBERED."""

    def remember(self, code_id: bytes, issued_at: datetime, admitted_at: datetime) -> None:
        """Take note of an admission."""
        self[code_id] = Admitted(issued_at, admitted_at)
        self.move_to_end(code_id)
        if len(self) > MAX_REMEMBERED:
            self.popitem(last=False)

    def to_lines(self) -> bytes:
        """A line for each code, oldest first: ["code id in hex", issued, admitted], in seconds since 1970."""
        return b"".join(
            b'["%s",%d,%d]\n' % (code.hex().encode(), one.issued_at.timestamp(), one.admitted_at.timestamp())
            for code, one in self.items()
        )

    def recall(self, lines: Iterable[bytes]) -> None:
        """The inverse of `to_lines`, of lines that are known to be unaltered."""
        for line in lines:
            code, issued, admitted = _parts(line)
            self.remember(bytes.fromhex(code), times.from_seconds(issued), times.from_seconds(admitted))


def _parts(line: bytes) -> tuple[Any, Any, Any]:
    code, issued, admitted = orjson.loads(line)
    return code, issued, admitted
