"""The reference of the JSON API: the OpenAPI document, and the same as a page without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from importlib import resources
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from api.access import ANY, Rule
from api.http.guard import GuardedRoute
from registry.accounts.rules import ROLES

router = APIRouter(route_class=GuardedRoute)

_STYLES: Final = ("/static/tokens.css", "/static/base.css", "/docs/reference.css")
_PLACES: Final = {"path": "地址", "query": "查询", "header": "请求头"}
_JSON_TYPES: Final = {
    "string": "文本", "integer": "整数", "number": "数字", "boolean": "是否", "array": "数组", "object": "对象",
    "null": "空",
}  # fmt: skip


@router.get("/openapi.json", include_in_schema=False)
def get_openapi(request: Request) -> Response:
    """The OpenAPI document of this server."""
    return JSONResponse(request.app.openapi())


@router.get("/docs/reference.css", include_in_schema=False)
def get_style() -> Response:
    """The style of the reference."""
    return Response(_style(), media_type="text/css", headers={"Cache-Control": "no-cache"})


@router.get("/docs", include_in_schema=False)
def get_reference(request: Request) -> Response:
    """Every operation with what it asks for, what it answers and who may call it."""
    document: dict[str, Any] = request.app.openapi()
    rules: Mapping[str, Rule] = request.app.state.access
    title = escape(document["info"]["title"])
    sections = dict(_sections(document, rules))
    links = "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in (*sections, "数据结构"))
    styles = '<link rel="icon" href="/static/art/logo.svg">'
    styles += "".join(f'<link rel="stylesheet" href="{style}">' for style in _STYLES)
    return HTMLResponse(
        f'<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{styles}</head>'
        f"<body><main><h1>{title}</h1><p>{escape(document['info']['description'])}</p>"
        f'<p><a href="/">返回首页</a>　<a href="/openapi.json">OpenAPI 文档（JSON）</a></p><nav>{links}</nav>'
        f"{''.join(sections.values())}{_schemas(document)}</main></body></html>"
    )


@cache
def _style() -> bytes:
    return (resources.files("api.http") / "reference.css").read_bytes()


def _sections(document: Mapping[str, Any], rules: Mapping[str, Rule]) -> Iterator[tuple[str, str]]:
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(path, method.upper(), operation, rules))
    for tag, operations in by_tag.items():
        yield tag, f'<section id="{escape(tag)}"><h2>{escape(tag)}</h2>{"".join(operations)}</section>'


def _operation(path: str, method: str, operation: Mapping[str, Any], rules: Mapping[str, Rule]) -> str:
    rule = rules.get(f"{method} {path}") or rules[f"{method} {path.replace('{path}', '{path:path}')}"]
    rows = "".join(_row(*cells) for cells in _inputs(operation))
    table = f"<table><tr><th>名称</th><th>位置</th><th>说明</th></tr>{rows}</table>" if rows else ""
    answers = "".join(
        f"<dt>{status}</dt><dd>{_answer(answer)}</dd>" for status, answer in operation["responses"].items()
    )
    return (
        f"<details><summary><b>{method}</b><code>{escape(path)}</code><span>{escape(operation['summary'])}</span></summary>"
        f"<div><p>{escape(operation.get('description', ''))}</p><dl><dt>调用者</dt><dd>{escape(_callers(rule))}</dd>"
        f"<dt>请求体上限</dt><dd>{rule.limit_bytes // 1024} KB</dd></dl>{table}<dl>{answers}</dl></div></details>"
    )


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _told(part: Mapping[str, Any]) -> str:
    return escape(part.get("description", ""))


def _callers(rule: Rule) -> str:
    if rule.is_public:
        return "任何人，无需登录"
    return "任何已登录者" if rule.roles == ANY else "、".join(ROLES[role] for role in ROLES if role in rule.roles)


def _inputs(operation: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for one in operation.get("parameters", ()):
        yield (
            f"<code>{escape(one['name'])}</code>",
            _PLACES.get(one["in"], one["in"]),
            escape(one.get("description", "")),
        )
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield "请求体", escape(media_type), _kind(content.get("schema", {}))


def _answer(answer: Mapping[str, Any]) -> str:
    kinds = [_kind(content.get("schema", {})) for content in answer.get("content", {}).values()]
    description = "成功" if answer["description"] == "Successful Response" else answer["description"]
    return f"{escape(description)} {'、'.join(kind for kind in kinds if kind)}"


def _schemas(document: Mapping[str, Any]) -> str:
    parts = []
    for name, schema in sorted(document["components"]["schemas"].items()):
        fields = schema.get("properties", {}).items()
        rows = "".join(_row(f"<code>{escape(field)}</code>", _kind(part), _told(part)) for field, part in fields)
        table = f"<table><tr><th>字段</th><th>类型</th><th>说明</th></tr>{rows}</table>"
        parts.append(f'<h3 id="schema-{escape(name)}">{escape(name)}</h3>{table}')
    return f'<section id="数据结构"><h2>数据结构</h2>{"".join(parts)}</section>'


def _kind(schema: Mapping[str, Any]) -> str:
    """What a schema stands for, in a word or as a link to the structure."""
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " 或 ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return escape("、".join(map(str, schema.get("enum", [schema.get("const")]))))
    if schema.get("type") == "array":
        return f"{_kind(schema.get('items', {}))} 的数组"
    return _JSON_TYPES.get(str(schema.get("type")), "")
