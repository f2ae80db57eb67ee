"""What a command is given to read: a file, or standard input for `-`."""

from __future__ import annotations

import sys
from pathlib import Path

from api.cli.errors import CommandError
from api.gate.errors import cause_of


def read_given(name: str, limit: int) -> bytes:
    """At most one byte more than `limit`, so that too much can be told. Raises CommandError."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(limit + 1)
        with Path(name).open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise CommandError(f"无法读取 {name}：{cause_of(error)}") from error
    except ValueError as error:
        raise CommandError("文件名中有不能使用的字符") from error
