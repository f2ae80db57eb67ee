"""The store of files: that every file is there and is what it was, and that every file an item names is among them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Table, select

from api.audit.findings import Findings
from registry.certificates.tables import Certificate, CertificateFile
from registry.errors import FileKeyError, NotFoundError, StoreError
from registry.files.masters import FileMasters
from registry.files.objects import ObjectStore
from registry.files.sealing import Sealed
from registry.files.store import FileReader, StoredFile
from registry.files.tables import StoredFileRow
from registry.materials.tables import Material, MaterialFile
from verifier.digests import DoubleHasher

_FILES: Table = StoredFileRow.__table__  # type: ignore[assignment]
_CERTIFICATES: Table = Certificate.__table__  # type: ignore[assignment]
_CERTIFICATE_FILES: Table = CertificateFile.__table__  # type: ignore[assignment]
_MATERIALS: Table = Material.__table__  # type: ignore[assignment]
_MATERIAL_FILES: Table = MaterialFile.__table__  # type: ignore[assignment]


def check_files(
    connection: Connection, objects: ObjectStore, keys: FileMasters | None, plain: Path, findings: Findings
) -> None:
    """Every stored file byte for byte; without the master keys only that there is an object for it.

    plain: where files of older versions lie.
    """
    load = keys.load if keys is not None else FileMasters(plain).load
    store = FileReader(objects, cache(load), plain)
    if keys is None:
        findings.skip("存档文件的内容", "没有给出 --file-keys，只核查了文件是否存在")
    try:
        for row in connection.execute(select(_FILES).order_by(_FILES.c.sha256)):
            findings.count("存档文件")
            _check_one(store, _stored(row), keys is not None, findings)
    except (StoreError, FileKeyError) as away:
        findings.block("存档文件", away.message)
    _check_attached(connection, findings)


def _stored(row: Row[Any]) -> StoredFile:
    place = None if row.object is None else Sealed(row.object, bytes(row.master), bytes(row.wrapped))
    return StoredFile(bytes(row.sha256), bytes(row.sm3), row.size, row.media_type, place)


def _check_one(store: FileReader, stored: StoredFile, opened: bool, findings: Findings) -> None:
    name = stored.sha256.hex()
    if not opened and stored.sealed is not None:
        if store.objects.size(stored.sealed.object) is None:
            findings.report("file_missing", expected=f"{stored.size} 字节", found="没有文件", file=name)
        return
    hasher, size = DoubleHasher(), 0
    try:
        for piece in store.pieces(stored):
            hasher.update(piece)
            size += len(piece)
    except NotFoundError as wrong:
        if wrong.reason == "file_missing":
            findings.report("file_missing", expected=f"{stored.size} 字节", found="没有文件", file=name)
        else:
            findings.report("file_differs", expected=name, found=wrong.message, file=name)
        return
    digest = hasher.finish()
    expected = f"{name} {stored.sm3.hex()} {stored.size}"
    findings.compare("file_differs", expected, f"{digest.sha256.hex()} {digest.sm3.hex()} {size}", file=name)


def _check_attached(connection: Connection, findings: Findings) -> None:
    for holder, table, content in (
        (_CERTIFICATES, _CERTIFICATE_FILES, _CERTIFICATES.c.face),
        (_MATERIALS, _MATERIAL_FILES, _MATERIALS.c.content),
    ):
        own = next(iter(table.primary_key.columns))
        wanted = select(own.label("own"), table.c.position, table.c.sha256, content.label("content"))
        for row in connection.execute(wanted.join(holder, holder.c.id == own).order_by(own, table.c.position)):
            shown = orjson.loads(bytes(row.content)).get("files", [])
            named = shown[row.position].get("sha256") if row.position < len(shown) else None
            findings.compare("file_differs", named, bytes(row.sha256).hex(), table=table.name, id=row.own)
