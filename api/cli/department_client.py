"""A department's system speaking to the registry with nothing but the plain install."""

from __future__ import annotations

import secrets
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

import orjson

from api.cli.errors import CommandError
from api.gate.hand_in import OPENER, TIMEOUT_SECONDS

_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_PROBLEM_BYTES = 1 << 20


class DepartmentClient:
    """Calls of one department's token."""

    def __init__(self, server: str, token: str) -> None:
        self._server = server
        self._token = token

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that a POST is answered. Raises CommandError with what the server said."""
        request = urllib.request.Request(  # noqa: S310 the scheme was checked by check_server
            f"{self._server}/api/v1{path}",
            data=orjson.dumps(body),
            method="POST",
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "Idempotency-Key": f"department-{secrets.token_hex(16)}",
            },
        )
        try:
            with OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
                value = orjson.loads(answer.read(_MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                raise CommandError(f"服务器未受理（{_said(error)}）") from error
        except (urllib.error.URLError, HTTPException, OSError) as error:
            cause = getattr(error, "reason", error)
            raise CommandError(f"连接不上 {self._server}（{cause}）；可以重新执行") from error
        except orjson.JSONDecodeError as error:
            raise CommandError("服务器的答复不是 JSON，请核对服务器地址") from error
        if not isinstance(value, dict):
            raise CommandError("服务器的答复不是预期的格式，请核对服务器地址与版本")
        return value


def _said(error: urllib.error.HTTPError) -> str:
    try:
        problem = orjson.loads(error.read(_MAX_PROBLEM_BYTES))
    except (orjson.JSONDecodeError, HTTPException, OSError):
        return str(error.code)
    said = problem if isinstance(problem, dict) else {}
    fields = [str(one.get("message")) for one in said.get("errors") or [] if isinstance(one, dict)]
    return "：".join([str(error.code), *(str(said[name]) for name in ("reason", "detail") if said.get(name)), *fields])
