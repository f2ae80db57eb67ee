"""Numbers with check characters: certificate identifiers, unified social credit codes, citizen numbers; and masking."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from operator import mul

from verifier.errors import MalformedError

IDENTIFIER_ROOT = "1.2.156.3005.2"
USCC, CITIZEN = "001", "111"
HOLDER_CODE_TYPES = {
    "001": "统一社会信用代码",
    "099": "其他法人或其他组织有效证件代码",
    "111": "公民身份号码",
    "114": "中国人民解放军军官证",
    "115": "中国人民武装警察部队警官证",
    "118": "中国人民解放军士兵证",
    "119": "中国人民武装警察部队士兵证",
    "120": "中国人民解放军文职人员证",
    "122": "中国人民武装警察部队文职人员证",
    "411": "外交护照",
    "412": "公务护照",
    "413": "公务普通护照",
    "414": "普通护照",
    "511": "台湾居民来往大陆通行证",
    "516": "港澳居民来往内地通行证",
    "999": "其他自然人有效证件代码",
}

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUE = {character: value for value, character in enumerate(_ALPHABET)}
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_VALUE = {character: value for value, character in enumerate(_USCC_ALPHABET)}
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_CITIZEN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CITIZEN_FORM = re.compile(r"\d{17}[\dX]", re.ASCII)
_SERIAL = re.compile(r"[0-9A-Z]{1,64}", re.ASCII)
_OTHER_NUMBER = re.compile(r"[0-9A-Za-z()\-]{4,30}", re.ASCII)


class IdentifierError(MalformedError):
    """A number whose form or check character is wrong. `.field` names it."""

    def __init__(self, field: str, reason: str, message: str) -> None:
        super().__init__(reason, message, evidence={"field": field})
        self.field = field


def check_character(body: str) -> str:
    """The ISO/IEC 7064 MOD 37,36 character over 0-9 and A-Z."""
    return _finish(_advance(36, body))


def make_identifier(type_code: str, issuer: str, serial: str, version: int) -> str:
    """A certificate identifier (证照标识, modelled on GB/T 36904): root, type, issuer, serial, 3-digit version, check.

    The check character covers the four parts without dots and without the root. Raises IdentifierError.
    """
    if not 1 <= version <= 999 or not _SERIAL.fullmatch(serial):
        raise IdentifierError(
            "certificate_identifier", "wrong_form", "流水号应为 1 至 64 位大写字母或数字，版本号 1 至 999"
        )
    tail = f"{serial}{version:03d}"
    check = _finish(_advance(_prefix_state(type_code + issuer), tail))
    return f"{IDENTIFIER_ROOT}.{type_code}.{issuer}.{serial}.{version:03d}.{check}"


def check_identifier(identifier: str) -> tuple[str, str, str, int]:
    """The (type code, issuer, serial, version) of an identifier. Raises IdentifierError.

    Strict: issuers other than an 18-character code and the non-canonical check characters that occur in some systems
    are refused; they may be read elsewhere, never written here.
    """
    parts = identifier.removeprefix(IDENTIFIER_ROOT + ".").split(".")
    if not identifier.startswith(IDENTIFIER_ROOT + ".") or len(parts) != 5:
        raise _identifier_error("wrong_form", "证照标识应为 1.2.156.3005.2.类型代码.颁发机构代码.流水号.版本号.校验位")
    type_code, issuer, serial, version, check = parts
    if len(type_code) != 21 or len(issuer) != 18 or not _SERIAL.fullmatch(serial):
        raise _identifier_error("wrong_form", "证照标识的类型代码应为 21 位、颁发机构代码应为 18 位")
    if len(version) != 3 or not version.isascii() or not version.isdigit():
        raise _identifier_error("wrong_form", "证照标识的版本号应为 3 位数字")
    try:
        expected = _finish(_advance(_prefix_state(type_code + issuer), serial + version))
    except KeyError as error:
        raise _identifier_error("wrong_character", "证照标识只能含数字和大写字母") from error
    if check != expected:
        raise _identifier_error("wrong_check_character", f"证照标识的校验位应为 {expected}，实为 {check[:1]}")
    return type_code, issuer, serial, int(version)


def check_uscc(code: str, field: str = "holder_code") -> None:
    """Raises IdentifierError unless this is a unified social credit code (GB 32100-2015)."""
    if len(code) != 18 or not _USCC_VALUE.keys() >= set(code):
        raise IdentifierError(field, "wrong_form", "统一社会信用代码应为 18 位数字或大写字母（不含 I、O、S、V、Z）")
    total = sum(map(mul, map(_USCC_VALUE.__getitem__, code), _USCC_WEIGHTS))
    expected = _USCC_ALPHABET[-total % 31]
    if code[17] != expected:
        message = f"统一社会信用代码的校验位不对，请核对全部 18 位{_spoiled(code)}"
        raise IdentifierError(field, "wrong_check_character", message)


def check_citizen_number(number: str, field: str = "holder_code") -> date:
    """The birth date of a citizen number (GB 11643-1999). Raises IdentifierError. The area is not judged."""
    if not _CITIZEN_FORM.fullmatch(number):
        raise IdentifierError(field, "wrong_form", "公民身份号码应为 17 位数字加 1 位数字或大写 X")
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError as error:
        raise IdentifierError(field, "wrong_date", "公民身份号码中的出生日期不存在") from error
    total = sum(map(mul, map(int, number[:17]), _CITIZEN_WEIGHTS))
    if number[17] != "10X98765432"[total % 11]:
        message = f"公民身份号码的校验位不对，请核对全部 18 位{_spoiled(number)}"
        raise IdentifierError(field, "wrong_check_character", message)
    return born


def _spoiled(number: str) -> str:
    """A spreadsheet keeps 15 digits of a number and writes zeros for the rest."""
    return "；末三位都是 0，可能是表格软件按数值保存时改掉的" if number.isdigit() and number.endswith("000") else ""


def check_holder_number(type_code: str, number: str, field: str = "holder_code") -> None:
    """Raises IdentifierError unless the number fits its holder code type (GB/T 36903 Annex A as practised)."""
    if type_code not in HOLDER_CODE_TYPES:
        raise IdentifierError(field, "unknown_code_type", "持证主体代码类型不在代码表中")
    if type_code == USCC:
        check_uscc(number, field)
    elif type_code == CITIZEN:
        check_citizen_number(number, field)
    elif not _OTHER_NUMBER.fullmatch(number):
        raise IdentifierError(field, "wrong_form", f"{HOLDER_CODE_TYPES[type_code]}应为 4 至 30 位字母、数字或 -()")


def is_organisation(type_code: str) -> bool:
    """Whether a holder code type is one of organisations (0xx)."""
    return type_code.startswith("0")


def mask_name(name: str) -> str:
    """A person's name with all but the ends hidden: 张* , 张*三, 欧**娜."""
    if len(name) <= 1:
        return "*"
    if len(name) == 2:
        return name[0] + "*"
    return name[0] + "*" * (len(name) - 2) + name[-1]


def mask_number(number: str) -> str:
    """A number with at most the first and the last four characters shown, and never more than half of it."""
    shown = min(4, len(number) // 4)
    if shown == 0:
        return "*" * len(number)
    return number[:shown] + "*" * (len(number) - 2 * shown) + number[-shown:]


def _advance(state: int, text: str) -> int:
    for character in text:
        state = ((state + _VALUE[character]) % 36 or 36) * 2 % 37
    return state


def _finish(state: int) -> str:
    return _ALPHABET[(37 - state) % 36]


@lru_cache(maxsize=1024)
def _prefix_state(prefix: str) -> int:
    # Type and issuer repeat over a whole batch; only the serial and the version are new in each identifier.
    return _advance(36, prefix)


def _identifier_error(reason: str, message: str) -> IdentifierError:
    return IdentifierError("certificate_identifier", reason, message)
