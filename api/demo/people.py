"""Invented holders: people born in 1899 and companies with invented codes, so that nobody real is meant."""

from __future__ import annotations

from verifier.identifiers import IdentifierError, check_citizen_number, check_uscc

_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜戚谢邹"
_GIVEN = (
    "安",
    "博文",
    "春华",
    "德明",
    "恩泽",
    "芳",
    "国栋",
    "海燕",
    "建国",
    "静怡",
    "兰英",
    "明远",
    "宁",
    "秋实",
    "䶮",
)
_TRADES = ("餐饮", "文化传媒", "信息技术", "商贸", "物业管理", "建筑装饰", "健康咨询", "教育科技")
_NAMES = ("虹桥", "天山", "仙霞", "古北", "新泾", "程家桥", "北新泾", "周家桥", "华阳", "江苏路")


def person_name(number: int) -> str:
    """An invented name."""
    return _SURNAMES[number % len(_SURNAMES)] + _GIVEN[number // 7 % len(_GIVEN)]


def citizen_number(number: int) -> str:
    """The number-th citizen number of a person born in 1899, with a right check character."""
    day, sequence = divmod(number, 999)
    month, day = divmod(day, 28)
    body = f"310105{1899}{month % 12 + 1:02d}{day + 1:02d}{sequence + 1:03d}"
    return _completed(body, "0123456789X", citizen=True)


def company_name(number: int) -> str:
    """An invented company."""
    return f"上海{_NAMES[number % len(_NAMES)]}{number:04d}{_TRADES[number % len(_TRADES)]}有限公司"


def company_code(number: int) -> str:
    """The number-th invented enterprise code of Changning, with a right check character."""
    return credit_code("91310105", f"MA9X{number:05d}")


def credit_code(prefix: str, body: str) -> str:
    """A unified social credit code of these 8 + 9 characters with its check character."""
    return _completed(prefix + body, "0123456789ABCDEFGHJKLMNPQRTUWXY", citizen=False)


def _completed(body: str, characters: str, *, citizen: bool) -> str:
    for last in characters:
        try:
            check_citizen_number(body + last) if citizen else check_uscc(body + last)
        except IdentifierError:
            continue
        return body + last
    raise ValueError(f"no check character fits {body}")
