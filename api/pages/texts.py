"""Every text of the pages, in both languages, from one file: texts.json maps a key to [Chinese, English]."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from api.pages.preferences import Language

TEXTS: Final[Mapping[str, list[str]]] = json.loads((Path(__file__).parent / "texts.json").read_text("utf-8"))
_COLUMN: Final = {"zh": 0, "en": 1}


class Texts:
    """The texts in one language: `t("home.title")`, `t("verdict.age", days=3)`."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._column = _COLUMN[language]

    def __call__(self, key: str, **values: object) -> str:
        """The text of the key with the values put in. Raises KeyError for a key that texts.json does not have."""
        text = TEXTS[key][self._column]
        return text.format(**values) if values else text

    def find(self, key: str) -> str | None:
        """The text of a key that may not exist, such as one made from a reason code."""
        found = TEXTS.get(key)
        return None if found is None else found[self._column]

    def said(self, key: str, chinese: str) -> str:
        """What a Chinese message of the registry or the verifier says in this language: itself in Chinese; in English
        the text of the key, or the Chinese message where there is none."""
        if self.language == "zh":
            return chinese
        return self.find(key) or chinese
