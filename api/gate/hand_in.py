"""Handing a journal's visits in to the registry: in batches, safe to repeat, safe to kill.

What was accepted stands in FILE.handed-in beside the journal. The order of each batch: (1) the batch's bounds are on
the disk, (2) it is sent, (3) it is marked as accepted. A kill after (2) sends the same batch again under the same
Idempotency-Key; and were that mark lost altogether, the registry would know every visit by its event id.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from typing import IO, Any, NoReturn
from urllib.parse import urlsplit

import orjson

from api.gate.errors import HandInError
from api.gate.mark import BATCH_VISITS, Mark, read_mark, write_mark
from api.gate.reading import read_visits, settle
from verifier.visit import Visit

TIMEOUT_SECONDS = 30
TOKEN_VARIABLE = "SUIZHENG_TOKEN"  # noqa: S105 the name of a variable, not a secret

_MAX_ANSWER_BYTES = 1 << 20
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Progress:
    """What one call did: visits and batches that the registry took, and the highest sequence it has now."""

    visits: int
    batches: int
    accepted: int


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to wherever it points."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


#: No proxy, no redirects: a token goes to the registry it is for, and to nobody else.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _StayHere())


def hand_in(
    journal: Path, server: str, token: str, report: Callable[[Progress], None] = lambda progress: None
) -> Progress:
    """Send every visit that was not accepted yet; `report` is told after each batch.

    Raises HandInError if the registry cannot be reached or refuses, JournalError if the journal was altered. What was
    accepted before that stays accepted.
    """
    header, _ = read_visits(journal, 0)
    mark = read_mark(journal, header.gate)
    visits = read_visits(journal, mark.accepted)[1]
    progress = Progress(0, 0, mark.accepted)
    while batch := list(_next_batch(visits, mark)):
        last = batch[-1]
        settle(journal)
        write_mark(journal, Mark(header.gate, mark.accepted, last.sequence))
        _send(server, header.venue, token, batch)
        mark = Mark(header.gate, last.sequence)
        write_mark(journal, mark)
        progress = Progress(progress.visits + len(batch), progress.batches + 1, last.sequence)
        report(progress)
    return progress


def read_token(environment: dict[str, str], file: Path | None) -> str:
    """The API token, from a file or the environment; never from the command line, which every process can read.

    Raises HandInError.
    """
    if file is not None:
        try:
            token = file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise HandInError("no_token", f"无法读取令牌文件 {file}") from error
    else:
        token = environment.get(TOKEN_VARIABLE, "").strip()
    if not token.isascii() or not token.isprintable() or not token:
        raise HandInError("no_token", f"没有可用的令牌：请设置环境变量 {TOKEN_VARIABLE}，或用 --token-file 指定文件")
    return token


def check_server(server: str, allow_http: bool) -> str:
    """The server's address without a path. Raises HandInError; plain http would show the token to the network."""
    try:
        parts = urlsplit(server)
        host = parts.hostname
    except ValueError as error:
        raise HandInError("bad_server", f"服务器地址 {server} 不正确") from error
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/") or parts.query or parts.username:
        raise HandInError("bad_server", "服务器地址应为不带路径的 https://… 地址")
    if parts.scheme == "http" and host not in _LOOPBACK and not allow_http:
        raise HandInError("not_https", "通过 http 会在网络上泄露令牌；请用 https 地址，或在可信网络上加 --allow-http")
    return f"{parts.scheme}://{parts.netloc}"


def _next_batch(visits: Iterator[Visit], mark: Mark) -> Iterator[Visit]:
    """The batch that was begun, with its bounds of then; else the next BATCH_VISITS."""
    count = BATCH_VISITS if mark.pending is None else mark.pending - mark.accepted
    return islice(visits, count)


def _send(server: str, venue: str, token: str, batch: list[Visit]) -> None:
    first, last = batch[0], batch[-1]
    request = urllib.request.Request(  # noqa: S310 the scheme was checked by check_server
        f"{server}/api/v1/venues/{venue}/visits",
        data=orjson.dumps({"visits": [visit.to_json() for visit in batch]}),
        method="POST",
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"{last.gate}-{first.sequence}-{last.sequence}-{last.digest().hex()[:16]}",
        },
    )
    try:
        with OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
            answer.read(_MAX_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            _refused(error)
    except (urllib.error.URLError, HTTPException, OSError) as error:
        cause = getattr(error, "reason", error)
        raise HandInError("unreachable", f"连接不上 {server}（{cause}）；记录仍在本机，请稍后重试") from error


def _refused(error: urllib.error.HTTPError) -> NoReturn:
    if 300 <= error.code < 400:
        raise HandInError("redirected", "服务器要求转到别处，未发送；请核对服务器地址") from error
    problem: Any = None
    try:
        problem = orjson.loads(error.read(_MAX_ANSWER_BYTES))
    except (orjson.JSONDecodeError, HTTPException, OSError):
        problem = None
    said = problem if isinstance(problem, dict) else {}
    answer = "：".join([str(error.code), *(str(said[name]) for name in ("title", "detail") if said.get(name))])
    if error.code in (408, 425, 429) or error.code >= 500 or said.get("reason") == "idempotency_key_in_use":
        raise HandInError("busy", f"服务器暂时不能接收（{answer}）；记录仍在本机，请稍后重试") from error
    raise HandInError("refused", f"服务器拒绝接收（{answer}）；记录仍在本机") from error
