"""`suizheng witness`: cosign the heads of evidence logs."""

from __future__ import annotations

import argparse
import socket
import sys

from api.cli.arguments import now
from api.cli.errors import CommandError
from api.gate.errors import GateError, cause_of
from api.witness.cosigner import Cosigner
from api.witness.errors import WitnessFolderError
from api.witness.folder import open_folder
from api.witness.logs import KnownLogs
from verifier.errors import VerificationError
from verifier.note import to_vkey


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop, or only show the key. Raises CommandError if it cannot begin."""
    try:
        if options.show_key:
            print(open_folder(options.folder, options.name).vkey)
            return 0
        if not options.trust and not options.log_key:
            raise CommandError("请用 --trust 或 --log-key 指定至少一个要见证的日志")
        logs = KnownLogs(options.trust, options.log_key, _tell)
        host, port = _address(options.listen)
        # Before anything is made: a port in use must not leave a key behind that nobody has seen.
        listener = _listen(host, port)
        identity = open_folder(options.folder, options.name)
    except (GateError, VerificationError, WitnessFolderError) as error:
        raise CommandError(error.message) from error
    # Only now: it imports the libraries of the server.
    from api.witness.server import create_app, serve

    app = create_app(identity, Cosigner(identity, logs.find_keys, now), lambda: list(logs.all()))
    print(f"见证方公钥（交给登记处）：{identity.vkey}")
    for origin, keys in sorted(logs.all().items()):
        for key in keys:
            print(f"见证的日志：{to_vkey(origin, key)}")
    shown = f"[{host}]" if ":" in host else host
    print(f"见证方已启动：http://{shown}:{listener.getsockname()[1]}\n按 Ctrl+C 停止", flush=True)
    serve(app, listener)
    return 0


def _tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")


def _address(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise CommandError(f"监听地址应为 地址:端口，例如 127.0.0.1:8320，得到 {text}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        message = f"无法监听 {host}:{port}（{cause_of(error)}）；请停掉占用该端口的程序，或用 --listen 换一个"
        raise CommandError(message) from error
