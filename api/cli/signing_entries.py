"""`suizheng sign-entries`: look at what waits for the department's signature, sign it with its own key, hand it in."""

from __future__ import annotations

import argparse
import base64
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.cli.arguments import now
from api.cli.department_client import DepartmentClient
from api.cli.department_keys import load_key, open_client
from api.cli.errors import CommandError
from api.cli.reading import read_given
from api.cli.report import printable
from api.cli.signing_extracts import ExtractSigner
from api.gate.errors import cause_of
from verifier.entry import Kind
from verifier.errors import VerificationError
from verifier.signing_request import Request, examine
from verifier.suites import SoftwareKey
from verifier.trust import TrustBundle

EXIT_LEFT = 1
_MAX_TRUST_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class Tally:
    """What one run came to: entries signed, entries that were not and why, and how many still wait."""

    signed: int = 0
    refused: dict[int, str] = field(default_factory=dict)
    left: int = 0


@dataclass(frozen=True, slots=True)
class Signer:
    """What signs, and for whom. numbers: certificates that may be signed; None: every one that is in order."""

    client: DepartmentClient
    key: SoftwareKey
    department: str
    numbers: frozenset[str] | None
    limit: int

    def run(self) -> Tally:
        """Sign until a round signs nothing. Raises CommandError; what was signed before stays signed."""
        tally = Tally()
        while self._round(tally):
            pass
        return tally

    def _round(self, tally: Tally) -> bool:
        prepared = self.client.post("/signatures/prepare", {"limit": self.limit})
        tally.refused |= {row: "部门现无颁发权限" for row in prepared["held_back"]}
        if prepared["entries"] and prepared["kid"] != self.key.public.kid.hex():
            raise CommandError(f"登记处在用的部门密钥是 {prepared['kid']}，不是给出的这一把")
        tally.left = prepared["left"] + len(prepared["entries"])
        signatures = [
            {"entry_id": one["entry_id"], "signature": signature}
            for one in prepared["entries"]
            if (signature := self._sign(one, tally)) is not None
        ]
        if not signatures:
            return False
        committed = self.client.post("/signatures/commit", {"id": prepared["id"], "signatures": signatures})
        tally.left = committed["left"]
        done = [one for one in committed["items"] if one["outcome"] in ("signed", "signed_before")]
        tally.signed += len(done)
        tally.refused |= {
            one["entry_id"]: f"登记处未接受（{one['outcome']}）" for one in committed["items"] if one not in done
        }
        return bool(done)

    def _sign(self, one: dict[str, Any], tally: Tally) -> str | None:
        """The signature of an entry that is in order; why it is not is told at the end."""
        try:
            examined = examine(_request(one), self.key.public, self.department, now())
        except VerificationError as error:
            tally.refused[one["entry_id"]] = error.message
            return None
        number = examined.fields.get("certificate_number")
        if self.numbers is not None and examined.entry.kind is Kind.CERTIFICATE and number not in self.numbers:
            tally.refused[one["entry_id"]] = f"证照编号 {number} 不在给出的清单中"
            return None
        return base64.b64encode(self.key.sign(_bytes(one["to_be_signed"]))).decode()


def run(options: argparse.Namespace) -> int:
    """Sign what waits; 1 if something was left unsigned. Raises CommandError."""
    try:
        key = load_key(options.key)
    except VerificationError as error:
        raise CommandError(error.message) from error
    client = open_client(options)
    signer = Signer(client, key, options.department, _numbers(options.numbers), options.limit)
    extracts = ExtractSigner(client, key, options.department, _trust(options.trust))
    while True:
        tally, (signed, refused) = signer.run(), extracts.run()
        _tell(tally)
        _tell_extracts(signed, refused)
        if options.follow is None:
            return EXIT_LEFT if tally.refused or tally.left or refused else 0
        time.sleep(options.follow)


def _tell(tally: Tally) -> None:
    for row, why in sorted(tally.refused.items()):
        sys.stderr.write(printable(f"✗ 条目 {row} 未签署：{why}") + "\n")
    print(f"✓ 已签署 {tally.signed} 条，尚余 {tally.left} 条", flush=True)


def _tell_extracts(signed: int, refused: dict[str, str]) -> None:
    for one, why in sorted(refused.items()):
        sys.stderr.write(printable(f"✗ 摘录件 {one} 未签署：{why}") + "\n")
    if signed:
        print(f"✓ 已签署摘录件 {signed} 份", flush=True)


def _trust(path: Path | None) -> TrustBundle | None:
    try:
        return None if path is None else TrustBundle.open(read_given(str(path), _MAX_TRUST_BYTES))
    except VerificationError as error:
        raise CommandError(f"信任包 {path} 不能使用：{error.message}") from error


def _numbers(path: Path | None) -> frozenset[str] | None:
    if path is None:
        return None
    try:
        return frozenset(line.strip() for line in path.read_text("utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        cause = cause_of(error) if isinstance(error, OSError) else "不是 UTF-8 文本"
        raise CommandError(f"无法读取证照编号清单 {path}：{cause}") from error


def _request(one: dict[str, Any]) -> Request:
    content = one["content"]
    kept = None if content is None else (_bytes(content["canonical"]), _bytes(content["salts"]))
    return Request(_bytes(one["payload"]), _bytes(one["to_be_signed"]), kept)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise CommandError("服务器的答复中有不是 Base64 的内容") from error
