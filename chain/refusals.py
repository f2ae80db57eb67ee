"""What nodes say when they do not take a transaction, sorted by what the sender does next.

JSON-RPC gives no codes for this, only words, and each client has its own: go-ethereum, Hyperledger Besu and Kaia are
known here. Words that nobody knows leave the transaction open, so a new client can slow the sender but not mislead it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class Refusal(Enum):
    """Why a node did not take a transaction.

    KNOWN: it has it already. USED: a transaction with this nonce is in a block. EARLY: one with a lower nonce is
    missing.
    CHEAP: the price is too low. OCCUPIED: it has another one with this nonce that pays as much. BUSY: not now.
    POOR: the account cannot pay. NEVER: it will not take these bytes at any time. UNCLEAR: words that nobody knows.
    """

    KNOWN = auto()
    USED = auto()
    EARLY = auto()
    OCCUPIED = auto()
    CHEAP = auto()
    BUSY = auto()
    POOR = auto()
    NEVER = auto()
    UNCLEAR = auto()


# Compared in lower case, in this order: the longer wording comes before the shorter one that it contains.
_WORDS: Final = (
    (Refusal.KNOWN, ("already known", "known transaction", "already imported", "already exists", "transaction exists")),
    (Refusal.USED, ("nonce too low", "nonce is too low", "below sender account nonce", "lower than the current nonce")),
    (Refusal.EARLY, ("nonce too high", "nonce too far", "too distant from", "nonce gap", "exceeds next nonce")),
    (Refusal.OCCUPIED, ("replacement transaction underpriced", "same nonce in the tx pool", "replacement not allowed")),
    (
        Refusal.CHEAP,
        (
            "underpriced", "gas price too low", "below configured minimum gas price", "less than block base fee",
            "less than the current basefee", "invalid unit price", "gasprice less than", "below base fee",
            "lower than the minimum gas price", "gas price is lower",
        ),
    ),
    (
        Refusal.BUSY,
        (
            "pool is full", "pool full", "txpool overflow", "queue is full", "too many transactions", "syncing",
            "not ready", "rate limit", "too many requests", "timed out", "timeout", "still in progress",
            "shutting down", "header not found", "missing trie node", "world state unavailable", "gapped",
            "in-flight transaction limit",
        ),
    ),
    (Refusal.POOR, ("insufficient funds", "insufficient balance", "upfront cost exceeds", "cannot afford")),
    (
        Refusal.NEVER,
        (
            "intrinsic gas", "exceeds block gas limit", "exceeds the block gas", "oversized data", "invalid sender",
            "invalid signature", "chain id", "chainid", "another chain", "not authorized", "unauthorized",
            "not permitted", "permission", "exceeds the configured cap", "max initcode", "invalid transaction",
            "not a transaction", "rlp:", "transaction type not supported", "only replay-protected",
        ),
    ),
)  # fmt: skip


def read_refusal(words: str) -> Refusal:
    """What these words of a node mean."""
    lower = words.lower()
    return next((refusal for refusal, known in _WORDS if any(one in lower for one in known)), Refusal.UNCLEAR)


# Words by which nodes say that a contract's code itself refused or failed, where they do not use JSON-RPC's code 3.
_FAILED_IN_THE_EVM: Final = (
    "revert", "out of gas", "invalid opcode", "invalid jump", "stack", "gas required exceeds", "write protection",
    "gas uint64 overflow", "exceeds allowance", "badinstruction", "undefined_instruction",
)  # fmt: skip


def is_failure_of_code(words: str) -> bool:
    """Whether a node that refuses to answer a call says so because the contract's code did."""
    lower = words.lower()
    return any(known in lower for known in _FAILED_IN_THE_EVM)
