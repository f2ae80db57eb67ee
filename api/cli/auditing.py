"""`suizheng audit`: the log, the chain and the database held against each other; the first divergence is named."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import orjson

from api.audit.auditing import AuditReport, AuditRequest, audit
from api.audit.findings import Divergence
from api.audit.heads import LogKeys, parse_vkey
from api.audit.state import StateError
from api.cli.arguments import now
from api.cli.errors import CommandError
from api.cli.report import printable
from api.gate.errors import TrustFileError
from api.gate.trust_file import open_trust
from verifier import times
from verifier.errors import MalformedError
from verifier.trust import TrustBundle

EXIT_CLEAN, EXIT_DIVERGED, EXIT_INCOMPLETE = 0, 1, 3
_EXIT = {"clean": EXIT_CLEAN, "diverged": EXIT_DIVERGED, "incomplete": EXIT_INCOMPLETE}
_HEADLINES = {
    "clean": "(✓) 没有发现分歧",
    "diverged": "[✕] 发现分歧",
    "incomplete": "<?> 没有发现分歧，但有内容未能核查",
}
_REDRAW_SECONDS = 0.2
_BAR_SIGNS = 30
_HEX_OF_CONTRACT = 42


def run(options: argparse.Namespace) -> int:
    """Audit what is given: 0 clean, 1 a divergence, 3 something could not be checked. Raises CommandError."""
    request = _request(options)
    bar = Bar(sys.stderr)
    try:
        report = audit(request, bar)
    except StateError as error:
        raise CommandError(error.message) from error
    finally:
        bar.clear()
    if options.json:
        sys.stdout.write(orjson.dumps(report.to_json()).decode() + "\n")
    else:
        write_report(sys.stdout, report)
    sys.stdout.flush()
    return _EXIT[report.state]


def _request(options: argparse.Namespace) -> AuditRequest:
    if not (options.log or options.rpc or options.database):
        raise CommandError("请至少给出 --log、--rpc、--database 之一")
    request = AuditRequest(
        now=options.at or now(), log=options.log, rpc=options.rpc, database=options.database,
        trust=_trust(options.trust), key=_key(options.key), resume=options.resume, **_files(options),
        all_of_them=options.all, jobs=options.jobs or os.cpu_count() or 1,
    )  # fmt: skip
    return request if options.rpc is None else _with_place(request, options)


def _files(options: argparse.Namespace) -> dict[str, Any]:
    if options.files is None:
        return {}
    from api.filing import open_objects
    from api.settings import Settings, SettingsError, read_secret
    from registry.files.masters import FileMasters

    try:
        settings = Settings.from_environment({**os.environ, "SUIZHENG_FILES": options.files})
        opened: dict[str, Any] = {"files": open_objects(settings.filing), "plain_files": Path(settings.filing.place)}
        if options.file_keys is not None:
            sealed_by = settings.key_passphrase_file
            secret = read_secret(sealed_by, "SUIZHENG_KEY_PASSPHRASE_FILE").encode() if sealed_by else None
            opened["file_keys"] = FileMasters(options.file_keys, secret)
    except SettingsError as error:
        raise CommandError(f"环境变量 {error}") from error
    return opened


def _with_place(request: AuditRequest, options: argparse.Namespace) -> AuditRequest:
    """Contracts as told by option, else by the record of the deployment; for the embedded chain that is beside it."""
    from api.audit.chainside import Place
    from chain.errors import WrongContractError
    from chain.record import Deployment

    if options.contract:
        if len(options.contract) != _HEX_OF_CONTRACT or not options.contract.startswith("0x"):
            raise CommandError("合约地址应为 0x 加 40 位十六进制")
        return replace(request, place=Place(options.contract, options.uses_contract))
    file = options.deployment or Path(options.rpc) / "deployment.json"
    try:
        deployment = Deployment.read(file)
    except WrongContractError as error:
        raise CommandError(error.message) from error
    except OSError as error:
        raise CommandError(f"无法读取 {file}：{error.strerror}") from error
    if deployment is None:
        return request
    return replace(request, place=Place(deployment.heads, deployment.uses, deployment.first_block))


def _trust(path: Path | None) -> TrustBundle | None:
    try:
        return None if path is None else open_trust(path)
    except TrustFileError as error:
        raise CommandError(error.message) from error


def _key(text: str | None) -> LogKeys | None:
    try:
        return None if text is None else parse_vkey(text)
    except MalformedError as error:
        raise CommandError(f"--key：{error.message}") from error


class Bar:
    """How far the audit is, on a terminal only and never in the report."""

    def __init__(self, out: TextIO) -> None:
        self._out = out if out.isatty() else None
        self._begun = time.monotonic()
        self._drawn = 0.0

    def __call__(self, stage: str, done: int, of: int) -> None:
        """Draw, unless it was drawn a moment ago."""
        at = time.monotonic()
        if self._out is None or at - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = at
        if not of:
            self._out.write(f"\r\x1b[K正在核查{stage}…")
        else:
            full = _BAR_SIGNS * done // of
            speed = done / max(at - self._begun, 0.001)
            bar = "█" * full + "░" * (_BAR_SIGNS - full)
            self._out.write(f"\r\x1b[K{stage} {bar} {done:,}/{of:,}（{done * 100 // of}%，每秒 {speed:,.0f}）")
        self._out.flush()

    def clear(self) -> None:
        """Take the bar away."""
        if self._out is not None:
            self._out.write("\r\x1b[K")
            self._out.flush()


def write_report(out: TextIO, report: AuditReport) -> None:
    """The report as people read it."""
    findings = report.findings
    lines = [_HEADLINES[report.state], ""]
    if report.head is not None:
        lines.append(f"日志：{report.head.origin}")
        lines.append(f"日志头：{report.head.size:,} 条，根 {report.head.root.hex()}")
    if report.began:
        lines.append(f"续查：从序号 {report.began:,} 起，之前的内容由上次核查读过")
    if report.height is not None:
        lines.append(f"区块高度：{report.height:,}")
    for number, divergence in enumerate(findings.divergences, 1):
        lines += ["", *_told(number, divergence)]
    lines += [f"  另有 {count:,} 处“{code}”没有列出" for code, count in findings.left_out.items()]
    if findings.checked:
        lines += ["", "已核查：" + "，".join(f"{what} {count:,}" for what, count in findings.checked.items() if count)]
    if findings.unchecked:
        lines += ["", "未核查："]
        lines += [f"  {'!' if part.blocked else '·'} {part.what}：{part.why}" for part in findings.unchecked]
    lines.append(f"用时 {report.seconds:.1f} 秒，完成于 {times.for_people(now())}")
    out.write("\n".join(printable(line) for line in lines) + "\n")


def _told(number: int, divergence: Divergence) -> list[str]:
    where = "，".join(f"{_WORDS.get(name, name)} {value}" for name, value in divergence.where.items())
    return [
        f"分歧 {number}：{divergence.title}（{divergence.code}）",
        f"  位置：{where or '—'}",
        f"  应为：{divergence.expected}",
        f"  实为：{divergence.found}",
        f"  含义：{divergence.meaning}",
        f"  处置：{divergence.action}",
    ]


_WORDS = {
    "index": "序号", "size": "大小", "tile": "瓦片", "level": "层", "source": "来源", "table": "表", "id": "编号",
    "item": "事项", "row": "行", "block": "区块", "use": "用证", "key": "密钥", "file": "文件", "field": "字段",
    "contract": "合约", "sequence": "顺序号", "witness": "见证方",
}  # fmt: skip
