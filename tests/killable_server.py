"""A real server in a process of its own, that can be killed and started again over the same data."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from api_office import ORIGIN
from httpx import Client, HTTPError

from chain.network.ports import free_ports


def is_importer(pid: int) -> bool:
    """Whether there is a process of imports under this number."""
    try:
        return b"api.imports.process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


class Server:
    """A server process over one folder of data."""

    def __init__(self, data: Path, database_url: str | None = None, chain: str = "none") -> None:
        self.data = data
        self.chain = chain
        self.database_url = database_url
        (self.port,) = free_ports(1)
        self.process: subprocess.Popen[str] | None = None
        self.first_password = ""

    def start(self) -> None:
        """Start, and wait until it answers."""
        environment = {
            **os.environ,
            "SUIZHENG_DATA": str(self.data),
            "SUIZHENG_CHAIN": self.chain,
            "SUIZHENG_PORT": str(self.port),
            "SUIZHENG_PUBLIC_URL": ORIGIN,
        }
        if self.database_url is not None:
            environment["SUIZHENG_DATABASE_URL"] = self.database_url
        command = [sys.executable, str(Path(__file__).parent / "api_server.py")]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.first_password = self.process.stdout.readline().strip()
        deadline = time.monotonic() + 120
        while not self._answers():
            assert time.monotonic() < deadline and self.process.poll() is None, "the server did not start"
            time.sleep(0.05)

    @property
    def importer(self) -> int | None:
        """The process of imports, a child of the server, if it runs."""
        assert self.process is not None
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            # Threads and processes may end while they are looked at.
            with suppress(OSError):
                for pid in map(int, (task / "children").read_text().split()):
                    if is_importer(pid):
                        return pid
        return None

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nothing is cleaned up."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def _answers(self) -> bool:
        try:
            with Client(base_url=f"http://127.0.0.1:{self.port}") as client:
                return client.get("/healthz").status_code == 200
        except HTTPError:
            return False
