"""Receipts: COSE receipts of inclusion (RFC 9942) with the verifiable data structure RFC9162_SHA256.

The log signs the bare root once per checkpoint, with its name in the protected header (CWT claims, RFC 9597); every
receipt under that checkpoint shares the signature and differs in its path only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from verifier import cbor, cose
from verifier.errors import MalformedError, SignatureError
from verifier.merkle import HASH_BYTES, MAX_SIZE, root_from_path
from verifier.suites import PublicKey, SigningKey

MAX_RECEIPT_BYTES = 4096

_CWT_CLAIMS, _ISSUER = 15, 1
_VDS, _VDP, _RFC9162_SHA256, _INCLUSION = 395, 396, 1, -1
#: {396: {-1: [proof]}} up to the proof.
_BEFORE_PROOF = cbor.encode({_VDP: {_INCLUSION: [b""]}})[:-1]
_UNPROTECTED, _PROOFS = frozenset((_VDP,)), frozenset((_INCLUSION,))
_HEADER = frozenset((cose.ALG, cose.KID, _CWT_CLAIMS, _VDS))


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What a checked receipt says: the entry stands at `index` in the log of `size` entries with this root."""

    origin: str
    size: int
    index: int
    root: bytes


def _protected(origin: str, key: PublicKey) -> bytes:
    return cbor.encode(
        {cose.ALG: int(key.suite), cose.KID: key.kid, _CWT_CLAIMS: {_ISSUER: origin}, _VDS: _RFC9162_SHA256}
    )


def sign_root(root: bytes, origin: str, key: SigningKey) -> bytes:
    """The 64-byte signature that all receipts under this root share."""
    return key.sign(cose.to_be_signed(_protected(origin, key.public), root))


def check_root(root: bytes, origin: str, key: PublicKey, signature: bytes) -> None:
    """Raises SignatureError unless this is the log's signature over the root, as `sign_root` makes it."""
    key.check(signature, cose.to_be_signed(_protected(origin, key), root))


def build_receipt(
    *, origin: str, key: PublicKey, root_signature: bytes, size: int, index: int, path: list[bytes]
) -> bytes:
    """The receipt of one entry: tagged COSE_Sign1, detached payload, inclusion proof in the unprotected header."""
    proof = cbor.byte_string(_proof_bytes(size, index, path))
    return cose.detached(_protected(origin, key), _BEFORE_PROOF + proof, root_signature)


def _proof_bytes(size: int, index: int, path: list[bytes]) -> bytes:
    """[size, index, [hash, …]] (RFC 9942 5.2)."""
    try:
        hashes = cbor.byte_strings(path, HASH_BYTES)
    except TypeError as error:
        raise MalformedError("wrong_field", "回执的路径应为字节串") from error
    return b"\x83" + cbor.head(0, size) + cbor.head(0, index) + cbor.head(4, len(path)) + hashes


def check_receipt(
    receipt: bytes, leaf: bytes, origin: str, key: PublicKey | Callable[[bytes], PublicKey]
) -> ReceiptFacts:
    """The facts of a receipt for a 32-byte leaf hash, signed by the log: `key` is its key, or finds it by the key id.

    Raises MalformedError, SignatureError, InclusionError. Says nothing about anchoring.
    """
    message = cose.open_with(receipt, _encoded_unprotected, limit=MAX_RECEIPT_BYTES)
    header = message.header
    if header.keys() != _HEADER:
        raise MalformedError("wrong_fields", "回执保护头的字段与格式不符")
    if header[_VDS] != _RFC9162_SHA256 or header[_CWT_CLAIMS] != {_ISSUER: origin}:
        raise SignatureError("wrong_log", "回执属于另一个日志或另一种结构")
    if message.payload is not None:
        raise MalformedError("wrong_fields", "回执的内容应为分离式")
    proof = _proof_in(message.unprotected)
    size, index, hashes = cbor.require_list(cbor.decode_any(proof), 3, 3)
    if cbor.require_uint(index, MAX_SIZE) >= cbor.require_uint(size, MAX_SIZE):
        raise MalformedError("index_out_of_range", "回执的序号超出日志大小")
    # Equal bytes also mean that every hash is a byte string of 32.
    if _proof_bytes(size, index, cbor.require_list(hashes, 64)) != proof:
        raise MalformedError("not_canonical", "回执的路径不是 32 字节哈希的确定性 CBOR 编码（RFC 8949 4.2）")
    root = root_from_path(leaf, index, size, hashes)
    message.check(key if isinstance(key, PublicKey) else key(message.kid), root)
    return ReceiptFacts(origin, size, index, root)


def _proof_in(unprotected: dict[Any, Any]) -> bytes:
    proofs = cbor.require_map(cbor.require_map(unprotected, _UNPROTECTED)[_VDP], _PROOFS)
    return cbor.require_bytes(cbor.require_list(proofs[_INCLUSION], 1, 1)[0])


def _encoded_unprotected(unprotected: dict[Any, Any]) -> bytes:
    return _BEFORE_PROOF + cbor.byte_string(_proof_in(unprotected))
