"""Secrets of authenticator apps at rest: under the master key of stored files, which is not in the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import select, update

from registry.errors import FileKeyError
from registry.factors.tables import FactorEnrolment, SecondFactor
from registry.files.masters import ID_BYTES, Masters
from registry.work import REGISTRY, Registry


def seal(masters: Masters, staff_id: str, secret: bytes) -> bytes:
    """The master key's id, then the secret under it; bound to the account. Raises FileKeyError."""
    master = masters.current()
    return master + masters.load(master).encrypt(secret, _bound(staff_id))


def unseal(masters: Masters, staff_id: str, sealed: bytes) -> bytes:
    """The secret. Raises FileKeyError: the master key is away, or another one, or it is another account's secret."""
    return masters.load(sealed[:ID_BYTES]).decrypt(sealed[ID_BYTES:], _bound(staff_id))


def _bound(staff_id: str) -> bytes:
    return f"second factor of {staff_id}".encode()


def masters_in_use(registry: Registry) -> Counter[bytes]:
    """How many secrets lie under each master key, by its id."""
    with registry.read(REGISTRY) as work:
        sealed = [
            one for table in (SecondFactor, FactorEnrolment) for one in work.session.scalars(select(table.sealed))
        ]
    return Counter(one[:ID_BYTES] for one in sealed)


def rewrap(registry: Registry, masters: Masters) -> Iterator[FileKeyError | None]:
    """Put every secret under the present master key; None for each, or why it could not be opened: it then stays."""
    masters.refresh()
    present = masters.current()
    for table in (SecondFactor, FactorEnrolment):
        with registry.read(REGISTRY) as work:
            rows = work.session.execute(select(table.staff_id, table.sealed)).tuples().all()
        for staff_id, sealed in rows:
            if sealed[:ID_BYTES] == present:
                continue
            try:
                fresh = seal(masters, staff_id, unseal(masters, staff_id, sealed))
            except FileKeyError as lost:
                yield lost
                continue
            with registry.begin(REGISTRY) as work:
                # Not where it was replaced meanwhile.
                same = (table.staff_id == staff_id) & (table.sealed == sealed)
                work.session.execute(update(table).where(same).values(sealed=fresh))
            yield None
