"""What an operator does with the store: seal plain files, change the master key, find what belongs to nobody.

Each may be killed at any point and is simply done again: an object is durable before a row names it, and a plain file
is removed after that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update

from registry.errors import NotFoundError
from registry.files import sealing
from registry.files.objects import Listed
from registry.files.store import FileStore, Measured, sealed_of
from registry.files.tables import MasterKeyRow, StoredFileRow
from registry.work import REGISTRY, Registry, Work

#: Rows that are taken in one transaction.
_AT_ONCE = 200
_DIGEST_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Standing:
    """How the files stand: how many, of how many bytes, how many not sealed yet, how many under each master key.

    masters: id, vault, since when, files; oldest first. The last one wraps new files.
    """

    files: int
    size: int
    plain: int
    masters: tuple[tuple[bytes, str, datetime, int], ...]


def standing(work: Work) -> Standing:
    """How the files of the registry stand."""
    row = StoredFileRow
    count, size, sealed = work.session.execute(
        select(func.count(), func.coalesce(func.sum(row.size), 0), func.count(row.object))
    ).one()
    counted = dict(work.session.execute(select(row.master, func.count()).group_by(row.master)).tuples().all())
    masters = work.session.scalars(select(MasterKeyRow).order_by(MasterKeyRow.made_at, MasterKeyRow.id))
    kept = tuple((one.id, one.vault, one.made_at, counted.get(one.id, 0)) for one in masters)
    return Standing(count, int(size), count - sealed, kept)


def encrypt(registry: Registry, files: FileStore) -> Iterator[NotFoundError | None]:
    """Seal every plain file and remove the plain one; None for each, or what is wrong with it: it then stays.

    Raises StoreError, FileKeyError; what was done stays done.
    """
    # Left by a kill between the two: sealed already, and the plain one still there.
    for path in files.plain.glob("??/" + "?" * _DIGEST_CHARACTERS):
        with registry.read(REGISTRY) as work:
            row = work.session.get(StoredFileRow, bytes.fromhex(path.name))
        if row is not None and row.object is not None:
            path.unlink(missing_ok=True)
    after = b""
    while rows := _rows(registry, StoredFileRow.object.is_(None), after):
        for row in rows:
            after = row.sha256
            yield _encrypt_one(registry, files, row)


def _encrypt_one(registry: Registry, files: FileStore, row: StoredFileRow) -> NotFoundError | None:
    try:
        sealed = files.seal(Measured(files.pieces(row), row.size))
    except NotFoundError as lost:
        return lost
    values = {"object": sealed.object, "master": sealed.master, "wrapped": sealed.wrapped}
    with registry.begin(REGISTRY) as work:
        still = (StoredFileRow.sha256 == row.sha256) & StoredFileRow.object.is_(None)
        work.session.execute(update(StoredFileRow).where(still).values(values))
    files.plain_path(row.sha256).unlink(missing_ok=True)
    return None


def rewrap(registry: Registry, files: FileStore) -> Iterator[int]:
    """Put every data key under the present master key; how many at a time. Bodies are not touched.

    Raises FileKeyError; what was done stays done.
    """
    files.masters.refresh()
    present, after = files.masters.current(), b""
    while rows := _rows(registry, StoredFileRow.master != present, after):
        after = rows[-1].sha256
        fresh = {row.sha256: _rewrapped(files, row, present) for row in rows}
        with registry.begin(REGISTRY) as work:
            for row in rows:
                # Not where somebody else was faster, or the file has been stored anew meanwhile.
                same = (StoredFileRow.sha256 == row.sha256) & (StoredFileRow.wrapped == row.wrapped)
                changed = {"master": present, "wrapped": fresh[row.sha256]}
                work.session.execute(update(StoredFileRow).where(same).values(changed))
        yield len(rows)


def _rewrapped(files: FileStore, row: StoredFileRow, present: bytes) -> bytes:
    sealed = sealed_of(row)
    assert sealed is not None, "only sealed files have a master key"
    key = sealing.unwrap(sealed.wrapped, files.masters.load(sealed.master), sealed.object)
    return sealing.wrap(key, files.masters.load(present), sealed.object)


@dataclass(frozen=True, slots=True)
class Orphans:
    """What a sweep found: objects that no row names, and how many that rows do name."""

    orphans: tuple[Listed, ...]
    named: int


def find_orphans(registry: Registry, files: FileStore, before: datetime) -> Orphans:
    """Objects written before that time that no file has: of uploads and copies that were given up, or cut short.

    A plain file that no row knows is one as well; one whose row is sealed is not: `encrypt` removes it. Younger ones
    may belong to a transaction that is still open. Raises StoreError.
    """
    listed = list(files.objects.list())
    found: list[Listed] = []
    named = 0
    # Looked up after they were listed: a row that was committed in between is seen.
    for start in range(0, len(listed), _AT_ONCE):
        part = listed[start : start + _AT_ONCE]
        with registry.read(REGISTRY) as work:
            known = _known(work, [one.name for one in part])
        named += len(known)
        found += [one for one in part if one.name not in known and one.written_at < before]
    return Orphans(tuple(found), named)


def _known(work: Work, names: list[str]) -> set[str]:
    query = select(StoredFileRow.object).where(StoredFileRow.object.in_(names))
    known = {name for name in work.session.scalars(query) if name is not None}
    digests = [bytes.fromhex(name) for name in names if len(name) == _DIGEST_CHARACTERS]
    plain = select(StoredFileRow.sha256).where(StoredFileRow.sha256.in_(digests))
    return known | {digest.hex() for digest in work.session.scalars(plain)}


def _rows(registry: Registry, wanted: ColumnElement[bool], after: bytes) -> list[StoredFileRow]:
    """The next rows of those wanted, by digest."""
    query = select(StoredFileRow).where(wanted, StoredFileRow.sha256 > after)
    with registry.read(REGISTRY) as work:
        return list(work.session.scalars(query.order_by(StoredFileRow.sha256).limit(_AT_ONCE)))
