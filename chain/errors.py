"""What can go wrong with the chain, sorted by what the caller does next."""

from __future__ import annotations

from collections.abc import Mapping


class ChainError(Exception):
    """The root: never raised itself. `reason` is for programs, `message` for people, `evidence` is safe to show."""

    def __init__(self, reason: str, message: str, evidence: Mapping[str, object] | None = None) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.evidence: dict[str, object] = dict(evidence or {})


class ChainUnavailableError(ChainError):
    """The node does not answer, or another process holds the chain. Nothing was sent. Do: retry later."""


class AwaitingGovernorsError(ChainUnavailableError):
    """Approved here, not yet by enough other governors. Do: look again later; repeating is safe and changes nothing."""

    def __init__(self, proposal: bytes, approvals: int, threshold: int) -> None:
        message = (
            f"待其他治理成员批准（{approvals}/{threshold}）：提案 {proposal.hex()}，"
            f"请他们执行 suizheng governance approve {proposal.hex()[:8]}"
        )
        evidence = {"proposal": proposal.hex(), "approvals": approvals, "threshold": threshold}
        super().__init__("awaiting_governors", message, evidence)
        self.proposal = proposal
        self.approvals = approvals
        self.threshold = threshold


class TransactionRejectedError(ChainError):
    """A contract or node refuses; `reason` is its own text, such as "heads: inconsistent". Do: never retry as is."""


class OutcomeUnknownError(ChainError):
    """Sent, not confirmed. Do: look for the effect (`find`, `first_use`) before anything else; repeating is safe."""

    def __init__(self, transaction_hash: bytes, message: str) -> None:
        super().__init__("outcome_unknown", message, {"transaction_hash": transaction_hash.hex()})
        self.transaction_hash = transaction_hash


class WrongContractError(ChainError):
    """The chain, its genesis or a contract's code is not the one recorded here. Do: look; nothing is sent meanwhile."""

    def __init__(self, what: str, expected: str, found: str) -> None:
        message = f"{what}与记录不符：应为 {expected}，实为 {found}。请停止服务并核对链的地址与部署记录"
        super().__init__("wrong_contract", message, {"what": what, "expected": expected, "found": found})
        self.expected = expected
        self.found = found


class ChainRewrittenError(ChainError):
    """The chain threw out a block that had all its confirmations. Do: look; nothing is sent meanwhile.

    Either more validators failed than the network's rules allow for, or `confirmations` is too small.
    """

    def __init__(self, block_number: int, recorded: bytes, found: bytes) -> None:
        message = (
            f"区块链改写了已确认的区块 {block_number}：记录为 {recorded.hex()}，现为 {found.hex()}。"
            "已停止锚定；请核查各验证节点，并提高确认数"
        )
        evidence = {"block_number": block_number, "recorded": recorded.hex(), "found": found.hex()}
        super().__init__("chain_rewritten", message, evidence)


class NetworkError(ChainError):
    """A node program, folder, port or node of a network of ours is not as it must be. `message` says what to do."""
