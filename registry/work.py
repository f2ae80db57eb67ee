"""One unit of work: who acts, when, with which transaction, blind index and randomness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from registry.blind import BlindIndex
from registry.database import READ_ONLY
from registry.errors import BusyError, FieldError, InvalidDraftError, RegistryError

ActorKind = Literal["staff", "system", "registry"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: staff, a department's system, or the registry itself. `id` never names a natural person.

    venues: of a gate, the ones it is for alone; None: every one of its department.
    """

    id: str
    kind: ActorKind
    department: str | None
    roles: frozenset[str] = frozenset()
    venues: frozenset[str] | None = None
    #: Whether its department may not act now.
    suspended: bool = False

    def has_role(self, *roles: str) -> bool:
        """Whether the actor has one of the roles; the registry itself has all of them."""
        return self.kind == "registry" or not self.roles.isdisjoint(roles)


#: The registry acting for itself: installing types, sealing, publishing.
REGISTRY = Actor(id="registry", kind="registry", department=None, roles=frozenset())


@dataclass(frozen=True, slots=True)
class Work:
    """What every use case gets: an open transaction and its surroundings. It never commits; the caller does."""

    session: Session
    at: datetime
    actor: Actor
    blind: BlindIndex
    draw: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Registry:
    """The database with its surroundings; gives out units of work. `draw(n)` must return n unpredictable bytes."""

    engine: Engine
    blind: BlindIndex
    clock: Callable[[], datetime]
    draw: Callable[[int], bytes]
    _reader: Engine = field(init=False, repr=False)

    def __post_init__(self) -> None:
        reader = self.engine.execution_options(**{READ_ONLY: True})
        object.__setattr__(self, "_reader", reader)

    @contextmanager
    def begin(self, actor: Actor) -> Iterator[Work]:
        """A unit of work that may write: committed when the block ends, rolled back when it raises.

        Errors whose class says `kept` are raised after a commit. Raises BusyError when the database gave way to another
        writer (lock time-out, deadlock, the same unique thing): nothing was written, repeat the whole block. Raises
        InvalidDraftError when a value cannot be stored at all.
        """
        with Session(self.engine, expire_on_commit=False) as session:
            try:
                session.connection()
                try:
                    yield self._work(session, actor)
                except RegistryError as refused:
                    if refused.kept:
                        session.commit()
                    raise
                session.commit()
            except OperationalError as failed:
                if _gave_way(failed):
                    raise BusyError("database_busy", "系统繁忙，请稍后重试，本次操作未写入任何内容。") from failed
                raise
            except DataError as unfit:
                raise _not_storable() from unfit
            except IntegrityError as rival:
                # Two wrote what there can be one of, and a use case did not foresee it: asked again, it sees the other.
                if _is_taken(rival):
                    message = "另一请求刚刚办理了同一事项，请刷新后重试，本次操作未写入任何内容。"
                    raise BusyError("taken_meanwhile", message) from rival
                raise

    @contextmanager
    def read(self, actor: Actor) -> Iterator[Work]:
        """A unit of work on one snapshot that cannot write; it takes no write lock."""
        with Session(self._reader, expire_on_commit=False) as session:
            try:
                yield self._work(session, actor)
            except DataError as unfit:
                raise _not_storable() from unfit

    def _work(self, session: Session, actor: Actor) -> Work:
        return Work(session=session, at=whole_millisecond(self.clock()), actor=actor, blind=self.blind, draw=self.draw)


def whole_millisecond(at: datetime) -> datetime:
    """The instant in UTC cut to whole milliseconds, which is what entries and the database keep."""
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _not_storable() -> InvalidDraftError:
    # A value that no column takes (a NUL in a text, a number out of range) came from the request, wherever it is used.
    return InvalidDraftError([FieldError("", "value_not_storable", "内容含有不能保存的字符，或数值超出范围。")])


#: SQLITE_BUSY and SQLITE_LOCKED; serialization failure, deadlock, lock not available (PostgreSQL).
_BUSY_SQLITE = frozenset((5, 6))
_BUSY_POSTGRES = frozenset(("40001", "40P01", "55P03"))


#: SQLITE_CONSTRAINT_PRIMARYKEY, _UNIQUE; unique violation (PostgreSQL).
_TAKEN_SQLITE = frozenset((1555, 2067))
_TAKEN_POSTGRES = "23505"


def _is_taken(failed: IntegrityError) -> bool:
    code = getattr(failed.orig, "sqlite_errorcode", 0)
    return code in _TAKEN_SQLITE or getattr(failed.orig, "sqlstate", None) == _TAKEN_POSTGRES


def _gave_way(failed: OperationalError) -> bool:
    code = getattr(failed.orig, "sqlite_errorcode", 0)
    return code & 0xFF in _BUSY_SQLITE or getattr(failed.orig, "sqlstate", None) in _BUSY_POSTGRES
