"""One call of one operation: its units of work, and the answer that is stored together with the write (Idempotency-Key,
draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

import orjson
from fastapi import Request, Response
from pydantic import BaseModel

from api.access import Rule
from api.composition import Services
from api.errors import Problem, ProblemError, problem_of
from api.http.callers import Caller
from api.http.guard import CALLER, RULE
from api.http.problems import problem_response
from api.http.registrations import Written
from api.http.rim import OPERATION, REQUEST_ID, instance_of
from registry.errors import RegistryError
from registry.idempotency import service as idempotency
from registry.idempotency.rules import check_key
from registry.idempotency.service import Claim
from registry.work import REGISTRY, Actor, Work

_HEADER: Final = "Idempotency-Key"
_REPLAYED: Final = {"Idempotency-Replayed": "true"}

#: Whoever has no account: may hand in what everybody may, and owns nothing.
ANYONE: Final = Actor(id="anyone", kind="system", department=None)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write is answered: status and JSON body, and fields of the body that are shown once and never stored."""

    status: int
    body: BaseModel | Mapping[str, Any] | None = None
    shown_once: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls which operation with what. Made by `get_call` once the door has let the caller in."""

    services: Services
    caller: Caller | None
    operation: str
    path: str
    key: str | None
    request_id: str
    digest: bytes = field(repr=False)

    @property
    def known(self) -> Caller:
        """The caller of an operation that is not public."""
        if self.caller is None:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "not_authenticated", "请先登录。")
        return self.caller

    def read(self, ask: Callable[[Work], T]) -> T:
        """What `ask` finds on one snapshot of the database."""
        actor = self.caller.actor if self.caller else REGISTRY
        with self.services.registry.read(actor) as work:
            return ask(work)

    def write(self, act: Callable[[Work], T]) -> T:
        """What `act` did, committed before this returns; the worker is told."""
        with self.services.registry.begin(self.known.actor) as work:
            done = act(work)
        self.services.worker.wake()
        return done

    def write_as_anyone(self, act: Callable[[Work], T]) -> T:
        """`write` for an operation that needs no account; who calls is not recorded, even if it is known."""
        with self.services.registry.begin(ANYONE) as work:
            done = act(work)
        self.services.worker.wake()
        return done

    def answer(self, act: Callable[[Work], Answer], *, digest: bytes | None = None) -> Response:
        """Do `act` and answer it; under a key, the stored answer of the first time, and `act` is not done again.

        The answer is stored in the transaction of the write: no kill separates them. `digest` stands for a body that
        was streamed. Raises ProblemError, and whatever `act` raises: then nothing was written, except under errors that
        say `kept`, whose answer is stored like any other.
        """
        if self.key is None:
            return _response(self.write(act))
        with self.services.in_flight.hold(self.known.actor.id, self.key):
            response = self._answer_once(self.key, digest or self.digest, act)
        self.services.worker.wake()
        return response

    def answer_in_parts(self, act: Callable[[], Answer]) -> Response:
        """`answer` for work of several transactions, which changes nothing where it is repeated.

        The key is claimed before the first of them and the answer stored after the last. Cut off in between, the same
        request goes on where it was; a refusal gives the key back.
        """
        if self.key is None:
            return _response(act())
        claim = Claim(self.known.actor.id, self.key, self._request_digest(self.digest))
        with self.services.in_flight.hold(claim.actor, claim.key):
            with self.services.registry.begin(self.known.actor) as work:
                stored = idempotency.claim(work, claim.key, claim.request_sha256)
            if stored is not None:
                return _replay(stored.status, stored.body, self.request_id)
            try:
                answer = act()
            except (RegistryError, ProblemError):
                with self.services.registry.begin(self.known.actor) as work:
                    idempotency.release_many(work, [claim])
                raise
            with self.services.registry.begin(self.known.actor) as work:
                idempotency.record(work, claim.key, answer.status, _plain(answer.body))
        return _response(answer)

    async def answer_by(self, write: Callable[[Claim | None], Awaitable[Written]]) -> Response:
        """Answer what `write` wrote. It is given the key, and stores the answer with what it writes, as `answer` does.

        Raises ProblemError, and whatever `write` raises.
        """
        if self.key is None:
            written = await write(None)
        else:
            with self.services.in_flight.hold(self.known.actor.id, self.key):
                written = await write(Claim(self.known.actor.id, self.key, self._request_digest(self.digest)))
        self.services.worker.wake()
        if written.is_replay:
            return _replay(written.answer.status, written.answer.body, self.request_id)
        return _response(Answer(written.answer.status, written.answer.body))

    def _request_digest(self, digest: bytes) -> bytes:
        return hashlib.sha256(f"{self.operation}\n{self.path}\n".encode() + digest).digest()

    def _answer_once(self, key: str, digest: bytes, act: Callable[[Work], Answer]) -> Response:
        request = self._request_digest(digest)
        with self.services.registry.begin(self.known.actor) as work:
            stored = idempotency.claim(work, key, request)
            if stored is not None:
                return _replay(stored.status, stored.body, self.request_id)
            try:
                answer = act(work)
            except RegistryError as refused:
                problem = problem_of(refused) if refused.kept else None
                if problem is not None:
                    idempotency.record(work, key, problem.status, problem.model_dump())
                raise
            body = _plain(answer.body)
            kept = {name: None if name in answer.shown_once else value for name, value in (body or {}).items()}
            idempotency.record(work, key, answer.status, kept if body is not None else None)
        return _response(answer)


async def get_call(request: Request) -> Call:
    """The call of this request, as a dependency of its operation. Raises ProblemError for a missing key,
    InvalidDraftError for a malformed one."""
    rule: Rule = request.scope[RULE]
    caller: Caller | None = request.scope[CALLER]
    digest = b""
    if request.method not in ("GET", "HEAD") and rule.body == "json":
        digest = hashlib.sha256(await request.body()).digest()
    return Call(
        services=request.app.state.services,
        caller=caller,
        operation=request.scope[OPERATION],
        path=request.url.path,
        key=_key(request, rule, caller),
        request_id=request.scope[REQUEST_ID],
        digest=digest,
    )


def _key(request: Request, rule: Rule, caller: Caller | None) -> str | None:
    if request.method in ("GET", "HEAD") or rule.asks or caller is None:
        return None
    key = request.headers.get(_HEADER)
    if key is None:
        if caller.means == "bearer":
            raise ProblemError(
                HTTPStatus.BAD_REQUEST,
                "idempotency_key_missing",
                f"程序写入须带请求头 {_HEADER}：每个新请求一个新值，重试时用原值。",
            )
        return None
    check_key(key)
    return key


def _plain(body: BaseModel | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if body is None:
        return None
    return body.model_dump(mode="json") if isinstance(body, BaseModel) else dict(body)


def _response(answer: Answer) -> Response:
    body = _plain(answer.body)
    if body is None:
        return Response(status_code=answer.status)
    return Response(orjson.dumps(body), answer.status, media_type="application/json")


def _replay(status: int, body: Any, request_id: str) -> Response:
    if status >= HTTPStatus.BAD_REQUEST:
        problem = Problem.model_validate({**body, "instance": instance_of(request_id)})
        return problem_response(problem, dict(_REPLAYED))
    if body is None:
        return Response(status_code=status, headers=_REPLAYED)
    return Response(orjson.dumps(body), status, _REPLAYED, "application/json")
