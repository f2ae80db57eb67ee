# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title Governors
@license Apache-2.0
@notice k of n accounts govern together: what k of them have approved is
        carried out, exactly once, under this contract's address.
@dev A proposal is a round number and a list of calls; its id is the
     hash of both. Whoever approves names the calls themselves, so that
     nobody approves what he has not seen. The first approval proposes;
     an active member who is no governor can propose without approving.
     A repeated approval is a no-op with the same answer, also after the
     calls were carried out; to have the same calls carried out again,
     choose another round. The governors and k change by a proposal
     whose call is `change` on this contract.
     If a call fails, the approval that would have carried it out fails
     with the same reason and is not recorded.
@custom:security An approval counts while its giver is a governor without
                 a break since he gave it. A proposal is marked as
                 carried out before its first call, so that no call can
                 make it run twice.
"""

interface Members:
    def active_department(account: address) -> bytes32: view

MAX_GOVERNORS: constant(uint256) = 16
MAX_CALLS: constant(uint256) = 16
# Enough for `change` with all its governors: 4 + 32 * (3 + 16) bytes.
MAX_DATA: constant(uint256) = 640
# Seconds for which a proposal can be approved: 30 days.
LIFETIME: constant(uint256) = 2_592_000

struct Call:
    target: address
    data: Bytes[MAX_DATA]

event Proposed:
    proposal: indexed(bytes32)
    account: indexed(address)
    round: uint256
    calls: DynArray[Call, MAX_CALLS]

event Approved:
    proposal: indexed(bytes32)
    governor: indexed(address)

event Withdrawn:
    proposal: indexed(bytes32)
    governor: indexed(address)

event Executed:
    proposal: indexed(bytes32)

event GovernorsChanged:
    governors: DynArray[address, MAX_GOVERNORS]
    threshold: uint256

MEMBERS: public(immutable(address))

# How many governors must approve: 1 … the number of governors.
threshold: public(uint256)
# The term of each present governor, 0 for anybody else. Whoever comes back begins another term.
term_of: public(HashMap[address, uint256])

_governors: DynArray[address, MAX_GOVERNORS]
_last_term: uint256
# By proposal: seconds since 1970; 0 if it was never proposed, or not carried out.
_expires_at: HashMap[bytes32, uint256]
_executed_at: HashMap[bytes32, uint256]
# The term in which a governor approved a proposal, 0 if he did not.
_approvals: HashMap[bytes32, HashMap[address, uint256]]


@deploy
def __init__(members: address, governors: DynArray[address, MAX_GOVERNORS], threshold: uint256):
    """
    @notice Ties this contract to its members contract for ever, and
            names the first governors.
    @param members The 20-byte address of the members contract.
    @param governors Their 20-byte addresses, 1 to 16 of them.
    @param threshold How many of them must approve.
    """
    assert members.is_contract, "governors: no members contract"
    MEMBERS = members
    self._change(governors, threshold)


@external
def propose(round: uint256, calls: DynArray[Call, MAX_CALLS]) -> (bytes32, uint256, bool):
    """
    @notice Proposes calls without approving them, for an active member
            that is no governor; a no-op if they are proposed already.
    @param round Tells proposals of the same calls apart.
    @param calls What to call, in order: address and at most 640 bytes.
    @return As `approve`.
    """
    department: bytes32 = staticcall Members(MEMBERS).active_department(msg.sender)
    assert department != empty(bytes32), "governors: not an active member"
    proposal: bytes32 = self._propose(round, calls)
    return proposal, self._count(proposal), self._executed_at[proposal] > 0


@external
def approve(round: uint256, calls: DynArray[Call, MAX_CALLS]) -> (bytes32, uint256, bool):
    """
    @notice Approves calls, proposing them if nobody did, and carries
            them out once enough governors stand behind them.
    @param round Tells proposals of the same calls apart.
    @param calls What to call, in order: address and at most 640 bytes.
    @return The 32-byte id of the proposal, how many present governors
            approve it, and whether it is carried out.
    """
    term: uint256 = self.term_of[msg.sender]
    assert term > 0, "governors: not a governor"
    proposal: bytes32 = self._propose(round, calls)
    if self._executed_at[proposal] > 0:
        return proposal, self._count(proposal), True
    assert block.timestamp < self._expires_at[proposal], "governors: expired"
    if self._approvals[proposal][msg.sender] != term:
        self._approvals[proposal][msg.sender] = term
        log Approved(proposal=proposal, governor=msg.sender)
    approvals: uint256 = self._count(proposal)
    if approvals < self.threshold:
        return proposal, approvals, False
    self._executed_at[proposal] = block.timestamp
    log Executed(proposal=proposal)
    for call: Call in calls:
        assert call.target.is_contract, "governors: no contract"
        raw_call(call.target, call.data)
    return proposal, approvals, True


@external
def withdraw(proposal: bytes32):
    """
    @notice Takes back the caller's approval of what is not carried out
            yet; a no-op if there is none.
    @param proposal The 32-byte id of the proposal.
    """
    assert self.term_of[msg.sender] > 0, "governors: not a governor"
    assert self._executed_at[proposal] == 0, "governors: carried out"
    if self._approvals[proposal][msg.sender] == 0:
        return
    self._approvals[proposal][msg.sender] = 0
    log Withdrawn(proposal=proposal, governor=msg.sender)


@external
def change(governors: DynArray[address, MAX_GOVERNORS], threshold: uint256):
    """
    @notice Replaces the governors and how many of them must approve;
            only a proposal of theirs can call it.
    @param governors The 20-byte addresses of all who govern from now on.
    @param threshold How many of them must approve.
    """
    assert msg.sender == self, "governors: not by themselves"
    self._change(governors, threshold)


@external
@view
def governors() -> DynArray[address, MAX_GOVERNORS]:
    """
    @notice Who governs now.
    @return The 20-byte addresses of the governors.
    """
    return self._governors


@external
@view
def proposal(proposal: bytes32) -> (uint256, uint256, uint256, uint256):
    """
    @notice How a proposal stands.
    @param proposal The 32-byte id of the proposal.
    @return How many present governors approve it, how many must, the
            second in which it expires (0 if it was never proposed), and
            the second in which it was carried out (0 if it was not).
    """
    return self._count(proposal), self.threshold, self._expires_at[proposal], self._executed_at[proposal]


@external
@view
def has_approved(proposal: bytes32, governor: address) -> bool:
    """
    @notice Whether an approval counts.
    @param proposal The 32-byte id of the proposal.
    @param governor The 20-byte address of its giver.
    @return True if he approved it and governs without a break since.
    """
    return self._counts(proposal, governor)


@internal
def _propose(round: uint256, calls: DynArray[Call, MAX_CALLS]) -> bytes32:
    """
    @dev Begins a proposal unless it was begun.
    @param round Tells proposals of the same calls apart.
    @param calls What to call.
    @return The 32-byte id of the proposal.
    """
    assert len(calls) > 0, "governors: no call"
    proposal: bytes32 = keccak256(abi_encode(round, calls))
    if self._expires_at[proposal] == 0:
        self._expires_at[proposal] = block.timestamp + LIFETIME
        log Proposed(proposal=proposal, account=msg.sender, round=round, calls=calls)
    return proposal


@internal
@view
def _counts(proposal: bytes32, governor: address) -> bool:
    """
    @dev Whether somebody's approval counts.
    @param proposal The 32-byte id of the proposal.
    @param governor The 20-byte address of its giver.
    @return True if he approved it and governs without a break since.
    """
    term: uint256 = self.term_of[governor]
    return term > 0 and self._approvals[proposal][governor] == term


@internal
@view
def _count(proposal: bytes32) -> uint256:
    """
    @dev How many present governors approve a proposal.
    @param proposal The 32-byte id of the proposal.
    @return Their number.
    """
    approvals: uint256 = 0
    for governor: address in self._governors:
        if self._counts(proposal, governor):
            approvals += 1
    return approvals


@internal
def _change(governors: DynArray[address, MAX_GOVERNORS], threshold: uint256):
    """
    @dev Replaces the governors. Who stays keeps his term, and with it
         his approvals. A no-op if nothing would differ.
    @param governors The 20-byte addresses of all who govern from now on.
    @param threshold How many of them must approve.
    """
    assert threshold > 0 and threshold <= len(governors), "governors: threshold"
    former: DynArray[address, MAX_GOVERNORS] = self._governors
    same: bool = threshold == self.threshold and len(former) == len(governors)
    for governor: address in former:
        if governor not in governors:
            self.term_of[governor] = 0
            same = False
    seen: DynArray[address, MAX_GOVERNORS] = []
    for governor: address in governors:
        assert governor != empty(address) and governor != self, "governors: no account"
        assert governor not in seen, "governors: named twice"
        seen.append(governor)
        if self.term_of[governor] == 0:
            self._last_term += 1
            self.term_of[governor] = self._last_term
    if same:
        return
    self._governors = governors
    self.threshold = threshold
    log GovernorsChanged(governors=governors, threshold=threshold)
