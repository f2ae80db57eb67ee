"""The demo's own server: a child process that can be killed and started again on the same data."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from chain.network.ports import free_ports

START_SECONDS = 60.0
_PASSWORD = re.compile(r"一次性(?:密码|口令)\s+(\S+)")


class ServerFailedError(RuntimeError):
    """The server did not start; the end of its output is in the message."""


class Server:
    """`suizheng serve` on a free loopback port."""

    def __init__(self, data: Path, output: Path) -> None:
        self.data = data
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self._output = output
        self._environment = {
            **os.environ,
            "SUIZHENG_DATA": str(data),
            "SUIZHENG_PORT": str(self.port),
            "SUIZHENG_PUBLIC_URL": self.url,
            "SUIZHENG_VERIFICATIONS_PER_MINUTE": "100000",
            "PYTHONUNBUFFERED": "1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start and wait until it answers; the seconds that took."""
        began = time.monotonic()
        with self._output.open("ab") as output:
            command = [sys.executable, "-m", "api.cli", "serve"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=output, stderr=output)
        while time.monotonic() - began < START_SECONDS:
            if self._process.poll() is not None:
                break
            if self._answers():
                return time.monotonic() - began
            time.sleep(0.05)
        self.kill()
        raise ServerFailedError(self._output.read_text(errors="replace")[-2000:])

    def kill(self) -> None:
        """SIGKILL: no chance to finish, flush or say goodbye."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """Ask it to stop, and insist after ten seconds."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def one_time_password(self) -> str:
        """The administrator's password, as the first start printed it."""
        found = _PASSWORD.search(self._output.read_text(errors="replace"))
        if found is None:
            raise ServerFailedError("the first start printed no one-time password")
        return found.group(1)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False
