"""Bench of the store of files."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from file_house import make_store

from bench.measure import Result, at_most, in_turns
from verifier.digests import double_digest

FILES, FILE_BYTES, ROUNDS = 100, 1_000_000, 5


def file_store() -> Result:
    """100 files of 1 MB stored sealed and read back, against both digests and a synced write of the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        store, bare = make_store(Path(folder) / "sealed"), Path(folder) / "bare"
        data = [os.urandom(FILE_BYTES) for _ in range(FILES)]
        bare.mkdir()

        def sealed() -> None:
            for one in data:
                if store.read(store.put([one], is_new=True)) != one:
                    raise AssertionError("a file came back altered")
            for listed in list(store.objects.list()):
                store.objects.delete(listed.name)

        def plain() -> None:
            for number, one in enumerate(data):
                double_digest(one)
                with (bare / str(number)).open("wb") as file:
                    file.write(one)
                    file.flush()
                    os.fsync(file.fileno())
            shutil.rmtree(bare)
            bare.mkdir()

        return at_most("file_store", in_turns(sealed, plain, ROUNDS), FILES, 2)
