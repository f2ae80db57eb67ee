"""Which column holds which field: Chinese or English headers, several holders side by side, the type's own fields."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from api.errors import FieldProblem
from api.imports.sheets import Cell, SheetError, column_letters
from registry.catalogue.rules import TypeDefinition
from verifier.identifiers import HOLDER_CODE_TYPES

Kind = Literal["text", "day", "last_day", "version", "code_type", "integer", "number", "boolean", "list"]

#: Holders that a file may give in one row.
MAX_HOLDERS: Final = 64
_HOLDER_FIELDS: Final = ("holder_name", "holder_code", "holder_code_type_code")
_PATH: Final = re.compile(r"holders\.\d{1,2}\.\w+|extend_info\..+|\w+")
#: No field is called by a longer name, and comparing long ones takes the square of their length.
LONGEST_KEY: Final = 100
_HOLDER_NUMBERED: Final = re.compile(r"(?:holders[\[.])?(.*?)[\].]?_?(\d{1,2})[\]._]*(.*)")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a file of this type may have. `field` is a path in the draft, such as `extend_info.address`."""

    field: str
    header: str
    kind: Kind
    required: bool
    expected: str
    aliases: tuple[str, ...] = ()


_DAY: Final = "日期，如 20260131 或 2026-01-31"

_GENERAL: Final = (
    Column(
        "certificate_number", "证照编号", "text", True, "证照上印的编号",
        ("编号", "证书编号", "许可证编号", "注册号", "证号"),
    ),
    Column("issue_date", "证照颁发日期", "day", True, _DAY, ("颁发日期", "发证日期", "签发日期")),
    Column("valid_from", "有效期起始", "day", True, _DAY, ("有效期起始日期", "有效期起", "有效期自", "生效日期")),
    Column(
        "valid_to", "有效期截止", "last_day", True, "日期，或“长期”",
        ("有效期截止日期", "有效期止", "有效期至", "截止日期"),
    ),
    Column("certificate_version", "证照版本号", "version", False, "三位数字，首次颁发为 001", ("版本号", "版本")),
    Column("area_code", "所属管辖属地编码", "text", False, "六位行政区划代码，如 310105", ("属地编码", "行政区划代码")),
    Column("associated_identifier", "关联证照标识", "text", False, "延续或变更前的证照标识", ("原证照标识",)),
)  # fmt: skip

_HOLDER: Final = (
    Column("holder_name", "持证主体", "text", True, "姓名或单位名称", ("持证主体名称", "持证人", "持证人姓名")),
    Column(
        "holder_code", "持证主体代码", "text", True, "证件号码（设为文本格式）",
        ("持证人证件号码", "证件号码", "持证主体号码"),
    ),
    Column(
        "holder_code_type_code", "持证主体代码类型", "code_type", False, "",
        ("持证主体代码类型代码", "证件类型", "持证人证件类型"),
    ),
)  # fmt: skip

#: Names of files in the ZIP that was handed in with the sheet.
FILES: Final = Column(
    "files",
    "附件",
    "list",
    False,
    "ZIP 中的文件名，多个用“、”或“；”分开",
    ("附件名称", "附件文件名", "文件名", "电子文件"),
)

_EXPECTED: Final = {
    "string": "文本",
    "integer": "整数",
    "number": "数字",
    "boolean": "是或否",
    "array": "一项或多项，用“、”或“；”分开",
}
_KINDS: Final[Mapping[str, Kind]] = {"integer": "integer", "number": "number", "boolean": "boolean", "array": "list"}


def columns_of(definition: TypeDefinition) -> tuple[Column, ...]:
    """Every column that a file of this type may have, in the order of the template; holders appear once."""
    types = sorted(definition.holder.code_types)
    expected = "、".join(f"{code} {HOLDER_CODE_TYPES[code]}" for code in types)
    if len(types) == 1:
        expected += "（可不填）"
    code_type = Column(
        "holder_code_type_code", _HOLDER[2].header, "code_type", len(types) > 1, expected, _HOLDER[2].aliases
    )
    return (*_GENERAL[:1], *_HOLDER[:2], code_type, *_GENERAL[1:], *_own_columns(definition))


def _own_columns(definition: TypeDefinition) -> tuple[Column, ...]:
    schema = definition.schema.schema
    required = set(schema.get("required", ()))
    properties: dict[str, Any] = schema.get("properties", {})
    return tuple(
        Column(
            f"extend_info.{name}",
            str(part.get("title") or name),
            "day" if name in definition.date_fields else _KINDS.get(str(part.get("type")), "text"),
            name in required,
            _DAY if name in definition.date_fields else _expected(part),
        )
        for name, part in properties.items()
    )


def _expected(part: Mapping[str, Any]) -> str:
    if "enum" in part:
        return "、".join(map(str, part["enum"]))
    expected = _EXPECTED.get(str(part.get("type")), "文本")
    return f"{expected}，最多 {part['maxLength']} 个字" if "maxLength" in part else expected


class Target(NamedTuple):
    """Where the value of a place goes: `name` among the draft's own fields, the type's (`own`) or those of a holder."""

    place: int
    path: str
    column: Column
    name: str
    own: bool
    holder: int | None


def _target(path: str) -> tuple[str, bool, int | None]:
    head, _, rest = path.partition(".")
    if head == "holders":
        number, _, name = rest.partition(".")
        return name, False, int(number)
    return (rest, True, None) if head == "extend_info" else (head, False, None)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a row each field stands: place -> path in the draft and column, and the header as the file has it."""

    places: Mapping[int, tuple[str, Column]]
    headers: Mapping[int, str]
    notes: tuple[str, ...]

    def plan(self) -> tuple[Target, ...]:
        """Every place with where its value goes."""
        return tuple(Target(place, path, column, *_target(path)) for place, (path, column) in self.places.items())

    @property
    def width(self) -> int:
        """How many columns there are up to the last one that has a header."""
        return max(self.headers, default=-1) + 1

    def place_of(self, path: str) -> int | None:
        """The column that a draft's field came from."""
        steps = _steps(path)
        best: tuple[str, int | None] = ("", None)
        for place, (field, _) in self.places.items():
            own = _steps(field)
            if steps[: len(own)] == own and len(field) > len(best[0]):
                best = (field, place)
        return best[1]

    def header_of(self, path: str) -> str:
        """The header of the column a draft's field came from; the standard header where the file has no such column."""
        place, last = self.place_of(path), _steps(path)[-1]
        if place is not None:
            return self.headers[place]
        return next((column.header for column in (*_GENERAL, *_HOLDER, FILES) if column.field == last), path)


def recognised(cells: Sequence[Cell], columns: Sequence[Column]) -> int:
    """How many of these cells are headers of a file of this type."""
    known = names_of(columns)
    return sum(
        _holder_path(key_of(cell), known) is not None or key_of(cell) in known for cell in cells if cell is not None
    )


def lay_out(
    cells: Sequence[Cell], columns: Sequence[Column], holders: int, mapping: Mapping[str, str] | None = None
) -> Layout:
    """The layout of a header row. Unknown columns are named in the notes and left out.

    `mapping` says for the labels of some headers (see `labels_of`) which field they are, "" for none; the others are
    known by their names. Raises SheetError listing every required column that is missing, every one that stands there
    twice, and every field of the mapping that there is none of.
    """
    labels = labels_of(cells)
    places, faults = _mapped(labels, columns, mapping or {})
    taken = {path for path, _ in places.values()}
    known = names_of(columns)
    unknown: list[str] = []
    twice: list[str] = []
    for place, label in labels.items():
        if place in places or label in (mapping or {}):
            continue
        found = _place(key_of(str(cells[place])), known, taken)
        if found is None:
            unknown.append(f"{column_letters(place)} 列“{label[:30]}”")
        elif found[0] in taken:
            twice.append(str(cells[place]).strip())
        else:
            places[place] = found
            taken.add(found[0])
    _check_columns(columns, taken, twice, holders, faults)
    notes = (f"未读取的列：{'、'.join(unknown[:20])}。",) if unknown else ()
    return Layout(places, labels, notes)


def labels_of(cells: Sequence[Cell]) -> dict[int, str]:
    """The headers by their place; one that stands there again is told apart by a number."""
    labels: dict[int, str] = {}
    seen: dict[str, int] = {}
    for place, cell in enumerate(cells):
        header = "" if cell is None else str(cell).strip()
        if header:
            seen[header] = seen.get(header, 0) + 1
            labels[place] = header if seen[header] == 1 else f"{header} ({seen[header]})"
    return labels


def _mapped(
    labels: Mapping[int, str], columns: Sequence[Column], mapping: Mapping[str, str]
) -> tuple[dict[int, tuple[str, Column]], list[FieldProblem]]:
    places: dict[int, tuple[str, Column]] = {}
    faults: list[FieldProblem] = []
    taken: set[str] = set()
    by_path = {column.field: column for column in columns}
    for place, label in labels.items():
        path = mapping.get(label)
        if not path:
            continue
        column = by_path.get(path if not path.startswith("holders.") else _steps(path)[-1])
        if (
            column is None
            or not _PATH.fullmatch(path)
            or (column.field in _HOLDER_FIELDS) != path.startswith("holders.")
        ):
            message = f"“{label}”对应的字段 {path[:60]} 不存在"
            faults.append(FieldProblem(field=label, reason="unknown_field", message=message))
        elif path in taken:
            message = f"“{label}”与另一列对应同一个字段“{column.header}”"
            faults.append(FieldProblem(field=label, reason="column_twice", message=message))
        else:
            places[place] = (path, column)
            taken.add(path)
    return places, faults


def _check_columns(
    columns: Sequence[Column], taken: set[str], twice: list[str], holders: int, faults: list[FieldProblem]
) -> None:
    missing = [column for column in columns if column.required and first_path(column) not in taken]
    faults += [
        FieldProblem(
            field=column.header, reason="missing_column", message=f"缺少“{column.header}”列（{column.expected}）"
        )
        for column in missing
    ]
    faults += [FieldProblem(field=header, reason="column_twice", message=f"“{header}”列出现了两次") for header in twice]
    numbers = {int(path.split(".")[1]) for path in taken if path.startswith("holders.")}
    if numbers and max(numbers) >= min(holders, MAX_HOLDERS):
        faults.append(
            FieldProblem(field="持证主体", reason="too_many_holders", message=f"此类证照最多 {holders} 个持证主体")
        )
    if faults:
        raise SheetError("wrong_columns", "文件的列与此类证照不符，请按提示修改或下载模板。", errors=tuple(faults))


def first_path(column: Column) -> str:
    """The path of a column in the draft, that of the first holder for a holder's."""
    return f"holders.0.{column.field}" if column.field in _HOLDER_FIELDS else column.field


def names_of(columns: Sequence[Column]) -> dict[str, Column]:
    """Every name by which a column is known. A type's own title wins over a general alias of the same name."""
    names: dict[str, Column] = {}
    for column in columns:
        for alias in column.aliases:
            names.setdefault(key_of(alias), column)
    for column in columns:
        for name in (column.header, column.field, column.field.removeprefix("extend_info.")):
            names[key_of(name)] = column
    return names


def _place(key: str, known: Mapping[str, Column], taken: set[str]) -> tuple[str, Column] | None:
    column = known.get(key)
    if column is None:
        return _holder_path(key, known)
    if column.field not in _HOLDER_FIELDS:
        return column.field, column
    # The same holder column again stands for the next holder.
    number = 0
    while f"holders.{number}.{column.field}" in taken:
        number += 1
    return f"holders.{number}.{column.field}", column


def _holder_path(key: str, known: Mapping[str, Column]) -> tuple[str, Column] | None:
    """持证主体2, 持证主体2代码, 持证主体代码2, holder_code_2, holders[1].holder_code: the number within the name."""
    match = _HOLDER_NUMBERED.fullmatch(key) if len(key) <= LONGEST_KEY else None
    if match is None:
        return None
    before, digits, after = match.groups()
    column = known.get(f"{before}{after}")
    if column is None or column.field not in _HOLDER_FIELDS:
        return None
    # Programs count holders[…] from 0; people count them from 1.
    number = int(digits) if key.startswith("holders") else int(digits) - 1
    return (f"holders.{number}.{column.field}", column) if number >= 0 else None


def key_of(text: Cell) -> str:
    """A header without what people vary: width, case, spaces, marks of a required column, a unit in brackets."""
    plain = unicodedata.normalize("NFKC", str(text)).casefold()
    plain = re.sub(r"[\s*＊\u200b\u2060\ufeff]|\((?:必填|选填|可选)\)", "", plain)
    return plain.strip(":")


def _steps(path: str) -> list[str]:
    return path.replace("[", ".").replace("]", "").split(".")
