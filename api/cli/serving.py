"""`suizheng serve`: the server with its worker, on one port."""

from __future__ import annotations

import argparse
import os
import socket

from api.cli.errors import CommandError
from api.gate.errors import cause_of
from api.settings import Settings, SettingsError


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop. Raises CommandError if it cannot begin."""
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        raise CommandError(f"环境变量 {error}") from error
    # Before anything is made: a port in use must not cost the one-time password.
    listener = _listen(options.host, settings.port)
    # Only now: it imports every library of the server, which takes seconds.
    from api.cli.hosting import host

    host(settings, options.host, listener)
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise CommandError(
            f"无法监听 {host}:{port}（{cause_of(error)}）；请停掉占用该端口的程序，或设置 SUIZHENG_PORT"
        ) from error
