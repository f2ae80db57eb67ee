"""Texts in both languages at once, for pages that stand alone: there a reader changes the language without a network.

The browser's part is `static/js/language.js`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from api.pages.texts import Texts

_CHINESE: Final = Texts("zh")
_ENGLISH: Final = Texts("en")


class Both(NamedTuple):
    """One text, twice."""

    zh: str
    en: str


def both(key: str) -> Both:
    """The text of the key in both languages."""
    return Both(_CHINESE(key), _ENGLISH(key))


@pass_context
def said(context: Context, key: str) -> Markup:
    """A text that follows the page's language."""
    return Markup('<span data-zh="{}" data-en="{}">{}</span>').format(*both(key), context["t"](key))


@pass_context
def said_as(context: Context, attribute: str, key: str) -> Markup:
    """An attribute that follows the page's language, such as `aria-label`: one an element."""
    form = Markup('{}="{}" data-said-as="{}" data-said-zh="{}" data-said-en="{}"')
    return form.format(attribute, context["t"](key), attribute, *both(key))


def script_texts(texts: Callable[[Texts], Any]) -> Markup:
    """The attributes of the element from which a page's script takes its texts: JSON in each language."""
    return Markup('data-texts-zh="{}" data-texts-en="{}"').format(_json(texts(_CHINESE)), _json(texts(_ENGLISH)))


def _json(texts: Any) -> str:
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
