# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title Uses
@license Apache-2.0
@notice The first use of each one-time item, across all registries of
        the network. Of any number of calls for one nullifier the first
        wins; every later one gets the record of the first.
@dev A nullifier and a commitment tell nothing about the item or the
     holder to anyone who does not know them already; making them so is
     the caller's duty.
@custom:security A member can burn a nullifier it knows and can neither
                 take over nor erase the first use of another.
"""

interface Members:
    def active_department(account: address) -> bytes32: view
    def department_of(account: address) -> bytes32: view

struct Use:
    # block number << 224 | block time << 160 | account
    meta: uint256
    commitment: bytes32

event FirstUsed:
    nullifier: indexed(bytes32)
    department: indexed(bytes32)
    commitment: bytes32

MEMBERS: public(immutable(address))

_uses: HashMap[bytes32, Use]


@deploy
def __init__(members: address):
    """
    @notice Ties this contract to its members contract for ever.
    @param members The 20-byte address of the members contract.
    """
    assert members.is_contract, "uses: no members contract"
    MEMBERS = members


@external
def consume(nullifier: bytes32, commitment: bytes32) -> (bytes32, bytes32, uint256):
    """
    @notice Uses a one-time item, if nobody did before.
    @dev Reverts only for a caller that is no active member; a second use
         is answered and not refused, since its sender may not know that
         its first call arrived.
    @param nullifier The 32-byte name of the item for this purpose.
    @param commitment The 32-byte salted digest of the use.
    @return The 32-byte id of the department that used it first, the
            32-byte commitment of that use, and its second.
    """
    department: bytes32 = staticcall Members(MEMBERS).active_department(msg.sender)
    assert department != empty(bytes32), "uses: not an active member"
    meta: uint256 = self._uses[nullifier].meta
    if meta != 0:
        return self._first_use(meta, self._uses[nullifier].commitment)
    # The parts cannot overlap: 160 bits, a time below 2**64 and a block number below 2**32.
    assert block.number < 2**32, "uses: block number"
    self._uses[nullifier] = Use(
        meta=block.number << 224 | block.timestamp << 160 | convert(msg.sender, uint256), commitment=commitment
    )
    log FirstUsed(nullifier=nullifier, department=department, commitment=commitment)
    return department, commitment, block.timestamp


@external
@view
def first_use(nullifier: bytes32) -> (bytes32, bytes32, uint256):
    """
    @notice Who used an item first.
    @param nullifier The 32-byte name of the item for this purpose.
    @return The 32-byte id of the department, the 32-byte commitment and
            the second of the first use; zeros if there was none.
    """
    meta: uint256 = self._uses[nullifier].meta
    if meta == 0:
        return empty(bytes32), empty(bytes32), 0
    return self._first_use(meta, self._uses[nullifier].commitment)


@external
@view
def first_block(nullifier: bytes32) -> uint256:
    """
    @notice Where the first use of an item is recorded.
    @param nullifier The 32-byte name of the item for this purpose.
    @return The number of that block; 0 if there was none.
    """
    return self._uses[nullifier].meta >> 224


@internal
@view
def _first_use(meta: uint256, commitment: bytes32) -> (bytes32, bytes32, uint256):
    """
    @dev The parts of a recorded use. An account keeps its department
         for ever, so the department is looked up and not stored.
    @param meta block number << 224 | block time << 160 | account.
    @param commitment The 32-byte commitment of the use.
    @return The 32-byte department id, the commitment and the second.
    """
    account: address = convert(meta & (2**160 - 1), address)
    return staticcall Members(MEMBERS).department_of(account), commitment, (meta >> 160) & (2**64 - 1)
