"""What is counted, and what is wrong with one stored certificate. Days are days in Asia/Shanghai."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from registry.catalogue.rules import TypeDefinition
from registry.certificates.rules import day
from registry.errors import FieldError, InvalidDraftError
from verifier.evidence import LONG_TERM
from verifier.identifiers import IdentifierError, check_holder_number, check_identifier

MAX_COUNT: Final = 100_000_000
_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)
#: Record-level elements that every face must fill (after GB/T 36903-2018), beside those of its holders.
ELEMENTS: Final[Mapping[str, str]] = {
    "certificate_identifier": "证照标识", "certificate_name": "证照名称", "certificate_type_code": "证照类型代码",
    "certificate_number": "证照编号", "certificate_version": "证照版本号", "issuing_authority_name": "颁发机构",
    "issuing_authority_code": "颁发机构代码", "define_authority_name": "定义机构",
    "define_authority_code": "定义机构代码",
    "issue_date": "颁发日期", "valid_from": "有效期起始日期", "valid_to": "有效期截止日期", "area_code": "属地编码",
    "holders": "持证主体",
}  # fmt: skip
_OF_HOLDERS: Final = {
    "holder_name": "持证主体名称", "holder_code": "持证主体代码", "holder_code_type_code": "持证主体代码类型",
}  # fmt: skip


def month_of(text: str) -> date:
    """The first day of `2026-01`. Raises InvalidDraftError (month)."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise InvalidDraftError([FieldError("month", "wrong_month", "月份应写作 2026-01，年份为 2000 至 2099。")])
    return date(int(found[1]), int(found[2]), 1)


def month_after(month: date) -> date:
    """The first day of the month that follows."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def months_until(last: date, count: int) -> list[date]:
    """The first days of `count` months in a row, the one of `last` at the end."""
    number = last.year * 12 + last.month - 1
    return [date(one // 12, one % 12 + 1, 1) for one in range(number - count + 1, number + 1)]


@dataclass(frozen=True, slots=True)
class Ratio:
    """So many of so many. Raises ValueError where there are more than all."""

    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if not 0 <= self.numerator <= self.denominator:
            raise ValueError(f"{self.numerator} of {self.denominator}")

    @property
    def rate(self) -> float | None:
        """Between 0 and 1; None where nothing was counted: that is not 100 %."""
        return self.numerator / self.denominator if self.denominator else None


def pooled(registered: int, should_issue: int | None) -> Ratio | None:
    """归集率; None where nothing was reported. What is registered beyond the report does not count as pooled twice."""
    return None if should_issue is None else Ratio(min(registered, should_issue), should_issue)


def percentile(counts: Mapping[int, int], percent: int) -> int | None:
    """The nearest-rank percentile of values given as {value: how often}; None of nothing."""
    total = sum(counts.values())
    rank, seen = max(1, -(-total * percent // 100)), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= rank:
            return value
    return None


def standing(examined: Iterable[tuple[str, Sequence[Fault]]]) -> tuple[Ratio, Ratio]:
    """(complete, accurate) of certificates with their faults."""
    checked = complete = accurate = 0
    for _, found in examined:
        kinds = {fault.kind for fault in found}
        checked, complete, accurate = (
            checked + 1, complete + ("complete" not in kinds), accurate + ("accurate" not in kinds)
        )  # fmt: skip
    return Ratio(complete, checked), Ratio(accurate, checked)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one certificate: the rule's kind (`complete` or `accurate`), the rule, the field, what to do. No
    values of the face."""

    kind: str
    rule: str
    field: str
    message: str
    action: str


_FILL = "补齐后以下一版本重新登记。"
_CORRECT = "核对原件，更正后以下一版本重新登记。"


def faults(face: Mapping[str, Any], definition: TypeDefinition, registered_on: date) -> list[Fault]:
    """Everything wrong with a face under the version of its type; empty if it is complete and accurate."""
    holders = [holder for holder in face.get("holders") or () if isinstance(holder, Mapping)]
    return [
        *_missing(face, holders, definition),
        *_wrong_codes(face, holders, definition),
        *_wrong_dates(face, definition, registered_on),
    ]


def _missing(face: Mapping[str, Any], holders: list[Mapping[str, Any]], definition: TypeDefinition) -> list[Fault]:
    empty = [(name, title) for name, title in ELEMENTS.items() if _is_empty(face.get(name))]
    for place, holder in enumerate(holders):
        empty += [
            (f"holders[{place}].{name}", title) for name, title in _OF_HOLDERS.items() if _is_empty(holder.get(name))
        ]
    data = face.get("extend_info") or {}
    empty += [
        (f"extend_info.{name}", definition.schema.title([name]))
        for name in definition.schema.schema.get("required", ())
        if _is_empty(data.get(name))
    ]
    return [Fault("complete", "element_missing", field, f"缺少“{title}”。", _FILL) for field, title in empty]


def _is_empty(value: object) -> bool:
    return not value.strip() if isinstance(value, str) else value is None or value in ([], {})


def _accurate(rule: str, field: str, message: str) -> Fault:
    return Fault("accurate", rule, field, message, _CORRECT)


def _wrong_codes(
    face: Mapping[str, Any], holders: list[Mapping[str, Any]], definition: TypeDefinition
) -> Iterator[Fault]:
    try:
        check_identifier(str(face.get("certificate_identifier", "")))
    except IdentifierError:
        yield _accurate("identifier_wrong", "certificate_identifier", "证照标识的形式或校验位不对。")
    for place, holder in enumerate(holders):
        code_type, field = str(holder.get("holder_code_type_code", "")), f"holders[{place}].holder_code"
        try:
            check_holder_number(code_type, str(holder.get("holder_code", "")))
        except IdentifierError:
            yield _accurate("holder_number_wrong", field, "持证主体代码与其类型不符，或校验位不对。")
        if code_type not in definition.holder.code_types:
            yield _accurate("holder_kind_wrong", f"{field}_type_code", "该类型证照的持证主体不能是这种代码类型。")


def _wrong_dates(face: Mapping[str, Any], definition: TypeDefinition, registered_on: date) -> Iterator[Fault]:
    issued, first = day(face.get("issue_date")), day(face.get("valid_from"))
    long_term = face.get("valid_to") == LONG_TERM
    last = None if long_term else day(face.get("valid_to"))
    if issued is None or first is None or (last is None and not long_term):
        field = "issue_date" if issued is None else "valid_from" if first is None else "valid_to"
        yield _accurate("date_wrong", field, "应为存在的日期。")
        return
    if issued > registered_on:
        yield _accurate("issued_after_registration", "issue_date", "颁发日期晚于登记日期。")
    if last is not None and last < first:
        yield _accurate("dates_reversed", "valid_to", "有效期截止日期早于起始日期。")
    elif fault := definition.validity.fault(first, last):
        yield _accurate("validity_wrong", "valid_to", f"{fault}。")


@dataclass(frozen=True, slots=True)
class Figures:
    """One type of one department in one month of issue.

    historic: the month ended before pooling of the type began (the month of its first version). on_time and the delays
    (working days) are of all registered; complete and accurate of those that were checked.
    """

    type_code: str
    department: str
    month: date
    historic: bool
    registered: int
    should_issue: int | None
    on_time: Ratio
    delay_median: int | None
    delay_p90: int | None
    complete: Ratio
    accurate: Ratio

    @property
    def pooled(self) -> Ratio | None:
        """归集率."""
        return pooled(self.registered, self.should_issue)

    @property
    def beyond_report(self) -> int:
        """How many more are registered than were reported: then the report is to be corrected."""
        return 0 if self.should_issue is None else max(0, self.registered - self.should_issue)
