"""Proof that whoever registers a key holds its private half (RFC 4210 4.3): a challenge, signed with that key.

What is signed is the Sig_structure of RFC 9052 4.4 under a type of its own, so that it never passes as an entry. It
names the department, the purpose and the window: a proof for one registration is none for another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from verifier import cbor, cose
from verifier.errors import MalformedError, SignatureError
from verifier.suites import SIGNATURE_BYTES, PublicKey, Suite, low_s

VERSION = 1
NONCE_BYTES = 32
#: What a department's own key may be for: signing its entries.
ENTRIES = "entries"
_LIMIT = 512


@dataclass(frozen=True, slots=True)
class Challenge:
    """department: 18-character USCC; nonce: 32 random bytes of the registry; the window in whole seconds, UTC."""

    department: str
    purpose: str
    nonce: bytes
    valid_from: datetime
    valid_to: datetime | None

    def to_bytes(self) -> bytes:
        """{1: version, 2: department, 3: purpose, 4: nonce, 5: from in s, 6: to in s or null}."""
        ends = None if self.valid_to is None else int(self.valid_to.timestamp())
        return cbor.encode(
            {
                1: VERSION,
                2: self.department,
                3: self.purpose,
                4: self.nonce,
                5: int(self.valid_from.timestamp()),
                6: ends,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Challenge:
        """The inverse of `to_bytes`. Raises MalformedError."""
        value = cbor.require_map(cbor.decode(data, limit=_LIMIT), frozenset(range(1, 7)), frozenset())
        if value[1] != VERSION or type(value[1]) is not int:
            raise MalformedError("unknown_version", "密钥持有证明的版本不受支持")
        ends = value[6]
        return cls(
            cbor.require_text(value[2], 18), cbor.require_text(value[3], 20), cbor.require_bytes(value[4], NONCE_BYTES),
            _moment(value[5]), None if ends is None else _moment(ends),
        )  # fmt: skip


def _moment(value: object) -> datetime:
    return datetime.fromtimestamp(cbor.require_uint(value, 253_402_300_799), UTC)


def to_be_signed(challenge: Challenge, key: PublicKey) -> bytes:
    """The bytes that the key signs to prove that it is held."""
    return cose.to_be_signed(cose.protected_header(key, cose.Type.KEY_POSSESSION), challenge.to_bytes())


def asked(data: bytes) -> Challenge:
    """The challenge in bytes that somebody is asked to sign. Raises MalformedError unless they are `to_be_signed`."""
    parts = cbor.require_list(cbor.decode(data, limit=2 * _LIMIT), 4, 4)
    header = cbor.decode(cbor.require_bytes(parts[1]), limit=_LIMIT)
    if parts[0] != "Signature1" or not isinstance(header, dict) or header.get(cose.TYP) != cose.Type.KEY_POSSESSION:
        raise MalformedError("not_a_challenge", "这不是密钥持有证明的待签字节")
    return Challenge.from_bytes(cbor.require_bytes(parts[3]))


def check(challenge: Challenge, key: PublicKey, signature: bytes) -> None:
    """Raises SignatureError unless the 64-byte signature proves that the key is held."""
    key.check(normalised(key, signature), to_be_signed(challenge, key))


def normalised(key: PublicKey, signature: bytes) -> bytes:
    """A signature in its one accepted form: hardware makes ECDSA signatures with a high s too.

    Raises SignatureError for anything but 64 bytes.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError("wrong_length", f"签名应为 {SIGNATURE_BYTES} 字节（r 与 s 各 32 字节，不是 DER）")
    return low_s(signature) if key.suite is Suite.ES256 else signature
