"""The members of the network: departments with their level, account, keys and scopes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chain import artifacts, changes
from chain.changes import Action, Change, MemberState, Scope, Standing, Window
from chain.governors import ChainGovernors
from chain.ids import department_code, department_id, type_hash
from chain.node import Node
from chain.record import Deployment
from chain.sender import Sender


class ChainMembers:
    """Reads the members contract, and changes it as the governors decide; repeating a change is harmless.

    Every change raises AwaitingGovernorsError until enough governors have approved it.
    """

    def __init__(self, node: Node, sender: Sender, deployment: Deployment) -> None:
        self._node = node
        self._deployment = deployment
        self._members = artifacts.load("members")
        self._governors = ChainGovernors(node, sender, deployment)

    def add(self, code: str, level: int, account: str | None = None) -> None:
        """Add a department, active from now on. Raises TransactionRejectedError if it is there with other content."""
        self._change(changes.add_member(code, level, account))

    def suspend(self, code: str) -> None:
        """Stop a department from acting."""
        self._change(changes.suspend(code))

    def reinstate(self, code: str) -> None:
        """Let a suspended department act again."""
        self._change(changes.reinstate(code))

    def rotate(self, code: str, account: str | None) -> None:
        """Replace a department's account; the old one can do nothing from then on."""
        self._change(changes.rotate_account(code, account))

    def add_key(self, code: str, key_id: bytes, window: Window) -> None:
        """Record a signing key: key_id is `verifier.suites.PublicKey.digest`, 32 bytes."""
        self._change(changes.add_key(code, key_id, window))

    def end_key(self, code: str, key_id: bytes, not_after_at: datetime) -> None:
        """Shorten the window of a key; into the past, if it was stolen then."""
        self._change(changes.end_key(code, key_id, not_after_at))

    def rotate_key(self, code: str, old_key_id: bytes, key_id: bytes, window: Window) -> None:
        """End one key where the window of another begins."""
        self._change(changes.rotate_key(code, old_key_id, key_id, window))

    def grant_scope(self, code: str, type_code: str, scope: Scope) -> None:
        """Let a department issue or use certificates of a type."""
        self._change(changes.grant_scope(code, type_code, scope))

    def end_scope(self, code: str, type_code: str, position: int, not_after_at: datetime) -> None:
        """Shorten one of the scopes that `scopes` lists, by its position there."""
        self._change(changes.end_scope(code, type_code, position, not_after_at))

    def find(self, code: str) -> Standing | None:
        """The present standing of a department; None if nobody added it."""
        (found,) = self._ask("standing", department_id(code))
        return _standing(found) if found[1] else None

    def history(self, code: str) -> list[Standing]:
        """Every standing a department went through, oldest first."""
        department = department_id(code)
        (count,) = self._ask("standing_count", department)
        return [_standing(self._ask("past_standing", department, position)[0]) for position in range(count)]

    def find_active(self, account: str) -> str | None:
        """The code of the active department that acts with this account now."""
        (department,) = self._ask("active_department", account)
        return None if department == bytes(32) else department_code(department)

    def keys(self, code: str) -> dict[bytes, Window]:
        """Every key a department ever had."""
        department = department_id(code)
        (count,) = self._ask("key_count", department)
        key_ids = [bytes(self._ask("key_at", department, position)[0]) for position in range(count)]
        return {key_id: Window.of_seconds(*self._ask("key_window", key_id)[0]) for key_id in key_ids}

    def state_at(self, code: str, at: datetime) -> MemberState | None:
        """The standing of a department at a past moment; None before it was added."""
        states = [one.state for one in self.history(code) if one.since_at <= at]
        return states[-1] if states else None

    def signer_at(self, key_id: bytes, at: datetime) -> str | None:
        """The code of the department whose key this was at a past moment, if it was in force and the department active.

        A signature is judged by the keys of its time: what happened to key or department later does not matter, unless
        the window was ended backwards because the key had been stolen by then.
        """
        (owner,) = self._ask("key_owner", key_id)
        if owner == bytes(32) or not Window.of_seconds(*self._ask("key_window", key_id)[0]).covers(at):
            return None
        code = department_code(owner)
        return code if self.state_at(code, at) is MemberState.ACTIVE else None

    def scopes(self, code: str, type_code: str) -> list[Scope]:
        """Every scope a department ever had for a type, oldest first."""
        about = (department_id(code), type_hash(type_code))
        (count,) = self._ask("scope_count", *about)
        found = [self._ask("scope", *about, position)[0] for position in range(count)]
        return [Scope(Action(actions), Window.of_seconds(begin, end)) for actions, begin, end in found]

    def granted(self, code: str, type_code: str) -> list[Scope]:
        """Every scope as it was granted, whatever was ended since."""
        about = [self._members.topic("ScopeGranted"), department_id(code), type_hash(type_code)]
        first, last = self._deployment.first_block, self._node.height()
        events = self._node.events(self._deployment.members, about, first, last)
        parts = [[int.from_bytes(event.data[at : at + 32]) for at in (0, 32, 64)] for event in events]
        return [Scope(Action(actions), Window.of_seconds(begin, end)) for actions, begin, end in parts]

    def is_in_scope(self, code: str, type_code: str, action: Action, at: datetime) -> bool:
        """What the scopes on the chain said about a moment; a display, not a check."""
        about = (department_id(code), type_hash(type_code), int(action), int(at.timestamp()))
        return bool(self._ask("in_scope", *about)[0])

    def _ask(self, function: str, *arguments: object) -> tuple[Any, ...]:
        data = self._node.call(self._deployment.members, self._members.call(function, arguments))
        return self._members.answer(function, data)

    def _change(self, change: Change) -> None:
        self._governors.carry_out([change])


def _standing(found: tuple[int, int, str, int]) -> Standing:
    level, state, account, since = found
    acts_with = None if int(account, 16) == 0 else account
    return Standing(level, MemberState(state), acts_with, datetime.fromtimestamp(since, UTC))
