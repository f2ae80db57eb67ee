"""The members of the network: departments with their level, account, keys and scopes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, IntFlag
from typing import Any

from chain import artifacts
from chain.deployment import Deployment
from chain.ids import department_code, department_id, type_hash
from chain.node import Node
from chain.sender import Sender

_CHANGE_GAS = 300_000
_NOBODY = "0x" + "0" * 40
_FOR_EVER = 2**64 - 1


class MemberState(IntEnum):
    """Whether a department may act."""

    ACTIVE = 1
    SUSPENDED = 2


class Action(IntFlag):
    """What a scope allows."""

    ISSUE = 1
    USE = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """level: 0 … 255; account: 0x address, None if the department does not act on the chain; since_at: block time."""

    level: int
    state: MemberState
    account: str | None
    since_at: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """From not_before_at inclusive to not_after_at exclusive; None: without end."""

    not_before_at: datetime
    not_after_at: datetime | None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a department may do with certificates of one type, and when."""

    actions: Action
    window: Window


class ChainMembers:
    """Reads the members contract, and writes it where this account is the governor; repeating a change is harmless."""

    def __init__(self, node: Node, sender: Sender, deployment: Deployment) -> None:
        self._node = node
        self._sender = sender
        self._deployment = deployment
        self._members = artifacts.load("members")

    def add(self, code: str, level: int, account: str | None = None) -> None:
        """Add a department, active from now on. Raises TransactionRejectedError if it is there with other content."""
        self._change("add", department_id(code), level, account or _NOBODY)

    def suspend(self, code: str) -> None:
        """Stop a department from acting."""
        self._change("suspend", department_id(code))

    def reinstate(self, code: str) -> None:
        """Let a suspended department act again."""
        self._change("reinstate", department_id(code))

    def rotate(self, code: str, account: str | None) -> None:
        """Replace a department's account; the old one can do nothing from then on."""
        self._change("rotate", department_id(code), account or _NOBODY)

    def add_key(self, code: str, key_id: bytes, window: Window) -> None:
        """Record a signing key: key_id is the SHA-256 of the suite byte and the raw key, 32 bytes."""
        self._change("add_key", department_id(code), key_id, *_seconds(window))

    def end_key(self, code: str, key_id: bytes, not_after_at: datetime) -> None:
        """Shorten the window of a key; into the past, if it was stolen then."""
        self._change("end_key", department_id(code), key_id, int(not_after_at.timestamp()))

    def rotate_key(self, code: str, old_key_id: bytes, key_id: bytes, window: Window) -> None:
        """End one key where the window of another begins."""
        self._change("rotate_key", department_id(code), old_key_id, key_id, *_seconds(window))

    def grant_scope(self, code: str, type_code: str, scope: Scope) -> None:
        """Let a department issue or use certificates of a type."""
        arguments = (int(scope.actions), *_seconds(scope.window))
        self._change("grant_scope", department_id(code), type_hash(type_code), *arguments)

    def end_scope(self, code: str, type_code: str, position: int, not_after_at: datetime) -> None:
        """Shorten one of the scopes that `scopes` lists, by its position there."""
        arguments = (department_id(code), type_hash(type_code), position, int(not_after_at.timestamp()))
        self._change("end_scope", *arguments)

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
        return {key_id: _window(*self._ask("key_window", key_id)[0]) for key_id in key_ids}

    def scopes(self, code: str, type_code: str) -> list[Scope]:
        """Every scope a department ever had for a type, oldest first."""
        about = (department_id(code), type_hash(type_code))
        (count,) = self._ask("scope_count", *about)
        found = [self._ask("scope", *about, position)[0] for position in range(count)]
        return [Scope(Action(actions), _window(begin, end)) for actions, begin, end in found]

    def is_in_scope(self, code: str, type_code: str, action: Action, at: datetime) -> bool:
        """What the scopes on the chain said about a moment; a display, not a check."""
        about = (department_id(code), type_hash(type_code), int(action), int(at.timestamp()))
        return bool(self._ask("in_scope", *about)[0])

    def _ask(self, function: str, *arguments: object) -> tuple[Any, ...]:
        data = self._node.call(self._deployment.members, self._members.call(function, arguments))
        return self._members.answer(function, data)

    def _change(self, function: str, *arguments: object) -> None:
        self._sender.send(self._deployment.members, self._members.call(function, arguments), _CHANGE_GAS)


def _seconds(window: Window) -> tuple[int, int]:
    end = _FOR_EVER if window.not_after_at is None else int(window.not_after_at.timestamp())
    return int(window.not_before_at.timestamp()), end


def _window(begin: int, end: int) -> Window:
    not_after_at = None if end == _FOR_EVER else datetime.fromtimestamp(end, UTC)
    return Window(datetime.fromtimestamp(begin, UTC), not_after_at)


def _standing(found: tuple[int, int, str, int]) -> Standing:
    level, state, account, since = found
    acts_with = None if int(account, 16) == 0 else account
    return Standing(level, MemberState(state), acts_with, datetime.fromtimestamp(since, UTC))
