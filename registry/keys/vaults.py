"""Where private keys are kept: what every such place can do, and files in a private folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from registry.errors import KeyUnavailableError
from verifier.errors import MalformedError
from verifier.suites import PublicKey, SigningKey, SoftwareKey, Suite

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MAGIC: Final = b"suizheng-key/1\n"
_SALT_BYTES, _NONCE_BYTES = 16, 12
#: Interactive use (RFC 7914 section 2): 32 MiB and a tenth of a second for every guess.
_SCRYPT: Final = {"n": 2**15, "r": 8, "p": 1}


class Vault(Protocol):
    """A place for private keys. Every method raises KeyUnavailableError where the place cannot be used."""

    @property
    def name(self) -> str:
        """`files` or `token`: what the history remembers of where a key is."""
        ...

    def draw(self, suite: Suite) -> PublicKey:
        """Make a key that is durable when this returns."""
        ...

    def load(self, kid: bytes) -> SigningKey:
        """The key with this id."""
        ...

    def discard(self, kid: bytes) -> None:
        """Remove a key that has signed nothing."""
        ...


class FileVault:
    """PEM files (PKCS #8) named by key id, readable by their owner alone.

    With a passphrase new files are sealed: magic, salt, nonce, and AES-256-GCM over the PEM under scrypt(passphrase,
    salt), with the key id as associated data. Plain files stay readable, so that a passphrase can be added later.
    """

    name = "files"

    def __init__(self, folder: Path, passphrase: bytes | None = None) -> None:
        self._folder = folder
        self._passphrase = passphrase
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        _check_private(folder)

    def draw(self, suite: Suite) -> PublicKey:
        """Make a key; its file is durable before the row that makes the key count."""
        key = SoftwareKey.generate(suite)
        descriptor = os.open(self._path(key.public.kid), os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._close(key))
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(self._folder)
        return key.public

    def load(self, kid: bytes) -> SigningKey:
        """The key of a file. Raises KeyUnavailableError: missing, damaged, exposed, another key, wrong passphrase."""
        path = self._path(kid)
        try:
            _check_private(path)
            key = SoftwareKey.from_pem(self._open(path.read_bytes(), path, kid))
        except FileNotFoundError as missing:
            raise KeyUnavailableError(
                "key_file_missing",
                f"签名密钥文件 {path.name} 不存在，请从备份恢复，或更换密钥。（not found: restore it or rotate）",
                {"kid": kid.hex()},
            ) from missing
        except MalformedError as damaged:
            raise _damaged(path, kid) from damaged
        if key.public.kid != kid:
            raise _damaged(path, kid)
        return key

    def discard(self, kid: bytes) -> None:
        """Remove a key's file."""
        self._path(kid).unlink(missing_ok=True)

    def _path(self, kid: bytes) -> Path:
        return self._folder / f"{kid.hex()}.pem"

    def _close(self, key: SoftwareKey) -> bytes:
        if self._passphrase is None:
            return key.to_pem()
        salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
        cipher = AESGCM(Scrypt(salt=salt, length=32, **_SCRYPT).derive(self._passphrase))
        return _MAGIC + salt + nonce + cipher.encrypt(nonce, key.to_pem(), key.public.kid)

    def _open(self, data: bytes, path: Path, kid: bytes) -> bytes:
        if not data.startswith(_MAGIC):
            return data
        if self._passphrase is None:
            message = f"签名密钥文件 {path.name} 已用口令加密，请设置 SUIZHENG_KEY_PASSPHRASE_FILE。"
            raise KeyUnavailableError("key_passphrase_missing", message, {"kid": kid.hex()})
        salt, rest = data[len(_MAGIC) :][:_SALT_BYTES], data[len(_MAGIC) + _SALT_BYTES :]
        try:
            cipher = AESGCM(Scrypt(salt=salt, length=32, **_SCRYPT).derive(self._passphrase))
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], kid)
        except (InvalidTag, ValueError) as wrong:
            message = f"签名密钥文件 {path.name} 的口令不对，或文件已损坏。（wrong passphrase or damaged key file）"
            raise KeyUnavailableError("key_passphrase_wrong", message, {"kid": kid.hex()}) from wrong


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
