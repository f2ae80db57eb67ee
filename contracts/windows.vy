# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title Windows
@license Apache-2.0
@notice Windows of time as 128 bits: the first second << 64 | the first
        second after it. They can be shortened and never extended.
"""

MAX_TIME: constant(uint256) = 2**64 - 1


@internal
@pure
def _pack(not_before: uint256, not_after: uint256) -> uint256:
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
