"""Keys in hardware by PKCS #11 (v2.40): made in the token, marked sensitive and not extractable, named by key id.

Ed25519 and ES256. PKCS #11 has no mechanism for SM2 that SoftHSM or most Western tokens know: SM2 keys stay in files.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock
from typing import Any, Final, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from registry.errors import KeyUnavailableError
from verifier.suites import KID_BYTES, PublicKey, Suite, low_s

_T = TypeVar("_T")
_LABEL: Final = "suizheng"
#: OBJECT IDENTIFIER 1.3.101.112 (RFC 8410 3), as PKCS #11 3.0 names the curve.
_ED25519: Final = bytes.fromhex("06032b6570")
_P256: Final = encode_named_curve_parameters("secp256r1")
_WRONG_PIN: Final = (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, pkcs11.PinLocked, pkcs11.PinExpired)


class TokenVault:
    """The keys of one token. Safe to share between threads: a session serves one call at a time.

    A token that was away is looked for again at the next call. Raises KeyUnavailableError: token_unavailable,
    token_pin_wrong, token_key_missing, token_suite_unsupported.
    """

    name = "token"

    def __init__(self, module: str, label: str, pin: Callable[[], str]) -> None:
        self._module, self._label, self._pin = module, label, pin
        self._lock = RLock()
        self._session: Any = None
        self._handles: dict[bytes, Any] = {}

    def draw(self, suite: Suite) -> PublicKey:
        """Make a key pair in the token; the private half never leaves it."""
        if suite is Suite.SM2:
            message = "此令牌不支持 SM2，请为该用途选择 Ed25519 或 ES256。（SM2 is not available by PKCS #11 here）"
            raise KeyUnavailableError("token_suite_unsupported", message, {"suite": suite.name})
        return self.ask(lambda session: self._draw(session, suite))

    def load(self, kid: bytes) -> TokenKey:
        """The key with this id; it must be in the token now."""
        public = self.ask(lambda session: _public_of(session, kid))
        return TokenKey(public, self)

    def discard(self, kid: bytes) -> None:
        """Destroy a key pair that has signed nothing."""

        def destroy(session: Any) -> None:
            self._handles.pop(kid, None)
            for one in list(session.get_objects({Attribute.ID: kid, Attribute.LABEL: _LABEL})):
                one.destroy()

        self.ask(destroy)

    def sign(self, public: PublicKey, message: bytes) -> bytes:
        """64 bytes by the key in the token."""
        return self.ask(lambda session: self._sign(session, public, message))

    def _draw(self, session: Any, suite: Suite) -> PublicKey:
        kind, curve = (KeyType.EC_EDWARDS, _ED25519) if suite is Suite.ED25519 else (KeyType.EC, _P256)
        parameters = session.create_domain_parameters(kind, {Attribute.EC_PARAMS: curve}, local=True)
        mechanism = {KeyType.EC_EDWARDS: Mechanism.EC_EDWARDS_KEY_PAIR_GEN, KeyType.EC: Mechanism.EC_KEY_PAIR_GEN}[kind]
        secret = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
        # Its id is made of the key itself, so it has another one until then; what a crash leaves behind signs nothing.
        pair = parameters.generate_keypair(
            mechanism=mechanism, store=True, label=_LABEL, id=secrets.token_bytes(KID_BYTES), private_template=secret
        )
        public = _read(pair[0][Attribute.EC_POINT], suite)
        for half in pair:
            half[Attribute.ID] = public.kid
        return public

    def _sign(self, session: Any, public: PublicKey, message: bytes) -> bytes:
        key = self._handles.get(public.kid)
        if key is None:
            key = self._handles[public.kid] = _find(session, public.kid, ObjectClass.PRIVATE_KEY)
        if public.suite is Suite.ED25519:
            return bytes(key.sign(message, mechanism=Mechanism.EDDSA))
        return low_s(bytes(key.sign(hashlib.sha256(message).digest(), mechanism=Mechanism.ECDSA)))

    def ask(self, act: Callable[[Any], _T]) -> _T:
        """What `act` does with a session; once more with a fresh one where the old one has died."""
        with self._lock:
            if self._session is not None:
                try:
                    return act(self._session)
                except (pkcs11.PKCS11Error, RuntimeError):
                    # Whatever it says (a token that went away may say that it has no such key): ask it afresh.
                    self._forget()
            try:
                return act(self._open())
            except pkcs11.NoSuchKey as missing:
                message = "令牌中没有这个密钥，请插入正确的令牌，或更换密钥。（key not in the token）"
                raise KeyUnavailableError("token_key_missing", message, {"token": self._label}) from missing
            except (pkcs11.PKCS11Error, RuntimeError) as failed:
                self._forget()
                raise self._away(failed) from failed

    def _open(self) -> Any:
        if self._session is None:
            pin = self._pin()
            library = pkcs11.lib(self._module)
            # What the library knows of tokens is from when it was loaded: one that came back is seen only afresh.
            library.reinitialize()
            try:
                self._session = library.get_token(token_label=self._label).open(rw=True, user_pin=pin)
            except _WRONG_PIN as wrong:
                message = "令牌的 PIN 不对或已锁定，请核对后重启；多次试错会锁死令牌。（wrong or locked PIN）"
                raise KeyUnavailableError("token_pin_wrong", message, {"token": self._label}) from wrong
        return self._session

    def _forget(self) -> None:
        self._session = None
        self._handles.clear()

    def _away(self, failed: Exception) -> KeyUnavailableError:
        message = (
            f"密码令牌 {self._label} 不可用（{type(failed).__name__}），请检查设备与连接；"
            "待签内容已保存，恢复后自动继续。（token away: nothing is lost）"
        )
        return KeyUnavailableError("token_unavailable", message, {"token": self._label})


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key in a token, seen as a SigningKey."""

    public: PublicKey
    vault: TokenVault

    def sign(self, message: bytes) -> bytes:
        """64 signature bytes. Raises KeyUnavailableError while the token is away."""
        return self.vault.sign(self.public, message)


def _find(session: Any, kid: bytes, kind: ObjectClass) -> Any:
    return session.get_key(object_class=kind, id=kid, label=_LABEL)


def _public_of(session: Any, kid: bytes) -> PublicKey:
    found = _find(session, kid, ObjectClass.PUBLIC_KEY)
    _find(session, kid, ObjectClass.PRIVATE_KEY)
    suite = Suite.ED25519 if found.key_type is KeyType.EC_EDWARDS else Suite.ES256
    public = _read(found[Attribute.EC_POINT], suite)
    if public.kid != kid:
        raise pkcs11.NoSuchKey
    return public


def _read(point: bytes, suite: Suite) -> PublicKey:
    """The key of CKA_EC_POINT: an OCTET STRING of the RFC 8032 bytes, or of the uncompressed point (SEC 1 2.3.3)."""
    body = point[2:] if point[:1] == b"\x04" and point[1:2] == bytes((len(point) - 2,)) else point
    if suite is Suite.ED25519:
        return PublicKey(suite, body).validate()
    return PublicKey(suite, bytes((2 + (body[-1] & 1),)) + body[1:33]).validate()
