"""Making, finding and changing signing keys.

Private halves are unencrypted PEM files (PKCS #8) named by key id, readable by the owner alone: good for trials. A real
registry keeps them in hardware behind `verifier.suites.SigningKey`; nothing above this module would change.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine, Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from registry.database import READ_ONLY
from registry.errors import KeyUnavailableError
from registry.keys import rules
from registry.keys.rules import Period
from registry.keys.tables import KeyRow
from verifier.errors import MalformedError
from verifier.suites import PublicKey, SigningKey, SoftwareKey, Suite, public_key

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

_KEYS: Table = KeyRow.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class KnownKey:
    """The public half of a key, what it is for and when."""

    public: PublicKey
    purpose: str
    valid_from: datetime
    valid_to: datetime | None


class KeyService:
    """Keys of one registry: files in `folder`, history in the table `keys`. Safe to share between threads.

    It reads and writes the history in transactions of its own: call `ensure` and `rotate` outside of any open
    transaction that may write. Raises KeyUnavailableError when the folder is open to other users.
    """

    def __init__(self, folder: Path, engine: Engine) -> None:
        self._folder = folder
        self._engine = engine
        self._reader = engine.execution_options(**{READ_ONLY: True})
        self._loaded: dict[bytes, SoftwareKey] = {}
        self._lock = Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        _check_private(folder)

    def prepare(self, at: datetime) -> None:
        """Make the registry's own keys (log, codes, status, trust root) if this is the first start."""
        for purpose in rules.REGISTRY_PURPOSES:
            self.ensure(purpose, at)

    def key_for(self, purpose: str, at: datetime) -> SigningKey:
        """The key in force for the purpose at that time.

        Raises KeyUnavailableError: there is none, or its file is missing, damaged or readable by others.
        """
        found = rules.in_force(self.periods(purpose), at)
        if found is None:
            raise _unavailable(purpose, at)
        return self.load(found.kid)

    def periods(self, purpose: str) -> list[Period]:
        """Every key the purpose ever had, oldest first."""
        with self._reader.connect() as connection:
            return _periods(connection, purpose)

    def ensure(self, purpose: str, at: datetime) -> SigningKey:
        """The key in force at that time; the purpose's first key is made if it has none yet.

        Two processes that start together end up with the same key. Raises KeyUnavailableError as `key_for` does.
        """
        if not self.periods(purpose):
            fresh = self._draw_key()
            begins_at = rules.whole_second(at - rules.FIRST_KEY_MARGIN)
            try:
                with self._engine.begin() as connection:
                    _insert(connection, fresh.public, purpose, begins_at)
            except IntegrityError:
                # Another process was first; its key counts and ours has signed nothing.
                self._path(fresh.public.kid).unlink(missing_ok=True)
        return self.key_for(purpose, at)

    def rotate(self, purpose: str, at: datetime) -> PublicKey:
        """Make a new key that takes over at the next whole second; what the old one signed until then stays good.

        Raises KeyUnavailableError if the purpose has no open key, or has one that begins later than that.
        """
        changes_at = rules.next_second(at)
        fresh = self._draw_key()
        with self._engine.begin() as connection:
            closed = connection.execute(
                update(_KEYS)
                .where(_KEYS.c.purpose == purpose, _KEYS.c.valid_to.is_(None), _KEYS.c.valid_from < changes_at)
                .values(valid_to=changes_at)
            )
            if closed.rowcount != 1:
                raise _unavailable(purpose, at)
            _insert(connection, fresh.public, purpose, changes_at)
        return fresh.public

    def known(self) -> list[KnownKey]:
        """Every key of every purpose, oldest first, without private halves."""
        with self._reader.connect() as connection:
            rows = connection.execute(select(_KEYS).order_by(_KEYS.c.valid_from, _KEYS.c.kid))
            return [
                KnownKey(public_key(row.suite, row.public), row.purpose, row.valid_from, row.valid_to) for row in rows
            ]

    def load(self, kid: bytes) -> SigningKey:
        """The private key with this id. Raises KeyUnavailableError: file missing, damaged, another key, or exposed."""
        with self._lock:
            key = self._loaded.get(kid)
            if key is None:
                key = self._loaded[kid] = _read(self._path(kid), kid)
            return key

    def _path(self, kid: bytes) -> Path:
        return self._folder / f"{kid.hex()}.pem"

    def _draw_key(self) -> SoftwareKey:
        # The file is durable before the row that makes the key count: a crash between the two leaves an unused file.
        key = SoftwareKey.generate(Suite.ED25519)
        path = self._path(key.public.kid)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.to_pem())
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(self._folder)
        return key


def _periods(connection: Connection, purpose: str) -> list[Period]:
    rows = connection.execute(
        select(_KEYS.c.kid, _KEYS.c.valid_from, _KEYS.c.valid_to)
        .where(_KEYS.c.purpose == purpose)
        .order_by(_KEYS.c.valid_from)
    )
    return [Period(row.kid, row.valid_from, row.valid_to) for row in rows]


def _insert(connection: Connection, public: PublicKey, purpose: str, valid_from: datetime) -> None:
    connection.execute(
        insert(_KEYS).values(
            kid=public.kid, suite=int(public.suite), public=public.raw, purpose=purpose, valid_from=valid_from
        )
    )


def _read(path: Path, kid: bytes) -> SoftwareKey:
    try:
        _check_private(path)
        key = SoftwareKey.from_pem(path.read_bytes())
    except FileNotFoundError as missing:
        raise KeyUnavailableError(
            "key_file_missing",
            f"签名密钥文件 {path.name} 不存在，请从备份恢复，或更换密钥。（key file not found: restore it or rotate）",
            {"kid": kid.hex()},
        ) from missing
    except MalformedError as damaged:
        raise _damaged(path, kid) from damaged
    if key.public.kid != kid:
        raise _damaged(path, kid)
    return key


def _check_private(path: Path) -> None:
    mode = path.stat().st_mode
    if os.name == "posix" and mode & _OTHERS:
        wanted = FOLDER_MODE if stat.S_ISDIR(mode) else FILE_MODE
        raise KeyUnavailableError(
            "key_file_exposed",
            f"{path.name} 可被其他用户读取（权限 {stat.S_IMODE(mode):o}），为防止密钥泄露已拒绝使用。"
            f"请执行 chmod {wanted:o}，并考虑更换密钥。"
            f"（readable by other users: chmod {wanted:o} and consider rotating）",
            {"file": path.name, "mode": f"{stat.S_IMODE(mode):o}"},
        )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(path: Path, kid: bytes) -> KeyUnavailableError:
    return KeyUnavailableError(
        "key_file_damaged",
        f"签名密钥文件 {path.name} 已损坏或不是该密钥，请从备份恢复，或更换密钥。"
        "（damaged key file: restore it or rotate）",
        {"kid": kid.hex()},
    )


def _unavailable(purpose: str, at: datetime) -> KeyUnavailableError:
    return KeyUnavailableError(
        "no_key_in_force",
        f"用途 {purpose} 当时没有有效的签名密钥，请由管理员生成或更换密钥。（no key in force for this purpose）",
        {"purpose": purpose, "at": at.isoformat()},
    )
