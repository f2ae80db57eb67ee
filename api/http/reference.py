"""The reference of the JSON API: the OpenAPI document, and the same as a page without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from api.access import Rule
from api.http.guard import GuardedRoute

router = APIRouter(route_class=GuardedRoute)


@router.get("/openapi.json", include_in_schema=False)
def get_openapi(request: Request) -> Response:
    """The OpenAPI document of this server."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", include_in_schema=False)
def get_reference(request: Request) -> Response:
    """Every operation with what it asks for and who may call it."""
    document: dict[str, Any] = request.app.openapi()
    rules: Mapping[str, Rule] = request.app.state.access
    body = "".join(_sections(document, rules))
    title = escape(document["info"]["title"])
    return HTMLResponse(
        f'<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/static/reference.css"></head>'
        f"<body><main><h1>{title}</h1><p>{escape(document['info']['description'])}</p>"
        f'<p><a href="/openapi.json">OpenAPI 文档（JSON）</a></p>{body}</main></body></html>'
    )


def _sections(document: Mapping[str, Any], rules: Mapping[str, Rule]) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["其他"])[0]
            by_tag.setdefault(tag, []).append(_operation(path, method.upper(), operation, rules))
    for tag, operations in by_tag.items():
        yield f"<section><h2>{escape(tag)}</h2>{''.join(operations)}</section>"


def _operation(path: str, method: str, operation: Mapping[str, Any], rules: Mapping[str, Rule]) -> str:
    rule = rules.get(f"{method} {path}") or rules.get(f"{method} {path.replace('{path}', '{path:path}')}")
    roles = "、".join(sorted(rule.roles)) if rule else ""
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(where)}</td><td>{escape(text)}</td></tr>"
        for name, where, text in _inputs(operation)
    )
    table = f"<table><tr><th>名称</th><th>位置</th><th>说明</th></tr>{rows}</table>" if rows else ""
    responses = operation["responses"]
    answers = "；".join(f"{status} {answer.get('description', '')}" for status, answer in responses.items())
    return (
        f"<article><h3><code>{method} {escape(path)}</code> {escape(operation.get('summary', ''))}</h3>"
        f"<p>{escape(operation.get('description', ''))}</p><p>调用者：{escape(roles)}</p>{table}"
        f"<p>答复：{escape(answers)}</p></article>"
    )


def _inputs(operation: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for one in operation.get("parameters", ()):
        yield one["name"], {"path": "地址", "query": "查询"}.get(one["in"], one["in"]), one.get("description", "")
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        reference = str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
        yield reference or "请求体", media_type, ""
