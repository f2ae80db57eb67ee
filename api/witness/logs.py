"""Which logs are witnessed: those of trust bundles, read again when their files change, and those of single keys."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from api.gate.trust_file import TrustFile
from verifier.note import from_vkey
from verifier.suites import PublicKey


class KnownLogs:
    """The logs by name, each with all keys it ever had. Safe to share between threads."""

    def __init__(
        self, trust_files: Sequence[Path], vkeys: Sequence[str], tell: Callable[[str], None] = lambda message: None
    ) -> None:
        """Open the files; `tell` hears of every later change. Raises TrustFileError, MalformedError."""
        self._files = [TrustFile(path) for path in trust_files]
        self._single: dict[str, tuple[PublicKey, ...]] = {}
        for vkey in vkeys:
            origin, key = from_vkey(vkey)
            self._single[origin] = (*self._single.get(origin, ()), key)
        self._tell = tell
        self._lock = threading.Lock()

    def find_keys(self, origin: str) -> tuple[PublicKey, ...] | None:
        """The keys of the log of this name; None if it is not witnessed here."""
        return self.all().get(origin)

    def all(self) -> dict[str, tuple[PublicKey, ...]]:
        """Every log with its keys, as the files say now."""
        logs = dict(self._single)
        with self._lock:
            for file in self._files:
                if file.refresh():
                    self._tell(file.problem or f"已换用信任包版本 {file.bundle.content.version}")
                origin = file.bundle.content.origin
                logs[origin] = (*logs.get(origin, ()), *file.bundle.log_keys())
        return logs
