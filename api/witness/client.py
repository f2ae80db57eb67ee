"""How the registry reaches its witnesses: one request each, at the same time, and never for long."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

import httpx

from api.witness.submission import PATH, write_submission
from registry.witnesses.rules import Answer, Silence

#: From the first byte sent to the last byte read, names looked up and all.
TIMEOUT_SECONDS = 5.0
_MAX_ANSWER_BYTES = 16 * 1024


class WitnessClient:
    """Sends submissions from as many threads as there are witnesses: one that hangs keeps nobody waiting."""

    def __init__(self, witnesses: int, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._threads = ThreadPoolExecutor(max_workers=max(1, witnesses), thread_name_prefix="suizheng-witness")
        self._timeout_seconds = timeout_seconds
        # Reading the authorities' certificates takes longer than most requests: once for all of them.
        self._tls = httpx.create_ssl_context(trust_env=False)

    def send(self, url: str, old: int, proof: list[bytes], note: str) -> Future[Answer | Silence]:
        """Submit a checkpoint; returns at once. The future holds what came back, and never raises."""
        return self._threads.submit(self._submit, url + PATH, write_submission(old, proof, note))

    def close(self) -> None:
        """Ask nobody any more. Does not wait: an answer that is lost is asked for again by the next process."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _submit(self, url: str, body: bytes) -> Answer | Silence:
        try:
            return asyncio.run(self._post(url, body))
        except TimeoutError:
            return Silence(f"{self._timeout_seconds:g} 秒内没有答复")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Silence(type(error).__name__)

    async def _post(self, url: str, body: bytes) -> Answer:
        headers = {"Content-Type": "text/plain", "Accept-Encoding": "identity"}
        # No proxy and no redirects: a registry talks to the witness that was entered, and to nobody else.
        async with (
            asyncio.timeout(self._timeout_seconds),
            httpx.AsyncClient(trust_env=False, verify=self._tls, timeout=self._timeout_seconds) as client,
            client.stream("POST", url, content=body, headers=headers) as answer,
        ):
            said = b""
            async for chunk in answer.aiter_raw():
                said += chunk
                if len(said) > _MAX_ANSWER_BYTES:
                    break
            return Answer(answer.status_code, answer.headers.get("Content-Type", ""), said[:_MAX_ANSWER_BYTES])
