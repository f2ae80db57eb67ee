"""A verdict as people read it: shape and word first, the reason, then every check with its evidence and its age."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TextIO

from verifier import times
from verifier.errors import MalformedError
from verifier.trust import TrustBundle
from verifier.verdict import CHECK_CHINESE, NOT_OURS_CHINESE, STATE_CHINESE, CheckResult, Outcome, State, Verdict

SHAPES = {
    State.VALID: "(✓)",
    State.INVALID: "[✕]",
    State.NOT_IN_FORCE: "/‖\\",
    State.UNDECIDED: "<?>",
}
_OUTCOMES = {
    Outcome.PASSED: ("✓", "通过"),
    Outcome.FAILED: ("✕", "未过"),
    Outcome.NOT_CHECKED: ("·", "未核"),
}
_COLOURS = {
    State.VALID: "\x1b[97;48;5;28m",
    State.INVALID: "\x1b[97;48;5;124m",
    State.NOT_IN_FORCE: "\x1b[97;48;5;94m",
    State.UNDECIDED: "\x1b[97;48;5;240m",
}
_WIDE_SPACE = "\u3000"
_DAYS = ("issue_date", "valid_from", "valid_to")
_LABELS = {
    "kind_name": "种类",
    "name": "名称",
    "chain": "委托",
    "country": "国家或地区",
    "issuer": "签发机构",
    "day": "日期",
    "doses": "剂次",
    "certificate_name": "证照",
    "certificate_number": "证照号码",
    "certificate_identifier": "证照标识",
    "issuing_authority_name": "颁发机构",
    "issue_date": "颁发日期",
    "valid_from": "有效期自",
    "valid_to": "有效期至",
    "purpose": "用途",
    "receiver": "接收单位",
    "fields": "给出字段",
    "subject": "主体",
    "code_id": "码号",
    "issued_at": "签发时间",
    "expires_at": "到期时间",
    "recorded_at": "存证时间",
}
_PROOF = {"block_number": "区块", "block_at": "出块", "size": "条目数"}


def write_report(out: TextIO, verdict: Verdict, trust: TrustBundle | None, at: datetime) -> None:
    """Write the report; colours only on a terminal, and never the only sign. trust: None if none was given."""
    word = NOT_OURS_CHINESE if verdict.reason == "not_ours" else STATE_CHINESE[verdict.state]
    head = f"{SHAPES[verdict.state]} {word}"
    if out.isatty():
        head = f"{_COLOURS[verdict.state]}  {head}  \x1b[0m"
    signed = "没有给出"
    if trust is not None:
        issued_at = trust.content.issued_at
        signed = f"版本 {trust.content.version}，签发于 {times.for_people(issued_at)}（{_age(at - issued_at)}）"
    lines = [f"原因：{verdict.message}（{verdict.reason}）", ""]
    lines += [
        f"{label}：{_shown(name, verdict.subject[name])}"
        for name, label in _LABELS.items()
        if verdict.subject.get(name) is not None
    ]
    lines += [f"核验时间：{times.for_people(at)}", f"信任包：{signed}", ""]
    lines += [_line(result, at) for result in verdict.checks]
    out.write("\n".join([head, *map(printable, lines)]) + "\n\n")


def printable(text: str) -> str:
    """The text without control and direction characters: what others wrote must not steer the terminal."""
    return "".join(sign if sign.isprintable() or sign == _WIDE_SPACE else "\ufffd" for sign in text)


def printable_lines(text: str) -> str:
    """`printable`, line by line."""
    return "\n".join(map(printable, text.split("\n")))


def _line(result: CheckResult, at: datetime) -> str:
    sign, word = _OUTCOMES[result.outcome]
    name = CHECK_CHINESE[result.check]
    padded = name + _WIDE_SPACE * (6 - len(name))
    parts = [f"{sign} {word} {padded} {result.message}"]
    parts += _evidence(result)
    if result.as_of is not None:
        parts.append(f"依据为 {_age(at - result.as_of)}")
    return " · ".join(parts)


def _evidence(result: CheckResult) -> list[str]:
    """What a check rests on: all of it where it did not pass, else only what people ask for; --json has the rest."""
    if result.outcome is not Outcome.PASSED:
        told = [f"{key}={_value(value)}" for key, value in result.evidence.items()]
    else:
        told = [f"{label} {_shown(key, value)}" for key, label in _PROOF.items() if (value := result.evidence.get(key))]
    return ["；".join(told)] if told else []


def _shown(name: str, value: Any) -> str:
    """Times and days as people write them; everything else as it stands."""
    try:
        if name.endswith("_at"):
            return times.for_people(times.from_text(value))
        if name in _DAYS:
            return times.day_for_people(times.compact_date(value))
    except MalformedError:
        return _value(value)
    return _value(value)


def _value(value: Any) -> str:
    return str(value)[:200]


def _age(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    if seconds < 0:
        return "晚于核验时间"
    for unit, name in ((86_400, "天"), (3_600, "小时"), (60, "分钟")):
        if seconds >= unit:
            return f"{seconds // unit} {name}前"
    return f"{seconds} 秒前"
