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
    """A server process over one folder of data. It can be killed and started again as often as wanted."""

    def __init__(self, data: Path, database_url: str | None = None, chain: str = "none") -> None:
        self.data = data
        self.chain = chain
        self.database_url = database_url
        (self.port,) = free_ports(1)
        self.pid: int | None = None
        self.first_password = ""
        self._starter: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._starter = self._starter or self._new_starter()
        assert self._starter.stdin is not None
        self._starter.stdin.write("start\n")
        self._starter.stdin.flush()
        word, *said = self._hear()
        assert word == "serving", f"the server ended at its start: {word} {said}"
        self.pid, self.first_password = int(said[0]), said[1]
        deadline = time.monotonic() + 120
        while not self._answers():
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)

    def _new_starter(self) -> subprocess.Popen[str]:
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
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _hear(self) -> list[str]:
        assert self._starter is not None and self._starter.stdout is not None
        return self._starter.stdout.readline().split() or ["nothing"]

    @property
    def importer(self) -> int | None:
        """The process of imports, a child of the server, if it runs."""
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            # Threads and processes may end while they are looked at.
            with suppress(OSError):
                for pid in map(int, (task / "children").read_text().split()):
                    if is_importer(pid):
                        return pid
        return None

    def kill(self) -> int:
        """SIGKILL: nothing is flushed, nothing is cleaned up. The signal that ended it; 0 if it had ended before."""
        assert self.pid is not None
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.pid = None
        word, ended_by = self._hear()
        assert word == "ended"
        return int(ended_by)

    def close(self) -> None:
        """End what runs, for good."""
        if self.pid is not None:
            self.kill()
        if self._starter is not None:
            # Without an input it ends.
            self._starter.communicate()
            self._starter = None

    def _answers(self) -> bool:
        try:
            with Client(base_url=f"http://127.0.0.1:{self.port}") as client:
                return client.get("/healthz").status_code == 200
        except HTTPError:
            return False
