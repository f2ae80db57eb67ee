"""Every text of the pages, in both languages: each file of the folder texts maps keys to [Chinese, English]."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from api.pages.preferences import Language


def _read(folder: Path) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.json")):
        fresh = json.loads(path.read_text("utf-8"))
        if twice := texts.keys() & fresh.keys():
            raise ValueError(f"{path.name} has keys of another file: {sorted(twice)}")
        texts |= fresh
    return texts


TEXTS: Final[Mapping[str, list[str]]] = _read(Path(__file__).parent / "texts")
_COLUMN: Final = {"zh": 0, "en": 1}


class Texts:
    """The texts in one language: `t("home.title")`, `t("verdict.age", days=3)`."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._column = _COLUMN[language]

    def __call__(self, key: str, **values: object) -> str:
        """The text of the key with the values put in. Raises KeyError for a key that no file has."""
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

    def refusal(self, reason: str, chinese: str) -> str:
        """Why something was refused. The message says it in Chinese, with what it was about; in English the text of the
        reason says it, of the family that verdicts share (`reason.`) or of the registry's own (`refusal.`)."""
        return self.said(f"reason.{reason}", self.said(f"refusal.{reason}", chinese))
