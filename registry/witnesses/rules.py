"""How an answer of a witness is to be understood. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from verifier.cosignature import SKEW, Cosignature, Witness, find_cosignatures
from verifier.errors import MalformedError, VerificationError
from verifier.note import parse_size
from verifier.suites import PublicKey

#: A witness that does not cosign is asked again after a pause that doubles.
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=2)
SIZE_TYPE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Address:
    """A witness as an administrator enters it: submission prefix, key name, Ed25519 key."""

    url: str
    name: str
    public: PublicKey


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness said over HTTP: status, content type, at most a few kilobytes of body."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Silence:
    """It could not be reached, or did not answer in time; `message` says why, for people."""

    message: str


@dataclass(frozen=True, slots=True)
class Cosigned:
    """It cosigned: its line, and the time in it."""

    line: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Knows:
    """It knows the log at another size than we thought: to be asked again from there."""

    size: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """It did not cosign. `reason` is a stable code; `message` says what to do."""

    reason: str
    message: str


Outcome = Cosigned | Knows | Trouble


def next_pause(pause: timedelta) -> timedelta:
    """The pause after another failure; FIRST_PAUSE after none."""
    return min(LONGEST_PAUSE, pause * 2) if pause else FIRST_PAUSE


def read_answer(answer: Answer | Silence, text: str, witness: Witness, old: int, newest: int, now: datetime) -> Outcome:
    """What an answer means to a request that began at size `old` and presented the checkpoint `text`.

    newest: the size of our newest signed head. Whatever a witness says, nothing but a cosignature by its own key on
    exactly this text, dated no later than now, is taken for one.
    """
    if isinstance(answer, Silence):
        return Trouble("witness_silent", f"连接不上见证方（{answer.message}），稍后自动重试")
    if answer.status == 200:
        return _read_lines(answer.body, text, witness, now)
    if answer.status == 409:
        return _read_conflict(answer, old, newest)
    said = _printable(answer.body)
    refusals = {
        403: ("log_key_unknown", "见证方不认识日志的密钥；请其更新信任包"),
        404: ("log_unknown", "见证方不见证本日志；请其加入本登记处的信任包"),
        422: ("proof_refused", "见证方认为新日志头没有包含它联署过的内容；请立即联系其管理员核对"),
        429: ("witness_busy", "见证方限制了请求的频率，稍后自动重试"),
    }
    reason, message = refusals.get(answer.status, ("witness_failed", f"见证方答复了 {answer.status}，稍后自动重试"))
    return Trouble(reason, f"{message}（{said}）" if said else message)


def _read_lines(body: bytes, text: str, witness: Witness, now: datetime) -> Outcome:
    try:
        lines = body.decode().removesuffix("\n").split("\n")
        found = find_cosignatures(text, lines, [witness])
    except (UnicodeDecodeError, VerificationError) as error:
        message = error.message if isinstance(error, VerificationError) else "不是 UTF-8 文本"
        return Trouble("bad_cosignature", f"见证方的答复不是有效的联署（{message}）；请其管理员检查")
    good = [(one, line) for one, line in found if _is_timely(one, now)]
    if good:
        one, line = max(good, key=lambda pair: pair[0].at)
        return Cosigned(line, one.at)
    if found:
        return Trouble("witness_clock", "见证方的时钟与本机相差超过 5 分钟；请校准两边的时钟")
    return Trouble("other_key", "见证方用另一密钥联署；请向其管理员核对公钥")


def _is_timely(one: Cosignature, now: datetime) -> bool:
    # Verifiers judge the line by the time in it: one from the past may lie before the key's own beginning.
    return abs(one.at - now) <= SKEW


def _read_conflict(answer: Answer, old: int, newest: int) -> Outcome:
    try:
        size = parse_size(answer.body.decode("ascii").removesuffix("\n"))
    except (UnicodeDecodeError, MalformedError):
        size = None
    if answer.content_type.partition(";")[0].strip() != SIZE_TYPE or size is None:
        said = _printable(answer.body)
        message = "见证方对同一大小联署过另一个日志根：可能存在两个版本的日志，请立即核对"
        return Trouble("witness_contradicts", f"{message}（{said}）" if said else message)
    if size == old:
        return Trouble("witness_failed", f"见证方拒绝了它自己给出的大小 {size}，稍后自动重试")
    if size > newest:
        message = f"见证方称已联署过大小 {size} 的日志头，超出本日志；数据库是否从旧备份恢复过？请立即核对"
        return Trouble("witness_ahead", message)
    return Knows(size)


def _printable(body: bytes) -> str:
    text = body[:200].decode(errors="replace").strip()
    return "".join(sign if sign.isprintable() else " " for sign in text)
