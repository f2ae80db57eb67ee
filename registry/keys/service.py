"""Making, finding and changing signing keys, and counting what they sign.

Private halves are in a vault: files of their owner alone, sealed by a passphrase if there is one (vaults.py), or a
token by PKCS #11 that they never leave (tokens.py). The history, public halves and counts are in the table `keys`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from types import MappingProxyType

from sqlalchemy import Connection, Engine, Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from registry.database import READ_ONLY
from registry.errors import KeyUnavailableError
from registry.keys import rules
from registry.keys.rules import Period
from registry.keys.tables import KeyRow
from registry.keys.vaults import FileVault, Vault
from verifier.suites import PublicKey, SigningKey, Suite, public_key

_KEYS: Table = KeyRow.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class KnownKey:
    """The public half of a key, what it is for and when; in which vault it is, and how often it has signed at least."""

    public: PublicKey
    purpose: str
    valid_from: datetime
    valid_to: datetime | None
    vault: str = "files"
    uses: int = 0
    last_used_at: datetime | None = None
    #: `revoked` or `compromised`, where it did not just give way to the next one.
    ended_as: str | None = None


class KeyService:
    """Keys of one registry: files in `folder`, history in the table `keys`. Safe to share between threads.

    It reads and writes the history in transactions of its own: call `ensure` and `rotate` outside of any open
    transaction that may write. Raises KeyUnavailableError when the folder is open to other users.
    """

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        *,
        passphrase: bytes | None = None,
        token: Vault | None = None,
        suites: Mapping[str, Suite] = MappingProxyType({}),
    ) -> None:
        """token: where new keys are made instead of in files; suites: of new keys by purpose or family of purposes."""
        self._files = FileVault(folder, passphrase)
        self._token = token
        self._suites = suites
        self._engine = engine
        self._counts: Counter[bytes] = Counter()
        self._reader = engine.execution_options(**{READ_ONLY: True})
        self._loaded: dict[bytes, SigningKey] = {}
        self._lock = Lock()

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
            return periods_in(connection, purpose)

    def ensure(self, purpose: str, at: datetime) -> SigningKey:
        """The key in force at that time; the purpose's first key is made if it has none yet.

        Two processes that start together end up with the same key. Raises KeyUnavailableError as `key_for` does.
        """
        if not self.periods(purpose):
            fresh, vault = self._draw_key(purpose)
            begins_at = rules.whole_second(at - rules.FIRST_KEY_MARGIN)
            try:
                with self._engine.begin() as connection:
                    _insert(connection, fresh, purpose, begins_at, vault.name)
            except IntegrityError:
                # Another process was first; its key counts and ours has signed nothing.
                vault.discard(fresh.kid)
        return self.key_for(purpose, at)

    def rotate(
        self, purpose: str, at: datetime, *, lead: timedelta = timedelta(0), suite: Suite | None = None
    ) -> PublicKey:
        """Make a new key that takes over at the next whole second after `lead`; what the old one signs before holds.

        In between both are published: whoever fetches a trust bundle meanwhile knows the new key before it signs.
        Raises as `rules.check_rotation`; KeyUnavailableError if the purpose has no open key, or the vault is away.
        """
        with self._engine.begin() as connection:
            return self.rotate_in(connection, purpose, at, lead=lead, suite=suite)

    def rotate_in(
        self,
        connection: Connection,
        purpose: str,
        at: datetime,
        *,
        lead: timedelta = timedelta(0),
        suite: Suite | None = None,
    ) -> PublicKey:
        """`rotate` within a transaction of the caller's; if that is given up, a key is left that signs nothing."""
        changes_at = rules.next_second(at + lead)
        rules.check_rotation(purpose, suite, periods_in(connection, purpose), at)
        closed = connection.execute(
            update(_KEYS)
            .where(_KEYS.c.purpose == purpose, _KEYS.c.valid_to.is_(None), _KEYS.c.valid_from < changes_at)
            .values(valid_to=changes_at)
        )
        if closed.rowcount != 1:
            raise _unavailable(purpose, at)
        fresh, vault = self._draw_key(purpose, suite)
        _insert(connection, fresh, purpose, changes_at, vault.name)
        return fresh

    def take_over_in(self, connection: Connection, purpose: str, begins_at: datetime) -> PublicKey:
        """A key of the service's own that begins then, for a department that signs itself no longer.

        The caller has closed the keys before it. Raises KeyUnavailableError: the vault is away.
        """
        fresh, vault = self._draw_key(purpose)
        _insert(connection, fresh, purpose, begins_at, vault.name)
        return fresh

    def known(self) -> list[KnownKey]:
        """Every key of every purpose, oldest first, without private halves."""
        with self._reader.connect() as connection:
            return self.known_in(connection)

    def known_in(self, connection: Connection) -> list[KnownKey]:
        """`known` within a transaction of the caller's."""
        rows = connection.execute(select(_KEYS).order_by(_KEYS.c.valid_from, _KEYS.c.kid))
        return [
            KnownKey(
                public_key(row.suite, row.public), row.purpose, row.valid_from, row.valid_to, row.vault, row.uses,
                row.last_used_at, row.ended_as,
            )
            for row in rows
        ]  # fmt: skip

    def load(self, kid: bytes) -> SigningKey:
        """The private key with this id, whose signatures are counted. Raises KeyUnavailableError as its vault does."""
        with self._lock:
            key = self._loaded.get(kid)
            if key is None:
                key = self._loaded[kid] = _CountedKey(self._vault_of(kid).load(kid), self._counts)
            return key

    def flush_counts(self, at: datetime) -> None:
        """Write down how often each key has signed since the last time; a crash loses what was not written yet."""
        with self._lock:
            counts = {kid: count for kid, count in self._counts.items() if count}
            for kid, count in counts.items():
                self._counts[kid] -= count
        if not counts:
            return
        with self._engine.begin() as connection:
            for kid, count in sorted(counts.items()):
                used = {"uses": _KEYS.c.uses + count, "last_used_at": at}
                connection.execute(update(_KEYS).where(_KEYS.c.kid == kid).values(used))

    def _vault_of(self, kid: bytes) -> Vault:
        with self._reader.connect() as connection:
            name = connection.scalar(select(_KEYS.c.vault).where(_KEYS.c.kid == kid))
        if name in (None, self._files.name):
            return self._files
        if name == rules.OWN_VAULT:
            message = "该密钥由部门自己保管，本系统不能代签。（the department holds this key and signs itself）"
            raise KeyUnavailableError("key_of_department", message, {"kid": kid.hex()})
        if self._token is None:
            message = "签名密钥在密码令牌中，请设置 SUIZHENG_PKCS11。（the key is in a token: set SUIZHENG_PKCS11）"
            raise KeyUnavailableError("token_not_configured", message, {"kid": kid.hex()})
        return self._token

    def _draw_key(self, purpose: str, suite: Suite | None = None) -> tuple[PublicKey, Vault]:
        wanted = suite or self._suites.get(purpose) or self._suites.get(rules.family(purpose)) or Suite.ED25519
        rules.check_suite(purpose, wanted)
        vault: Vault = self._files if self._token is None or wanted is Suite.SM2 else self._token
        return vault.draw(wanted), vault


class _CountedKey:
    """A key that counts what it signs; a lost increment of two threads is a miscount by one, no more."""

    __slots__ = ("_counts", "_kid", "_sign", "public")

    def __init__(self, key: SigningKey, counts: Counter[bytes]) -> None:
        self.public, self._sign, self._counts, self._kid = key.public, key.sign, counts, key.public.kid

    def sign(self, message: bytes) -> bytes:
        signature = self._sign(message)
        self._counts[self._kid] += 1
        return signature


def periods_in(connection: Connection, purpose: str) -> list[Period]:
    """`KeyService.periods` within a transaction of the caller's."""
    rows = connection.execute(
        select(_KEYS.c.kid, _KEYS.c.valid_from, _KEYS.c.valid_to, _KEYS.c.vault)
        .where(_KEYS.c.purpose == purpose)
        .order_by(_KEYS.c.valid_from, _KEYS.c.kid)
    )
    return [Period(row.kid, row.valid_from, row.valid_to, row.vault == rules.OWN_VAULT) for row in rows]


def _insert(connection: Connection, public: PublicKey, purpose: str, valid_from: datetime, vault: str) -> None:
    row = {
        "kid": public.kid, "suite": int(public.suite), "public": public.raw, "purpose": purpose,
        "valid_from": valid_from, "vault": vault, "uses": 0,
    }  # fmt: skip
    connection.execute(insert(_KEYS).values(row))


def _unavailable(purpose: str, at: datetime) -> KeyUnavailableError:
    return KeyUnavailableError(
        "no_key_in_force",
        f"用途 {purpose} 当时没有有效的签名密钥，请由管理员生成或更换密钥。（no key in force for this purpose）",
        {"purpose": purpose, "at": at.isoformat()},
    )
