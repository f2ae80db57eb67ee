"""What an idempotency key may look like, and how a request is told from another."""

from __future__ import annotations

import hashlib
import re

from registry.errors import FieldError, InvalidDraftError

_KEY = re.compile(r"[!-~]{8,128}", re.ASCII)


def check_key(key: str) -> None:
    """Raises InvalidDraftError unless the key is 8 to 128 printable ASCII characters without spaces."""
    if not _KEY.fullmatch(key):
        message = "Idempotency-Key 应为 8 至 128 个可见的 ASCII 字符（不含空格）。"
        raise InvalidDraftError([FieldError("Idempotency-Key", "wrong_form", message)])


def request_digest(operation: str, body: bytes) -> bytes:
    """SHA-256 over the operation (method and path) and the body."""
    return hashlib.sha256(operation.encode() + b"\x00" + body).digest()
