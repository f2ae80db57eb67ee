"""Errors as answers: problem+json for programs, a page for people, and the way to the login."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from api.errors import OF_DATABASE, ROOTS, TITLES, FieldProblem, Problem, ProblemError, make_problem, problem_of, row_of
from api.http.rim import OPERATION, REQUEST_ID, instance_of

_log = logging.getLogger("suizheng.errors")

MEDIA_TYPE = "application/problem+json"
#: Field errors shown at once; whoever has more corrects these first.
MAX_FIELD_ERRORS = 100

ProblemPage = Callable[[Request, Problem], Awaitable[Response]]

_MESSAGES = {
    400: "请求无法解析，请检查内容后重试。",
    404: "没有这个地址，请核对后重试。",
    405: "此地址不支持该方法。",
    413: "请求内容超过上限，请拆分或缩小后重试。",
}

_FIELD_MESSAGES = {
    "missing": "缺少此项",
    "extra_forbidden": "不认识此项，请删除",
    "string_too_short": "内容过短",
    "string_too_long": "内容过长",
    "string_pattern_mismatch": "格式不正确",
    "json_invalid": "不是有效的 JSON",
    "literal_error": "不在允许的取值之内",
    "enum": "不在允许的取值之内",
    "too_long": "数量过多",
    "too_short": "数量过少",
    "datetime_from_date_parsing": "应为带时区的时间，例如 2026-11-22T14:05:00+08:00",
    "datetime_parsing": "应为带时区的时间，例如 2026-11-22T14:05:00+08:00",
    "timezone_aware": "时间应带时区，例如 2026-11-22T14:05:00+08:00",
    "date_from_datetime_parsing": "应为日期，例如 2026-11-22",
    "date_parsing": "应为日期，例如 2026-11-22",
    "int_parsing": "应为整数",
    "int_type": "应为整数",
    "string_type": "应为文本",
    "bool_type": "应为 true 或 false",
    "list_type": "应为数组",
    "dict_type": "应为对象",
    "model_attributes_type": "应为对象",
    "greater_than_equal": "数值过小",
    "less_than_equal": "数值过大",
}


def install(app: FastAPI, page: ProblemPage | None, pages: frozenset[str]) -> None:
    """Make every error of the app a problem. `pages` are the operations whose errors `page` shows to people."""

    async def answer(request: Request, error: Exception) -> Response:
        problem, headers = _translate(error)
        problem.instance = instance_of(request.scope.get(REQUEST_ID, ""))
        operation = request.scope.get(OPERATION, "")
        if operation in pages and request.method == "GET":
            way = _redirection(request, problem, pages)
            if way is not None:
                return RedirectResponse(way, HTTPStatus.SEE_OTHER)
        if page is not None and (operation in pages or _is_reading_pages(request)):
            shown = await page(request, problem)
            shown.headers.update(headers)
            return shown
        return problem_response(problem, headers)

    for kind in (HTTPException, RequestValidationError, *ROOTS, *OF_DATABASE):
        app.add_exception_handler(kind, answer)


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The problem as JSON."""
    return Response(orjson.dumps(problem.model_dump()), problem.status, headers, MEDIA_TYPE)


def _translate(error: Exception) -> tuple[Problem, dict[str, str]]:
    if isinstance(error, RequestValidationError):
        return _invalid(error), {}
    if isinstance(error, HTTPException):
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if isinstance(error, ProblemError):
            return _known(error), headers
        return _of_framework(error), headers
    row = row_of(error)
    problem = problem_of(error)
    if row is None or problem is None:
        # Not one of those with a next move for the caller: the rim logs it and answers 500.
        raise error
    if isinstance(error, tuple(OF_DATABASE)):
        _log.error("the database refused", exc_info=error)
    wait_seconds = getattr(error, "wait_seconds", row.retry_after_seconds)
    headers = {} if wait_seconds is None else {"Retry-After": str(wait_seconds)}
    if row.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return problem, headers


def _known(error: ProblemError) -> Problem:
    problem = problem_of(error)
    if problem is None:
        raise error
    return problem


def _of_framework(error: HTTPException) -> Problem:
    status = error.status_code
    reason = HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_").replace("'", "")
    message = _MESSAGES.get(status) or f"{TITLES.get(status, '请求有误')}。"
    return make_problem(status, reason, message)


def _invalid(error: RequestValidationError) -> Problem:
    faults = [_field(one) for one in error.errors()[:MAX_FIELD_ERRORS]]
    broken = any(one.reason == "json_invalid" for one in faults)
    if broken:
        return make_problem(400, "not_json", "请求内容不是有效的 JSON（应为 UTF-8）。", errors=faults)
    return make_problem(422, "invalid_request", "请求内容不符合要求，请按提示修改。", errors=faults)


def _field(fault: dict[str, Any]) -> FieldProblem:
    reason = str(fault["type"])
    place = [part for part in fault["loc"] if part not in ("body", "query", "path", "header")]
    if reason == "json_invalid":
        # The place is a position in the text, counted from 0.
        message, place = f"{_FIELD_MESSAGES[reason]}：第 {int(place[0]) + 1} 个字符附近", []
        return FieldProblem(field="(请求体)", reason=reason, message=message)
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    context = fault.get("ctx") or {}
    # A validator of ours says in Chinese what is expected.
    own = str(context["error"]) if reason == "value_error" and "error" in context else None
    expected = context.get("expected")
    message = own or _FIELD_MESSAGES.get(reason) or "内容不正确"
    if expected is not None:
        message = f"{message}：应为 {str(expected).replace(' or ', ' 或 ').replace(', ', '、')}"
    message += _limit(context)
    if tuple(fault["loc"])[:1] == ("query",) and reason.startswith(("datetime", "timezone")):
        message += "；网址中的加号写作 %2B"
    return FieldProblem(field=path or "(请求体)", reason=reason, message=message)


def _limit(context: Mapping[str, Any]) -> str:
    """The bound that was passed, if the fault knows one."""
    bounds = (("max_length", "最多"), ("le", "最大"), ("min_length", "最少"), ("ge", "最小"))
    return next((f"：{word} {context[name]}" for name, word in bounds if name in context), "")


def _redirection(request: Request, problem: Problem, pages: frozenset[str]) -> str | None:
    if problem.reason == "not_authenticated" and "GET /login" in pages:
        # Only the path of this server goes into `next`, so that it cannot lead elsewhere.
        return f"/login?next={quote(request.url.path, safe='/')}"
    if problem.reason == "password_change_due" and "GET /password" in pages:
        return "/password"
    return None


def _is_reading_pages(request: Request) -> bool:
    path = request.url.path
    wants_page = "text/html" in request.headers.get("accept", "")
    return wants_page and not path.startswith(("/api/", "/log/", "/static/", "/openapi.json"))
