# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title Members
@license Apache-2.0
@notice The departments of the network: the level of each, the account
        it acts with, its signing keys and its scopes, with the whole
        history of every one of them.
@dev Only the governor writes. The governor is an address: hand it over
     to a contract and k-of-n approval holds without a change here.
     A repeated call with the same content is a no-op, so that a sender
     that does not know whether its first call arrived may call again.
     Times are seconds since 1970; a window runs from `not_before`
     inclusive to `not_after` exclusive.
@custom:security An account never moves to another department: whoever
                 acted under it can be told from the account for ever.
                 Windows can be shortened and never extended.
"""

# The states of a department. 0 is a department nobody added.
ACTIVE: constant(uint256) = 1
SUSPENDED: constant(uint256) = 2

# What a scope allows; values are bits and can be joined.
ISSUE: constant(uint256) = 1
USE: constant(uint256) = 2

MAX_LEVEL: constant(uint256) = 255
MAX_TIME: constant(uint256) = 2**64 - 1
# The most scope windows of one department for one type; bounds the loop of `in_scope`.
MAX_WINDOWS: constant(uint256) = 64

struct Standing:
    level: uint256
    state: uint256
    account: address
    since: uint256

struct Window:
    not_before: uint256
    not_after: uint256

struct Scope:
    actions: uint256
    not_before: uint256
    not_after: uint256

event GovernorProposed:
    proposed: indexed(address)

event GovernorChanged:
    previous: indexed(address)
    governor: indexed(address)

event StandingChanged:
    department: indexed(bytes32)
    account: indexed(address)
    level: uint256
    state: uint256

event KeyAdded:
    department: indexed(bytes32)
    key_id: indexed(bytes32)
    not_before: uint256
    not_after: uint256

event KeyEnded:
    department: indexed(bytes32)
    key_id: indexed(bytes32)
    not_after: uint256

event ScopeGranted:
    department: indexed(bytes32)
    type_hash: indexed(bytes32)
    actions: uint256
    not_before: uint256
    not_after: uint256

event ScopeEnded:
    department: indexed(bytes32)
    type_hash: indexed(bytes32)
    position: uint256
    not_after: uint256

governor: public(address)
proposed_governor: public(address)

# The department that ever acted under an account. Never rewritten.
department_of: public(HashMap[address, bytes32])

# The number of standings a department went through; the last is the present one.
standing_count: public(HashMap[bytes32, uint256])
# One word each: level << 232 | state << 224 | since << 160 | account.
_standings: HashMap[bytes32, HashMap[uint256, uint256]]

# The department a key belongs to, and its window as not_before << 64 | not_after.
key_owner: public(HashMap[bytes32, bytes32])
_key_windows: HashMap[bytes32, uint256]
key_count: public(HashMap[bytes32, uint256])
key_at: public(HashMap[bytes32, HashMap[uint256, bytes32]])

# Scope windows by department and type: actions << 128 | not_before << 64 | not_after.
scope_count: public(HashMap[bytes32, HashMap[bytes32, uint256]])
_scopes: HashMap[bytes32, HashMap[bytes32, HashMap[uint256, uint256]]]


@deploy
def __init__():
    """
    @notice Makes the caller the first governor.
    """
    self.governor = msg.sender
    log GovernorChanged(previous=empty(address), governor=msg.sender)


@external
def propose_governor(proposed: address):
    """
    @notice Starts handing over; nothing changes until the proposed
            address accepts, so a wrong address loses nothing.
    @param proposed The 20-byte address of the next governor.
    """
    self._check_governor()
    self.proposed_governor = proposed
    log GovernorProposed(proposed=proposed)


@external
def accept_governor():
    """
    @notice Ends handing over, called by the proposed governor itself.
    """
    assert msg.sender == self.proposed_governor, "members: not the proposed governor"
    log GovernorChanged(previous=self.governor, governor=msg.sender)
    self.governor = msg.sender
    self.proposed_governor = empty(address)


@external
def add(department: bytes32, level: uint256, account: address):
    """
    @notice Adds a department, active from this block on.
    @param department The 32-byte id of the department.
    @param level Its administrative level, 0 to 255.
    @param account The 20-byte address it acts with on this chain;
           the zero address if it does not act itself.
    """
    self._check_governor()
    assert department != empty(bytes32), "members: no department"
    assert level <= MAX_LEVEL, "members: level"
    count: uint256 = self.standing_count[department]
    if count > 0:
        present: Standing = self._present(department)
        assert present.level == level and present.account == account, "members: differs"
        return
    self._take_account(department, account)
    self._stand(department, level, ACTIVE, account)


@external
def suspend(department: bytes32):
    """
    @notice Stops a department from acting until it is reinstated.
    @param department The 32-byte id of the department.
    """
    self._check_governor()
    self._change_state(department, SUSPENDED)


@external
def reinstate(department: bytes32):
    """
    @notice Lets a suspended department act again.
    @param department The 32-byte id of the department.
    """
    self._check_governor()
    self._change_state(department, ACTIVE)


@external
def rotate(department: bytes32, account: address):
    """
    @notice Replaces the account of a department; the old one can do
            nothing from this block on.
    @param department The 32-byte id of the department.
    @param account The 20-byte address it acts with from now on, or zero.
    """
    self._check_governor()
    present: Standing = self._present(department)
    if present.account == account:
        return
    self._take_account(department, account)
    self._stand(department, present.level, present.state, account)


@external
def add_key(department: bytes32, key_id: bytes32, not_before: uint256, not_after: uint256):
    """
    @notice Records a signing key of a department.
    @param department The 32-byte id of the department.
    @param key_id The 32-byte SHA-256 of the suite byte and the raw key.
    @param not_before The first second in which the key may sign.
    @param not_after The first second in which it no longer may.
    """
    self._check_governor()
    self._add_key(department, key_id, not_before, not_after)


@external
def end_key(department: bytes32, key_id: bytes32, not_after: uint256):
    """
    @notice Shortens the window of a key, also backwards in time when a
            key was stolen; the event keeps when that was said.
    @param department The 32-byte id of the department.
    @param key_id The 32-byte id of one of its keys.
    @param not_after The first second in which it may no longer sign.
    """
    self._check_governor()
    self._end_key(department, key_id, not_after)


@external
def rotate_key(department: bytes32, old_key_id: bytes32, key_id: bytes32, at: uint256, not_after: uint256):
    """
    @notice Ends one key and begins another in the same second.
    @param department The 32-byte id of the department.
    @param old_key_id The 32-byte id of the key that ends.
    @param key_id The 32-byte id of the key that begins.
    @param at The second in which the new key takes over.
    @param not_after The first second in which the new key may no longer sign.
    """
    self._check_governor()
    self._end_key(department, old_key_id, at)
    self._add_key(department, key_id, at, not_after)


@external
def grant_scope(department: bytes32, type_hash: bytes32, actions: uint256, not_before: uint256, not_after: uint256):
    """
    @notice Lets a department issue or use certificates of one type.
    @param department The 32-byte id of the department.
    @param type_hash The 32-byte SHA-256 of the type code.
    @param actions 1 to issue, 2 to use, 3 for both.
    @param not_before The first second of the scope.
    @param not_after The first second after it.
    """
    self._check_governor()
    assert self.standing_count[department] > 0, "members: unknown department"
    assert actions > 0 and actions <= ISSUE | USE, "members: actions"
    packed: uint256 = actions << 128 | self._pack_window(not_before, not_after)
    count: uint256 = self.scope_count[department][type_hash]
    if count > 0 and self._scopes[department][type_hash][count - 1] == packed:
        return
    assert count < MAX_WINDOWS, "members: too many windows"
    self._scopes[department][type_hash][count] = packed
    self.scope_count[department][type_hash] = count + 1
    log ScopeGranted(
        department=department, type_hash=type_hash, actions=actions, not_before=not_before, not_after=not_after
    )


@external
def end_scope(department: bytes32, type_hash: bytes32, position: uint256, not_after: uint256):
    """
    @notice Shortens one scope window of a department.
    @param department The 32-byte id of the department.
    @param type_hash The 32-byte SHA-256 of the type code.
    @param position Which window of this department and type, from 0.
    @param not_after The first second in which the scope is over.
    """
    self._check_governor()
    packed: uint256 = self._scopes[department][type_hash][position]
    assert packed > 0, "members: unknown scope"
    shortened: uint256 = self._shorten(packed, not_after)
    if shortened == packed:
        return
    self._scopes[department][type_hash][position] = shortened
    log ScopeEnded(department=department, type_hash=type_hash, position=position, not_after=not_after)


@external
@view
def active_department(account: address) -> bytes32:
    """
    @notice Tells for whom an account may act now.
    @param account The 20-byte address of a caller.
    @return The 32-byte id of the active department whose present
            account it is; zero if there is none.
    """
    department: bytes32 = self.department_of[account]
    if department == empty(bytes32):
        return empty(bytes32)
    present: Standing = self._present(department)
    if present.state != ACTIVE or present.account != account:
        return empty(bytes32)
    return department


@external
@view
def standing(department: bytes32) -> Standing:
    """
    @notice The present standing of a department.
    @param department The 32-byte id of the department.
    @return Its level, state (0 if nobody added it, 1 active, 2
            suspended), account, and the second since when.
    """
    count: uint256 = self.standing_count[department]
    if count == 0:
        return empty(Standing)
    return self._unpack_standing(self._standings[department][count - 1])


@external
@view
def past_standing(department: bytes32, position: uint256) -> Standing:
    """
    @notice One step of the history of a department.
    @param department The 32-byte id of the department.
    @param position Which step, from 0 to `standing_count` - 1.
    @return The standing that began with that step.
    """
    assert position < self.standing_count[department], "members: no such step"
    return self._unpack_standing(self._standings[department][position])


@external
@view
def key_window(key_id: bytes32) -> Window:
    """
    @notice When a key may sign.
    @param key_id The 32-byte id of the key.
    @return Its window; zeros if the key is unknown.
    """
    packed: uint256 = self._key_windows[key_id]
    return Window(not_before=packed >> 64, not_after=packed & MAX_TIME)


@external
@view
def scope(department: bytes32, type_hash: bytes32, position: uint256) -> Scope:
    """
    @notice One scope window of a department.
    @param department The 32-byte id of the department.
    @param type_hash The 32-byte SHA-256 of the type code.
    @param position Which window, from 0 to `scope_count` - 1.
    @return The actions and the window; zeros if there is none.
    """
    return self._unpack_scope(self._scopes[department][type_hash][position])


@external
@view
def in_scope(department: bytes32, type_hash: bytes32, action: uint256, at: uint256) -> bool:
    """
    @notice Whether a department could do something at a time, judged by
            its scopes alone.
    @param department The 32-byte id of the department.
    @param type_hash The 32-byte SHA-256 of the type code.
    @param action 1 to issue or 2 to use.
    @param at The second asked about.
    @return True if one of its windows allows it.
    """
    for position: uint256 in range(self.scope_count[department][type_hash], bound=MAX_WINDOWS):
        window: Scope = self._unpack_scope(self._scopes[department][type_hash][position])
        if window.actions & action != 0 and at >= window.not_before and at < window.not_after:
            return True
    return False


@internal
@view
def _check_governor():
    """
    @dev Reverts unless the caller is the governor.
    """
    assert msg.sender == self.governor, "members: not the governor"


@internal
@view
def _present(department: bytes32) -> Standing:
    """
    @dev The present standing. Reverts for an unknown department.
    @param department The 32-byte id of the department.
    @return The last standing it went through.
    """
    count: uint256 = self.standing_count[department]
    assert count > 0, "members: unknown department"
    return self._unpack_standing(self._standings[department][count - 1])


@internal
def _take_account(department: bytes32, account: address):
    """
    @dev Binds an account to a department for ever. Reverts if another
         department ever had it.
    @param department The 32-byte id of the department.
    @param account The 20-byte address; zero binds nothing.
    """
    if account == empty(address):
        return
    owner: bytes32 = self.department_of[account]
    assert owner == empty(bytes32) or owner == department, "members: account taken"
    self.department_of[account] = department


@internal
def _stand(department: bytes32, level: uint256, state: uint256, account: address):
    """
    @dev Appends a standing to the history of a department.
    @param department The 32-byte id of the department.
    @param level Its level, at most 8 bits.
    @param state Its state, at most 8 bits.
    @param account The 20-byte address it acts with.
    """
    count: uint256 = self.standing_count[department]
    # The parts cannot overlap: 8 + 8 + 64 + 160 bits, each bounded where it enters.
    self._standings[department][count] = (
        level << 232 | state << 224 | block.timestamp << 160 | convert(account, uint256)
    )
    self.standing_count[department] = count + 1
    log StandingChanged(department=department, account=account, level=level, state=state)


@internal
def _change_state(department: bytes32, state: uint256):
    """
    @dev Changes the state alone; a no-op if it is that already.
    @param department The 32-byte id of the department.
    @param state The state it shall have.
    """
    present: Standing = self._present(department)
    if present.state != state:
        self._stand(department, present.level, state, present.account)


@internal
def _add_key(department: bytes32, key_id: bytes32, not_before: uint256, not_after: uint256):
    """
    @dev Records a key once. Reverts if the key is known with another
         department or window.
    @param department The 32-byte id of the department.
    @param key_id The 32-byte id of the key.
    @param not_before The first second of its window.
    @param not_after The first second after its window.
    """
    assert self.standing_count[department] > 0, "members: unknown department"
    packed: uint256 = self._pack_window(not_before, not_after)
    if self.key_owner[key_id] != empty(bytes32):
        assert self.key_owner[key_id] == department and self._key_windows[key_id] == packed, "members: key differs"
        return
    count: uint256 = self.key_count[department]
    self.key_owner[key_id] = department
    self._key_windows[key_id] = packed
    self.key_at[department][count] = key_id
    self.key_count[department] = count + 1
    log KeyAdded(department=department, key_id=key_id, not_before=not_before, not_after=not_after)


@internal
def _end_key(department: bytes32, key_id: bytes32, not_after: uint256):
    """
    @dev Shortens the window of a key; a no-op if it ends then already.
    @param department The 32-byte id of the department.
    @param key_id The 32-byte id of the key.
    @param not_after The first second after its window.
    """
    assert department != empty(bytes32) and self.key_owner[key_id] == department, "members: unknown key"
    packed: uint256 = self._key_windows[key_id]
    shortened: uint256 = self._shorten(packed, not_after)
    if shortened == packed:
        return
    self._key_windows[key_id] = shortened
    log KeyEnded(department=department, key_id=key_id, not_after=not_after)


@internal
@pure
def _pack_window(not_before: uint256, not_after: uint256) -> uint256:
    """
    @dev Packs a window that is not empty into 128 bits.
    @param not_before Its first second.
    @param not_after The first second after it.
    @return not_before << 64 | not_after.
    """
    assert not_before < not_after and not_after <= MAX_TIME, "members: window"
    return not_before << 64 | not_after


@internal
@pure
def _shorten(packed: uint256, not_after: uint256) -> uint256:
    """
    @dev Replaces the end of a packed window by an earlier one. The
         window may become empty, never longer.
    @param packed A packed window, with or without actions above it.
    @param not_after The first second after the shortened window.
    @return The packed window with the new end.
    """
    assert not_after <= packed & MAX_TIME, "members: extends"
    return packed ^ (packed & MAX_TIME) | not_after


@internal
@pure
def _unpack_standing(packed: uint256) -> Standing:
    """
    @dev The parts of one packed standing.
    @param packed level << 232 | state << 224 | since << 160 | account.
    @return The same as a struct.
    """
    return Standing(
        level=packed >> 232,
        state=(packed >> 224) & 255,
        account=convert(packed & (2**160 - 1), address),
        since=(packed >> 160) & MAX_TIME,
    )


@internal
@pure
def _unpack_scope(packed: uint256) -> Scope:
    """
    @dev The parts of one packed scope window.
    @param packed actions << 128 | not_before << 64 | not_after.
    @return The same as a struct.
    """
    return Scope(actions=packed >> 128, not_before=(packed >> 64) & MAX_TIME, not_after=packed & MAX_TIME)
