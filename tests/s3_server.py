"""A real server of the S3 protocol on loopback (versitygw over a folder), and a line to it that can be disturbed."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conftest import missing

from chain.network.ports import free_ports

BUILT = Path(__file__).resolve().parents[1] / ".tools" / "bin" / "versitygw"
BUCKET = "suizheng-files"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "suizheng-test",
    "AWS_SECRET_ACCESS_KEY": "only-for-tests-on-loopback",
    "AWS_REGION": "us-east-1",
}

Fault = Literal["none", "drop", "refuse", "stall"]


@dataclass
class S3Server:
    """A server over a folder; `bucket` is where its objects lie as files."""

    port: int
    bucket: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """A server for the length of the block."""
    if not BUILT.is_file():
        missing("versitygw (make tools)")
    bucket, (port,) = folder / "root" / BUCKET, free_ports(1)
    bucket.mkdir(parents=True)
    (folder / "meta").mkdir()
    options = ["--access", CREDENTIALS["AWS_ACCESS_KEY_ID"], "--secret", CREDENTIALS["AWS_SECRET_ACCESS_KEY"]]
    command = [BUILT, *options, "--port", f"127.0.0.1:{port}", "--quiet", "posix", "--sidecar", folder / "meta"]
    said = (folder / "said.txt").open("wb")
    process = subprocess.Popen([*command, folder / "root"], stdout=said, stderr=said, env={"PATH": os.environ["PATH"]})
    try:
        deadline = time.monotonic() + 30
        while not _answers(port):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "said.txt").read_text()
            time.sleep(0.05)
        yield S3Server(port, bucket)
    finally:
        process.terminate()
        process.wait()
        said.close()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Line:
    """A TCP line to a server. drop: cut after so many bytes either way; refuse: 503; stall: no answer."""

    def __init__(self, server: S3Server) -> None:
        self.fault: Fault = "none"
        self.cut_after = 100_000
        self._open: list[socket.socket] = []
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def disturb(self, fault: Fault) -> None:
        """From now on, for connections that are open too."""
        self.fault = fault
        while self._open:
            with contextlib.suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._carry, args=(client, self.fault), daemon=True).start()

    def _carry(self, client: socket.socket, fault: Fault) -> None:
        if fault == "stall":
            time.sleep(20)
            client.close()
        elif fault == "refuse":
            client.recv(65536)
            body = b"<Error><Code>ServiceUnavailable</Code></Error>"
            head = f"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            with contextlib.suppress(OSError):
                client.sendall(head.encode() + body)
            client.close()
        else:
            upstream = socket.create_connection(("127.0.0.1", self._server.port))
            limit = self.cut_after if fault == "drop" else None
            threading.Thread(target=_pipe, args=(upstream, client, limit), daemon=True).start()
            _pipe(client, upstream, limit)


def _pipe(source: socket.socket, target: socket.socket, limit: int | None) -> None:
    carried = 0
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            carried += len(data)
            if limit is not None and carried > limit:
                break
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
