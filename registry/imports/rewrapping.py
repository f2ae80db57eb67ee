"""Puts the data keys of imports' files under the present master key, so that an old one can be retired.

The key stands in a file's head, so the file is copied under a new head and takes the old one's place at once: whatever
is killed when, one of the two is there and whole. It keeps its age, by which it is swept.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from registry.errors import BusyError, LimitError, RegistryError
from registry.files.masters import Masters
from registry.imports.folder import ImportFolder, alone_in, is_at, sync_folder
from registry.imports.sealed import master_of, rewrap_into

_ASIDE: Final = ".rewrapping"


def masters_in_use(folder: ImportFolder) -> Counter[bytes]:
    """How many files of imports each master key protects, by its id."""
    found = Counter[bytes]()
    for path, _ in folder.sealed_files():
        try:
            with path.open("rb") as file:
                master = master_of(file)
        except FileNotFoundError:
            continue
        if master is not None:
            found[master] += 1
    return found


def rewrap(folder: ImportFolder, masters: Masters) -> Iterator[RegistryError | None]:
    """Take over every file that is under another master key; None for each, or why it stays as it is.

    What was done stays done; to be repeated where one was busy. Raises FileKeyError: the present key is away.
    """
    masters.refresh()
    present = masters.current()
    masters.load(present)
    for path, name in folder.sealed_files():
        try:
            with path.open("rb") as file:
                if master_of(file) not in (None, present):
                    _rewrap_one(file, path, name, masters)
                    yield None
        except FileNotFoundError:
            # Deleted meanwhile.
            continue
        except RegistryError as refused:
            yield refused


def _rewrap_one(file: BinaryIO, path: Path, name: str, masters: Masters) -> None:
    aside = path.with_name(path.name + _ASIDE)
    with alone_in(path.parent):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as held:
            raise BusyError("upload_in_progress", "文件正在上传，请稍后再执行一次。", {"file": name}) from held
        try:
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
                rewrap_into(target, file, name, masters)
                target.flush()
                os.fsync(target.fileno())
            shutil.copystat(path, aside)
            # Somebody may have ended, replaced or deleted it while it was copied.
            if is_at(file, path):
                aside.replace(path)
                sync_folder(path.parent)
        except OSError as fault:
            if fault.errno != errno.ENOSPC:
                raise
            raise LimitError("disk_full", "磁盘空间不足，导入文件没有改换；腾出空间后再执行一次。") from fault
        finally:
            aside.unlink(missing_ok=True)
