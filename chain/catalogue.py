"""The catalogue of the network: versions of types, schemas, data standards, duty and data catalogues by digest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chain import artifacts, changes
from chain.changes import EntryKind
from chain.governors import ChainGovernors
from chain.ids import entry_code
from chain.node import Node
from chain.record import Deployment
from chain.sender import Sender

_PUBLISH_GAS = 250_000


@dataclass(frozen=True, slots=True)
class Published:
    """One version of an entry. digest: SHA-256 of its canonical bytes; at: its block's time; account: who published."""

    version: int
    digest: bytes
    at: datetime
    block_number: int
    account: str


class ChainCatalogue:
    """Reads the catalogue contract, and publishes; repeating is harmless, and a published version never changes."""

    def __init__(self, node: Node, sender: Sender, deployment: Deployment) -> None:
        self._node = node
        self._sender = sender
        self._deployment = deployment
        self._catalogue = artifacts.load("catalogue")
        self._governors = ChainGovernors(node, sender, deployment)

    def publish(self, kind: EntryKind, code: str, version: int, digest: bytes) -> None:
        """Publish the next version of any entry, as the governors decide.

        Raises AwaitingGovernorsError until enough of them have approved it; TransactionRejectedError if the version
        leaves one out or stands there with another digest.
        """
        self._governors.carry_out([changes.publish(kind, code, version, digest)])

    def publish_own(self, kind: EntryKind, code: str, version: int, digest: bytes) -> None:
        """Publish an entry whose code begins with that of this account's department; no governor is needed."""
        call = self._catalogue.call("publish", changes.publish(kind, code, version, digest).arguments)
        self._sender.send(self._deployment.catalogue, call, _PUBLISH_GAS)

    def newest(self, kind: EntryKind, code: str) -> int:
        """The newest version of an entry; 0 if there is none."""
        return int(self._ask("newest", int(kind), entry_code(code))[0])

    def find(self, kind: EntryKind, code: str, version: int) -> Published | None:
        """One version of an entry, or None if nobody published it."""
        digest, seconds, block_number, account = self._ask("published", int(kind), entry_code(code), version)
        if not seconds:
            return None
        return Published(version, bytes(digest), datetime.fromtimestamp(seconds, UTC), block_number, account)

    def history(self, kind: EntryKind, code: str) -> list[Published]:
        """Every version of an entry, oldest first."""
        found = (self.find(kind, code, version) for version in range(1, self.newest(kind, code) + 1))
        return [one for one in found if one is not None]

    def _ask(self, function: str, *arguments: object) -> tuple[Any, ...]:
        data = self._node.call(self._deployment.catalogue, self._catalogue.call(function, arguments))
        return self._catalogue.answer(function, data)
