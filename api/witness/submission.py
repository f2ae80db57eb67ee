"""What a log submits, what may be cosigned, and how a refusal reads (C2SP tlog-witness, add-checkpoint). Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from verifier.cosignature import open_signed
from verifier.errors import InclusionError, MalformedError, SignatureError, VerificationError
from verifier.merkle import EMPTY_ROOT, HASH_BYTES, check_consistency
from verifier.note import MAX_NOTE_BYTES, Checkpoint, parse_size, split_note
from verifier.suites import PublicKey

PATH = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"
MAX_PROOF_LINES = 63
MAX_BODY_BYTES = MAX_NOTE_BYTES + 8 * 1024

_OLD = "old "

#: The keys of the log of this name, past ones too; None for a log that is not witnessed here.
FindKeys = Callable[[str], tuple[PublicKey, ...] | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, content type, text."""

    status: int
    text: str
    content_type: str = TEXT_TYPE


class RefusalError(Exception):
    """The submission is not cosigned; `.answer` says why."""

    def __init__(self, status: int, text: str, content_type: str = TEXT_TYPE) -> None:
        super().__init__(text)
        self.answer = Answer(status, f"{text}\n", content_type)


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint signed by a known log, with what should lead to it from the tree of size `old`."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: str


def write_submission(old: int, proof: list[bytes], note: str) -> bytes:
    """The body of a request."""
    lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in proof)
    return f"{_OLD}{old}\n{lines}\n{note}".encode()


def read_submission(body: bytes, find_keys: FindKeys) -> Submission:
    """The submission in a request's body, once a known log's signature holds on it.

    Raises RefusalError: 400 malformed, 404 a log that is not witnessed here, 403 not signed by a key of that log.
    """
    old, proof, note = _split(body)
    try:
        origin = Checkpoint.from_text(split_note(note)[0]).origin
    except MalformedError as error:
        raise RefusalError(400, f"检查点有误：{error.message}") from error
    keys = find_keys(origin)
    if keys is None:
        raise RefusalError(404, "本见证方不见证这个日志；请见证方的管理员加入它的信任包或公钥")
    try:
        checkpoint = open_signed(note, origin, keys)
    except SignatureError as error:
        message = f"检查点没有该日志已知密钥的有效签名（{error.message}）；日志换过密钥的，请更新见证方的信任包"
        raise RefusalError(403, message) from error
    except VerificationError as error:
        raise RefusalError(400, f"检查点有误：{error.message}") from error
    if old > checkpoint.size:
        raise RefusalError(400, "old 大于检查点的大小")
    return Submission(old, proof, checkpoint, note)


def check_follows(submission: Submission, known: Checkpoint | None) -> None:
    """Raises RefusalError unless the submitted head follows from the newest one that was cosigned for its log.

    409 with our size: the proof begins elsewhere; 409: another root for the size we know; 422: the proof fails.
    """
    size, root = (0, EMPTY_ROOT) if known is None else (known.size, known.root)
    new = submission.checkpoint
    if submission.old != size:
        raise RefusalError(409, str(size), SIZE_TYPE)
    if new.size == size and new.root != root:
        raise RefusalError(409 if known else 422, "本见证方对同一大小已联署过另一个根：日志出现分叉，已拒绝")
    if size in (0, new.size):
        if submission.proof:
            raise RefusalError(422, "此处不应有一致性证明")
        return
    try:
        check_consistency(size, new.size, root, new.root, submission.proof)
    except InclusionError as error:
        raise RefusalError(422, f"一致性证明不成立：{error.message}") from error


def _split(body: bytes) -> tuple[int, tuple[bytes, ...], str]:
    if len(body) > MAX_BODY_BYTES:
        raise RefusalError(413, "请求过长")
    try:
        head, separator, note = body.decode().partition("\n\n")
    except UnicodeDecodeError as error:
        raise RefusalError(400, "请求不是 UTF-8 文本") from error
    first, *lines = head.split("\n")
    if not separator or not first.startswith(_OLD):
        raise RefusalError(400, "请求应为 old 行、证明行、空行和检查点")
    if len(lines) > MAX_PROOF_LINES:
        raise RefusalError(400, f"一致性证明超过 {MAX_PROOF_LINES} 行")
    try:
        return parse_size(first.removeprefix(_OLD)), tuple(_hash(line) for line in lines), note
    except MalformedError as error:
        raise RefusalError(400, "old 应为十进制整数，没有前导零") from error


def _hash(line: str) -> bytes:
    try:
        data = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusalError(400, "一致性证明的行不是 Base64") from error
    if len(data) != HASH_BYTES or base64.b64encode(data).decode() != line:
        raise RefusalError(400, "一致性证明的行应为 32 字节的规范 Base64")
    return data
