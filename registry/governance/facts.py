"""What the registry holds that its network should know, read from the database. No personal data is among it."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, Engine, Table, select

from chain.changes import EntryKind, MemberState, Window
from registry.catalogue.tables import TypeVersion
from registry.database import READ_ONLY
from registry.departments.tables import Department, DepartmentStanding, Scope
from registry.governance.rules import ACTIONS, LEVELS, EntryFact, Fact, KeyFact, MemberFact, ScopeFact, days
from registry.keys.rules import department_of
from registry.keys.tables import KeyRow
from verifier.canonical import canonicalise
from verifier.suites import public_key

_DEPARTMENTS: Table = Department.__table__  # type: ignore[assignment]
_STANDINGS: Table = DepartmentStanding.__table__  # type: ignore[assignment]
_SCOPES: Table = Scope.__table__  # type: ignore[assignment]
_KEYS: Table = KeyRow.__table__  # type: ignore[assignment]
_VERSIONS: Table = TypeVersion.__table__  # type: ignore[assignment]

_STATES = {"active": MemberState.ACTIVE, "suspended": MemberState.SUSPENDED}


class Facts:
    """Reads the facts again and again; digests of definitions, which never change, are kept."""

    def __init__(self, engine: Engine) -> None:
        self._reader = engine.execution_options(**{READ_ONLY: True})
        self._digests: dict[tuple[str, int], tuple[bytes, bytes]] = {}

    def read(self) -> list[Fact]:
        """Every fact, in the order in which the chain can take them."""
        with self._reader.connect() as connection:
            return [*_members(connection), *_keys(connection), *_scopes(connection), *self._entries(connection)]

    def _entries(self, connection: Connection) -> list[Fact]:
        found: list[Fact] = []
        key = (_VERSIONS.c.code, _VERSIONS.c.version)
        for code, version in connection.execute(select(*key).order_by(*key)).tuples().all():
            if (code, version) not in self._digests:
                one = select(_VERSIONS.c.definition).where(_VERSIONS.c.code == code, _VERSIONS.c.version == version)
                definition = connection.scalars(one).one()
                self._digests[code, version] = _digest(definition), _digest(definition["schema"])
            whole, schema = self._digests[code, version]
            found.append(EntryFact(EntryKind.TYPE, code, version, whole))
            found.append(EntryFact(EntryKind.SCHEMA, code, version, schema))
        return found


def _digest(value: object) -> bytes:
    """SHA-256 of the RFC 8785 bytes."""
    return hashlib.sha256(canonicalise(value)).digest()


def _members(connection: Connection) -> list[Fact]:
    decided = select(_STANDINGS).order_by(_STANDINGS.c.id)
    newest = {row.department: (_STATES[row.state], row.since_at) for row in connection.execute(decided)}
    rows = connection.execute(select(_DEPARTMENTS).order_by(_DEPARTMENTS.c.created_at, _DEPARTMENTS.c.code))
    return [
        MemberFact(row.code, LEVELS[row.level], *newest.get(row.code, (MemberState.ACTIVE, row.created_at)))
        for row in rows
    ]


def _keys(connection: Connection) -> list[Fact]:
    rows = connection.execute(select(_KEYS).order_by(_KEYS.c.valid_from, _KEYS.c.kid))
    return [
        KeyFact(code, public_key(row.suite, row.public).digest, Window(row.valid_from, row.valid_to))
        for row in rows
        if (code := department_of(row.purpose)) is not None
    ]


def _scopes(connection: Connection) -> list[Fact]:
    rows = connection.execute(select(_SCOPES).order_by(_SCOPES.c.granted_at, _SCOPES.c.id))
    return [
        ScopeFact(row.department, row.type_code, ACTIONS[row.action], days(row.valid_from_on, row.valid_to_on))
        for row in rows
    ]
