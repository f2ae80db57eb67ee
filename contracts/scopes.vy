# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title Scopes
@license Apache-2.0
@notice Which types a department may issue or use, and when.
@custom:security A scope that was granted can be shortened and never
                 extended; a longer one is granted beside it.
"""

import departments
import governed
import windows

uses: departments
uses: governed

# What a scope allows; values are bits and can be joined.
ISSUE: constant(uint256) = 1
USE: constant(uint256) = 2

# The most scope windows of one department for one type; bounds the loop of `in_scope`.
MAX_WINDOWS: constant(uint256) = 64

struct Scope:
    actions: uint256
    not_before: uint256
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

# Scope windows by department and type: actions << 128 | not_before << 64 | not_after.
scope_count: public(HashMap[bytes32, HashMap[bytes32, uint256]])
_scopes: HashMap[bytes32, HashMap[bytes32, HashMap[uint256, uint256]]]


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
    governed._check_governor()
    departments._check_known(department)
    assert actions > 0 and actions <= ISSUE | USE, "members: actions"
    packed: uint256 = actions << 128 | windows._pack(not_before, not_after)
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
    governed._check_governor()
    packed: uint256 = self._scopes[department][type_hash][position]
    assert packed > 0, "members: unknown scope"
    shortened: uint256 = windows._shorten(packed, not_after)
    if shortened == packed:
        return
    self._scopes[department][type_hash][position] = shortened
    log ScopeEnded(department=department, type_hash=type_hash, position=position, not_after=not_after)


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
@pure
def _unpack_scope(packed: uint256) -> Scope:
    """
    @dev The parts of one packed scope window.
    @param packed actions << 128 | not_before << 64 | not_after.
    @return The same as a struct.
    """
    return Scope(actions=packed >> 128, not_before=(packed >> 64) & windows.MAX_TIME, not_after=packed & windows.MAX_TIME)
