"""`suizheng trust show|new|sign|add-issuer`: trust bundles made and extended by hand, one file each."""

from __future__ import annotations

import argparse
import secrets
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson

from api.cli.arguments import now
from api.cli.errors import CommandError
from api.cli.new_keys import write_new_key
from api.cli.report import printable
from api.gate.errors import GateError, cause_of
from api.gate.files import replace_file
from api.gate.trust_file import open_trust, read_trust
from verifier import times
from verifier.certificate_file import read_certificate
from verifier.errors import VerificationError
from verifier.foreign.profile import ForeignIssuer, load_certificate
from verifier.foreign.verify import ADAPTERS
from verifier.suites import SoftwareKey
from verifier.trust import TrustBundle, cosign_trust, sign_trust
from verifier.trust_content import TrustContent

PROFILES = tuple(adapter.name for adapter in ADAPTERS)
LOCAL_DAYS = 365
#: A chain of certificates with the text that programs write beside it.
_MAX_FILE_BYTES = 256 * 1024


def run(options: argparse.Namespace) -> int:
    """Carry out one of the actions. Raises CommandError, and then changes nothing."""
    try:
        actions = {"show": _show, "new": _new, "sign": _sign, "add-issuer": _add_issuer}
        actions[options.action](options)
    except (VerificationError, GateError) as error:
        raise CommandError(error.message) from error
    return 0


def _show(options: argparse.Namespace) -> None:
    bundle = open_trust(options.bundle)
    content = bundle.content
    if options.json:
        print(orjson.dumps(content.to_json(), option=orjson.OPT_INDENT_2).decode())
        return
    print(f"{options.bundle}：{printable(content.registry)}，版本 {content.version}，{len(bundle.data)} 字节")
    print(f"  签发于 {times.for_people(content.issued_at)}，{times.for_people(content.expires_at)} 到期")
    print(f"  根密钥 {len(content.root_keys)} 个，须有 {content.root_threshold} 个签名")
    for key in content.root_keys:
        print(f"    {key.kid.hex()} {key.suite.name}")
    print(f"  存证日志 {printable(content.origin)}，已列明的日志头 {len(content.heads)} 个")
    counts = (
        ("部门", len(content.departments)),
        ("签名密钥", len(content.keys)),
        ("证照类型", len(content.types)),
        ("场所", len(content.venues)),
        ("状态列表", len(content.statuses)),
        ("境外签发者", len(content.issuers)),
    )
    print("  " + "，".join(f"{name} {count}" for name, count in counts))
    for issuer in content.issuers:
        print(f"    {issuer.kid.hex()} {issuer.profile} {printable(issuer.name)}（{_period(issuer)}）")


def _period(issuer: ForeignIssuer) -> str:
    begins, ends = (times.day_for_people(times.shanghai_day(at)) for at in issuer.period)
    return f"{begins} 至 {ends}"


def _new(options: argparse.Namespace) -> None:
    _write_local(options.out, _local(options.registry, options.days), _key_of(options.out, options.key))


def _add_issuer(options: argparse.Namespace) -> None:
    der = _certificate(options.certificate)
    # What a certificate calls its owner is what a stranger wrote.
    name = printable(options.name or load_certificate(der).subject.rfc4514_string())[:200] or "没有名称的签发者"
    issuer = ForeignIssuer(options.profile, name, der)
    if options.trust is None:
        content = _local("本机试用信任包", LOCAL_DAYS)
        key = _key_of(options.out, options.key)
    else:
        content = _next_version(open_trust(options.trust).content)
        key = _existing_key(options.key or _beside(options.trust), options.trust)
    if all(known != issuer for known in content.issuers):
        content = replace(content, issuers=(*content.issuers, issuer))
    _write_local(options.out, content, key)
    print(f"  境外签发者 {issuer.kid.hex()} {name}，证书 {_period(issuer)}")


def _sign(options: argparse.Namespace) -> None:
    data = cosign_trust(read_trust(options.bundle), _existing_key(options.key, options.bundle))
    replace_file(options.out, data)
    print(f"✓ 已加上根密钥签名，写入 {options.out}")


def _local(registry: str, days: int) -> TrustContent:
    """A bundle that trusts nobody yet, with no root key until it is signed."""
    at = now().replace(microsecond=0)
    return TrustContent(
        registry=registry,
        version=1,
        issued_at=at,
        expires_at=at + timedelta(days=days),
        root_threshold=1,
        root_keys=(),
        origin=f"local/{secrets.token_hex(8)}",
        log_kid=bytes(8),
        status_kid=bytes(8),
        keys=(),
        departments=(),
        scopes=(),
        types=(),
        heads=(),
        venues=(),
        statuses={},
    )


def _next_version(content: TrustContent) -> TrustContent:
    at = now().replace(microsecond=0)
    lasting = content.expires_at - content.issued_at
    return replace(content, version=content.version + 1, issued_at=at, expires_at=at + lasting)


def _write_local(out: Path, content: TrustContent, key: SoftwareKey) -> None:
    if not content.root_keys:
        content = replace(content, root_keys=(key.public,))
    elif key.public not in content.root_keys:
        raise CommandError("这个密钥不是该信任包的根密钥：不能替别人扩充信任包，请另建一个（不给出 --trust）")
    elif content.root_threshold > 1:
        raise CommandError(f"该信任包须有 {content.root_threshold} 个根密钥共同签名，不能在一台机器上扩充")
    data = sign_trust(content, [key])
    TrustBundle.open(data)
    replace_file(out, data)
    print(
        f"✓ 信任包版本 {content.version} 已写入 {out}（{len(data)} 字节），{times.for_people(content.expires_at)} 到期"
    )
    print(f"  根密钥 {key.public.kid.hex()}（本机自签，只供试用；谁相信这个文件，由使用者决定）")


def _beside(bundle: Path) -> Path:
    """Where the root key of a local bundle lies."""
    return bundle.with_name(bundle.name + ".key")


def _key_of(out: Path, given: Path | None) -> SoftwareKey:
    """The given key, the one beside the bundle, or a new one beside it, readable by its owner alone."""
    path = given or _beside(out)
    if given is not None or path.exists():
        return _existing_key(path, out)
    return write_new_key(path, "根密钥")


def _existing_key(path: Path, bundle: Path) -> SoftwareKey:
    try:
        return SoftwareKey.from_pem(path.read_bytes())
    except FileNotFoundError as error:
        message = f"没有找到 {bundle} 的根密钥 {path}：请用 --key 指明；没有根密钥的信任包不能扩充"
        raise CommandError(message) from error
    except OSError as error:
        raise CommandError(f"无法读取根密钥 {path}：{cause_of(error)}") from error


def _certificate(path: Path) -> bytes:
    """The DER of the only certificate in a file."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise CommandError(f"无法读取证书 {path}：{cause_of(error)}") from error
    der = read_certificate(data)
    load_certificate(der)
    return der
