"""Files that are whole or as they were, whatever is killed when."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from api.gate.errors import GateError, cause_of


def replace_file(path: Path, data: bytes, mode: int = 0o666) -> None:
    """The file holds these bytes, on the disk, when this returns; who may read it: `mode` less the process's umask.

    Raises GateError; then it is as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        # What lies there is of an attempt that was broken off, or a link that somebody laid to have it followed.
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise GateError("unwritable", f"无法写入 {path}：{cause_of(error)}") from error


def sync_folder(folder: Path) -> None:
    """The names of the folder's files are on the disk when this returns; Windows does so by itself."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
