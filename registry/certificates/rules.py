"""What makes a draft a certificate: pure decisions about one draft, every fault named."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

from registry.catalogue.rules import TypeDefinition
from registry.certificates.holders import HolderDraft, check_holders
from registry.certificates.names import is_clean, normalise_number
from registry.errors import FieldError
from registry.statuses.rules import Operation, allowed
from verifier.errors import MalformedError, SchemaError
from verifier.evidence import LONG_TERM
from verifier.identifiers import IdentifierError, check_identifier
from verifier.status import Status
from verifier.times import compact_date

MAX_NUMBER_CHARACTERS = 64
MAX_REMEMBERED_DATES = 10_000
FIRST_VERSION = "001"


@dataclass(frozen=True, slots=True)
class CertificateDraft:
    """A certificate as handed in: parsed and bounded, not yet judged. Dates are yyyymmdd; valid_to may be 长期.

    `department` is the issuer (default: the actor's); without `identifier` the registry makes one.
    """

    type_code: str
    number: str
    holders: tuple[HolderDraft, ...]
    issue_date: str
    valid_from: str
    valid_to: str
    extend_info: Mapping[str, Any]
    version: str = FIRST_VERSION
    area_code: str = "310105"
    identifier: str | None = None
    associated_identifier: str | None = None
    department: str | None = None


@dataclass(frozen=True, slots=True)
class Issuer:
    """The issuing department as it stands on the face."""

    code: str
    name: str


@dataclass(slots=True)
class Examined:
    """A draft that passed: its face without identifier, and what the tables need."""

    face: dict[str, Any]
    issued_on: date
    valid_from_on: date
    valid_to_on: date | None
    #: (code type, normalised code) of every holder, in order.
    holders: list[tuple[str, str]]
    #: Texts that normalisation changed: {path: as handed in}.
    raw: dict[str, str] = field(default_factory=dict)


#: Day of issue, first and last day of validity; None where there is none or it was refused.
_Dates = tuple[date | None, date | None, date | None]


@dataclass(frozen=True, slots=True)
class Examiner:
    """Judges drafts of one type and issuer on one day (Asia/Shanghai)."""

    definition: TypeDefinition
    issuer: Issuer
    today: date
    #: Dates that were found good: in a batch the same few come again and again.
    _good: dict[tuple[str, str, str], _Dates] = field(default_factory=dict, init=False, repr=False, compare=False)

    def examine(self, draft: CertificateDraft) -> Examined | list[FieldError]:
        """The examined draft, or every fault found."""
        errors: list[FieldError] = []
        raw: dict[str, str] = {}
        definition = self.definition
        number = self._number(draft.number, raw, errors)
        holders, keys = check_holders(definition, draft.holders, raw, errors)
        if definition.number_begins_with_holder_code and keys and not number.startswith(keys[0][1]):
            errors.append(
                _error("certificate_number", "number_differs_from_holder", "证照编号与持证人证件号码不一致。")
            )
        issued_on, valid_from_on, valid_to_on = self._dates(draft, errors)
        if not _is_version(draft.version):
            errors.append(_error("certificate_version", "wrong_form", "证照版本号应为 001 至 999 的三位数字。"))
        if not _is_area(draft.area_code):
            errors.append(_error("area_code", "wrong_form", "属地编码应为 6、9 或 12 位数字。"))
        extend_info = check_data(definition, draft.extend_info, "extend_info", errors)
        if draft.identifier is not None:
            self._identifier(draft, errors)
        if draft.associated_identifier is not None:
            self._associated(draft, errors)
        if errors or issued_on is None or valid_from_on is None:
            return errors
        face: dict[str, Any] = {
            "certificate_name": definition.name,
            "certificate_type_code": definition.code,
            "certificate_number": number,
            "certificate_version": draft.version,
            "issuing_authority_name": self.issuer.name,
            "issuing_authority_code": self.issuer.code,
            "define_authority_name": definition.definer_name,
            "define_authority_code": definition.definer_code,
            "issue_date": draft.issue_date,
            "valid_from": draft.valid_from,
            "valid_to": draft.valid_to,
            "area_code": draft.area_code,
            "holders": holders,
            "extend_info": extend_info,
        }
        if draft.associated_identifier is not None:
            face["associated_identifier"] = draft.associated_identifier
        return Examined(face, issued_on, valid_from_on, valid_to_on, keys, raw)

    def _number(self, number: str, raw: dict[str, str], errors: list[FieldError]) -> str:
        pattern = self.definition.number_pattern
        if pattern is None or len(number) > MAX_NUMBER_CHARACTERS:
            errors.append(_error("certificate_number", "wrong_form", "证照编号过长，或该类型没有编号。"))
            return number
        if pattern.fullmatch(number):
            return number
        plain = normalise_number(number)
        if not pattern.fullmatch(plain):
            hint = self.definition.number_hint
            errors.append(_error("certificate_number", "wrong_form", f"证照编号格式不对，应为{hint}。"))
        raw["certificate_number"] = number
        return plain

    def _dates(self, draft: CertificateDraft, errors: list[FieldError]) -> _Dates:
        key = (draft.issue_date, draft.valid_from, draft.valid_to)
        known = self._good.get(key)
        if known is None:
            faults: list[FieldError] = []
            known = self._judge_dates(draft, faults)
            errors += faults
            if not faults and len(self._good) < MAX_REMEMBERED_DATES:
                self._good[key] = known
        return known

    def _judge_dates(self, draft: CertificateDraft, errors: list[FieldError]) -> _Dates:
        issued_on = _day_or_error("issue_date", "颁发日期", draft.issue_date, errors)
        valid_from_on = _day_or_error("valid_from", "有效期起始日期", draft.valid_from, errors)
        long_term = draft.valid_to == LONG_TERM
        valid_to_on = None if long_term else _day_or_error("valid_to", "有效期截止日期", draft.valid_to, errors)
        if issued_on is not None and issued_on > self.today:
            errors.append(_error("issue_date", "issued_in_the_future", "颁发日期不能晚于今天。"))
        if valid_from_on is None or (valid_to_on is None and not long_term):
            return issued_on, valid_from_on, valid_to_on
        if valid_to_on is not None and valid_to_on < valid_from_on:
            errors.append(_error("valid_to", "ends_before_it_begins", "有效期截止日期早于起始日期。"))
        else:
            fault = self.definition.validity.fault(valid_from_on, valid_to_on)
            if fault is not None:
                errors.append(_error("valid_to", "wrong_validity", f"{fault}。"))
        return issued_on, valid_from_on, valid_to_on

    def _identifier(self, draft: CertificateDraft, errors: list[FieldError]) -> None:
        try:
            type_code, issuer, _, version = check_identifier(str(draft.identifier))
        except IdentifierError as wrong:
            errors.append(_error("certificate_identifier", wrong.reason, f"{wrong.message}。"))
            return
        if (type_code, issuer, f"{version:03d}") != (self.definition.code, self.issuer.code, draft.version):
            message = "证照标识中的类型代码、颁发机构代码或版本号与填报的不一致。"
            errors.append(_error("certificate_identifier", "differs_from_fields", message))

    def _associated(self, draft: CertificateDraft, errors: list[FieldError]) -> None:
        try:
            check_identifier(str(draft.associated_identifier))
        except IdentifierError as wrong:
            errors.append(_error("associated_identifier", wrong.reason, f"关联的{wrong.message}。"))
            return
        if draft.associated_identifier == draft.identifier:
            errors.append(_error("associated_identifier", "associated_with_itself", "关联证照标识不能是自身。"))


def offered(status: Status, valid_to_on: date | None, today: date) -> list[Operation]:
    """What a certificate's issuer may do about it: lawful in its state, and with a meaning for its validity.

    What is 长期 is neither renewed nor does it lapse; what has a last day lapses after it. Taking in what was
    transferred out is another issuer's.
    """
    senseless = {Operation.TRANSFER_IN}
    if valid_to_on is None:
        senseless.add(Operation.RENEW)
    if valid_to_on is None or today <= valid_to_on:
        senseless.add(Operation.LAPSE)
    return [operation for operation in allowed(status) if operation not in senseless]


def check_data(
    definition: TypeDefinition, data: Mapping[str, Any], path: str, errors: list[FieldError]
) -> Mapping[str, Any]:
    """The data of a type in normal form (NFC); every fault is added to `errors` under `path`."""
    if not definition.schema.is_valid(data):
        try:
            definition.schema.check(data)
        except SchemaError as wrong:
            errors += [_error(f"{path}.{inner}", "schema_mismatch", f"{message}。") for inner, message in wrong.errors]
            return data
    for name in definition.date_fields:
        if name in data and day(data[name]) is None:
            title = definition.schema.title([name])
            errors.append(_error(f"{path}.{name}", "date_does_not_exist", f"“{title}”不是存在的日期。"))
    texts = "".join(_texts(data.values()))
    if not texts.isprintable() and not is_clean(texts):
        errors.append(_error(path, "control_character", "内容含有不可见的控制字符，请删除后重试。"))
        return data
    return data if unicodedata.is_normalized("NFC", texts) else _nfc(data)


@lru_cache(maxsize=65536)
def day(text: object) -> date | None:
    """The day of yyyymmdd, or None if there is no such day. Years before 1800 are taken for mistakes."""
    try:
        found = compact_date(text)
    except MalformedError:
        return None
    return found if found.year >= 1800 else None


def _day_or_error(path: str, chinese: str, text: str, errors: list[FieldError]) -> date | None:
    found = day(text)
    if found is None:
        errors.append(_error(path, "date_does_not_exist", f"{chinese}应为存在的日期，形如 20260131。"))
    return found


@lru_cache(maxsize=1024)
def _is_version(version: str) -> bool:
    return len(version) == 3 and version.isascii() and version.isdigit() and version != "000"


@lru_cache(maxsize=4096)
def _is_area(code: str) -> bool:
    return len(code) in (6, 9, 12) and code.isascii() and code.isdigit()


def _texts(values: Iterable[Any]) -> list[str]:
    texts: list[str] = []
    for value in values:
        if type(value) is str:
            texts.append(value)
        elif type(value) is list:
            texts += _texts(value)
        elif type(value) is dict:
            texts += _texts(value.values())
    return texts


def _nfc(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, list):
        return [_nfc(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _nfc(item) for name, item in value.items()}
    return value


def _error(path: str, reason: str, message: str) -> FieldError:
    return FieldError(path, reason, message)
