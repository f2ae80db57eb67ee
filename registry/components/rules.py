"""Codes and classes of components, what may be reported, and how a report goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from registry.errors import FieldError
from verifier.code_claims import MAX_PLACE_CHARS
from verifier.identifiers import IdentifierError, check_uscc

MAX_TEXT_CHARACTERS: Final = 500
#: At most so many faults of one component are open at once: a broken lamp is seen by many, and one report is enough.
MAX_OPEN_FAULTS: Final = 5
RESULTS: Final = {"ok": "完好", "damaged": "损坏", "missing": "缺失", "moved": "标签不在原处"}
#: The one way a report goes.
NEXT: Final = {"open": "handled", "handled": "closed"}
STATES: Final = {"open": "待处理", "handled": "已处置", "closed": "已办结"}

_CODE: Final = re.compile(r"[0-9]{16}", re.ASCII)


class Class(NamedTuple):
    """A large class (大类) with the names of its small ones (小类)."""

    name: str
    english: str
    small: Mapping[str, str]


def read_classes(path: Path) -> dict[str, Class]:
    """The classes of a configuration file: {"01": [name, English name, {"18": name}]}."""
    return {key: Class(*value) for key, value in json.loads(path.read_text("utf-8")).items()}


#: The classes of 城市管理部件 after GB/T 30428.2 as widely practised. The standard's own text was not at hand: an
#: operator compares the file with it, and adds what is missing.
CLASSES: Final = read_classes(Path(__file__).parent / "classes.json")


@dataclass(frozen=True, slots=True)
class ComponentDraft:
    """A component to be registered. code: 16 digits; name None: that of its class; unit: USCC of who answers for it."""

    code: str
    place: str
    unit: str
    unit_name: str
    name: str | None = None

    @property
    def shown_name(self) -> str:
        """Its own name, or that of its class."""
        found = CLASSES.get(self.code[6:8])
        return (self.name or "").strip() or (found.small.get(self.code[8:10], "") if found else "")


def check_draft(draft: ComponentDraft, row: int | None = None) -> list[FieldError]:
    """Every fault of a component's facts; `row` of the file it came from."""
    errors = [*_check_code(draft)]
    if not 0 < len(draft.place.strip()) <= MAX_PLACE_CHARS or not draft.place.isprintable():
        errors.append(("place", "wrong_length", f"位置应为 1 至 {MAX_PLACE_CHARS} 个字。"))
    if not 0 < len(draft.unit_name.strip()) <= 100 or not draft.unit_name.isprintable():
        errors.append(("unit_name", "wrong_length", "权属单位名称应为 1 至 100 个字。"))
    if len(draft.name or "") > 60 or not (draft.name or "").isprintable():
        errors.append(("name", "wrong_length", "部件名称最多 60 个字。"))
    try:
        check_uscc(draft.unit, "unit")
    except IdentifierError as wrong:
        errors.append(("unit", wrong.reason, f"权属单位：{wrong.message}。"))
    return [FieldError(field, reason, message, row) for field, reason, message in errors]


def _check_code(draft: ComponentDraft) -> list[tuple[str, str, str]]:
    if not _CODE.fullmatch(draft.code):
        return [("code", "wrong_form", "部件标识码应为 16 位数字：6 位区划、2 位大类、2 位小类、6 位流水号。")]
    if draft.code[6:8] not in CLASSES:
        known = "、".join(f"{key} {one.name}" for key, one in CLASSES.items())
        return [("code", "unknown_class", f"第 7、8 位的大类应为 {known} 之一。")]
    if not draft.shown_name:
        return [("name", "name_missing", "小类不在配置中，请填写部件名称。")]
    return []


def check_text(text: str, field: str, what: str) -> list[FieldError]:
    """Faults of a description, a note or a handling."""
    if 0 < len(text.strip()) <= MAX_TEXT_CHARACTERS and all(sign.isprintable() or sign in "\r\n" for sign in text):
        return []
    return [FieldError(field, "wrong_length", f"{what}应为 1 至 {MAX_TEXT_CHARACTERS} 个字。")]
