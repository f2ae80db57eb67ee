"""The chain account: one secp256k1 key in a file that only its owner can read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_keys.constants import SECPK1_N

from chain.errors import WrongContractError


class ChainAccount:
    """Signs transactions; the key does not leave it."""

    def __init__(self, key: bytes) -> None:
        self._account: LocalAccount = Account.from_key(key)

    @property
    def address(self) -> str:
        """The 0x address, with checksum."""
        return str(self._account.address)

    def sign(
        self, *, chain_id: int, nonce: int, target: str, data: bytes, gas: int, gas_price: int
    ) -> tuple[bytes, bytes]:
        """The hash and the bytes of a signed transaction (EIP-155). target: empty to create a contract."""
        fields: Any = {
            "chainId": chain_id,
            "nonce": nonce,
            "to": target or b"",
            "value": 0,
            "data": data,
            "gas": gas,
            "gasPrice": gas_price,
        }
        signed = self._account.sign_transaction(fields)
        return bytes(signed.hash), bytes(signed.raw_transaction)

    def seal(self, digest: bytes) -> bytes:
        """A 65-byte seal (r, s, 0 or 1) over a 32-byte digest that cannot be a transaction's hash."""
        made = self._account.unsafe_sign_hash(cast(Any, digest))
        return int(made.r).to_bytes(32) + int(made.s).to_bytes(32) + bytes((int(made.v) - 27,))


def open_account(path: Path, draw: Callable[[int], bytes]) -> ChainAccount:
    """The account of the key in this file (64 hex digits), made if there is none."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return _make_account(path, draw)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise WrongContractError("链账户密钥文件", "64 位十六进制", f"{len(text)} 个字符")
    return ChainAccount(key)


def _make_account(path: Path, draw: Callable[[int], bytes]) -> ChainAccount:
    key = draw(32)
    while not 0 < int.from_bytes(key) < SECPK1_N:
        key = draw(32)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    # Renamed only when complete: a key cut short by a crash would lose whatever the account was allowed to do.
    fresh.replace(path)
    sync_folder(path.parent)
    return ChainAccount(key)


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
