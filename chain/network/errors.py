"""What can go wrong with a network of nodes run from here."""

from __future__ import annotations

from collections.abc import Mapping

from chain.errors import ChainError


class NetworkError(ChainError):
    """A node program, a folder, a port or a node is not as it must be. `message` says what to do."""

    def __init__(self, reason: str, message: str, evidence: Mapping[str, object] | None = None) -> None:
        super().__init__(reason, message, evidence)
