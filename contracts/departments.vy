# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title Departments
@license Apache-2.0
@notice The level, state and account of each department, with the whole
        history of every one of them.
@custom:security An account never moves to another department: whoever
                 acted under it can be told from the account for ever.
"""

import governed

uses: governed

# The states of a department. 0 is a department nobody added.
ACTIVE: constant(uint256) = 1
SUSPENDED: constant(uint256) = 2

MAX_LEVEL: constant(uint256) = 255
MAX_TIME: constant(uint256) = 2**64 - 1

struct Standing:
    level: uint256
    state: uint256
    account: address
    since: uint256

event StandingChanged:
    department: indexed(bytes32)
    account: indexed(address)
    level: uint256
    state: uint256

# The department that ever acted under an account. Never rewritten.
department_of: public(HashMap[address, bytes32])

# The number of standings a department went through; the last is the present one.
standing_count: public(HashMap[bytes32, uint256])
# One word each: level << 232 | state << 224 | since << 160 | account.
_standings: HashMap[bytes32, HashMap[uint256, uint256]]


@external
def add(department: bytes32, level: uint256, account: address):
    """
    @notice Adds a department, active from this block on.
    @param department The 32-byte id of the department.
    @param level Its administrative level, 0 to 255.
    @param account The 20-byte address it acts with on this chain;
           the zero address if it does not act itself.
    """
    governed._check_governor()
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
    governed._check_governor()
    self._change_state(department, SUSPENDED)


@external
def reinstate(department: bytes32):
    """
    @notice Lets a suspended department act again.
    @param department The 32-byte id of the department.
    """
    governed._check_governor()
    self._change_state(department, ACTIVE)


@external
def rotate(department: bytes32, account: address):
    """
    @notice Replaces the account of a department; the old one can do
            nothing from this block on.
    @param department The 32-byte id of the department.
    @param account The 20-byte address it acts with from now on, or zero.
    """
    governed._check_governor()
    present: Standing = self._present(department)
    if present.account == account:
        return
    self._take_account(department, account)
    self._stand(department, present.level, present.state, account)


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
@view
def _check_known(department: bytes32):
    """
    @dev Reverts for a department that nobody added.
    @param department The 32-byte id of the department.
    """
    assert self.standing_count[department] > 0, "members: unknown department"
