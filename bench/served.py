"""Bench of single registrations over HTTP, and the processes that it calls.

python -m bench.served registry FOLDER | empty
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.composition import compose, now
from api.demo.files import MARKET
from api.settings import NO_CHAIN, Settings
from bench.issuing import facts_of, furnish
from bench.measure import Result, at_least, in_turns
from registry.accounts import tokens
from registry.work import REGISTRY

CONNECTIONS = 64
REQUESTS = 1_500
ROUNDS = 7


def http_register() -> Result:
    """Registrations a second, each a request of its own from one of 64 connections, answered once it is durable.

    The limit is an endpoint that takes nothing and answers `{}`, of an application without anything else, by the same
    server with one process each; the same client calls both in turns with the same bodies. The registry also seals,
    sequences and publishes what came in meanwhile, as it always does.
    """
    with tempfile.TemporaryDirectory(prefix="suizheng-bench-") as folder:
        with _serving("registry", folder) as (port, token), _serving("empty") as (empty_port, _):
            batches = iter([_requests(batch, token) for batch in range(2 * ROUNDS + 4)])
            pairs = in_turns(lambda: _call(port, next(batches)), lambda: _call(empty_port, next(batches)), ROUNDS)
        with sqlite3.connect(Path(folder) / "registry.db") as stored:
            (count,) = stored.execute("SELECT count(*) FROM certificates").fetchone()
    if count != (ROUNDS + 1) * REQUESTS:
        raise AssertionError(f"{count} certificates stand")
    return at_least("http_register", pairs, REQUESTS, 0.4)


def _requests(batch: int, token: str) -> list[bytes]:
    made = []
    for number in range(batch * REQUESTS, (batch + 1) * REQUESTS):
        body = orjson.dumps(facts_of(number))
        head = (
            f"POST /api/v1/certificates HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            f"Idempotency-Key: bench-{number:08}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


def _call(port: int, requests: list[bytes]) -> None:
    asyncio.run(_call_all(port, iter(requests)))


async def _call_all(port: int, requests: Iterator[bytes]) -> None:
    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in requests:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            body = await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 202"):
                raise AssertionError(body.decode())
        writer.close()

    await asyncio.gather(*[one() for _ in range(CONNECTIONS)])


@contextmanager
def _serving(*arguments: str) -> Iterator[tuple[int, str]]:
    """Port and token of a server that runs until the block ends."""
    command = [sys.executable, "-m", "bench.served", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port, token = process.stdout.readline().split()
            yield int(port), token
        finally:
            process.terminate()


def _serve(arguments: list[str]) -> None:
    token, app = "-", _empty()
    if arguments[0] == "registry":
        folder = Path(arguments[1])
        services = compose(Settings(folder, f"sqlite:///{folder / 'registry.db'}", chain=NO_CHAIN))
        with services.registry.begin(REGISTRY) as work:
            furnish(work)
            token = tokens.create(work, "bench", MARKET, ["registrar"], now() + timedelta(days=1)).secret
        app = create_app(services)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    # As `suizheng serve` does.
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    sys.stdout.write(f"{listener.getsockname()[1]} {token}\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listener])


def _empty() -> FastAPI:
    app = FastAPI()

    @app.post("/api/v1/certificates", status_code=202)
    async def empty() -> dict[str, str]:
        return {}

    return app


if __name__ == "__main__":
    os.umask(0o077)
    _serve(sys.argv[1:])
