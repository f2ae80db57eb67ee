"""Who sealed a block: one small reader for each consensus engine, all behind `sealers(engine, header)`.

    clique     go-ethereum's proof of authority (EIP-225): one seal a block, in the last 65 bytes of its extra data.
    qbft       Hyperledger Besu: committed seals of a quorum in the extra data, which is one RLP list.
    istanbul   Quorum's IBFT: committed seals behind 32 bytes of vanity; Kaia's is the same behind another header.
    operator   the embedded chain: blocks have no seal, so the operator's chain account signs their hashes. This is the
               operator's word and nobody else's.

An address is the last 20 bytes of Keccak-256 of a public key; it is recovered from the seal, so a seal that somebody
altered is the seal of a stranger. Whether the sealers are validators, and enough of them, is not judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

# Whoever verifies without a chain proof never imports this module, and so neither of the two libraries.
from coincurve import PublicKey
from Crypto.Hash import keccak as _keccak

from verifier import rlp
from verifier.errors import Check, MalformedError

ADDRESS_BYTES = 20
SEAL_BYTES = 65
HASH_BYTES = 32

_VANITY_BYTES = 32
_OPERATOR_CONTEXT = b"suizheng/operator-seal/1\x00"
#: Of the message that a committed seal answers (Istanbul BFT: preprepare, prepare, commit).
_COMMIT = b"\x02"


def keccak(data: bytes) -> bytes:
    """Keccak-256, the 32-byte hash of Ethereum (not SHA3-256)."""
    return _keccak.new(digest_bits=256, data=data).digest()


def recover(digest: bytes, seal: bytes) -> bytes:
    """The 20-byte address whose key made a 65-byte seal (r, s, 0 or 1) over a 32-byte digest. Raises MalformedError."""
    if len(seal) != SEAL_BYTES or seal[64] > 1:
        raise _wrong("seal")
    try:
        key = PublicKey.from_signature_and_message(seal, digest, hasher=None)
    except ValueError as error:
        raise _wrong("seal") from error
    return keccak(key.format(compressed=False)[1:])[-ADDRESS_BYTES:]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a header's RLP list has what is read here, and how many fields it may have."""

    state_root: int
    number: int
    time: int
    extra: int
    least: int
    most: int


# Ethereum: 15 fields, and one to six more from London to Prague. Kaia: 14, and up to six more.
_ETHEREUM = _Places(state_root=3, number=8, time=11, extra=12, least=15, most=21)
_KAIA = _Places(state_root=2, number=7, time=9, extra=11, least=14, most=20)


@dataclass(frozen=True, slots=True)
class Header:
    """A block header. hash, parent, state_root: 32 bytes; time: seconds since 1970; extra: its extra data."""

    fields: tuple[rlp.Item, ...]
    hash: bytes
    parent: bytes
    state_root: bytes
    number: int
    time: int
    extra: bytes


@dataclass(frozen=True, slots=True)
class Engine:
    """One consensus engine.

    one_each: a block has one seal, so that more sealers are found only in the blocks after it. open_byte: the place in
    the extra data of a byte that neither hash nor seal covers, if there is one.
    """

    places: _Places
    hash: Callable[[Sequence[rlp.Item], bytes, int], bytes]
    sealers: Callable[[Header, Sequence[bytes]], tuple[bytes, ...]]
    one_each: bool = False
    open_byte: int | None = None


def read_header(engine: str, data: bytes) -> Header:
    """The header of RLP bytes, as the engine writes and hashes it. Raises MalformedError."""
    kind = _engine(engine)
    places = kind.places
    fields = rlp.decode_list(data, places.least, places.most)
    extra = rlp.to_bytes(fields[places.extra])
    return Header(
        fields=tuple(fields),
        hash=kind.hash(fields, extra, places.extra),
        parent=rlp.to_bytes(fields[0], HASH_BYTES),
        state_root=rlp.to_bytes(fields[places.state_root], HASH_BYTES),
        number=rlp.to_uint(fields[places.number]),
        time=rlp.to_uint(fields[places.time]),
        extra=extra,
    )


def sealers(engine: str, header: Header, beside: Sequence[bytes] = ()) -> tuple[bytes, ...]:
    """The 20-byte addresses that sealed a header, in the order of their seals; `beside`: seals kept outside of it.

    Raises MalformedError: the seals are not where the engine has them, or no key can have made one.
    """
    return _engine(engine).sealers(header, beside)


def bare(engine: str, data: bytes) -> bytes:
    """The same header with 0 in the byte that nothing covers, the form in which proofs carry it."""
    kind = _engine(engine)
    fields = rlp.decode_list(data, kind.places.least, kind.places.most)
    if kind.open_byte is not None:
        extra = bytearray(rlp.to_bytes(fields[kind.places.extra]))
        extra[kind.open_byte : kind.open_byte + 1] = b"\0"
        fields[kind.places.extra] = bytes(extra)
    return rlp.encode(fields)


def check_bare(engine: str, header: Header) -> None:
    """Raises MalformedError unless every byte of the header is covered or 0."""
    place = _engine(engine).open_byte
    if place is not None and header.extra[place : place + 1] != b"\0":
        raise _wrong("extra")


def has_one_each(engine: str) -> bool:
    """Whether each block has one seal, so that further sealers are found only in the blocks after it."""
    return _engine(engine).one_each


def operator_digest(block_hash: bytes) -> bytes:
    """What the operator of an embedded chain signs for a block: 32 bytes that no transaction can have as its hash."""
    return keccak(_OPERATOR_CONTEXT + block_hash)


def _plain_hash(fields: Sequence[rlp.Item], extra: bytes, place: int) -> bytes:
    return keccak(rlp.encode(fields))


def _clique_sealers(header: Header, beside: Sequence[bytes]) -> tuple[bytes, ...]:
    _none(beside)
    if len(header.extra) < _VANITY_BYTES + SEAL_BYTES:
        raise _wrong("extra")
    unsealed, seal = header.extra[:-SEAL_BYTES], header.extra[-SEAL_BYTES:]
    return (recover(_hash_with(header.fields, _ETHEREUM.extra, unsealed), seal),)


def _operator_sealers(header: Header, beside: Sequence[bytes]) -> tuple[bytes, ...]:
    digest = operator_digest(header.hash)
    return tuple(recover(digest, seal) for seal in beside)


def _qbft_hash(fields: Sequence[rlp.Item], extra: bytes, place: int) -> bytes:
    # Seals and round may differ from node to node for one and the same block.
    vanity, validators, vote, _, _ = rlp.decode_list(extra, 5, 5)
    return _hash_with(fields, place, rlp.encode([vanity, validators, vote, b"", []]))


def _qbft_sealers(header: Header, beside: Sequence[bytes]) -> tuple[bytes, ...]:
    _none(beside)
    *most, seals = rlp.decode_list(header.extra, 5, 5)
    digest = _hash_with(header.fields, _ETHEREUM.extra, rlp.encode([*most, []]))
    return tuple(recover(digest, seal) for seal in _byte_strings(seals))


def _istanbul_hash(fields: Sequence[rlp.Item], extra: bytes, place: int) -> bytes:
    validators, seal, _ = rlp.decode_list(extra[_VANITY_BYTES:], 3, 3)
    return _hash_with(fields, place, extra[:_VANITY_BYTES] + rlp.encode([validators, seal, []]))


def _kaia_hash(fields: Sequence[rlp.Item], extra: bytes, place: int) -> bytes:
    # The last byte of the vanity is the round, which may differ from node to node for one and the same block.
    validators, seal, _ = rlp.decode_list(extra[_VANITY_BYTES:], 3, 3)
    return _hash_with(fields, place, extra[: _VANITY_BYTES - 1] + b"\0" + rlp.encode([validators, seal, []]))


def _istanbul_sealers(header: Header, beside: Sequence[bytes]) -> tuple[bytes, ...]:
    _none(beside)
    _, _, seals = rlp.decode_list(header.extra[_VANITY_BYTES:], 3, 3)
    digest = keccak(header.hash + _COMMIT)
    return tuple(recover(digest, seal) for seal in _byte_strings(seals))


ENGINES: Mapping[str, Engine] = MappingProxyType(
    {
        "clique": Engine(_ETHEREUM, _plain_hash, _clique_sealers, one_each=True),
        "qbft": Engine(_ETHEREUM, _qbft_hash, _qbft_sealers),
        "istanbul": Engine(_ETHEREUM, _istanbul_hash, _istanbul_sealers),
        "kaia": Engine(_KAIA, _kaia_hash, _istanbul_sealers, open_byte=_VANITY_BYTES - 1),
        "operator": Engine(_ETHEREUM, _plain_hash, _operator_sealers),
    }
)


def _engine(name: str) -> Engine:
    engine = ENGINES.get(name)
    if engine is None:
        raise _wrong("engine")
    return engine


def _hash_with(fields: Sequence[rlp.Item], place: int, extra: bytes) -> bytes:
    return keccak(rlp.encode([*fields[:place], extra, *fields[place + 1 :]]))


def _byte_strings(item: rlp.Item) -> list[bytes]:
    if not isinstance(item, list):
        raise _wrong("seal")
    return [rlp.to_bytes(part, SEAL_BYTES) for part in item]


def _none(beside: Sequence[bytes]) -> None:
    if beside:
        raise _wrong("seal")


def _wrong(part: str) -> MalformedError:
    named = {"seal": "封印", "extra": "附加数据", "engine": "共识引擎"}[part]
    return MalformedError(f"wrong_{part}", f"链上证明的区块{named}与格式不符", check=Check.ANCHOR)
