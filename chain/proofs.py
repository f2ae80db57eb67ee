"""Chain proofs, made from what a node answers about its own chain right after a head was anchored.

Nodes forget old states (go-ethereum after 128 blocks), so a proof is fetched at once and kept by whoever asked. It is
checked here the way a verifier does; what does not hold is not handed on. A node that cannot give one is no error: the
head is then believed by the trust bundle's list, as any head was before there were proofs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chain.account import ChainAccount
from chain.errors import ChainUnavailableError, TransactionRejectedError
from chain.evidence import AnchorEvidence
from chain.headers import clique_validators, header_of
from chain.node import Node
from chain.record import Deployment
from verifier import seals
from verifier.anchor import Anchor
from verifier.chain_proof import ChainProof, check_chain_proof, head_slots
from verifier.errors import VerificationError
from verifier.trusted_chain import TrustedChain, ValidatorSet

_log = logging.getLogger(__name__)

#: How heads.vy stores a head; another layout is another number, known to `verifier.chain_proof`.
LAYOUT = 1
OPERATOR = "operator"

# The question that each engine's nodes alone can answer: who seals at this block.
_QUESTIONS = {
    "clique": "clique_getSigners",
    "qbft": "qbft_getValidatorsByBlockNumber",
    "kaia": "kaia_getCouncil",
    "istanbul": "istanbul_getValidators",
}


@dataclass(frozen=True, slots=True)
class SealPatience:
    """How long to wait, in seconds, for blocks that further validators seal; only where a block has one seal."""

    timeout_seconds: float = 15.0
    poll_seconds: float = 0.2


class ChainProofs:
    """Proves heads of one log on one chain. operator: the account whose word an embedded chain is; None: a network."""

    def __init__(
        self,
        node: Node,
        deployment: Deployment,
        log_id: bytes,
        operator: ChainAccount | None,
        patience: SealPatience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._node = node
        self._deployment = deployment
        self._log_id = log_id
        self._operator = operator
        self._patience = patience or SealPatience()
        self._sleep = sleep
        self._engine: str | None = OPERATOR if operator is not None else None
        self._told: str | None = None

    def prove(self, anchor: Anchor) -> AnchorEvidence | None:
        """The proof of a head that is on the chain; None, with the reason in the log, if the node cannot give one."""
        try:
            evidence = self._prove(anchor)
        except (ChainUnavailableError, TransactionRejectedError) as error:
            self._tell(anchor, error.reason)
        except VerificationError as error:
            self._tell(anchor, f"it does not hold: {error.reason}")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._tell(anchor, f"the node answers in another form: {error!r}")
        else:
            self._told = None
            return evidence
        return None

    def _tell(self, anchor: Anchor, why: str) -> None:
        """Say why there is no proof; once, where every head has the same reason."""
        level = logging.DEBUG if why == self._told else logging.WARNING
        _log.log(level, "no chain proof of the head at %d, so trust bundles go on listing it: %s", anchor.size, why)
        self._told = why

    def _prove(self, anchor: Anchor) -> AnchorEvidence:
        block = anchor.block_number
        engine, addresses = self._validators(block)
        chain = TrustedChain(
            chain_id=self._deployment.chain_id,
            contract=self._deployment.heads,
            code_hash=bytes.fromhex(self._deployment.heads_code),
            log_id=self._log_id,
            layout=LAYOUT,
            engine=engine,
            validators=(ValidatorSet(block, addresses, threshold(engine, len(addresses))),),
        )
        nodes = self._state(block)
        headers = tuple(self._headers(chain, block))
        proof = ChainProof(headers, self._beside(headers[0]), nodes).to_bytes()
        check_chain_proof(proof, chain).check_is(anchor)
        return AnchorEvidence(chain, proof)

    def _validators(self, block: int) -> tuple[str, tuple[bytes, ...]]:
        """The engine, and who seals at this block, in ascending order."""
        if self._operator is not None:
            return OPERATOR, (bytes.fromhex(self._operator.address[2:]),)
        for engine, question in _QUESTIONS.items():
            if self._engine not in (None, engine):
                continue
            try:
                answer = self._node.ask(question, hex(block))
            except TransactionRejectedError:
                continue
            self._engine = engine
            return engine, tuple(sorted({bytes.fromhex(address[2:]) for address in answer}))
        return self._first_validators()

    def _first_validators(self) -> tuple[str, tuple[bytes, ...]]:
        """Those of the genesis block on clique, for nodes that do not tell the present ones.

        If the network voted since, a stranger's seal shows it when the proof is checked; then the node must be run with
        `--http.api eth,net,web3,clique`.
        """
        genesis = self._node.ask("eth_getBlockByNumber", "0x0", False)
        addresses = clique_validators(bytes.fromhex(genesis["extraData"][2:]))
        if self._engine not in (None, "clique") or not addresses:
            raise TransactionRejectedError("validators unknown", "节点没有说明由谁封印区块，无法取得链上证明")
        self._engine = "clique"
        return "clique", addresses

    def _state(self, block: int) -> tuple[bytes, ...]:
        """The nodes that lead to the head's two slots, each once, in the order of the way to them."""
        slots = ["0x" + slot.to_bytes(32).hex() for slot in head_slots(LAYOUT, self._log_id)]
        answer = self._node.ask("eth_getProof", self._deployment.heads, slots, hex(block))
        paths: Sequence[Sequence[str]] = [answer["accountProof"], *(found["proof"] for found in answer["storageProof"])]
        return tuple(dict.fromkeys(_bytes(node) for path in paths for node in path))

    def _headers(self, chain: TrustedChain, block: int) -> Iterator[bytes]:
        """The block's header, and those after it until enough validators have sealed one."""
        found: set[bytes] = set()
        deadline = time.monotonic() + self._patience.timeout_seconds
        while True:
            raw = self._header(chain.engine, block)
            while raw is None:
                if time.monotonic() >= deadline:
                    raise TransactionRejectedError("too few seals", "未等到足够的验证节点封印后续区块")
                self._sleep(self._patience.poll_seconds)
                raw = self._header(chain.engine, block)
            yield raw
            found.update(seals.sealers(chain.engine, seals.read_header(chain.engine, raw)))
            if len(found) >= chain.validators[0].threshold or not seals.has_one_each(chain.engine):
                return
            block += 1

    def _header(self, engine: str, block: int) -> bytes | None:
        """The RLP of a header; None if there is no such block yet."""
        if engine == OPERATOR:
            return _bytes(self._node.ask("debug_getRawHeader", hex(block)))
        namespace = "kaia" if engine == "kaia" else "eth"
        found = self._node.ask(f"{namespace}_getBlockByNumber", hex(block), False)
        if found is None:
            return None
        return seals.bare(engine, header_of(engine, found))

    def _beside(self, header: bytes) -> tuple[bytes, ...]:
        if self._operator is None:
            return ()
        return (self._operator.seal(seals.operator_digest(seals.read_header(OPERATOR, header).hash)),)


def threshold(engine: str, count: int) -> int:
    """How many of the validators must have sealed: the quorum of the protocol where it has one, else a majority."""
    return count // 2 + 1 if engine in ("clique", OPERATOR) else -(-2 * count // 3)


def _bytes(value: Any) -> bytes:
    return bytes.fromhex(str(value).removeprefix("0x"))
