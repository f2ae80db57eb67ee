# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title Governed
@license Apache-2.0
@notice A contract with one governor, an address: an account, or the
        contract `governors`, by which k of n accounts govern together.
"""

event GovernorProposed:
    proposed: indexed(address)

event GovernorChanged:
    previous: indexed(address)
    governor: indexed(address)

governor: public(address)
proposed_governor: public(address)


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


@internal
@view
def _check_governor():
    """
    @dev Reverts unless the caller is the governor.
    """
    assert msg.sender == self.governor, "members: not the governor"
