"""The 32-byte names under which logs, departments and types stand on the chain."""

from __future__ import annotations

import hashlib

_ID_BYTES = 32


def log_id(origin: str) -> bytes:
    """The id of the log whose checkpoints carry this origin: SHA-256 of it, so that an anchor names its log."""
    return hashlib.sha256(origin.encode()).digest()


def type_hash(type_code: str) -> bytes:
    """The id of a certificate type: SHA-256 of its code."""
    return hashlib.sha256(type_code.encode()).digest()


def department_id(code: str) -> bytes:
    """The id of a department: its code in ASCII, filled up with zeros, so that people can read it on the chain.

    Raises ValueError for a code that is empty, longer than 32 characters, or not printable ASCII.
    """
    if not code or len(code) > _ID_BYTES or not (code.isascii() and code.isprintable()):
        raise ValueError(f"department code {code!r} does not fit in 32 bytes of ASCII")
    return code.encode("ascii").ljust(_ID_BYTES, b"\0")


def department_code(department: bytes) -> str:
    """The inverse of `department_id`; the hex digits of an id that is no such code."""
    code = department.rstrip(b"\0")
    if code and code.isascii() and (text := code.decode("ascii")).isprintable():
        return text
    return department.hex()


def entry_code(code: str) -> bytes:
    """The code of a catalogue entry as it stands on the chain: ASCII, filled up with zeros, like `department_id`.

    Raises ValueError as that does.
    """
    return department_id(code)
