"""How much one anonymous address may ask: a token bucket for each, in bounded memory."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable

#: Addresses remembered at once; the one unseen for longest is forgotten first, and so begins with a full bucket again.
MAX_ADDRESSES = 20_000


class RateLimit:
    """At most `per_minute` requests from one address in the long run, `burst` of them at once.

    `seconds` is a monotonic clock. Safe to call from several threads.
    """

    def __init__(self, per_minute: int, burst: int, seconds: Callable[[], float]) -> None:
        self._refill_per_second = per_minute / 60
        self._burst = float(burst)
        self._seconds = seconds
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> float:
        """Take one request of this address: 0 if it may pass, otherwise the seconds until the next one may."""
        now = self._seconds()
        source = source_of(address)
        with self._lock:
            left, seen = self._buckets.pop(source, (self._burst, now))
            left = min(self._burst, left + (now - seen) * self._refill_per_second)
            passes = left >= 1
            self._buckets[source] = (left - 1 if passes else left, now)
            while len(self._buckets) > MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        return 0.0 if passes else (1 - left) / self._refill_per_second

    def __len__(self) -> int:
        return len(self._buckets)


def source_of(address: str) -> str:
    """Whom an address stands for: itself, or for IPv6 its /64, all of which one subscriber may use (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)
