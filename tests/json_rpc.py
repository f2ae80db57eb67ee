"""An EVM in this process as others see a node: JSON-RPC over HTTP on loopback."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from chain.node import Node


class JsonRpc:
    """A node as others see it: JSON-RPC over HTTP on loopback, in front of an EVM in this process."""

    def __init__(self, node: Node) -> None:
        provider = node._eth.w3.provider
        # The formats of a real node instead of eth-tester's own.
        self._answer = provider.request_func(node._eth.w3, node._eth.w3.middleware_onion)
        self.delay_seconds = 0.0
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = self.rfile.read(int(self.headers["Content-Length"]))
                if not question:
                    # Killed after the headers.
                    return
                asked = json.loads(question)
                time.sleep(outer.delay_seconds)
                said = json.dumps({**outer.answer(asked), "id": asked["id"]}, default=_plain).encode()
                # Whoever asked may have been killed meanwhile.
                with suppress(OSError):
                    self.send_response(outer.status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def answer(self, asked: dict[str, object]) -> dict[str, object]:
        return dict(self._answer(asked["method"], asked["params"]))

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def _plain(value: object) -> object:
    """Bytes as 0x hex, mappings as objects."""
    return "0x" + bytes(value).hex() if isinstance(value, bytes) else dict(value)
