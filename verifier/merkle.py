"""The Merkle tree of the evidence log: RFC 9162 section 2.1 with SHA-256.

Inner nodes are named (level, index): level 0 are leaf hashes, node (l, i) covers leaves i * 2^l … (i + 1) * 2^l - 1.
Only complete subtrees have a name; the right edge is folded from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from verifier.errors import InclusionError

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1

NodeAt = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """HASH(0x00 || entry), RFC 9162 2.1.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """HASH(0x01 || left || right), RFC 9162 2.1.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


EMPTY_ROOT = hashlib.sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that a log must remember to grow: its size and the roots of its maximal complete subtrees, largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append_many(self, leaves: Iterable[bytes], keep: Callable[[int, int, bytes], None] | None = None) -> Frontier:
        """The frontier after appending leaf hashes; `keep(level, index, hash)` is told every completed node."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaves:
            node, level, index = leaf, 0, size
            if keep:
                keep(0, index, node)
            while index & 1:
                node = node_hash(hashes.pop(), node)
                level, index = level + 1, index >> 1
                if keep:
                    keep(level, index, node)
            hashes.append(node)
            size += 1
        return Frontier(size, tuple(hashes))

    def root(self) -> bytes:
        """MTH(D[size]), RFC 9162 2.1.1."""
        if not self.hashes:
            return EMPTY_ROOT
        node = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            node = node_hash(left, node)
        return node

    def to_bytes(self) -> bytes:
        """The hashes, one after another; the size is kept beside them."""
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """The inverse of `to_bytes`. Raises InclusionError if the number of hashes is not that of the size."""
        if len(data) != HASH_BYTES * size.bit_count():
            raise InclusionError("frontier_does_not_fit", "日志前沿与其大小不符")
        return cls(size, tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)))


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    return Frontier().append_many(leaves).root()


def inclusion_path(index: int, size: int, node_at: NodeAt) -> list[bytes]:
    """PATH(index, D[size]), RFC 9162 2.1.3.1: sibling hashes from the leaf up."""
    if not 0 <= index < size:
        raise InclusionError("index_out_of_range", f"序号 {index} 不在大小为 {size} 的日志中")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, node_at))
            end = middle
        else:
            path.append(_range_root(start, middle, node_at))
            start = middle
    path.reverse()
    return path


def consistency_path(old: int, new: int, node_at: NodeAt) -> list[bytes]:
    """PROOF(old, D[new]), RFC 9162 2.1.4.1; empty when old = new."""
    if not 0 < old <= new:
        raise InclusionError("sizes_out_of_order", f"不能证明大小 {old} 与 {new} 的一致性")
    path: list[bytes] = []
    start, end = 0, new
    # Walk towards the right edge of the old tree; the old root itself is known to the verifier.
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_root(middle, end, node_at))
            end = middle
        else:
            path.append(_range_root(start, middle, node_at))
            start = middle
    if start != 0:
        path.append(_range_root(start, end, node_at))
    path.reverse()
    return path


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """RFC 9162 2.1.3.2. Raises InclusionError unless the leaf hash is at `index` under `root`."""
    if not 0 <= index < size <= MAX_SIZE:
        raise InclusionError("index_out_of_range", f"序号 {index} 不在大小为 {size} 的日志中")
    if root_from_path(leaf, index, size, path) != root:
        raise InclusionError("wrong_root", "存证路径不能从该条目到达日志根")


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root a path leads to (RFC 9162 2.1.3.2). Raises InclusionError if its length does not fit (index, size)."""
    node, last, sha256 = leaf, size - 1, hashlib.sha256
    for sibling in path:
        if last == 0:
            raise InclusionError("path_too_long", "存证路径过长")
        if index & 1 or index == last:
            node = sha256(b"\x01" + sibling + node).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + sibling).digest()
        index, last = index >> 1, last >> 1
    if last:
        raise InclusionError("path_too_short", "存证路径过短")
    return node


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """RFC 9162 2.1.4.2. Raises InclusionError unless the new tree only appended to the old one."""
    if not 0 < old <= new <= MAX_SIZE:
        raise InclusionError("sizes_out_of_order", f"不能证明大小 {old} 与 {new} 的一致性")
    if old == new:
        if path or old_root != new_root:
            raise InclusionError("wrong_root", "同一大小的两个日志头不一致")
        return
    # A complete old tree is itself the first node of the proof.
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        raise InclusionError("path_too_short", "一致性证明过短")
    if _roots_from_path(old, new, hashes) != (old_root, new_root):
        raise InclusionError("not_append_only", "新日志头没有包含旧日志头的全部内容")


def _roots_from_path(old: int, new: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    index, last = _skip_ones(old - 1, new - 1)
    from_old = from_new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise InclusionError("path_too_long", "一致性证明过长")
        if index & 1 or index == last:
            from_old, from_new = node_hash(sibling, from_old), node_hash(sibling, from_new)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            from_new = node_hash(from_new, sibling)
        index, last = index >> 1, last >> 1
    if last:
        raise InclusionError("path_too_short", "一致性证明过短")
    return from_old, from_new


def _skip_ones(index: int, last: int) -> tuple[int, int]:
    while index & 1:
        index, last = index >> 1, last >> 1
    return index, last


def _split(count: int) -> int:
    """The largest power of two smaller than `count` (at least 2)."""
    return 1 << (count - 1).bit_length() - 1


def _range_root(start: int, end: int, node_at: NodeAt) -> bytes:
    """The root over leaves start … end - 1, where start is a multiple of the power of two at or above the length."""
    parts: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append(node_at(level, start >> level))
        start += 1 << level
    node = parts.pop()
    while parts:
        node = node_hash(parts.pop(), node)
    return node
