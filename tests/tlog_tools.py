"""Programs by others that read our log: Tessera's fsck and Go's signed notes, built from pinned sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from conftest import missing

from registry.keys.rules import LOG
from verifier.note import to_vkey

SOURCES = Path(__file__).parent / "tlog"
#: A cold build takes up to a minute; more only where the sources have to be fetched over a slow line.
BUILD_SECONDS = 600
_PASSED = re.compile(r"Successfully fsck'd log with size (\d+) and root \S+ \(([0-9a-f]{64})\)")


@dataclass(frozen=True, slots=True)
class Tools:
    """The built programs."""

    folder: Path

    def fsck(self, url: str, key: str) -> tuple[int, bytes]:
        """Size and root of the log at `url` if every entry and tile leads to its checkpoint.

        Raises AssertionError with what the program said. Its exit status says nothing: 0 also after a failure.
        """
        with tempfile.NamedTemporaryFile("w", suffix=".key") as file:
            file.write(key)
            file.flush()
            command = [
                str(self.folder / "fsck"),
                f"-storage_url={url}",
                f"-public_key={file.name}",
                "-ui=false",
                "-N=4",
            ]
            run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        passed = _PASSED.search(run.stderr)
        # What it prints about a wrong tile goes on with all of its hashes.
        assert passed and "fsck failed" not in run.stderr, run.stderr[:2000]
        return int(passed[1]), bytes.fromhex(passed[2])

    def open_note(self, key: str, note: Path) -> str:
        """The signed text of a note and the names that signed it. Raises AssertionError with what the program said."""
        run = subprocess.run(
            [str(self.folder / "opennote"), key, str(note)], capture_output=True, text=True, timeout=60, check=False
        )
        assert run.returncode == 0, run.stderr
        return run.stdout


def build_tools(folder: Path) -> Tools:
    """The programs, built into `folder`; a skip where there is no Go, a failure where Go is required."""
    go = shutil.which("go")
    if not go:
        missing("Go")
    assert go
    packages = ["./opennote", "github.com/transparency-dev/tessera/cmd/fsck"]
    run = subprocess.run(
        [go, "build", "-mod=readonly", "-o", f"{folder}/", *packages],
        cwd=SOURCES, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False,
        env={**os.environ, "CGO_ENABLED": "0"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return Tools(folder)


def key_of(house: object) -> str:
    """The verifier key of a house's log."""
    key = house.keys.key_for(LOG, house.clock())  # type: ignore[attr-defined]
    return to_vkey(house.pipeline.origin, key.public)  # type: ignore[attr-defined]
