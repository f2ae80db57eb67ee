"""Changes and refusals of the governors in Chinese."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chain.changes import NOBODY, Change, EntryKind, Level
from chain.ids import department_code
from verifier import times

_LEVELS: dict[int, str] = {
    Level.UNSTATED: "层级未注明",
    Level.MUNICIPAL: "市级",
    Level.DISTRICT: "区级",
    Level.STREET: "街道（镇）",
    Level.UNIT: "社会组织或企业",
}
_KINDS: dict[int, str] = {
    EntryKind.TYPE: "证照类型",
    EntryKind.SCHEMA: "数据结构",
    EntryKind.STANDARD: "数据标准",
    EntryKind.DUTIES: "职责目录",
    EntryKind.DATA: "数据目录",
}
_ACTIONS = {1: "颁发", 2: "使用", 3: "颁发和使用"}
_FOR_EVER = 2**64 - 1

_REFUSALS = {
    "governors: not a governor": "本账户不是治理成员，不能批准或撤回；请用 suizheng governance list 查看治理成员",
    "governors: not an active member": "本账户不是治理成员，也不是在册部门的账户，不能提出变更",
    "governors: expired": "提案已过期；如仍需要，请重新提出",
    "governors: carried out": "提案已执行，不能撤回",
    "governors: threshold": "批准人数应在 1 与治理成员人数之间",
    "governors: named twice": "同一账户写了两次",
    "governors: unknown": "没有这个提案；请用 suizheng governance list 查看编号",
    "members: unknown department": "链上没有这个部门，请先增加",
    "members: differs": "链上已有这个部门，层级或账户不同",
    "members: account taken": "这个链账户已属于另一部门，请换一个账户",
    "members: unknown key": "该部门没有这把密钥",
    "members: key differs": "这把密钥已登记，部门或有效期不同",
    "members: unknown scope": "该部门没有这一序号的权限",
    "members: extends": "只能提前终止，不能延长；需要延长请另行授予",
    "members: window": "起止时间有误",
    "heads: log is open": "该日志已由另一账户开通",
    "catalogue: differs": "该版本已发布，内容不同；已发布的不会改变，请用新的版本号",
    "catalogue: leaves versions out": "版本号应紧接链上最新版本",
}


def refusal(reason: str) -> str:
    """What a contract's refusal means to the person who asked."""
    return _REFUSALS.get(reason, f"合约拒绝了这一操作：{reason}")


def describe(change: Change) -> str:
    """One change as a governor should read it before approving."""
    words = _WORDS.get((change.contract, change.function))
    if words is None:
        return f"调用 {change.contract} 的 {change.function}，内容 {change.arguments!r}（不认识的操作，请谨慎）"
    return str(words(*change.arguments))


def _code(department: Any) -> str:
    return department_code(bytes(department))


def _at(seconds: int) -> str:
    if seconds == _FOR_EVER:
        return "长期"
    if seconds >= 253_402_300_800:
        return f"第 {seconds} 秒"
    return times.for_people(datetime.fromtimestamp(seconds, UTC))


def _hash(value: Any) -> str:
    return bytes(value).hex()[:16] + "…"


def _level(level: int) -> str:
    return _LEVELS.get(level, f"层级 {level}")


def _account(account: str) -> str:
    return "无链账户" if account == NOBODY else f"链账户 {account}"


_WORDS: dict[tuple[str, str], Any] = {
    ("members", "add"): lambda code, level, account: f"增加部门 {_code(code)}（{_level(level)}，{_account(account)}）",
    ("members", "suspend"): lambda code: f"暂停部门 {_code(code)}",
    ("members", "reinstate"): lambda code: f"恢复部门 {_code(code)}",
    ("members", "rotate"): lambda code, account: f"部门 {_code(code)} 改用{_account(account)}",
    ("members", "add_key"): lambda code, key, begin, end: (
        f"部门 {_code(code)} 增加签名密钥 {_hash(key)}（{_at(begin)} 至 {_at(end)}）"
    ),
    ("members", "end_key"): lambda code, key, end: f"部门 {_code(code)} 的签名密钥 {_hash(key)} 于 {_at(end)} 终止",
    ("members", "rotate_key"): lambda code, old, key, at, end: (
        f"部门 {_code(code)} 的签名密钥 {_hash(old)} 于 {_at(at)} 由 {_hash(key)} 接替（至 {_at(end)}）"
    ),
    ("members", "grant_scope"): lambda code, kind, actions, begin, end: (
        f"部门 {_code(code)} 可{_ACTIONS.get(actions, '？')}类型 {_hash(kind)}（{_at(begin)} 至 {_at(end)}）"
    ),
    ("members", "end_scope"): lambda code, kind, position, end: (
        f"部门 {_code(code)} 对类型 {_hash(kind)} 的第 {position} 项权限于 {_at(end)} 终止"
    ),
    ("members", "propose_governor"): lambda account: f"拟将成员合约移交给 {account}",
    ("members", "accept_governor"): lambda: "接管成员合约",
    ("catalogue", "publish"): lambda kind, code, version, digest: (
        f"发布{_KINDS.get(kind, '条目')} {_code(code)} 第 {version} 版（摘要 {_hash(digest)}）"
    ),
    ("heads", "open_log"): lambda log, writer: f"为{_account(writer)}开通日志 {_hash(log)}",
    ("heads", "replace_writer"): lambda log, writer: f"日志 {_hash(log)} 改由{_account(writer)}写入",
    ("governors", "change"): lambda accounts, threshold: (
        f"治理成员改为 {len(accounts)} 名，须 {threshold} 名批准：{'、'.join(accounts)}"
    ),
}
