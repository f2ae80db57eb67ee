"""What the process of imports is told of the server's settings: one line of JSON, no secret in it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import orjson

from api.settings import FileSettings, Settings, Token


def to_line(settings: Settings) -> bytes:
    """The settings that imports need, as one line."""
    told = {
        "data": settings.data, "database_url": settings.database_url, "files": asdict(settings.filing),
        "token": None if settings.token is None else asdict(settings.token),
        "key_passphrase_file": settings.key_passphrase_file,
    }  # fmt: skip
    return orjson.dumps(told, default=str) + b"\n"


def from_line(line: bytes | str) -> Settings:
    """The inverse; what is not told has its default."""
    told = orjson.loads(line)
    token, passphrase = told["token"], told["key_passphrase_file"]
    return Settings(
        data=Path(told["data"]), database_url=told["database_url"], files=FileSettings(**told["files"]),
        token=Token(token["module"], token["label"], Path(token["pin_file"])) if token else None,
        key_passphrase_file=Path(passphrase) if passphrase else None,
    )  # fmt: skip
