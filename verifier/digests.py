"""Double digests: every item is digested with SHA-256 (FIPS 180-4) and with SM3 (GB/T 32905)."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes

DIGEST_BYTES = 32


class DoubleDigest(NamedTuple):
    """Two independent 32-byte digests of the same bytes, so that one broken function is not the end."""

    sha256: bytes
    sm3: bytes


#: Nothing digested yet. A copy costs less than half of what a new one does.
_EMPTY_SM3 = hashes.Hash(hashes.SM3())


def sm3(data: bytes) -> bytes:
    """The 32-byte SM3 digest (GB/T 32905-2016)."""
    state = _EMPTY_SM3.copy()
    state.update(data)
    return state.finalize()


def double_digest(data: bytes) -> DoubleDigest:
    """Both digests of bytes that are in memory."""
    return DoubleDigest(hashlib.sha256(data).digest(), sm3(data))


class DoubleHasher:
    """Both digests of a stream, without holding it in memory."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._sm3 = hashes.Hash(hashes.SM3())

    def update(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        self._sha256.update(chunk)
        self._sm3.update(chunk)

    def finish(self) -> DoubleDigest:
        """The digests of all bytes taken in. The hasher is used up afterwards."""
        return DoubleDigest(self._sha256.digest(), self._sm3.finalize())
