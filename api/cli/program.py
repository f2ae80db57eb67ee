"""How this program was called, so that the commands it tells people can be copied as they stand."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

_NAME: Final = "suizheng"
#: A command as messages spell it, wherever they are made: `suizheng keys …`.
_COMMAND: Final = re.compile(rf"(?<![\w./-]){_NAME} (?=[a-z])")


def called() -> str:
    """The program as its caller wrote it: `suizheng` where the shell finds it, else its path from here, else the
    interpreter and the module."""
    path = Path(sys.argv[0])
    if path.stem == _NAME:
        found = shutil.which(_NAME)
        return _NAME if found and Path(found).resolve() == path.resolve() else shlex.quote(_from_here(path))
    if path.name == "__main__.py":
        return f"{shlex.quote(_from_here(Path(sys.executable)))} -m api.cli"
    return _NAME


def copyable(message: str) -> str:
    """The message with every command in it as this process would have to be called."""
    return _COMMAND.sub(lambda _: f"{called()} ", message)


def with_data(command: str) -> str:
    """The command of this server: with its data folder before it where that came from the environment."""
    data = os.environ.get("SUIZHENG_DATA")
    return f"SUIZHENG_DATA={shlex.quote(data)} {command}" if data else command


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)
