"""The way in: one object that anchors heads, decides first uses and tells how the chain is doing.

Its folder holds account.key (the chain account), chain.db (the embedded chain), outbox.db and deployment.json.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from chain import ids
from chain.account import open_account
from chain.anchors import ChainAnchors
from chain.catalogue import ChainCatalogue
from chain.deployment import deploy_or_check
from chain.errors import ChainError, ChainRewrittenError, WrongContractError
from chain.evidence import AnchorEvidence
from chain.finality import finality_of
from chain.governors import ChainGovernors
from chain.members import ChainMembers
from chain.node import Node, connect
from chain.outbox import Outbox
from chain.proofs import ChainProofs
from chain.record import Deployment, check
from chain.sender import Patience, Sender
from chain.uses import ChainFirstUses, FirstUse
from verifier.anchor import Anchor

_log = logging.getLogger(__name__)

EMBEDDED = "embedded"

# How old an answer of `status` may be before the node is asked again, and how long the question may take, in seconds.
_STATUS_AGE_SECONDS = 5.0
_STATUS_TIMEOUT_SECONDS = 1.5
# For so long a node that was found to be the recorded one is taken to be still it, in seconds.
_CHECKED_FOR_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """How the chain is doing, as of checked_at.

    state: "up"; "down" when the node does not answer or was never reached; "wrong" when it is not the recorded chain.
    height: number of the newest block seen; block_at: its time; unconfirmed: transactions sent and not yet settled;
    unknown: those among them for which the node owes the answer whether it took them.
    """

    state: Literal["up", "down", "wrong"]
    message: str | None
    chain_id: int | None
    height: int | None
    block_at: datetime | None
    unconfirmed: int
    checked_at: datetime
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class _Opened:
    node: Node
    watcher: Node
    outbox: Outbox
    sender: Sender
    deployment: Deployment
    anchors: ChainAnchors
    uses: ChainFirstUses
    members: ChainMembers
    proofs: ChainProofs
    catalogue: ChainCatalogue
    governors: ChainGovernors


class Chain:
    """The chain of one registry: `where` is "embedded" or the http(s) address of a node.

    origin: of the log's checkpoints; registry_code: under which this registry is a member. The first call of any method
    that needs the chain opens it, deploying what is missing; while a node is down each such call raises
    ChainUnavailableError, so the process can start and work without it. Every call makes sure that behind the address
    there is still the recorded chain with the compiled contracts: WrongContractError and ChainRewrittenError last as
    long as their cause does, and nothing is sent meanwhile.
    patience: for nodes; the embedded chain is final at once.
    """

    def __init__(
        self,
        where: str,
        folder: Path,
        *,
        origin: str,
        registry_code: str,
        clock: Callable[[], datetime],
        draw: Callable[[int], bytes],
        patience: Patience | None = None,
    ) -> None:
        ids.department_id(registry_code)
        self._where = where
        self._folder = folder
        self._log_id = ids.log_id(origin)
        self._registry_code = registry_code
        self._clock = clock
        self._draw = draw
        self._patience = Patience() if where == EMBEDDED or patience is None else patience
        self._turn = threading.Lock()
        self._asking = threading.Lock()
        self._opened: _Opened | None = None
        self._asked_at = float("-inf")
        self._checked_at = float("-inf")
        self._status = ChainStatus("down", "区块链尚未打开", None, None, None, 0, clock())

    def open(self) -> Deployment:
        """Open the chain now, deploying what is missing; says where the contracts are. Harmless when it is open."""
        return self._open().deployment

    def anchor(self, size: int, root: bytes, old_size: int, proof: Sequence[bytes]) -> Anchor:
        """See ChainAnchors.anchor."""
        return self._ready().anchors.anchor(size, root, old_size, proof)

    def find(self, size: int, root: bytes) -> Anchor | None:
        """See ChainAnchors.find."""
        return self._ready().anchors.find(size, root)

    def latest(self) -> tuple[int, bytes] | None:
        """See ChainAnchors.latest."""
        return self._ready().anchors.latest()

    def place(self) -> tuple[int, str]:
        """The chain id and the heads contract that heads are put into."""
        deployment = self._open().deployment
        return deployment.chain_id, deployment.heads

    def prove(self, anchor: Anchor) -> AnchorEvidence | None:
        """See ChainProofs.prove."""
        return self._open().proofs.prove(anchor)

    def consume(self, nullifier: bytes, commitment: bytes) -> FirstUse:
        """See ChainFirstUses.consume."""
        return self._ready().uses.consume(nullifier, commitment)

    def consume_many(self, claims: Sequence[tuple[bytes, bytes]]) -> list[FirstUse | ChainError]:
        """See ChainFirstUses.consume_many."""
        return self._ready().uses.consume_many(claims)

    def find_first_use(self, nullifier: bytes) -> FirstUse | None:
        """See ChainFirstUses.find."""
        return self._ready().uses.find(nullifier)

    def members(self) -> ChainMembers:
        """The members contract."""
        return self._ready().members

    def catalogue(self) -> ChainCatalogue:
        """The catalogue contract."""
        return self._ready().catalogue

    def governors(self) -> ChainGovernors:
        """The governors contract."""
        return self._ready().governors

    def status(self) -> ChainStatus:
        """How the chain is doing. Never raises, opens nothing, and does not wait behind transactions.

        An answer is up to five seconds old; at most one caller at a time asks the node anew, for a second or two.
        """
        is_due = time.monotonic() - self._asked_at >= _STATUS_AGE_SECONDS
        if is_due and self._opened is not None and self._asking.acquire(blocking=False):
            try:
                self._status = self._look(self._opened)
                self._asked_at = time.monotonic()
            finally:
                self._asking.release()
        return self._status

    def height(self) -> int | None:
        """The number of the newest block seen."""
        return self.status().height

    def close(self) -> None:
        """Let go of the files; call it when every other call has returned. Another process may open them then."""
        with self._turn, self._asking:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.outbox.close()
                opened.node.close()
            self._status = replace(self._status, state="down", message="区块链已关闭", checked_at=self._clock())

    def _open(self) -> _Opened:
        if (opened := self._opened) is not None:
            return opened
        with self._turn:
            if self._opened is None:
                try:
                    self._opened = self._connect()
                except ChainError as error:
                    self._note(error)
                    raise
                self._asked_at = float("-inf")
            return self._opened

    def _ready(self) -> _Opened:
        """The chain opened, and looked at again: the node may have been replaced since."""
        opened = self._open()
        is_due = time.monotonic() - self._checked_at >= _CHECKED_FOR_SECONDS
        if self._where != EMBEDDED and (is_due or self._status.state != "up"):
            try:
                check(opened.node, opened.deployment)
                opened.sender.check_chain()
            except ChainError as error:
                self._note(error)
                raise
            self._checked_at = time.monotonic()
            if self._status.state == "wrong":
                self._asked_at = float("-inf")
        return opened

    def _connect(self) -> _Opened:
        with ExitStack() as opening:
            node, watcher = self._nodes()
            opening.callback(node.close)
            outbox = Outbox(self._folder / "outbox.db")
            opening.callback(outbox.close)
            account = open_account(self._folder / "account.key", self._draw)
            finality = None if self._where == EMBEDDED else finality_of(node, self._patience.confirmations)
            sender = Sender(node, account, outbox, self._patience, finality=finality)
            file = self._folder / "deployment.json"
            deployment = deploy_or_check(node, sender, file, self._log_id, self._registry_code)
            opening.pop_all()
        _log.info("chain %d opened at block %d", deployment.chain_id, node.height())
        return _Opened(
            node=node,
            watcher=watcher,
            outbox=outbox,
            sender=sender,
            deployment=deployment,
            anchors=ChainAnchors(node, sender, deployment, self._log_id),
            uses=ChainFirstUses(node, sender, deployment),
            members=ChainMembers(node, sender, deployment),
            proofs=ChainProofs(node, deployment, self._log_id, account if self._where == EMBEDDED else None),
            catalogue=ChainCatalogue(node, sender, deployment),
            governors=ChainGovernors(node, sender, deployment),
        )

    def _nodes(self) -> tuple[Node, Node]:
        """The node to work with, and the one that status readers ask."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._where != EMBEDDED:
            return connect(self._where), connect(self._where, _STATUS_TIMEOUT_SECONDS)
        # Only the embedded chain needs the EVM itself, which takes a second to import.
        from chain.embedded import open_embedded

        node = open_embedded(self._folder / "chain.db", self._clock, self._draw)
        return node, node

    def _look(self, opened: _Opened) -> ChainStatus:
        chain_id, before = opened.deployment.chain_id, self._status
        try:
            if self._where != EMBEDDED:
                check(opened.watcher, opened.deployment)
            block, backlog = opened.watcher.newest(), opened.outbox.backlog()
        except ChainError as error:
            state = _state_after(error)
            return replace(before, state=state, message=error.message, chain_id=chain_id, checked_at=self._clock())
        return ChainStatus(
            "up", None, chain_id, block.number, block.at, backlog.open, self._clock(), unknown=backlog.unknown
        )

    def _note(self, error: ChainError) -> None:
        """Let status readers see why the chain could not be opened."""
        self._status = replace(self._status, state=_state_after(error), message=error.message, checked_at=self._clock())


def _state_after(error: ChainError) -> Literal["down", "wrong"]:
    return "wrong" if isinstance(error, WrongContractError | ChainRewrittenError) else "down"
