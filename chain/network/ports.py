"""Ports of the loopback address."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
# Above the well-known services and the ports of this project's own; whatever the system's range, some thousands remain.
_LOWEST, _HIGHEST = 12_000, 65_536


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports that are free, all different; none of those that the system gives to outgoing connections.

    One of the latter may be taken by any connection before its server starts, or while that is stopped.
    """
    outgoing = _outgoing_ports()
    candidates = [port for port in range(_LOWEST, _HIGHEST) if port not in outgoing]
    found: list[int] = []
    while len(found) < count:
        port = secrets.choice(candidates)
        if port not in found and is_free(port):
            found.append(port)
    return found


def _outgoing_ports() -> range:
    """What the system gives to outgoing connections: on Linux as it says, elsewhere what IANA names (RFC 6335, 6)."""
    try:
        first, last = map(int, _OUTGOING.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        first, last = 49_152, 65_535
    return range(first, last + 1)
