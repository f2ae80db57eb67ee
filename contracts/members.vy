# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title Members
@license Apache-2.0
@notice The departments of the network: the level of each, the account
        it acts with, its signing keys and its scopes, with the whole
        history of every one of them.
@dev Only the governor writes. The governor is an address: handed over
     to the contract `governors`, k of n accounts govern together.
     A repeated call with the same content is a no-op, so that a sender
     that does not know whether its first call arrived may call again.
     Times are seconds since 1970; a window runs from `not_before`
     inclusive to `not_after` exclusive.
@custom:security An account never moves to another department: whoever
                 acted under it can be told from the account for ever.
                 Windows can be shortened and never extended.
"""

import departments
import governed
import keys
import scopes

initializes: governed
initializes: departments[governed := governed]
initializes: keys[departments := departments, governed := governed]
initializes: scopes[departments := departments, governed := governed]

exports: (
    governed.governor,
    governed.proposed_governor,
    governed.propose_governor,
    governed.accept_governor,
)

exports: (
    departments.department_of,
    departments.standing_count,
    departments.add,
    departments.suspend,
    departments.reinstate,
    departments.rotate,
    departments.active_department,
    departments.standing,
    departments.past_standing,
)

exports: (
    keys.key_owner,
    keys.key_count,
    keys.key_at,
    keys.add_key,
    keys.end_key,
    keys.rotate_key,
    keys.key_window,
)

exports: (
    scopes.scope_count,
    scopes.grant_scope,
    scopes.end_scope,
    scopes.scope,
    scopes.in_scope,
)


@deploy
def __init__():
    """
    @notice Makes the caller the first governor.
    """
    governed.__init__()
