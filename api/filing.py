"""Opens the store of files that the settings name: its objects, its master keys, its limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sqlalchemy import Engine

from api.settings import FileSettings, Settings, SettingsError, read_secret
from api.stores.folder import FolderStore
from registry.errors import StoreError
from registry.files.masters import FileMasters, Masters, MasterVault
from registry.files.objects import ObjectStore
from registry.files.service import Quota
from registry.files.store import FileStore

if TYPE_CHECKING:
    from registry.keys.tokens import TokenVault

#: An upload that was interrupted this long ago will not be continued.
_LEFT_BEHIND: Final = timedelta(days=1)
_MB: Final = 10**6


def open_files(settings: Settings, engine: Engine) -> FileStore:
    """The store of files. Raises SettingsError."""
    token = open_token(settings)
    vault: MasterVault | None = None
    if token is not None:
        from registry.files.token_masters import TokenMasters

        vault = TokenMasters(token)
    masters = Masters(engine, FileMasters(settings.data / "keys", passphrase_of(settings)), vault)
    objects = open_objects(settings.filing)
    try:
        if isinstance(objects, FolderStore):
            objects.prepare()
    except StoreError as refused:
        raise SettingsError("SUIZHENG_FILES", refused.message) from refused
    return FileStore(objects, masters, engine, settings.data / "files")


def open_objects(filing: FileSettings) -> ObjectStore:
    """The store of objects at a place. Raises SettingsError."""
    parts = urlsplit(filing.place)
    try:
        if parts.scheme != "s3":
            return FolderStore(Path(filing.place))
        # Here, for it loads a library that only those with such a store need.
        from api.stores.s3 import S3Store

        return S3Store(parts.netloc, parts.path.strip("/"), filing.endpoint)
    except StoreError as refused:
        raise SettingsError("SUIZHENG_FILES", refused.message) from refused


def quota_of(settings: Settings) -> Quota:
    """What one department may hand in."""
    return Quota(settings.filing.daily_mb * _MB, settings.filing.total_mb * _MB)


def file_chores(files: FileStore, clock: Callable[[], datetime]) -> tuple[Callable[[], object], ...]:
    """What is done for the store now and then."""
    objects = files.objects
    if not isinstance(objects, FolderStore):
        return (files.masters.refresh,)
    folder: FolderStore = objects
    return files.masters.refresh, lambda: folder.forget_unfinished(clock() - _LEFT_BEHIND)


def open_token(settings: Settings) -> TokenVault | None:
    """The token of these settings, if there is one. Its PIN is read once it is asked for something."""
    token = settings.token
    if token is None:
        return None
    # Here, for it loads a library of C that only those with a token need.
    from registry.keys.tokens import TokenVault

    return TokenVault(token.module, token.label, lambda: read_secret(token.pin_file, "SUIZHENG_PKCS11_PIN_FILE"))


def passphrase_of(settings: Settings) -> bytes | None:
    """What seals key files. Raises SettingsError."""
    path = settings.key_passphrase_file
    return read_secret(path, "SUIZHENG_KEY_PASSPHRASE_FILE").encode() if path else None
