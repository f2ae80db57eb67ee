"""Stores of files over real folders, and what lies in them."""

from __future__ import annotations

from pathlib import Path

from registry_house import NOON, House
from sqlalchemy import Engine

from api.stores.folder import FolderStore
from registry.database import Base, open_engine
from registry.files import service
from registry.files.masters import FileMasters, Masters, MasterVault
from registry.files.objects import ObjectStore
from registry.files.store import FileStore, StoredFile, looked_at
from registry.files.tables import StoredFileRow


def make_store(
    folder: Path,
    engine: Engine | None = None,
    *,
    objects: ObjectStore | None = None,
    token: MasterVault | None = None,
    passphrase: bytes | None = None,
) -> FileStore:
    """A store in a folder with a master key of its own; over a database of its own unless one is given."""
    keys = folder / "keys"
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    if engine is None:
        engine = open_engine(f"sqlite:///{folder / 'files.db'}")
        tables = [StoredFileRow.metadata.tables[name] for name in ("files", "file_masters")]
        Base.metadata.create_all(engine, tables=tables)
    if objects is None:
        objects = FolderStore(folder / "files")
        objects.prepare()
    masters = Masters(engine, FileMasters(keys, passphrase), token)
    masters.prepare(NOON)
    return FileStore(objects, masters, engine, folder / "files")


def lying_in(folder: Path) -> list[Path]:
    """Every file under a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def object_path(folder: Path, stored: StoredFile) -> Path:
    """Where the object of a file lies in a store of `make_store`."""
    assert stored.sealed is not None
    return folder / "files" / stored.sealed.object[:2] / stored.sealed.object


def row_of(house: House, stored: StoredFile) -> StoredFileRow:
    """The row of a file."""
    found: StoredFileRow = house.see(service.get, stored.sha256)
    return found


def note(house: House, store: FileStore, data: bytes) -> StoredFile:
    """A file as older versions kept it: plain, named by its digest."""
    stored = looked_at([data])
    path = store.plain_path(stored.sha256)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    house.do(service.register, stored)
    return stored
