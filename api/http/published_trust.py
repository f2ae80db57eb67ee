"""The trust bundle that is published now: made when something in it changed, digested and opened once."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from functools import cached_property

from registry.change_mark import ChangeMark
from registry.keys.service import KeyService
from registry.trust import service as trust
from registry.work import REGISTRY, Registry
from verifier.trust import TrustBundle


@dataclass(frozen=True)
class Publication:
    """Bytes that are given out again and again."""

    data: bytes = field(repr=False)

    @cached_property
    def tag(self) -> str:
        """The entity tag of the bytes (RFC 9110 8.8.3)."""
        return f'"{hashlib.sha256(self.data).hexdigest()}"'

    @cached_property
    def opened(self) -> TrustBundle:
        """The bundle that they are."""
        return TrustBundle.open(self.data)


class PublishedTrust:
    """The newest trust bundle of one registry, as bytes and opened. Safe to share between threads.

    Whether anything in it changed is looked at only when anything at all was committed, and by one thread at a time;
    all who ask meanwhile take what that one found. However many ask, the database has one of them to serve.
    """

    def __init__(self, registry: Registry, keys: KeyService) -> None:
        self._registry = registry
        self._keys = keys
        self._mark = ChangeMark(registry.engine)
        self._turn = threading.Lock()
        self._known: tuple[object, trust.Current, Publication] | None = None
        self._lock = threading.Lock()
        #: Updates to one bundle, by the version that they start from: at most as many as bundles are kept.
        self._updates_to: Publication | None = None
        self._updates: dict[int, Publication] = {}

    def newest(self) -> Publication:
        """The bundle with everything that is committed now. Raises KeyUnavailableError."""
        with self._turn:
            # Before anything is looked at: a commit in between is found by whoever asks next.
            mark = self._mark.read()
            if (
                self._known is not None
                and self._known[0] == mark
                and self._registry.clock() < self._known[1].renewed_at
            ):
                return self._known[2]
            with self._registry.read(REGISTRY) as work:
                current = trust.find_current(work)
            if current is None:
                with self._registry.begin(REGISTRY) as work:
                    return Publication(trust.publish(work, self._keys))
            same = self._known is not None and self._known[1].data == current.data
            published = self._known[2] if self._known is not None and same else Publication(current.data)
            self._known = mark, current, published
            return published

    def data(self) -> bytes:
        """The same as bytes."""
        return self.newest().data

    def bundle(self) -> TrustBundle:
        """The same, opened."""
        return self.newest().opened

    def update_since(self, version: int) -> Publication:
        """What leads from that version to the newest (verifier.trust_update); the whole bundle if it is too old."""
        newest = self.newest()
        with self._lock:
            if self._updates_to is None or self._updates_to.data != newest.data:
                self._updates_to, self._updates = newest, {}
            known = self._updates.get(version)
        if known is not None:
            return known
        with self._registry.read(REGISTRY) as work:
            update = trust.update_since(work, version, newest.data)
        if update is None:
            return newest
        made = Publication(update)
        with self._lock:
            if self._updates_to is newest:
                self._updates[version] = made
        return made

    def close(self) -> None:
        """Let go of the database."""
        with self._turn:
            self._mark.close()
