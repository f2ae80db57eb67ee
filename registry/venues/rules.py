"""Rules of venues, and how a gate's visits must follow each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from registry.errors import FieldError
from verifier.errors import InclusionError, MalformedError
from verifier.identifiers import IdentifierError, check_uscc
from verifier.venue import VenueRule
from verifier.visit import Visit, check_chain

MAX_NAME_CHARACTERS = 60
MAX_ADDRESS_CHARACTERS = 200
MAX_VISITS = 10_000

_AREA = re.compile(r"[0-9]{6}", re.ASCII)


def check_venue(name: str, address: str, area_code: str, responsible: str, rule: Mapping[str, Any]) -> list[FieldError]:
    """Every fault of a venue's facts."""
    errors = []
    if not 0 < len(name.strip()) <= MAX_NAME_CHARACTERS or not name.isprintable():
        errors.append(FieldError("name", "wrong_length", f"场所名称应为 1 至 {MAX_NAME_CHARACTERS} 个字。"))
    if not 0 < len(address.strip()) <= MAX_ADDRESS_CHARACTERS or not address.isprintable():
        errors.append(FieldError("address", "wrong_length", f"地址应为 1 至 {MAX_ADDRESS_CHARACTERS} 个字。"))
    if not _AREA.fullmatch(area_code):
        errors.append(FieldError("area_code", "wrong_form", "属地编码应为 6 位数字。"))
    try:
        check_uscc(responsible, "responsible")
    except IdentifierError as wrong:
        errors.append(FieldError("responsible", wrong.reason, f"责任单位：{wrong.message}。"))
    try:
        VenueRule.from_json(rule)
    except MalformedError as wrong:
        errors.append(FieldError("rule", wrong.reason, f"{wrong.message}。"))
    return errors


def check_pass(valid_from_at: datetime, valid_to_at: datetime, now: datetime) -> list[FieldError]:
    """Faults of a pass's period."""
    if valid_to_at <= valid_from_at:
        return [FieldError("valid_to_at", "ends_before_it_begins", "通行证的截止时间不晚于起始时间。")]
    if valid_to_at <= now:
        return [FieldError("valid_to_at", "over_already", "通行证的截止时间已过。")]
    return []


def check_continues(visits: Sequence[Visit], last_sequence: int, last_digest: bytes | None) -> list[FieldError]:
    """Faults of one gate's new visits, in order, after the last one known (0 and None: none is).

    The first visit of all carries the digest of the journal's first line, which is not handed in: taken as it is.
    """
    first = visits[0]
    if first.sequence != last_sequence + 1:
        message = f"闸口 {first.gate} 的记录不连续：应从第 {last_sequence + 1} 条开始，实为第 {first.sequence} 条。"
        return [FieldError(first.event_id, "sequence_gap", message)]
    try:
        check_chain(visits, last_digest)
    except InclusionError as broken:
        return [FieldError(first.event_id, broken.reason, f"{broken.message}，记录可能缺失或被改动。")]
    return []
