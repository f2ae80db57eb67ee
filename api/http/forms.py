"""What all requests and answers of the JSON API share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from api.errors import Problem
from api.http.problems import MEDIA_TYPE

MAX_PAGE_ROWS: Final = 200
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 9000


def in_range(at: datetime) -> datetime:
    """The time, if every zone has it: conversions fail near the ends of the calendar. Raises ValueError."""
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"时间应在 {FIRST_YEAR} 年至 {LAST_YEAR} 年之间")
    return at


#: A time with its zone.
Moment = Annotated[AwareDatetime, AfterValidator(in_range)]


class Incoming(BaseModel):
    """A request's body: fields that nobody knows are refused, and nothing is converted from another JSON type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Outgoing(BaseModel):
    """An answer's body, made from rows."""

    model_config = ConfigDict(from_attributes=True)


class HolderReference(Incoming):
    """A person or organisation by its number."""

    holder_code: str = Field(min_length=1, max_length=64, description="持证主体代码（证件号码）")
    holder_code_type_code: str = Field(pattern="^[0-9]{3}$", description="持证主体代码类型，如 001、111")


Cursor = Annotated[str | None, Query(max_length=64, description="上一页的 next_cursor")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE_ROWS, description="每页条数")]

_MEANINGS: Final = {
    400: "请求无法解析",
    401: "未登录，或令牌无效",
    403: "没有权限",
    404: "没有找到",
    409: "与现有数据冲突",
    413: "内容过大",
    415: "不支持的内容类型",
    422: "内容不符合要求",
    429: "请求过于频繁",
    503: "暂不可用，请稍后重试",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The description of these errors in the OpenAPI document."""
    schema: Mapping[str, Any] = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        status: {"description": _MEANINGS[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses
    }


#: What any operation that needs an account may answer.
USUAL: Final = problems(401, 403, 422)
