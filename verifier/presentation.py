"""A presentation (动态码): a code bound to a device, and that device's fresh proof that it is the one showing it.

In the code's text stands, instead of the tagged COSE_Sign1, the untagged array [shown at (seconds since 1970), proof
(64 bytes), protected, payload, signature]; the last three are those of the code, whose bytes follow from them. The
proof is a signature over the Sig_structure (RFC 9052 4.4) of a COSE_Sign1 that is not sent: protected {1: suite of the
device key, 16: 65006}, payload [code, shown at]. So one QR of version 12 holds both (docs/code-format.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from verifier import cbor, cose, times
from verifier.errors import Check, MalformedError, ProofError, SignatureError, ValidityError
from verifier.suites import SIGNATURE_BYTES, PublicKey, SigningKey, Suite, public_key
from verifier.verdict import Policy

_ARRAY_OF_FIVE, _ARRAY_OF_TWO = b"\x85", b"\x82"
#: The length tells the suite: 32 bytes are an Ed25519 key (RFC 8032), 33 a compressed point of P-256 (SEC 1 2.3.3).
_SUITES = {32: Suite.ED25519, 33: Suite.ES256}


class Proof(NamedTuple):
    """The device's signature over a code and the time of showing it, not checked yet."""

    shown_at: datetime
    signature: bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """What stood in a code's text: the code's message and bytes, and the proof, None where a code is shown alone."""

    message: cose.Sign1
    code: bytes
    proof: Proof | None


def open_shown(data: bytes, *, limit: int) -> Shown:
    """A code, or a presentation of one. Nothing is verified yet. Raises MalformedError."""
    if data[:1] != _ARRAY_OF_FIVE:
        return Shown(cose.open1(data, limit=limit), data, None)
    if len(data) > limit:
        raise MalformedError("too_long", f"内容 {len(data)} 字节，超过上限 {limit} 字节")
    parts = cbor.require_list(cbor.decode_any(data), 5, 5)
    shown_at, signature = cbor.require_uint(parts[0]), cbor.require_bytes(parts[1], SIGNATURE_BYTES)
    message, code = cose.from_parts(*parts[2:])
    if _assemble(shown_at, signature, message) != data:
        raise MalformedError("not_canonical", "内容不是确定性 CBOR 编码（RFC 8949 4.2）")
    return Shown(message, code, Proof(times.from_seconds(shown_at), signature))


def present(code: bytes, device: SigningKey, at: datetime) -> bytes:
    """The presentation of a code's bytes by its device at a time, cut to whole seconds. Raises MalformedError."""
    shown_at = int(at.timestamp())
    proof = device.sign(to_be_proven(device.public.suite, code, shown_at))
    return _assemble(shown_at, proof, cose.open1(code, limit=len(code)))


def to_be_proven(suite: Suite, code: bytes, shown_at: int) -> bytes:
    """What the device signs."""
    return cose.to_be_signed(_protected(suite), _ARRAY_OF_TWO + cbor.byte_string(code) + cbor.head(0, shown_at))


def device_key(value: Any) -> PublicKey:
    """The device key in a code's claims. Raises MalformedError."""
    raw = cbor.require_bytes(value)
    suite = _SUITES.get(len(raw))
    if suite is None:
        raise MalformedError("wrong_field", "设备公钥应为 32 或 33 字节")
    return public_key(suite, raw)


def check_proof(shown: Shown, key: PublicKey | None, at: datetime, policy: Policy) -> None:
    """Raises unless a code bound to `key` is shown by its device, at this time; None is a code bound to no device.

    ProofError: proof_missing (a copy of the code without its device), proof_unexpected, wrong_proof. ValidityError:
    proof_expired (a picture of an earlier showing), proof_from_future.
    """
    proof = shown.proof
    if proof is None:
        if key is None:
            return
        raise ProofError("proof_missing", "这是动态码的固定内容，没有手机的即时证明；请持码人在手机上出示")
    if key is None:
        raise ProofError("proof_unexpected", "此码没有绑定手机，却附有手机的证明")
    try:
        key.check(proof.signature, to_be_proven(key.suite, shown.code, int(proof.shown_at.timestamp())))
    except SignatureError as error:
        raise ProofError("wrong_proof", "手机的即时证明与码不符：不是该手机出示，或内容被改动") from error
    if at < proof.shown_at - policy.proof_skew:
        message = f"此码显示的时间 {times.clock(proof.shown_at)} 晚于核验时间，请校准手机或核验设备的时钟"
        raise ValidityError("proof_from_future", message, check=Check.POSSESSION)
    if at >= proof.shown_at + policy.proof_window + policy.proof_skew:
        message = f"此码显示于 {times.clock(proof.shown_at)}，已过时效（可能是截图），请在手机上出示当前的码"
        raise ValidityError("proof_expired", message, check=Check.POSSESSION)


def _assemble(shown_at: int, proof: bytes, code: cose.Sign1) -> bytes:
    parts = (proof, code.protected, code.payload or b"", code.signature)
    return _ARRAY_OF_FIVE + cbor.head(0, shown_at) + b"".join(map(cbor.byte_string, parts))


@lru_cache(maxsize=8)
def _protected(suite: Suite) -> bytes:
    return cbor.encode({cose.ALG: int(suite), cose.TYP: int(cose.Type.POSSESSION)})
