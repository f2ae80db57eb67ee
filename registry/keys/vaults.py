"""Where private keys are kept: what every such place can do, and files in a private folder."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from registry.errors import KeyUnavailableError
from registry.keys import sealed
from verifier.errors import MalformedError
from verifier.suites import PublicKey, SigningKey, SoftwareKey, Suite


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

    With a passphrase new files are sealed (sealed.py), with the key id as associated data. Plain files stay readable,
    so that a passphrase can be added later.
    """

    name = "files"

    def __init__(self, folder: Path, passphrase: bytes | None = None) -> None:
        self._folder = folder
        self._passphrase = passphrase
        folder.mkdir(parents=True, exist_ok=True, mode=sealed.FOLDER_MODE)
        sealed.check_private(folder)

    def draw(self, suite: Suite) -> PublicKey:
        """Make a key; its file is durable before the row that makes the key count."""
        key = SoftwareKey.generate(suite)
        content = sealed.close(key.to_pem(), self._passphrase, key.public.kid)
        sealed.write(self._path(key.public.kid), content)
        return key.public

    def load(self, kid: bytes) -> SigningKey:
        """The key of a file. Raises KeyUnavailableError: missing, damaged, exposed, another key, wrong passphrase."""
        path = self._path(kid)
        try:
            sealed.check_private(path)
            pem = sealed.open_sealed(path.read_bytes(), self._passphrase, kid, path.name)
            key = SoftwareKey.from_pem(pem)
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


def _damaged(path: Path, kid: bytes) -> KeyUnavailableError:
    return KeyUnavailableError(
        "key_file_damaged",
        f"签名密钥文件 {path.name} 已损坏或不是该密钥，请从备份恢复，或更换密钥。"
        "（damaged key file: restore it or rotate）",
        {"kid": kid.hex()},
    )
