"""Idempotency keys whose first request is still at work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from api.errors import ProblemError


class InFlight:
    """The keys that this process is working on, so that a repetition meanwhile is told so instead of waiting."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[tuple[str, str]] = set()

    @contextmanager
    def hold(self, actor: str, key: str) -> Iterator[None]:
        """Hold a key while the block runs. Raises ProblemError (409) if it is held already."""
        held = (actor, key)
        with self._lock:
            if held in self._keys:
                raise ProblemError(
                    HTTPStatus.CONFLICT,
                    "idempotency_key_in_use",
                    "同一幂等键的请求正在处理中，请稍后用同一幂等键重试。",
                    headers={"Retry-After": "1"},
                )
            self._keys.add(held)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(held)
