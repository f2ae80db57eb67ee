"""The server as an import sees it: uploads that go on where they broke, a job, and what became of it."""

from __future__ import annotations

import hashlib
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx

from api.cli.errors import CommandError
from api.gate.errors import cause_of
from api.gate.files import replace_file

_CHUNK_BYTES: Final = 1 << 20
_TIMEOUT_SECONDS: Final = 60.0
#: A line that is away for longer than all of these together is left to the next attempt of a person.
_PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0)
_AGAIN: Final = frozenset((408, 425, 429, 502, 503, 504))


def _why(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "没有及时答复"
    return "地址不通或拒绝连接" if isinstance(error, httpx.ConnectError) else "连接中断"


class ImportClient:
    """Calls of one department's system. Raises CommandError with what to do."""

    def __init__(self, server: str, token: str, pauses: tuple[float, ...] = _PAUSES_SECONDS) -> None:
        self._server = server
        self._pauses = pauses
        # No proxy and no redirect: the token goes to this server and nowhere else.
        self._client = httpx.Client(
            base_url=server, timeout=_TIMEOUT_SECONDS, trust_env=False, headers={"Authorization": f"Bearer {token}"}
        )

    def upload(self, path: Path, told: Callable[[int, int], None]) -> str:
        """Upload what the server does not have of a file yet; its SHA-256. `told(sent, size)` hears of the progress."""
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
        except OSError as error:
            raise CommandError(f"无法读取 {path}：{cause_of(error)}") from error
        failures = 0
        while True:
            received = self.get(f"/api/v1/uploads/{digest}")
            told(received["offset"], size)
            if received["complete"]:
                return digest
            try:
                self._put(path, digest, received["offset"], size, told)
                failures = 0
            except httpx.TransportError as broken:
                self._pause(failures, broken)
                failures += 1

    def _put(self, path: Path, digest: str, offset: int, size: int, told: Callable[[int, int], None]) -> None:
        def pieces() -> Iterator[bytes]:
            sent = offset
            with path.open("rb") as file:
                file.seek(offset)
                while piece := file.read(_CHUNK_BYTES):
                    yield piece
                    sent += len(piece)
                    told(sent, size)

        headers = {
            "Upload-Offset": str(offset), "Upload-Length": str(size), "Content-Type": "application/octet-stream",
            "Content-Length": str(size - offset),
        }  # fmt: skip
        answer = self._client.put(f"/api/v1/uploads/{digest}", content=pieces(), headers=headers)
        if answer.status_code == 409 or answer.status_code in _AGAIN:
            # Somebody else sends the same file, or our own broken request is still being noticed: ask again.
            raise httpx.ReadError("the server is still busy with this file")
        self._check(answer)

    def get(self, path: str) -> Any:
        """The JSON of a GET, asked for again while the line is broken."""
        return self._ask(lambda: self._client.get(path)).json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON of a POST that is done once, however often the line breaks."""
        headers = {"Idempotency-Key": f"import-{secrets.token_hex(16)}"}
        return self._ask(lambda: self._client.post(path, json=body, headers=headers)).json()

    def save(self, path: str, target: Path) -> None:
        """Write what a GET answers into a file for its owner's eyes, whole or not at all. Raises GateError."""
        replace_file(target, self._ask(lambda: self._client.get(path)).content, mode=0o600)

    def _ask(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        failures = 0
        while True:
            try:
                answer = send()
                if answer.status_code not in _AGAIN:
                    return self._check(answer)
                broken: Exception = CommandError(f"服务器暂时不能处理（{answer.status_code}）")
            except httpx.TransportError as error:
                broken = CommandError(_why(error))
            self._pause(failures, broken)
            failures += 1

    def _pause(self, failures: int, broken: Exception) -> None:
        if failures >= len(self._pauses):
            raise CommandError(
                f"连接不上 {self._server}（{broken}）；已传的部分保留在服务器上，请稍后重新执行同一命令"
            ) from broken
        if failures == 0:
            # Said at once: a wrong address looks the same as a line that is away for a while.
            sys.stderr.write(f"suizheng：连接不上 {self._server}（{broken}），继续尝试……\n")
            sys.stderr.flush()
        time.sleep(self._pauses[failures])

    def _check(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code < 300:
            return answer
        if answer.status_code < 400:
            raise CommandError("服务器要求转到别处，未发送；请核对服务器地址")
        try:
            problem = answer.json()
            said = str(problem.get("detail") or problem.get("title") or "")
            faults = [f"{one['field']}：{one['message']}" for one in problem.get("errors", [])]
        except (ValueError, AttributeError, KeyError, TypeError):
            said, faults = "", []
        raise CommandError("\n  ".join([f"服务器拒绝（{answer.status_code}）：{said}", *faults[:20]]))
