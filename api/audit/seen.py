"""Which entries were met before: on disk, 16 bytes each in 256 files, so that memory does not grow with the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

BUCKETS: Final = 256
_KEY_BYTES, _INDEX_BYTES = 10, 6
_RECORD_BYTES: Final = _KEY_BYTES + _INDEX_BYTES
_BUFFERED_RECORDS: Final = 65_536


class SeenEntries:
    """Digests with their index. Two audits of one log may go on with the same folder, one after the other."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._buffers: list[list[bytes]] = [[] for _ in range(BUCKETS)]
        self._buffered = 0

    def add(self, index: int, digest: bytes) -> None:
        """Remember the digest of the entry at `index`."""
        self._buffers[digest[0]].append(digest[1 : 1 + _KEY_BYTES] + index.to_bytes(_INDEX_BYTES))
        self._buffered += 1
        if self._buffered >= _BUFFERED_RECORDS:
            self.flush()

    def flush(self) -> None:
        """Put what is in memory on the disk."""
        for number, records in enumerate(self._buffers):
            if records:
                with self._path(number).open("ab") as file:
                    file.write(b"".join(records))
                records.clear()
        self._buffered = 0

    def forget_from(self, size: int) -> None:
        """Drop what an interrupted audit noted beyond where it is taken up again."""
        for number in range(BUCKETS):
            records = self._read(number)
            kept = [record for record in records if int.from_bytes(record[_KEY_BYTES:]) < size]
            if len(kept) != len(records):
                self._path(number).write_bytes(b"".join(kept))

    def repeated(self) -> Iterator[tuple[int, int]]:
        """Pairs of indices (earlier, later) whose digests agree in their first 11 bytes."""
        self.flush()
        for number in range(BUCKETS):
            first: dict[bytes, int] = {}
            for record in self._read(number):
                key, index = record[:_KEY_BYTES], int.from_bytes(record[_KEY_BYTES:])
                earlier = first.setdefault(key, index)
                if earlier != index:
                    yield min(earlier, index), max(earlier, index)

    def _read(self, number: int) -> list[bytes]:
        path = self._path(number)
        data = path.read_bytes() if path.exists() else b""
        return [data[at : at + _RECORD_BYTES] for at in range(0, len(data) - _RECORD_BYTES + 1, _RECORD_BYTES)]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:02x}"
