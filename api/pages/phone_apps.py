"""The pages that stand alone on a phone, and what lets them open without a network: manifest and service worker."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from typing import Final

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from api.http.guard import GuardedRoute
from api.pages.bilingual import script_texts
from api.pages.reader_texts import reader_texts
from api.pages.rendering import show, static_address, static_folder, texts_for
from api.pages.wallet_texts import delegate_texts, extract_texts, wallet_texts

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

#: Pages that the service worker keeps. They are the same for everybody who has the same settings.
_PAGES: Final = ("/wallet", "/wallet/delegated", "/gate")
_KEPT: Final = (
    "js/language.js", "js/print.js", "js/stray.js", "js/core/*.js", "js/wallet/*.js", "js/reader/*.js",
    "vendor/*.js", "vendor/*.wasm", "*.css", "art/logo.svg", "icons.svg",
)  # fmt: skip
_BRAND: Final = "#0b566f"


@dataclass(frozen=True, slots=True)
class AlonePage:
    """What the scripts of a page say, as the attributes of the elements that they take it from."""

    texts: Markup
    extract_texts: Markup | None = None


@router.get("/wallet")
def wallet(request: Request) -> Response:
    """随身码：手机上的动态码。"""
    return show(request, "wallet.html", AlonePage(script_texts(wallet_texts), script_texts(extract_texts)))


@router.get("/wallet/delegated")
def delegated(request: Request) -> Response:
    """企业授权码：被委托人手机上的码。"""
    return show(request, "delegate.html", AlonePage(script_texts(delegate_texts)))


@router.get("/gate")
def gate(request: Request) -> Response:
    """验码：手机闸口与离线核验。"""
    return show(request, "gate.html", AlonePage(script_texts(reader_texts)))


@router.get("/wallet.webmanifest")
def wallet_manifest(request: Request) -> Response:
    """How a phone installs the wallet."""
    return _manifest("/wallet", texts_for(request)("wallet.title"))


@router.get("/gate.webmanifest")
def gate_manifest(request: Request) -> Response:
    """How a phone at the door installs the reader."""
    return _manifest("/gate", texts_for(request)("gate.title"))


def _manifest(path: str, title: str) -> Response:
    """A W3C Web Application Manifest."""
    described = {
        "name": title,
        "short_name": title,
        "start_url": path,
        "scope": path,
        "display": "standalone",
        "orientation": "portrait",
        "background_color": "#ffffff",
        "theme_color": _BRAND,
        "icons": [{"src": static_address("art/logo.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
    }
    return Response(json.dumps(described, ensure_ascii=False), media_type="application/manifest+json")


@router.get("/sw.js")
def service_worker() -> Response:
    """The service worker with the list of what it keeps; a changed file makes it another one."""
    return Response(_worker(), media_type="text/javascript", headers={"Cache-Control": "no-cache"})


@cache
def _worker() -> str:
    paths = sorted({path for pattern in _KEPT for path in static_folder.glob(pattern)})
    files = [f"/static/{path.relative_to(static_folder).as_posix()}" for path in paths]
    template = static_folder.parent / "templates"
    digest = hashlib.sha256()
    texts = static_folder.parent / "texts"
    for path in (*paths, *sorted(template.glob("*.html")), *sorted(texts.glob("*.json")), static_folder / "js/sw.js"):
        digest.update(path.read_bytes())
    head = f"const FILES = {json.dumps(files)}, PAGES = {json.dumps(_PAGES)}, VERSION = {digest.hexdigest()[:16]!r};\n"
    return head + (static_folder / "js/sw.js").read_text("utf-8")
