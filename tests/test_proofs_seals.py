"""Who sealed a block: every engine's seals, recovered here and made by other implementations."""

from __future__ import annotations

import contextlib

import pytest
import rlp as reference
from eth_keys import KeyAPI
from eth_keys.backends import NativeECCBackend
from eth_keys.exceptions import BadSignature, ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st
from sealed_blocks import (
    VANITY,
    addresses,
    clique_header,
    istanbul_fields,
    kaia_fields,
    plain_fields,
    qbft_header,
    validator,
)

from verifier import rlp
from verifier.errors import MalformedError, VerificationError
from verifier.seals import ENGINES, has_one_each, keccak, operator_digest, read_header, recover, sealers

#: Recovery in plain Python, which shares no code with the library that ours calls.
INDEPENDENT = KeyAPI(NativeECCBackend())
FOUR = [validator(number) for number in range(4)]

ITEMS = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=4), max_leaves=12)


@given(ITEMS)
def test_rlp_is_what_the_reference_writes_and_reads_back(item: object) -> None:
    data = reference.encode(item)
    assert rlp.encode(item) == data  # type: ignore[arg-type]
    assert _depth(item) > rlp.MAX_DEPTH or rlp.decode(data) == item


def _depth(item: object) -> int:
    return 1 + max(map(_depth, item), default=0) if isinstance(item, list) else 1


@given(st.binary(max_size=400))
def test_of_any_bytes_only_the_one_encoding_is_read(data: bytes) -> None:
    try:
        item = rlp.decode(data)
    except MalformedError:
        return
    assert rlp.encode(item) == data == reference.encode(reference.decode(data))


NOT_RLP = {
    "nothing": b"",
    "a byte with a head": b"\x81\x05",
    "long form": b"\xb8\x01a",
    "leading zero": b"\xb9\x00\x38" + b"a" * 56,
    "cut": b"\x83ab",
    "overlapping": b"\xc2\x83a",
    "trailing": b"aa",
    "deep": b"\xc1" * 4000,
    "huge": b"\xff" * 9,
}


@pytest.mark.parametrize("data", NOT_RLP.values(), ids=NOT_RLP)
def test_other_encodings_and_bombs_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        rlp.decode(data)


def test_a_clique_header_names_its_sealer_and_hashes_as_py_evm_does() -> None:
    for key in FOUR:
        made = clique_header(key)
        header = read_header("clique", reference.encode(made))
        assert (header.hash, header.number, header.time) == (made.hash, 7, 1_795_000_000)
        assert (header.parent, header.state_root) == (made.parent_hash, made.state_root)
        assert sealers("clique", header) == addresses([key])


def test_any_change_of_a_clique_header_is_the_seal_of_a_stranger() -> None:
    fields = reference.decode(reference.encode(clique_header(FOUR[0])))
    fields[3] = b"x" * 32
    assert sealers("clique", read_header("clique", reference.encode(fields))) != addresses(FOUR[:1])


def test_a_qbft_header_names_all_who_committed_to_it_whatever_the_round() -> None:
    first, second = (
        read_header("qbft", reference.encode(qbft_header(FOUR[:3], round_))) for round_ in (0, 2)
    )  # fmt: skip
    assert sealers("qbft", first) == sealers("qbft", second) == addresses(FOUR[:3])
    # Seals and round are no part of the hash by which the next block names it.
    assert first.hash == second.hash
    bare = [VANITY, list(addresses(FOUR[:3])), [], b"", []]
    assert first.hash == keccak(reference.encode(plain_fields(extra=reference.encode(bare))))


@pytest.mark.parametrize("engine", ["istanbul", "kaia"])
def test_istanbul_seals_commit_to_the_hash_of_the_block(engine: str) -> None:
    build = kaia_fields if engine == "kaia" else lambda extra: plain_fields(extra=extra)
    vanity = VANITY[:31] + b"\3"
    header = read_header(engine, reference.encode(istanbul_fields(FOUR[1:], vanity, build)))
    assert sealers(engine, header) == addresses(FOUR[1:])
    assert (header.number, header.time, header.state_root) == (7, 1_795_000_000, b"s" * 32)
    again = read_header(engine, reference.encode(istanbul_fields(FOUR[1:], VANITY, build)))
    assert (again.hash == header.hash) == (engine == "kaia")


def test_the_operator_signs_beside_the_block() -> None:
    header = read_header("operator", reference.encode(plain_fields()))
    seal = FOUR[0].sign_msg_hash(operator_digest(header.hash)).to_bytes()
    assert sealers("operator", header, [seal]) == addresses(FOUR[:1])
    assert sealers("operator", header) == ()
    # The bare hash of a block is not what is signed: a signature made for something else seals nothing.
    other = FOUR[0].sign_msg_hash(header.hash).to_bytes()
    assert sealers("operator", header, [other]) != addresses(FOUR[:1])


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64), st.integers(0, 2))
def test_recovery_agrees_with_another_implementation(digest: bytes, pair: bytes, parity: int) -> None:
    seal = pair + bytes((parity,))
    try:
        ours = recover(digest, seal)
    except MalformedError:
        ours = None
    try:
        theirs = INDEPENDENT.Signature(seal).recover_public_key_from_msg_hash(digest).to_canonical_address()
    except (BadSignature, ValidationError):
        theirs = None
    assert ours == theirs


@pytest.mark.parametrize("engine", sorted(ENGINES))
@given(st.lists(st.binary(max_size=120), min_size=10, max_size=22), st.binary(max_size=65))
def test_of_any_header_only_our_own_errors_leave(engine: str, fields: list[bytes], beside: bytes) -> None:
    with contextlib.suppress(VerificationError):
        sealers(engine, read_header(engine, reference.encode(fields)), [beside])


def test_only_clique_needs_the_blocks_that_follow() -> None:
    assert [engine for engine in ENGINES if has_one_each(engine)] == ["clique"]
