# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title Heads
@license Apache-2.0
@notice The newest head (size and root) of each append-only log. A head
        is replaced only by one that provably contains everything the
        old one did: the consistency proof of RFC 9162 section 2.1.4 is
        checked here.
@dev The governor of the members contract opens logs; the writer of a log
     advances it. A repeated or late call is a no-op that answers with
     the present size and never reverts, so that a sender that does not
     know whether its first call arrived may call again.
     Every accepted head leaves one `Advanced` event; log id and size are
     indexed, so that anyone can find the block of a given head.
@custom:security Whoever holds the writer's key can append what it likes
                 and can neither remove nor rewrite what is there. The
                 governor can name another writer and do no more.
"""

interface Members:
    def governor() -> address: view

# Enough for every pair of sizes below 2**63 (at most 63 levels and one more).
MAX_PROOF: constant(uint256) = 64
# Sizes stay below 2**63, as in tlog-checkpoint.
SIZE_LIMIT: constant(uint256) = 2**63

struct Head:
    # size << 128 | block number << 64 | block time
    meta: uint256
    root: bytes32

event LogOpened:
    log_id: indexed(bytes32)
    writer: indexed(address)

event WriterReplaced:
    log_id: indexed(bytes32)
    writer: indexed(address)

event Advanced:
    log_id: indexed(bytes32)
    size: indexed(uint256)
    root: bytes32

MEMBERS: public(immutable(address))

writer: public(HashMap[bytes32, address])
_heads: HashMap[bytes32, Head]


@deploy
def __init__(members: address):
    """
    @notice Ties this contract to its members contract for ever.
    @param members The 20-byte address of the members contract.
    """
    assert members.is_contract, "heads: no members contract"
    MEMBERS = members


@external
def open_log(log_id: bytes32, writer: address):
    """
    @notice Opens an empty log.
    @param log_id The 32-byte id of the log.
    @param writer The 20-byte address that may advance it.
    """
    self._check_governor()
    assert log_id != empty(bytes32) and writer != empty(address), "heads: no log or writer"
    present: address = self.writer[log_id]
    if present == writer:
        return
    assert present == empty(address), "heads: log is open"
    self.writer[log_id] = writer
    log LogOpened(log_id=log_id, writer=writer)


@external
def replace_writer(log_id: bytes32, writer: address):
    """
    @notice Names another writer for an open log; its head stays.
    @param log_id The 32-byte id of the log.
    @param writer The 20-byte address that may advance it from now on.
    """
    self._check_governor()
    present: address = self.writer[log_id]
    assert present != empty(address), "heads: unknown log"
    assert writer != empty(address), "heads: no log or writer"
    if present == writer:
        return
    self.writer[log_id] = writer
    log WriterReplaced(log_id=log_id, writer=writer)


@external
def advance(log_id: bytes32, size: uint256, root: bytes32, proof: DynArray[bytes32, MAX_PROOF]) -> uint256:
    """
    @notice Replaces the head of a log by a larger one that contains it.
    @dev Reverts for another caller than the writer, for a proof that
         does not hold, and for another root at the present size.
    @param log_id The 32-byte id of the log.
    @param size The number of entries under the new head.
    @param root The 32-byte RFC 9162 tree hash over them.
    @param proof The 32-byte hashes of the consistency proof from the
           present head; empty for the first head.
    @return The size of the head after this call: `size`, or the present
            one if that is larger already.
    """
    assert self.writer[log_id] == msg.sender, "heads: not the writer"
    assert size < SIZE_LIMIT, "heads: size"
    present: uint256 = self._heads[log_id].meta >> 128
    if size < present:
        return present
    if present == 0:
        assert size > 0, "heads: size"
        assert len(proof) == 0, "heads: first head has no proof"
    else:
        present_root: bytes32 = self._heads[log_id].root
        if size == present:
            assert root == present_root, "heads: contradicts"
            return present
        assert self._is_consistent(present, size, present_root, root, proof), "heads: inconsistent"
    # The parts cannot overlap: a block number and a time below 2**64, a size below 2**63.
    self._heads[log_id] = Head(meta=size << 128 | block.number << 64 | block.timestamp, root=root)
    log Advanced(log_id=log_id, size=size, root=root)
    return size


@external
@view
def head(log_id: bytes32) -> (uint256, bytes32, uint256, uint256):
    """
    @notice The newest head of a log.
    @param log_id The 32-byte id of the log.
    @return Its size (0 if there is none yet), its 32-byte root, the
            number of the block that set it and that block's time.
    """
    present: Head = self._heads[log_id]
    return present.meta >> 128, present.root, (present.meta >> 64) & (2**64 - 1), present.meta & (2**64 - 1)


@external
@pure
def check_consistency(
    old_size: uint256, size: uint256, old_root: bytes32, root: bytes32, proof: DynArray[bytes32, MAX_PROOF]
):
    """
    @notice Reverts unless a proof leads from one head to a larger one,
            by the same code that `advance` uses.
    @param old_size The number of entries under the old head, at least 1.
    @param size The number of entries under the new head, more than that.
    @param old_root The 32-byte tree hash of the old head.
    @param root The 32-byte tree hash of the new head.
    @param proof The 32-byte hashes of the consistency proof.
    """
    assert old_size > 0 and old_size < size and size < SIZE_LIMIT, "heads: size"
    assert self._is_consistent(old_size, size, old_root, root, proof), "heads: inconsistent"


@internal
@view
def _check_governor():
    """
    @dev Reverts unless the caller is the governor of the members contract.
    """
    assert msg.sender == staticcall Members(MEMBERS).governor(), "heads: not the governor"


@internal
@pure
def _node(left: bytes32, right: bytes32) -> bytes32:
    """
    @dev HASH(0x01 || left || right), RFC 9162 section 2.1.1.
    @param left The 32-byte hash of the left subtree.
    @param right The 32-byte hash of the right subtree.
    @return The 32-byte hash of the two together.
    """
    return sha256(concat(b"\x01", left, right))


@internal
@pure
def _is_consistent(
    old_size: uint256, size: uint256, old_root: bytes32, root: bytes32, proof: DynArray[bytes32, MAX_PROOF]
) -> bool:
    """
    @dev Verifies a consistency proof, RFC 9162 section 2.1.4.2; the
         numbers are the steps given there.
    @param old_size The size of the old head; 0 < old_size < size.
    @param size The size of the new head, below 2**63.
    @param old_root The 32-byte tree hash of the old head.
    @param root The 32-byte tree hash of the new head.
    @param proof The 32-byte hashes of the proof.
    @return Whether it holds.
    """
    # (1) An empty proof proves nothing.
    count: uint256 = len(proof)
    if count == 0:
        return False
    # (3) The last leaf of the old and of the new tree.
    old_node: uint256 = old_size - 1
    node: uint256 = size - 1
    # (4) Up to the largest complete subtree that ends with the old tree. Sizes have at most 63 bits.
    for _: uint256 in range(64):
        if old_node & 1 == 0:
            break
        old_node >>= 1
        node >>= 1
    # (2, 5) If the old tree is that subtree, its size is a power of two and its root is where to start.
    from_old: bytes32 = old_root
    start: uint256 = 0
    if old_node != 0:
        from_old = proof[0]
        start = 1
    from_new: bytes32 = from_old
    for position: uint256 in range(start, count, bound=MAX_PROOF):
        sibling: bytes32 = proof[position]
        # (6a) The proof is longer than the tree is high.
        if node == 0:
            return False
        if old_node & 1 == 1 or old_node == node:
            # (6b) A left sibling belongs to both trees.
            from_old = self._node(sibling, from_old)
            from_new = self._node(sibling, from_new)
            for _: uint256 in range(64):
                if old_node & 1 == 1 or old_node == 0:
                    break
                old_node >>= 1
                node >>= 1
        else:
            # (6c) A right sibling came after the old tree.
            from_new = self._node(from_new, sibling)
        # (6d)
        old_node >>= 1
        node >>= 1
    # (7)
    return node == 0 and from_old == old_root and from_new == root
