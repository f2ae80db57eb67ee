"""Master keys in hardware by PKCS #11 (v2.40): CKK_AES, sensitive, not extractable, used by CKM_AES_GCM."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass

from registry.errors import FileKeyError, KeyUnavailableError
from registry.files.masters import ID_BYTES, NONCE_BYTES, wrong_master
from registry.files.sealing import Aead
from registry.keys.tokens import TokenVault

_T = TypeVar("_T")
_LABEL: Final = "suizheng-files"
_TAG_BITS: Final = 128


class TokenMasters:
    """The master keys of one token. Raises FileKeyError: token_unavailable, token_pin_wrong, token_key_missing."""

    name = "token"

    def __init__(self, vault: TokenVault) -> None:
        self._vault = vault

    def make(self) -> bytes:
        """Make a key in the token; it never leaves it."""
        master = os.urandom(ID_BYTES)
        hidden = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}

        def draw(session: Any) -> None:
            session.generate_key(KeyType.AES, 256, label=_LABEL, id=master, store=True, template=hidden)

        self.ask(draw)
        return master

    def load(self, master: bytes) -> Aead:
        """The key with this id; it must be in the token now."""
        self.ask(lambda session: _find(session, master))
        return _TokenMaster(self, master)

    def ask(self, act: Callable[[Any], _T]) -> _T:
        """What `act` does with a session of the token."""
        try:
            return self._vault.ask(act)
        except KeyUnavailableError as away:
            raise FileKeyError(away.reason, away.message, away.evidence) from away


class _TokenMaster:
    """Nonce, then ciphertext with its tag of 16 bytes, as in files."""

    def __init__(self, masters: TokenMasters, master: bytes) -> None:
        self._masters, self._master = masters, master

    def encrypt(self, plaintext: bytes, associated_data: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        how: dict[str, Any] = _gcm(nonce, associated_data)
        return nonce + self._masters.ask(lambda session: bytes(_find(session, self._master).encrypt(plaintext, **how)))

    def decrypt(self, ciphertext: bytes, associated_data: bytes) -> bytes:
        how, body = _gcm(ciphertext[:NONCE_BYTES], associated_data), ciphertext[NONCE_BYTES:]

        def decrypt(session: Any) -> bytes | None:
            key = _find(session, self._master)
            try:
                return bytes(key.decrypt(body, **how))
            except (pkcs11.GeneralError, pkcs11.EncryptedDataInvalid, pkcs11.EncryptedDataLenRange):
                # Tokens say no more than this of a wrong tag. The key was found a moment ago: the token is there.
                return None

        plaintext = self._masters.ask(decrypt)
        if plaintext is None:
            raise wrong_master(self._master)
        return plaintext


def _find(session: Any, master: bytes) -> Any:
    return session.get_key(object_class=ObjectClass.SECRET_KEY, id=master, label=_LABEL)


def _gcm(nonce: bytes, associated_data: bytes) -> dict[str, Any]:
    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, associated_data, _TAG_BITS)}
