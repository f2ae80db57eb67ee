"""The only translation from errors to HTTP (RFC 9457): one row for every class that may reach the rim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from api.printing import errors as printing
from api.settings import SettingsError
from chain import errors as chain
from codes import payload, picture
from registry import errors as registry
from registry.log import errors as log
from verifier import errors as verifier
from verifier import identifiers, sm2


class Row(NamedTuple):
    """How a class of errors looks outside. retry_after_seconds: what the header Retry-After says, if anything."""

    status: int
    title: str
    retry_after_seconds: int | None = None


class FieldProblem(BaseModel):
    """One fault of one field; `row` is the row number as the file shows it, or null."""

    row: int | None = Field(default=None, description="行号（与表格软件显示的行号一致）")
    field: str = Field(description="字段或列标题")
    reason: str = Field(description="原因代码")
    message: str = Field(description="说明")


class Problem(BaseModel):
    """RFC 9457 problem details with a stable `reason` and, where fields are at fault, each of them."""

    type: str = Field(description="问题类型 URI")
    title: str = Field(description="问题概要")
    status: int = Field(description="HTTP 状态码")
    detail: str = Field(description="本次发生了什么、下一步怎么做")
    instance: str = Field(default="", description="本次请求的编号")
    reason: str = Field(description="稳定的原因代码，供程序判断")
    errors: list[FieldProblem] = Field(default_factory=list, description="逐字段的错误")
    evidence: dict[str, Any] = Field(default_factory=dict, description="判断所依据的事实（不含个人信息）")


class ProblemError(HTTPException):
    """What the rim itself refuses. Do: what `message` says.

    It is an HTTPException because the framework turns any other error that is raised while a body is read into an
    answer of its own.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.reason = reason
        self.message = message
        self.errors = tuple(errors)
        self.evidence = dict(evidence or {})


TITLES: Mapping[int, str] = {
    400: "请求有误",
    401: "需要登录",
    403: "没有权限",
    404: "没有找到",
    405: "不支持的方法",
    406: "不支持的返回格式",
    409: "与现有数据冲突",
    411: "缺少内容长度",
    413: "内容过大",
    414: "地址过长",
    415: "不支持的内容类型",
    422: "内容不符合要求",
    429: "请求过于频繁",
    431: "请求头过大",
    500: "系统内部错误",
    503: "服务暂不可用",
}

_NOT_VALID = Row(422, "未通过核验")
_WITHOUT_NEXT_MOVE = Row(500, TITLES[500])

TABLE: Mapping[type[Exception], Row] = {
    # registry
    registry.RegistryError: _WITHOUT_NEXT_MOVE,
    registry.NotFoundError: Row(404, TITLES[404]),
    registry.DuplicateError: Row(409, "已经存在"),
    registry.NotPermittedError: Row(403, TITLES[403]),
    registry.AuthenticationError: Row(401, "登录失败"),
    registry.SecondFactorNeededError: Row(401, "还须验证码"),
    registry.LoginDelayedError: Row(429, TITLES[429]),
    registry.InvalidDraftError: Row(422, TITLES[422]),
    registry.TransitionError: Row(409, "当前状态不允许此操作"),
    registry.ReuseRefusedError: Row(409, "不能复用"),
    registry.WrongNumberError: Row(404, "备用号不对"),
    registry.TooManyTriesError: Row(429, TITLES[429]),
    registry.ConflictError: Row(422, "幂等键已用于另一请求"),
    registry.LimitError: Row(413, TITLES[413]),
    registry.BusyError: Row(503, "系统繁忙", 1),
    registry.NotAnchoredYetError: Row(409, "尚未完成存证", 3),
    registry.KeyUnavailableError: Row(503, "签名密钥不可用", 60),
    registry.StoreError: Row(503, "文件库暂不可用", 10),
    registry.FileKeyError: Row(503, "文件主密钥不可用", 60),
    log.LogContradictionError: _WITHOUT_NEXT_MOVE,
    log.TileLostError: Row(503, "存证日志正在修复", 5),
    # verifier: inside a verification these are verdicts (200); elsewhere what was handed in cannot be relied on.
    verifier.VerificationError: _NOT_VALID,
    verifier.MalformedError: Row(400, "格式有误"),
    identifiers.IdentifierError: Row(422, "号码有误"),
    verifier.SignatureError: _NOT_VALID,
    verifier.CommitmentError: _NOT_VALID,
    verifier.SchemaError: Row(422, TITLES[422]),
    verifier.ScopeError: _NOT_VALID,
    verifier.InclusionError: _NOT_VALID,
    verifier.AnchorContradictionError: _NOT_VALID,
    verifier.WitnessError: _NOT_VALID,
    verifier.UnwitnessedError: _NOT_VALID,
    verifier.KindError: _NOT_VALID,
    verifier.ProofError: _NOT_VALID,
    verifier.DelegationError: _NOT_VALID,
    verifier.NotInForceError: _NOT_VALID,
    verifier.StatusError: _NOT_VALID,
    verifier.ValidityError: _NOT_VALID,
    verifier.UndecidedError: _NOT_VALID,
    verifier.UntrustedIssuerError: _NOT_VALID,
    verifier.UnanchoredError: _NOT_VALID,
    verifier.UnknownStatusError: _NOT_VALID,
    verifier.UnknownTypeError: _NOT_VALID,
    verifier.StaleTrustError: _NOT_VALID,
    sm2.Sm2UnavailableError: _NOT_VALID,
    # codes
    payload.PayloadError: Row(400, "码的内容有误"),
    picture.PictureError: Row(422, "图片有误"),
    picture.UndrawableError: Row(422, "无法制作二维码"),
    picture.TooLargePictureError: Row(413, TITLES[413]),
    picture.UnreadablePictureError: Row(422, "无法读取图片"),
    picture.NoCodeError: Row(422, "图片中没有二维码"),
    picture.ForeignCodeError: Row(422, "图片中没有随证的码"),
    # chain: never met on a request's own path, since anchoring is the worker's; a diagnosis may still meet them.
    chain.ChainError: Row(503, "区块链暂不可用", 10),
    chain.ChainUnavailableError: Row(503, "区块链暂不可用", 10),
    chain.AwaitingGovernorsError: Row(503, "待其他治理成员批准", 60),
    chain.TransactionRejectedError: _WITHOUT_NEXT_MOVE,
    chain.OutcomeUnknownError: Row(503, "上链结果未知", 10),
    chain.WrongContractError: _WITHOUT_NEXT_MOVE,
    chain.ChainRewrittenError: _WITHOUT_NEXT_MOVE,
    chain.NetworkError: _WITHOUT_NEXT_MOVE,
    # the database, where the registry itself had no word for it
    OperationalError: Row(503, "数据库暂不可用", 2),
    PoolTimeoutError: Row(503, "系统繁忙", 2),
    DataError: Row(422, TITLES[422]),
    # api
    SettingsError: _WITHOUT_NEXT_MOVE,
    printing.PrintingError: _WITHOUT_NEXT_MOVE,
    printing.FontMissingError: Row(503, "缺少中文字体"),
    printing.GlyphMissingError: Row(422, "字体中没有这个字"),
    printing.TemplateError: _WITHOUT_NEXT_MOVE,
}

#: The roots of the trees that TABLE must cover; a test walks them.
ROOTS: tuple[type[Exception], ...] = (
    registry.RegistryError,
    verifier.VerificationError,
    payload.PayloadError,
    picture.PictureError,
    chain.ChainError,
    printing.PrintingError,
)
#: Errors of the database that a request can meet, with the reason and the message for its sender; their own text is for
#: the log alone.
OF_DATABASE: Mapping[type[Exception], tuple[str, str]] = {
    OperationalError: ("database_unavailable", "数据库暂不可用，本次操作未写入任何内容，请稍后重试。"),
    PoolTimeoutError: ("database_busy", "系统繁忙，本次操作未写入任何内容，请稍后重试。"),
    DataError: ("unstorable_value", "内容中有无法保存的字符或数值，请检查后重试。"),
}


def row_of(error: Exception) -> Row | None:
    """The row of the error's class or of its nearest ancestor that has one; None for what nobody foresaw."""
    return next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), None)


def problem_of(error: Exception) -> Problem | None:
    """The problem that an error of a known tree is shown as; None where only "internal error" may be said."""
    if isinstance(error, ProblemError):
        return make_problem(
            error.status_code, error.reason, error.message, errors=error.errors, evidence=error.evidence
        )
    row = row_of(error)
    if row is None or row.status == 500:
        return None
    for kind, (reason, message) in OF_DATABASE.items():
        if isinstance(error, kind):
            return make_problem(row.status, reason, message, title=row.title)
    reason = str(getattr(error, "reason", "") or "refused")
    message = str(getattr(error, "message", "") or row.title)
    evidence = getattr(error, "evidence", {})
    return make_problem(row.status, reason, message, title=row.title, errors=_fields(error), evidence=evidence)


def make_problem(
    status: int,
    reason: str,
    message: str,
    *,
    title: str | None = None,
    errors: Sequence[FieldProblem] = (),
    evidence: Mapping[str, Any] | None = None,
) -> Problem:
    """A problem of this status; the title is that of the status unless one is given."""
    return Problem(
        type=f"urn:suizheng:problem:{reason}",
        title=title or TITLES.get(status, TITLES[400] if status < 500 else TITLES[500]),
        status=status,
        detail=message,
        reason=reason,
        errors=list(errors),
        evidence=dict(evidence or {}),
    )


def _fields(error: Exception) -> list[FieldProblem]:
    if isinstance(error, registry.InvalidDraftError):
        return [
            FieldProblem(row=one.row, field=one.field, reason=one.reason, message=one.message) for one in error.errors
        ]
    if isinstance(error, verifier.SchemaError):
        return [FieldProblem(field=path, reason=error.reason, message=message) for path, message in error.errors]
    return []
