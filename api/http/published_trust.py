"""The trust bundle that is published now: made when something in it changed, opened once."""

from __future__ import annotations

import threading

from registry.keys.service import KeyService
from registry.trust import service as trust
from registry.work import REGISTRY, Registry
from verifier.trust import TrustBundle


class PublishedTrust:
    """The newest trust bundle of one registry, as bytes and opened. Safe to share between threads."""

    def __init__(self, registry: Registry, keys: KeyService) -> None:
        self._registry = registry
        self._keys = keys
        self._lock = threading.Lock()
        self._opened: TrustBundle | None = None
        #: Updates to one bundle, by the version that they start from: at most as many as bundles are kept.
        self._updates_to = b""
        self._updates: dict[int, bytes] = {}

    def data(self) -> bytes:
        """The bundle's bytes, with everything that is committed now. Raises KeyUnavailableError."""
        with self._registry.read(REGISTRY) as work:
            current = trust.find_current(work)
        if current is not None:
            return current
        with self._registry.begin(REGISTRY) as work:
            return trust.publish(work, self._keys)

    def update_since(self, version: int) -> bytes:
        """What leads from that version to the newest (verifier.trust_update); the whole bundle if it is too old."""
        newest = self.data()
        with self._lock:
            if self._updates_to != newest:
                self._updates_to, self._updates = newest, {}
            known = self._updates.get(version)
        if known is not None:
            return known
        with self._registry.read(REGISTRY) as work:
            update = trust.update_since(work, version, newest)
        if update is None:
            return newest
        with self._lock:
            if self._updates_to == newest:
                self._updates[version] = update
        return update

    def bundle(self) -> TrustBundle:
        """The same, opened."""
        data = self.data()
        with self._lock:
            if self._opened is None or self._opened.data != data:
                self._opened = TrustBundle.open(data)
            return self._opened
