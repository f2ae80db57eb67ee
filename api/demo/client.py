"""A caller of the HTTP API: a department's system with a token, or a person with a session."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx


class AnswerError(RuntimeError):
    """The server refused. `.status`, `.reason` and `.problem` are its own words."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        try:
            self.problem: dict[str, Any] = answer.json()
        except ValueError:
            self.problem = {}
        self.reason = str(self.problem.get("reason", ""))
        super().__init__(f"{answer.request.method} {answer.request.url.path}: {self.status} {answer.text[:300]}")


class Client:
    """Calls one server. Every write carries an Idempotency-Key, so it can be repeated."""

    def __init__(self, url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {"Origin": url}
        self._url, self.token = url, token or ""
        self._http = httpx.Client(base_url=url, headers=headers, timeout=60)

    def twin(self) -> Client:
        """The same caller at another window: its own connections."""
        return Client(self._url, self.token)

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a GET. Raises AnswerError."""
        return _checked(self._http.get(path, params=parameters)).json()

    def get_bytes(self, path: str) -> bytes:
        """The bytes of a GET. Raises AnswerError."""
        return _checked(self._http.get(path)).content

    def post(self, path: str, body: Any, key: str | None = None) -> Any:
        """The JSON of a POST, None where the answer is empty. Raises AnswerError."""
        answer = _checked(self._http.post(path, json=body, headers=_key(key)))
        return answer.json() if answer.content else None

    def post_file(self, path: str, name: str, content: bytes, fields: dict[str, str], key: str | None = None) -> Any:
        """The JSON of a multipart POST. Raises AnswerError."""
        answer = self._http.post(path, files={"file": (name, content)}, data=fields, headers=_key(key))
        return _checked(answer).json()

    def post_bytes(self, path: str, name: str, content: bytes, media_type: str) -> Any:
        """The JSON of a POST of raw bytes. Raises AnswerError."""
        headers = {**_key(None), "Content-Type": media_type, "X-File-Name": quote(name)}
        return _checked(self._http.post(path, content=content, headers=headers)).json()

    def delete(self, path: str) -> None:
        """DELETE. Raises AnswerError."""
        _checked(self._http.delete(path, headers=_key(None)))

    def all_items(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        """Every item of a list, page after page."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self.get(path, limit=200, **parameters, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    def evidence(self) -> Iterator[tuple[str, bytes]]:
        """Name and bytes of every evidence bundle of the caller's department, page after page."""
        cursor: str | None = None
        while True:
            parameters = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
            answer = _checked(self._http.get("/api/v1/evidence", params=parameters))
            with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
                for name in archive.namelist():
                    yield name, archive.read(name)
            cursor = answer.headers.get("X-Next-Cursor")
            if cursor is None:
                return

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()


def _key(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid.uuid4().hex}


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise AnswerError(answer)
    return answer
