"""The blind index: how holders are found without a searchable copy of their numbers."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

#: Bytes of the key; shorter ones are refused, because the numbers themselves have little entropy.
MIN_KEY_BYTES = 32
INDEX_BYTES = 32


@dataclass(frozen=True, slots=True)
class BlindIndex:
    """HMAC-SHA256 (RFC 2104) of a holder's code under a secret key that never enters the database.

    Someone who copies the database but not the key cannot try numbers against it; the same person has the same index in
    every table, so whoever holds the key can join.
    """

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) < MIN_KEY_BYTES:
            raise ValueError(f"the blind index key has {len(self.key)} bytes, at least {MIN_KEY_BYTES} are needed")

    def of(self, code_type: str, code: str) -> bytes:
        """The 32-byte index of a holder; `code` is normalised (see certificates.rules.normalise_code) by the caller."""
        return hmac.digest(self.key, f"{code_type}|{code}".encode(), hashlib.sha256)
