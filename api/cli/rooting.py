"""`suizheng trust root key|new|next|sign|show|install`: ceremonies of root keys, one file passed from hand to hand."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from api.cli.arguments import now
from api.cli.errors import CommandError
from api.cli.new_keys import public_text, write_new_key
from api.cli.report import printable
from api.cli.trusting import open_services
from api.gate.errors import GateError, cause_of
from api.gate.files import replace_file
from verifier import multisigned, times
from verifier.errors import SignatureError, VerificationError
from verifier.root import MAX_ROOT_BYTES, RootContent, RootDocument
from verifier.suites import PublicKey, SoftwareKey, Suite, public_key


def run(options: argparse.Namespace) -> int:
    """Carry out one of the actions. Raises CommandError, and then changes nothing."""
    actions = {"key": _key, "new": _new, "next": _next, "sign": _sign, "show": _show, "install": _install}
    try:
        actions[options.ceremony](options)
    except (VerificationError, GateError) as error:
        raise CommandError(error.message) from error
    return 0


def _key(options: argparse.Namespace) -> None:
    print(public_text(write_new_key(options.out, "根密钥", Suite[options.suite])))


def _new(options: argparse.Namespace) -> None:
    at = now().replace(microsecond=0)
    content = RootContent(
        options.registry, 1, at, at + timedelta(days=options.days), options.threshold, _keys(options.root),
        options.publisher_threshold or 1, _keys(options.publisher),
    )  # fmt: skip
    _write(options.out, RootDocument(content))


def _next(options: argparse.Namespace) -> None:
    """The next version: the same as before but for what is named."""
    before, at = _read(options.before), now().replace(microsecond=0)
    before.check(None)
    content = replace(
        before.content,
        version=before.content.version + 1,
        issued_at=at,
        expires_at=at + timedelta(days=options.days),
        threshold=options.threshold or before.content.threshold,
        keys=_keys(options.root) if options.root else before.content.keys,
        publisher_threshold=options.publisher_threshold or before.content.publisher_threshold,
        publishers=_keys(options.publisher) if options.publisher else before.content.publishers,
    )
    _write(options.out, RootDocument(content))


def _write(out: Path, document: RootDocument) -> None:
    # Written only if it reads back: thresholds that nobody could meet are found here.
    replace_file(out, RootDocument.from_bytes(document.to_bytes()).to_bytes())
    print(f"✓ 根文件第 {document.content.version} 版（未签署）已写入 {out}；请各根密钥持有人依次签署")
    print(f"  指纹 {document.fingerprint}")


def _sign(options: argparse.Namespace) -> None:
    document = _read(options.file)
    before = _read(options.before) if options.before else None
    try:
        key = SoftwareKey.from_pem(options.key.read_bytes())
    except OSError as error:
        raise CommandError(f"无法读取根密钥 {options.key}：{cause_of(error)}") from error
    signed = document.signed_with(key, before)
    replace_file(options.out or options.file, signed.to_bytes())
    print(f"✓ 已签署，写入 {options.out or options.file}")
    _say_standing(signed, before)


def _show(options: argparse.Namespace) -> None:
    document = _read(options.file)
    content = document.content
    print(f"{options.file}：{printable(content.registry)}，根文件第 {content.version} 版")
    print(f"  指纹 {document.fingerprint}")
    print(f"  签发于 {times.for_people(content.issued_at)}，{times.for_people(content.expires_at)} 到期")
    signers = {kid for kid, _ in document.signatures}
    for title, threshold, keys in (
        ("根密钥", content.threshold, content.keys),
        ("发布密钥", content.publisher_threshold, content.publishers),
    ):
        print(f"  {title} {len(keys)} 个，须有 {threshold} 个")
        for key in keys:
            print(f"    {key.kid.hex()} {key.suite.name}{'  已签署' if key.kid in signers else ''}")
    _say_standing(document, _read(options.before) if options.before else None)


def _say_standing(document: RootDocument, before: RootDocument | None) -> None:
    groups = [("本版", document.content)] + ([("上一版", before.content)] if before else [])
    for title, content in groups:
        held = multisigned.holders(content.keys, document.content.message, document.signatures)
        print(f"  按{title}根密钥：{len(held)} / {content.threshold}")
    try:
        document.check(before)
    except SignatureError as error:
        print(f"  · {error.message}")
        return
    whole = before is not None or document.content.version == 1
    print("  ✓ 签名已足" if whole else "  ✓ 按本版签名已足；上一版未核对，请用 --before 指明")


def _install(options: argparse.Namespace) -> None:
    from registry.errors import InvalidDraftError, RegistryError
    from registry.trust import roots
    from registry.work import REGISTRY

    data = _bytes(options.file)
    with open_services(options.data, os.environ) as services:
        try:
            with services.registry.begin(REGISTRY) as work:
                installed = roots.install(work, services.keys, data)
            services.trust.data()
        except InvalidDraftError as refused:
            raise CommandError(" ".join(one.message for one in refused.errors)) from refused
        except RegistryError as refused:
            raise CommandError(refused.message) from refused
    print(f"✓ 根文件第 {installed.content.version} 版已启用，指纹 {installed.fingerprint}")


def _read(path: Path) -> RootDocument:
    return RootDocument.from_bytes(_bytes(path))


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_ROOT_BYTES + 1)
    except OSError as error:
        raise CommandError(f"无法读取根文件 {path}：{cause_of(error)}") from error


def _keys(given: list[str]) -> tuple[PublicKey, ...]:
    """Public keys written as SUITE:hexadecimal."""
    keys = []
    for text in given:
        suite, _, raw = text.partition(":")
        try:
            keys.append(public_key(Suite[suite.upper()], bytes.fromhex(raw)))
        except (KeyError, ValueError) as error:
            raise CommandError(f"公钥应为「套件:十六进制」，得到 {text!r}") from error
    return tuple(keys)
