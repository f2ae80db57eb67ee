"""`suizheng governance`: what a governor sees and decides, on a node or on an embedded chain at rest."""

from __future__ import annotations

import argparse
import hashlib
import json
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from api.cli.arguments import now
from api.cli.errors import CommandError
from api.cli.governing_words import describe, refusal
from api.cli.program import called
from chain import changes
from chain.changes import Action, Change, EntryKind, Level, Scope
from chain.errors import ChainError, OutcomeUnknownError, TransactionRejectedError
from chain.governors import Proposal
from chain.seat import Seat, account_of, take_seat
from registry.governance.rules import days
from verifier import times
from verifier.canonical import canonicalise
from verifier.errors import MalformedError

_ADDRESS_DIGITS = 40
_ID_DIGITS = 64


def run(options: argparse.Namespace) -> int:
    """Carry out one action. Raises CommandError; what was sent and not confirmed may be repeated."""
    try:
        if options.action == "account":
            print(account_of(options.folder, secrets.token_bytes))
            return 0
        # Before the network is asked: what was typed wrongly costs nothing.
        wanted = _CHANGES[options.change](options) if options.action == "propose" else []
        where = options.embedded if options.node is None else options.node
        seat = take_seat(options.folder, where, now, secrets.token_bytes, options.deployment)
        try:
            return _act(options, seat, wanted)
        finally:
            seat.close()
    except TransactionRejectedError as error:
        raise CommandError(refusal(error.reason)) from error
    except OutcomeUnknownError as error:
        raise CommandError(f"{error.message}（重复执行本命令是安全的）") from error
    except ChainError as error:
        raise CommandError(error.message) from error


def _act(options: argparse.Namespace, seat: Seat, wanted: list[Change]) -> int:
    match options.action:
        case "list":
            return _list(seat, everything=options.all)
        case "approve":
            return _approve(seat, _find(seat, options.proposal), asked=not options.yes)
        case "withdraw":
            proposal = seat.governors.withdraw(_find(seat, options.proposal).id)
            print(f"✓ 已撤回对提案 {proposal.id.hex()[:8]} 的批准（{proposal.approvals}/{proposal.threshold}）")
            return 0
    _tell(seat.governors.propose(wanted))
    return 0


def _list(seat: Seat, *, everything: bool) -> int:
    council = seat.governors.council()
    print(f"治理成员 {len(council.accounts)} 名，变更须经 {council.threshold} 名批准：")
    for account in council.accounts:
        print(f"  {account}{'（本账户）' if account.lower() == seat.address.lower() else ''}")
    if not council.includes(seat.address):
        print(f"本账户 {seat.address} 不是治理成员，只能查看。")
    found = seat.governors.proposals() if everything else seat.governors.open_proposals()
    print(f"{'提案' if everything else '待批准的提案'} {len(found)} 项{'：' if found else '。'}")
    for proposal in found:
        _show(proposal)
    return 0


def _show(proposal: Proposal) -> None:
    if proposal.executed_at is not None:
        state = f"已于 {times.for_people(proposal.executed_at)} 执行"
    else:
        verb = "到期" if proposal.expires_at > now() else "已过期"
        state = f"已批准 {proposal.approvals}/{proposal.threshold}，{times.for_people(proposal.expires_at)} {verb}"
    print(f"\n  {proposal.id.hex()[:8]}  {state}")
    for change in proposal.changes:
        print(f"    · {describe(change)}")
    for account in proposal.approved_by:
        print(f"    批准：{account}")


def _approve(seat: Seat, proposal: Proposal, *, asked: bool) -> int:
    _show(proposal)
    if asked and proposal.executed_at is None:
        if not sys.stdin.isatty():
            raise CommandError("请核对以上内容；确认批准请加 --yes")
        print("\n确认批准以上变更？输入 y 确认：", end="", flush=True)
        if sys.stdin.readline().strip().lower() != "y":
            raise CommandError("没有批准")
    _tell(seat.governors.approve(proposal.id))
    return 0


def _tell(proposal: Proposal) -> None:
    number = proposal.id.hex()[:8]
    if proposal.executed_at is not None:
        print(f"✓ 提案 {number} 已执行：{'；'.join(describe(change) for change in proposal.changes)}")
    else:
        print(
            f"提案 {number} 待其他治理成员批准（{proposal.approvals}/{proposal.threshold}），"
            f"{times.for_people(proposal.expires_at)} 前有效。\n请他们执行：{called()} governance approve {number}"
        )


def _find(seat: Seat, prefix: str) -> Proposal:
    """The one proposal whose id begins so; among several an open one."""
    wanted = prefix.lower().removeprefix("0x")
    alike = [one for one in seat.governors.proposals() if one.id.hex().startswith(wanted)]
    found = [one for one in alike if one.executed_at is None] or alike
    if not found:
        raise CommandError(f"没有编号以 {prefix} 开头的提案；请用 suizheng governance list 查看")
    if len(found) > 1:
        raise CommandError(f"有 {len(found)} 个提案的编号以 {prefix} 开头，请多写几位")
    return found[0]


def _join(options: argparse.Namespace) -> list[Change]:
    account, level = _address(options.account), Level[options.level.upper()]
    log_id = _digits(options.log, _ID_DIGITS, "日志编号")
    return [changes.open_log(log_id, account), changes.add_member(_code(options.department), level, account)]


def _grant(options: argparse.Namespace) -> list[Change]:
    actions = {"issue": Action.ISSUE, "use": Action.USE, "both": Action.ISSUE | Action.USE}[options.scope]
    scope = Scope(actions, days(options.begins_on, options.ends_on))
    if scope.window.not_after_at is not None and scope.window.not_after_at <= scope.window.not_before_at:
        raise CommandError("截止日早于起始日")
    return [changes.grant_scope(_code(options.department), options.type_code, scope)]


def _publish(options: argparse.Namespace) -> list[Change]:
    kind = EntryKind[options.kind.upper()]
    return [changes.publish(kind, _code(options.code), options.version, _digest_of(options.file))]


def _govern(options: argparse.Namespace) -> list[Change]:
    accounts = [_address(account) for account in options.accounts]
    if not 0 < options.threshold <= len(accounts):
        raise CommandError(f"批准人数应在 1 与治理成员人数（{len(accounts)}）之间")
    return [changes.change_governors(accounts, options.threshold)]


_CHANGES: dict[str, Callable[[argparse.Namespace], list[Change]]] = {
    "add": lambda options: [
        changes.add_member(
            _code(options.department),
            Level[options.level.upper()],
            None if options.account is None else _address(options.account),
        )
    ],
    "suspend": lambda options: [changes.suspend(_code(options.department))],
    "reinstate": lambda options: [changes.reinstate(_code(options.department))],
    "rotate": lambda options: [changes.rotate_account(_code(options.department), _address(options.account))],
    "end-key": lambda options: [
        changes.end_key(_code(options.department), _digits(options.key, _ID_DIGITS, "密钥编号"), options.at)
    ],
    "end-scope": lambda options: [
        changes.end_scope(_code(options.department), options.type_code, options.position, options.at)
    ],
    "join": _join,
    "grant": _grant,
    "publish": _publish,
    "governors": _govern,
}


def _digest_of(file: Path) -> bytes:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CommandError(f"无法读取 {file}：{error.strerror}") from error
    if file.suffix == ".json":
        try:
            data = canonicalise(json.loads(data))
        except (ValueError, MalformedError) as error:
            raise CommandError(f"{file} 不是可规范化的 JSON") from error
    return hashlib.sha256(data).digest()


def _code(text: str) -> str:
    if not 0 < len(text) <= 32 or not text.isascii() or not text.isprintable():
        raise CommandError(f"代码 {text} 应为 1 至 32 个字母或数字")
    return text


def _address(text: str) -> str:
    return "0x" + _digits(text, _ADDRESS_DIGITS, "链账户地址").hex()


def _digits(text: str, count: int, what: str) -> bytes:
    digits = text.removeprefix("0x")
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        value = b""
    if len(digits) != count or len(value) * 2 != count:
        raise CommandError(f"{what}应为 {count} 位十六进制，得到 {text}")
    return value
