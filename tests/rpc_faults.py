"""A bad line to a node: a JSON-RPC proxy on loopback that loses, delays, doubles and garbles, as it is told.

    line = FaultyLine(url)
    line.next("eth_sendRawTransaction", lose_answer)      the next question of this kind
    line.always(refuse("txpool is full"), "eth_send")     every question whose method begins so, until `clear`
    line.leads_to(other_url)                              another node behind the same address

A fault gets the exchange and does with it what it likes; `Exchange.forward` asks the real node.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Exchange:
    """One question on the line."""

    def __init__(self, handler: BaseHTTPRequestHandler, asked: bytes, ask: Callable[[bytes], bytes]) -> None:
        self._handler = handler
        self._ask = ask
        self.asked = asked
        self.id = json.loads(asked)["id"]

    def forward(self) -> bytes:
        """What the node answers."""
        return self._ask(self.asked)

    def answer(self, body: bytes, status: int = 200, claimed: int | None = None) -> None:
        """Write an HTTP answer whose length is said to be `claimed`."""
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", "application/json")
        self._handler.send_header("Content-Length", str(len(body) if claimed is None else claimed))
        self._handler.end_headers()
        self._handler.wfile.write(body)
        self._handler.wfile.flush()

    def say(self, **parts: Any) -> None:
        """Answer with JSON-RPC of our own."""
        self.answer(json.dumps({"jsonrpc": "2.0", "id": self.id, **parts}).encode())

    def cut(self) -> None:
        """Close the connection after what was written."""
        self._handler.close_connection = True


Fault = Callable[[Exchange], None]


def pass_on(exchange: Exchange) -> None:
    """No fault."""
    exchange.answer(exchange.forward())


def lose_question(exchange: Exchange) -> None:
    """The connection breaks before the node hears anything."""
    exchange.cut()


def lose_answer(exchange: Exchange) -> None:
    """The node did it, and nobody hears of it."""
    exchange.forward()
    exchange.cut()


def ask_twice(exchange: Exchange) -> None:
    """The node gets the question twice, and the second answer counts."""
    exchange.forward()
    exchange.answer(exchange.forward())


def answer_twice(exchange: Exchange) -> None:
    """The same answer a second time, left in the connection for whoever asks next."""
    said = exchange.forward()
    exchange.answer(said)
    exchange.answer(said)


def garble(exchange: Exchange) -> None:
    """A page for people where JSON should be."""
    exchange.forward()
    exchange.answer(b"<html>502 Bad Gateway</html>")


def fail(exchange: Exchange) -> None:
    """The node did it, and the proxy before it says 500."""
    exchange.forward()
    exchange.answer(b"Internal Server Error", status=500)


def break_off(exchange: Exchange) -> None:
    """Half of the answer, and then nothing."""
    said = exchange.forward()
    exchange.answer(said[: len(said) // 2], claimed=len(said))
    exchange.cut()


def answer_null(exchange: Exchange) -> None:
    """The node did it and answers null."""
    exchange.forward()
    exchange.say(result=None)


def answer_late(seconds: float) -> Fault:
    """The node does it at once; the answer takes its time."""

    def fault(exchange: Exchange) -> None:
        said = exchange.forward()
        time.sleep(seconds)
        exchange.answer(said)

    return fault


def arrive_late(seconds: float) -> Fault:
    """The question takes its time: the asker has given up when the node does it."""

    def fault(exchange: Exchange) -> None:
        time.sleep(seconds)
        exchange.answer(exchange.forward())

    return fault


def refuse(message: str, code: int = -32000) -> Fault:
    """The node says no in these words."""
    return lambda exchange: exchange.say(error={"code": code, "message": message})


def take_and_refuse(message: str) -> Fault:
    """The node did it, and says no all the same."""

    def fault(exchange: Exchange) -> None:
        exchange.forward()
        exchange.say(error={"code": -32000, "message": message})

    return fault


class FaultyLine:
    """The proxy. Everything passes until faults are asked for."""

    def __init__(self, url: str) -> None:
        self._node = urlsplit(url)
        self._next: dict[str, deque[Fault]] = defaultdict(deque)
        self._always: list[tuple[str, Fault]] = []
        self._turn = threading.Lock()
        self.asked: Counter[str] = Counter()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Small answers in two writes would wait for the other side's delayed acknowledgement.
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self) -> None:
                asked = self.rfile.read(int(self.headers["Content-Length"]))
                exchange = Exchange(self, asked, outer._forward)
                try:
                    outer._fault_for(json.loads(asked)["method"])(exchange)
                except OSError:
                    # Whoever asked has gone, or the node has.
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def next(self, method: str, *faults: Fault) -> None:
        """Do this to the next questions of this method, one each."""
        with self._turn:
            self._next[method].extend(faults)

    def always(self, fault: Fault, beginning: str = "") -> None:
        """Do this to every question whose method begins so."""
        with self._turn:
            self._always.append((beginning, fault))

    def clear(self) -> None:
        """A good line again."""
        with self._turn:
            self._next.clear()
            self._always.clear()

    def leads_to(self, url: str) -> None:
        """Another node behind the same address."""
        self._node = urlsplit(url)

    def close(self) -> None:
        """End the proxy."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _fault_for(self, method: str) -> Fault:
        with self._turn:
            self.asked[method] += 1
            if self._next[method]:
                return self._next[method].popleft()
            return next((fault for beginning, fault in self._always if method.startswith(beginning)), pass_on)

    def _forward(self, asked: bytes) -> bytes:
        connection = HTTPConnection(str(self._node.hostname), self._node.port, timeout=30)
        try:
            connection.request("POST", "/", asked, {"Content-Type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()
