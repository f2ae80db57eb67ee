# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title Keys
@license Apache-2.0
@notice The signing keys of each department and when each may sign.
@custom:security A key never moves to another department, and its window
                 can be shortened and never extended: what it signed is
                 judged by the window, whatever happened since.
"""

import departments
import governed
import windows

uses: departments
uses: governed

struct Window:
    not_before: uint256
    not_after: uint256

event KeyAdded:
    department: indexed(bytes32)
    key_id: indexed(bytes32)
    not_before: uint256
    not_after: uint256

event KeyEnded:
    department: indexed(bytes32)
    key_id: indexed(bytes32)
    not_after: uint256

# The department a key belongs to, and its window as not_before << 64 | not_after.
key_owner: public(HashMap[bytes32, bytes32])
_key_windows: HashMap[bytes32, uint256]
key_count: public(HashMap[bytes32, uint256])
key_at: public(HashMap[bytes32, HashMap[uint256, bytes32]])


@external
def add_key(department: bytes32, key_id: bytes32, not_before: uint256, not_after: uint256):
    """
    @notice Records a signing key of a department.
    @param department The 32-byte id of the department.
    @param key_id The 32-byte SHA-256 of suite name, 0x00 and raw key.
    @param not_before The first second in which the key may sign.
    @param not_after The first second in which it no longer may.
    """
    governed._check_governor()
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
    governed._check_governor()
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
    governed._check_governor()
    self._end_key(department, old_key_id, at)
    self._add_key(department, key_id, at, not_after)


@external
@view
def key_window(key_id: bytes32) -> Window:
    """
    @notice When a key may sign.
    @param key_id The 32-byte id of the key.
    @return Its window; zeros if the key is unknown.
    """
    packed: uint256 = self._key_windows[key_id]
    return Window(not_before=packed >> 64, not_after=packed & windows.MAX_TIME)


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
    departments._check_known(department)
    packed: uint256 = windows._pack(not_before, not_after)
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
    shortened: uint256 = windows._shorten(packed, not_after)
    if shortened == packed:
        return
    self._key_windows[key_id] = shortened
    log KeyEnded(department=department, key_id=key_id, not_after=not_after)
