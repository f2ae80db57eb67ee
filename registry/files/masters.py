"""Master keys of stored files: which one wraps new data keys, where each of them is, and rotation.

Kept as the signing keys are: in files of their owner alone, sealed by a passphrase if there is one, or in a token. They
are AES-256-GCM keys with a random nonce a wrapping (NIST SP 800-38D 8.2.2, 8.3: at most 2^32 wrappings a key).
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine, Table, insert, select

from registry.database import READ_ONLY
from registry.errors import FileKeyError, KeyUnavailableError
from registry.files.sealing import Aead
from registry.files.tables import MasterKeyRow
from registry.keys import sealed

ID_BYTES: Final = 8
NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_MASTERS: Table = MasterKeyRow.__table__  # type: ignore[assignment]


class MasterVault(Protocol):
    """A place for master keys. Every method raises FileKeyError where the place cannot be used."""

    @property
    def name(self) -> str:
        """`files` or `token`: what the database remembers of where a key is."""
        ...

    def make(self) -> bytes:
        """Make a key that is durable when this returns; its id."""
        ...

    def load(self, master: bytes) -> Aead:
        """The key with this id."""
        ...


class FileMasters:
    """Files named files-ID.key in the folder of the signing keys, each 32 bytes, sealed if there is a passphrase."""

    name = "files"

    def __init__(self, folder: Path, passphrase: bytes | None = None) -> None:
        self._folder, self._passphrase = folder, passphrase

    def make(self) -> bytes:
        """Make a key; its file is durable before the row that makes it count."""
        master, key = os.urandom(ID_BYTES), AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
        sealed.write(self._path(master), sealed.close(key, self._passphrase, master))
        return master

    def load(self, master: bytes) -> Aead:
        """The key of a file. Raises FileKeyError: missing, damaged, exposed, wrong passphrase."""
        path = self._path(master)
        try:
            sealed.check_private(path)
            key = sealed.open_sealed(path.read_bytes(), self._passphrase, master, path.name)
        except FileNotFoundError as missing:
            message = f"文件库的主密钥 {path.name} 不存在；没有它，已存文件无法读取，请从备份恢复到 keys 目录。"
            raise FileKeyError("file_key_missing", message, {"master": master.hex()}) from missing
        except KeyUnavailableError as refused:
            raise FileKeyError(refused.reason, refused.message, refused.evidence) from refused
        if len(key) != _KEY_BYTES:
            message = f"文件库的主密钥 {path.name} 已损坏，请从备份恢复。"
            raise FileKeyError("file_key_damaged", message, {"master": master.hex()})
        return _FileMaster(AESGCM(key), master)

    def _path(self, master: bytes) -> Path:
        return self._folder / f"files-{master.hex()}.key"


class _FileMaster:
    """Nonce, then ciphertext with its tag of 16 bytes."""

    def __init__(self, cipher: AESGCM, master: bytes) -> None:
        self._cipher, self._master = cipher, master

    def encrypt(self, plaintext: bytes, associated_data: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, associated_data)

    def decrypt(self, ciphertext: bytes, associated_data: bytes) -> bytes:
        try:
            return self._cipher.decrypt(ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:], associated_data)
        except (InvalidTag, ValueError) as wrong:
            raise wrong_master(self._master) from wrong


class Masters:
    """The master keys of one registry. Safe to share between threads.

    It reads and writes their table in transactions of its own. `made` tells whether `prepare` made the first key.
    """

    def __init__(self, engine: Engine, files: FileMasters, token: MasterVault | None = None) -> None:
        """token: where new keys are made instead of in files."""
        self._engine, self._files, self._token = engine, files, token
        self._reader = engine.execution_options(**{READ_ONLY: True})
        self._loaded: dict[bytes, Aead] = {}
        self._current: bytes | None = None
        self._lock = Lock()

    def prepare(self, at: datetime) -> bool:
        """Make the first key if there is none; whether it was made. Raises FileKeyError if the present one is lost."""
        if self._newest() is None:
            self.rotate(at)
            return True
        if self._vault_of(self.current()) is self._files:
            # A token may be away for a while; a lost file is told before anything is stored under it.
            self.load(self.current())
        return False

    def rotate(self, at: datetime) -> bytes:
        """Make a new key that wraps from now on, here at once and in other processes once they `refresh`; its id."""
        vault: MasterVault = self._token or self._files
        master = vault.make()
        with self._engine.begin() as connection:
            connection.execute(insert(_MASTERS).values(id=master, vault=vault.name, made_at=at))
        self._current = master
        return master

    def refresh(self) -> None:
        """Look again which key wraps."""
        self._current = self._newest()

    def current(self) -> bytes:
        """The id of the key that wraps. Raises FileKeyError: there is none."""
        if self._current is None:
            self.refresh()
        if self._current is None:
            raise FileKeyError("file_key_missing", "文件库还没有主密钥，请先启动一次服务（suizheng serve）。")
        return self._current

    def load(self, master: bytes) -> Aead:
        """The key with this id. Raises FileKeyError."""
        with self._lock:
            found = self._loaded.get(master)
            if found is None:
                found = self._loaded[master] = self._vault_of(master).load(master)
            return found

    def _newest(self) -> bytes | None:
        query = select(_MASTERS.c.id).order_by(_MASTERS.c.made_at.desc(), _MASTERS.c.id.desc()).limit(1)
        with self._reader.connect() as connection:
            return connection.scalar(query)

    def _vault_of(self, master: bytes) -> MasterVault:
        with self._reader.connect() as connection:
            name = connection.scalar(select(_MASTERS.c.vault).where(_MASTERS.c.id == master))
        if name == self._files.name:
            return self._files
        if name is None:
            message = "数据库中没有该主密钥的记录，请核对数据库是否属于本登记系统。"
            raise FileKeyError("file_key_unknown", message, {"master": master.hex()})
        if self._token is None:
            message = "文件库的主密钥在密码令牌中，请设置 SUIZHENG_PKCS11。"
            raise FileKeyError("token_not_configured", message, {"master": master.hex()})
        return self._token


def wrong_master(master: bytes) -> FileKeyError:
    """What is said where a key did not wrap what it is asked to unwrap."""
    message = "文件库的主密钥不对，或该文件的密钥记录已损坏；请核对 keys 目录与数据库是否来自同一备份。"
    return FileKeyError("file_key_wrong", message, {"master": master.hex()})
