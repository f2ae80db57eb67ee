"""Proofs of an EVM's state: the nodes of its Merkle Patricia tries from a state root to single values.

Yellow paper, appendix D. Keys are hashed, so every path has 64 nibbles; only presence is proved, never absence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from verifier import rlp
from verifier.errors import Check, MalformedError
from verifier.seals import HASH_BYTES, keccak

_BRANCH, _SHORT = 17, 2
_ODD, _LEAF = 1, 2


@dataclass(frozen=True, slots=True)
class Account:
    """What the state holds of an address: the root of its storage and the Keccak-256 of its code, 32 bytes each."""

    storage_root: bytes
    code_hash: bytes


@dataclass(frozen=True, slots=True)
class AccountForm:
    """How a state writes an account: after `prefix`, an RLP list of four with the two hashes at these places."""

    prefix: bytes
    storage_root: int
    code_hash: int


#: nonce, balance, storage root, code hash.
ETHEREUM = AccountForm(b"", 2, 3)
#: A contract is of type 2: what all accounts have, storage root, code hash, kind of code.
KAIA = AccountForm(b"\x02", 1, 2)


class Nodes:
    """The nodes of one proof, of however many tries, each of them once; known by their hashes."""

    def __init__(self, nodes: Iterable[bytes]) -> None:
        given = list(nodes)
        self._nodes = {keccak(node): node for node in given}
        self._unused = set(self._nodes)
        if len(self._nodes) != len(given):
            raise _wrong("重复的节点")

    def account(self, state_root: bytes, address: bytes, form: AccountForm = ETHEREUM) -> Account:
        """The account of a 20-byte address. Raises MalformedError unless the nodes lead to one."""
        value = self._value(state_root, address)
        if not value.startswith(form.prefix):
            raise _wrong("不是合约账户")
        parts = rlp.decode_list(value.removeprefix(form.prefix), 4, 4)
        hashes = (parts[form.storage_root], parts[form.code_hash])
        return Account(*(rlp.to_bytes(hash_, HASH_BYTES) for hash_ in hashes))

    def slot(self, storage_root: bytes, slot: int) -> int:
        """The value in a storage slot, not 0. Raises MalformedError unless the nodes lead to one."""
        return rlp.to_uint(rlp.decode(self._value(storage_root, slot.to_bytes(32))), bits=256)

    def check_all_used(self) -> None:
        """Raises MalformedError if there are nodes that no value was found through."""
        if self._unused:
            raise _wrong("多余的节点")

    def _value(self, root: bytes, key: bytes) -> bytes:
        node = self._open(root)
        path = keccak(key).hex()
        while True:
            rest, target = _step(node, path)
            if isinstance(target, bytes) and not rest:
                return target
            # What is shorter than a hash stands in its parent itself.
            node = target if isinstance(target, list) else self._open(target)
            path = rest

    def _open(self, node_hash: bytes) -> rlp.Item:
        node = self._nodes.get(node_hash)
        if node is None:
            raise _wrong("缺少节点")
        self._unused.discard(node_hash)
        return rlp.decode(node)


def _step(node: rlp.Item, path: str) -> tuple[str, rlp.Item]:
    """One node further along a path of hex digits: what is left of it, and the next node.

    Only at a leaf nothing is left, and then it is the value. Each step takes a digit or more, so a walk ends.
    """
    if isinstance(node, list) and len(node) == _BRANCH and len(path) > 1:
        return path[1:], node[int(path[0], 16)]
    if isinstance(node, list) and len(node) == _SHORT:
        digits, is_leaf = _unpack(rlp.to_bytes(node[0]))
        if digits and path.startswith(digits) and is_leaf == (digits == path):
            return path.removeprefix(digits), rlp.to_bytes(node[1]) if is_leaf else node[1]
    raise _wrong("路径不符")


def _unpack(packed: bytes) -> tuple[str, bool]:
    """The hex digits of a hex-prefix encoding, and whether they end in a value."""
    digits = packed.hex()
    flag = int(digits[:1] or "f", 16)
    if flag > _ODD | _LEAF or (not flag & _ODD and digits[1:2] != "0"):
        raise _wrong("路径编码不符")
    return digits[1 if flag & _ODD else 2 :], bool(flag & _LEAF)


def _wrong(what: str) -> MalformedError:
    return MalformedError("state_proof_broken", f"链上状态证明不成立：{what}", check=Check.ANCHOR)
