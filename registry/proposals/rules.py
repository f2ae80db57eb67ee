"""Who may decide about a proposal, and whether it can be decided still. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from registry.errors import FieldError, InvalidDraftError, NotPermittedError, TransitionError

LASTS = timedelta(days=14)
MAX_REASON_CHARACTERS = 200
OPEN = "open"
#: Proposals that may wait at once. An administrator sets up a department at one sitting; a department has few keys.
OPEN_OF_ADMINISTRATOR = 200
OPEN_OF_DEPARTMENT = 10
#: What a department may propose in a day, taken back or not: the record of decisions must stay readable.
A_DAY_OF_DEPARTMENT = 30
DAY = timedelta(days=1)


def check_reason(reason: str, *, required: bool) -> str:
    """The reason without blanks round it. Raises InvalidDraftError."""
    text = reason.strip()
    if (required and not text) or len(text) > MAX_REASON_CHARACTERS or (text and not text.isprintable()):
        message = f"请填写理由，1 至 {MAX_REASON_CHARACTERS} 个字。"
        raise InvalidDraftError([FieldError("reason", "wrong_length", message)])
    return text


def check_room(waiting: int, lately: int, *, is_administrator: bool) -> None:
    """Raises TransitionError where as many wait, or were proposed within a day, as may."""
    most = OPEN_OF_ADMINISTRATOR if is_administrator else OPEN_OF_DEPARTMENT
    if waiting >= most:
        whose = "您" if is_administrator else "本部门"
        message = f"{whose}待复核的申请已有 {waiting} 项，不能再提出；请先撤回不需要的，或等管理员办理。"
        raise TransitionError("full", "propose", message, "too_many_proposals")
    if not is_administrator and lately >= A_DAY_OF_DEPARTMENT:
        message = f"本部门一天之内已提出 {lately} 项申请，请明天再提。"
        raise TransitionError("full", "propose", message, "too_many_proposals")


def shown_state(state: str, expires_at: datetime, at: datetime) -> str:
    """The state as it is now: what nobody decided in time has expired."""
    return "expired" if state == OPEN and at >= expires_at else state


def check_open(state: str, expires_at: datetime, at: datetime, wanted: str) -> None:
    """Raises TransitionError for what was decided, withdrawn or not decided in time."""
    now = shown_state(state, expires_at, at)
    if now == "expired":
        raise TransitionError(now, wanted, "该申请已过期，未生效；如仍需办理，请重新提出。", "proposal_expired")
    if now != OPEN:
        message = "该申请已有处理结果，不能再次处理，请刷新查看。"
        raise TransitionError(now, wanted, message, "proposal_decided")


def check_other_person(decider: str, kind: str, proposers: Collection[str]) -> None:
    """Raises NotPermittedError unless the decider is a person, and none of those behind the proposal."""
    if kind != "staff":
        raise NotPermittedError("person_needed", "复核须由管理员本人登录办理，令牌不能代替。")
    if decider in proposers:
        raise NotPermittedError("own_proposal", "不能复核自己提出的申请，请由另一名管理员办理。")


def check_fresh(before: object, now: object, wanted: str) -> None:
    """Raises TransitionError where what the proposal started from was changed since."""
    if before != now:
        message = "提出之后情况已有变化，按原申请办理会覆盖新的内容；请退回，并按现状重新提出。"
        raise TransitionError("stale", wanted, message, "proposal_stale")
