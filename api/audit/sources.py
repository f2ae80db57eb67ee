"""Where the log's files come from: a folder, or a server by http(s)."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from registry.log.tiles import CHECKPOINT, TILE_WIDTH, Level, tile_path

TIMEOUT_SECONDS: Final = 30
#: More than any tile: 256 entries of at most 64 KiB, each behind its length.
MAX_FILE_BYTES: Final = TILE_WIDTH * (0x10000 + 2)

_FOUND, _ABSENT, _GONE = 200, 404, 410


class SourceError(Exception):
    """The files cannot be read at all: nobody answers, or it answers with something else. `.message` is for people."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Files(Protocol):
    """Files by their path in the log."""

    def read(self, path: str) -> bytes | None:
        """The bytes, or None if there is no such file. Raises SourceError."""
        ...


class FolderFiles:
    """The log's files in a folder."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise SourceError(f"{folder} 不是文件夹，请给出日志目录（含 checkpoint 与 tile/）")
        self._folder = folder

    def read(self, path: str) -> bytes | None:
        """The bytes of a file. Raises SourceError if the disk does not give them."""
        try:
            return (self._folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SourceError(f"无法读取 {self._folder / path}：{error.strerror}") from error


class ServedFiles:
    """The log's files from a server, over one connection that is kept."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address.rstrip("/"))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SourceError(f"{address} 不是 http(s) 网址")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
        self._prefix = parts.path
        self._host = parts.netloc

    def read(self, path: str) -> bytes | None:
        """The bytes of a file; asked twice if the connection was closed meanwhile. Raises SourceError."""
        try:
            return self._ask(path)
        except (OSError, http.client.HTTPException):
            self._connection.close()
        try:
            return self._ask(path)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise SourceError(f"连接不上 {self._host}（{error}），请检查网址与网络后重试") from error

    def _ask(self, path: str) -> bytes | None:
        self._connection.request("GET", f"{self._prefix}/{path}", headers={"User-Agent": "suizheng-audit/1"})
        answer = self._connection.getresponse()
        data = answer.read(MAX_FILE_BYTES + 1)
        if answer.status in (_ABSENT, _GONE):
            return None
        if answer.status != _FOUND or len(data) > MAX_FILE_BYTES:
            self._connection.close()
            raise SourceError(f"{self._host} 没有给出 {path}（{answer.status}），请稍后重试")
        return data


def open_files(where: str) -> Files:
    """The files at a web address or in a folder. Raises SourceError."""
    return ServedFiles(where) if where.startswith(("http://", "https://")) else FolderFiles(Path(where))


class TileSource:
    """Tiles of a log of one size; a partial tile that gave way to a wider one is cut out of that."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def checkpoint(self) -> bytes | None:
        """The published head."""
        return self._files.read(CHECKPOINT)

    def tile(self, level: Level, number: int, width: int) -> tuple[str, bytes | None]:
        """The path and bytes of a tile, in the wanted width or in the full one."""
        path = tile_path(level, number, width)
        data = self._files.read(path)
        if data is None and width < TILE_WIDTH:
            full = tile_path(level, number)
            wider = self._files.read(full)
            return (path, None) if wider is None else (full, wider)
        return path, data
