"""Files that only their owner may read, whole or not there, sealed by a passphrase if there is one."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from registry.errors import KeyUnavailableError

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MAGIC: Final = b"suizheng-key/1\n"
_SALT_BYTES, _NONCE_BYTES = 16, 12
#: Interactive use (RFC 7914 section 2): 32 MiB and a tenth of a second for every guess.
_SCRYPT: Final = {"n": 2**15, "r": 8, "p": 1}


def write(path: Path, secret: bytes) -> None:
    """A new file, durable when this returns. Raises OSError: it is there already, or cannot be written."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def close(secret: bytes, passphrase: bytes | None, context: bytes) -> bytes:
    """Magic, salt, nonce, and AES-256-GCM over the secret under scrypt(passphrase, salt), with `context` as associated
    data; without a passphrase the secret itself."""
    if passphrase is None:
        return secret
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    cipher = AESGCM(Scrypt(salt=salt, length=32, **_SCRYPT).derive(passphrase))
    return _MAGIC + salt + nonce + cipher.encrypt(nonce, secret, context)


def open_sealed(data: bytes, passphrase: bytes | None, context: bytes, name: str) -> bytes:
    """The secret that `close` closed; what was never sealed as it is. `name` is the file's, for people.

    Raises KeyUnavailableError: key_passphrase_missing, key_passphrase_wrong.
    """
    if not data.startswith(_MAGIC):
        return data
    if passphrase is None:
        message = f"密钥文件 {name} 已用口令加密，请设置 SUIZHENG_KEY_PASSPHRASE_FILE。"
        raise KeyUnavailableError("key_passphrase_missing", message, {"file": name})
    salt, rest = data[len(_MAGIC) :][:_SALT_BYTES], data[len(_MAGIC) + _SALT_BYTES :]
    try:
        cipher = AESGCM(Scrypt(salt=salt, length=32, **_SCRYPT).derive(passphrase))
        return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], context)
    except (InvalidTag, ValueError) as wrong:
        message = f"密钥文件 {name} 的口令不对，或文件已损坏。（wrong passphrase or damaged key file）"
        raise KeyUnavailableError("key_passphrase_wrong", message, {"file": name}) from wrong


def check_private(path: Path) -> None:
    """Raises KeyUnavailableError (key_file_exposed) where others than the owner may read or enter."""
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
