"""What governors decide: changes of members, catalogue, logs and of themselves, as plain values.

A change is a call of one of our contracts by name; `chain.governors` turns it into bytes and back. Nothing here speaks
to a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, IntFlag

from chain.ids import department_id, entry_code, type_hash

NOBODY = "0x" + "0" * 40
_FOR_EVER = 2**64 - 1


class MemberState(IntEnum):
    """Whether a department may act."""

    ACTIVE = 1
    SUSPENDED = 2


class Level(IntEnum):
    """Administrative level of a member; UNSTATED is what the registry's own department had on earlier chains."""

    UNSTATED = 0
    MUNICIPAL = 1
    DISTRICT = 2
    STREET = 3
    UNIT = 4


class Action(IntFlag):
    """What a scope allows."""

    ISSUE = 1
    USE = 2


class EntryKind(IntEnum):
    """Kinds of catalogue entries: 证照类型, 数据结构, 数据标准, 职责目录, 数据目录."""

    TYPE = 1
    SCHEMA = 2
    STANDARD = 3
    DUTIES = 4
    DATA = 5


@dataclass(frozen=True, slots=True)
class Window:
    """From not_before_at inclusive to not_after_at exclusive, whole seconds; None: without end."""

    not_before_at: datetime
    not_after_at: datetime | None

    def covers(self, at: datetime) -> bool:
        """Whether a moment is in the window."""
        return self.not_before_at <= at and (self.not_after_at is None or at < self.not_after_at)

    @property
    def seconds(self) -> tuple[int, int]:
        """As the contract has it."""
        end = _FOR_EVER if self.not_after_at is None else int(self.not_after_at.timestamp())
        return int(self.not_before_at.timestamp()), end

    @classmethod
    def of_seconds(cls, begin: int, end: int) -> Window:
        """The inverse of `seconds`."""
        return cls(datetime.fromtimestamp(begin, UTC), None if end == _FOR_EVER else datetime.fromtimestamp(end, UTC))


@dataclass(frozen=True, slots=True)
class Scope:
    """What a department may do with certificates of one type, and when."""

    actions: Action
    window: Window


@dataclass(frozen=True, slots=True)
class Standing:
    """level: 0 … 255; account: 0x address, None if the department does not act on the chain; since_at: block time."""

    level: int
    state: MemberState
    account: str | None
    since_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One call: of which contract ("members", "heads", "catalogue", "governors"), which function, with what."""

    contract: str
    function: str
    arguments: tuple[object, ...]


def _place(account: str | None) -> str:
    """An address as it is read back from the chain, so that a change equals itself."""
    return (account or NOBODY).lower()


def add_member(code: str, level: int, account: str | None = None) -> Change:
    """Add a department, active from then on."""
    return Change("members", "add", (department_id(code), int(level), _place(account)))


def suspend(code: str) -> Change:
    """Stop a department from acting."""
    return Change("members", "suspend", (department_id(code),))


def reinstate(code: str) -> Change:
    """Let a suspended department act again."""
    return Change("members", "reinstate", (department_id(code),))


def rotate_account(code: str, account: str | None) -> Change:
    """Replace a department's account; the old one can do nothing from then on."""
    return Change("members", "rotate", (department_id(code), _place(account)))


def add_key(code: str, key_id: bytes, window: Window) -> Change:
    """Record a signing key: key_id is `verifier.suites.PublicKey.digest`, 32 bytes."""
    return Change("members", "add_key", (department_id(code), key_id, *window.seconds))


def end_key(code: str, key_id: bytes, not_after_at: datetime) -> Change:
    """Shorten the window of a key; into the past, if it was stolen then."""
    return Change("members", "end_key", (department_id(code), key_id, int(not_after_at.timestamp())))


def rotate_key(code: str, old_key_id: bytes, key_id: bytes, window: Window) -> Change:
    """End one key where the window of another begins."""
    return Change("members", "rotate_key", (department_id(code), old_key_id, key_id, *window.seconds))


def grant_scope(code: str, type_code: str, scope: Scope) -> Change:
    """Let a department issue or use certificates of a type."""
    arguments = (department_id(code), type_hash(type_code), int(scope.actions), *scope.window.seconds)
    return Change("members", "grant_scope", arguments)


def end_scope(code: str, type_code: str, position: int, not_after_at: datetime) -> Change:
    """Shorten one of the scopes of a department for a type, by its position among them."""
    arguments = (department_id(code), type_hash(type_code), position, int(not_after_at.timestamp()))
    return Change("members", "end_scope", arguments)


def publish(kind: EntryKind, code: str, version: int, digest: bytes) -> Change:
    """Publish the next version of a catalogue entry. digest: SHA-256 of its canonical bytes."""
    return Change("catalogue", "publish", (int(kind), entry_code(code), version, digest))


def open_log(log_id: bytes, writer: str) -> Change:
    """Open an empty log that the writer may advance."""
    return Change("heads", "open_log", (log_id, _place(writer)))


def replace_writer(log_id: bytes, writer: str) -> Change:
    """Name another writer of an open log."""
    return Change("heads", "replace_writer", (log_id, _place(writer)))


def accept_governor() -> Change:
    """End handing the members contract over to whoever carries this out."""
    return Change("members", "accept_governor", ())


def change_governors(accounts: Sequence[str], threshold: int) -> Change:
    """Replace the governors, and how many of them must approve."""
    return Change("governors", "change", (tuple(map(_place, accounts)), threshold))
