"""`suizheng trust export` and `update`: a trust bundle into a file that never goes back; updates to carry by hand."""

from __future__ import annotations

import argparse
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from api.cli.arguments import now
from api.cli.errors import CommandError
from api.gate.errors import GateError, cause_of
from api.gate.files import replace_file
from api.gate.hand_in import check_server
from api.gate.trust_file import open_trust
from verifier import times
from verifier.errors import MalformedError, VerificationError
from verifier.trust import MAX_BUNDLE_BYTES, TrustBundle
from verifier.trust_update import is_update, restore, shorten

if TYPE_CHECKING:
    from api.composition import Services

TIMEOUT_SECONDS = 60


def run(options: argparse.Namespace) -> int:
    """Write the newest bundle, if it may follow the one in the file. Raises CommandError, and then changes nothing."""
    if options.action == "update" and not options.out.exists():
        raise CommandError(f"没有 {options.out}：第一次请用 suizheng trust export 取得，并核对指纹")
    try:
        if options.since is not None:
            return _write_update(options, open_trust(options.since))
        return _write_bundle(options, open_trust(options.out) if options.out.exists() else None)
    except VerificationError as error:
        raise CommandError(f"没有写入 {options.out}：{error.message}") from error
    except GateError as error:
        raise CommandError(error.message) from error


def _write_bundle(options: argparse.Namespace, known: TrustBundle | None) -> int:
    data = _newest(options, known)
    bundle = TrustBundle.open(data) if known is None else known.accept(data)
    bundle.check_begun(now())
    _check_fingerprint(bundle, options.root)
    replace_file(options.out, data)
    content = bundle.content
    print(
        f"✓ 信任包版本 {content.version} 已写入 {options.out}（{len(data)} 字节），"
        f"签发于 {times.for_people(content.issued_at)}，{times.for_people(content.expires_at)} 到期"
    )
    if bundle.root is None:
        for key in content.root_keys:
            print(f"  根密钥 {key.kid.hex()}（没有根文件：由发布密钥自证）")
    else:
        print(f"  根文件第 {bundle.root.content.version} 版，指纹 {bundle.root.fingerprint}")
    return 0


def _write_update(options: argparse.Namespace, known: TrustBundle) -> int:
    """The few bytes that lead from the reader's bundle to the newest, for a reader that no network reaches."""
    data = _newest(options, known)
    newest = known.accept(data)
    newest.check_begun(now())
    update = shorten(known.data, data)
    replace_file(options.out, update)
    print(
        f"✓ 信任包从版本 {known.content.version} 到 {newest.content.version} 的更新已写入 {options.out}"
        f"（{len(update)} 字节，整个信任包 {len(data)} 字节）"
    )
    return 0


def _check_fingerprint(bundle: TrustBundle, wanted: str | None) -> None:
    """Raises CommandError if a root document was named by its fingerprint, and the bundle's chain has none of it."""
    chain = bundle.content.root_chain
    if wanted is not None and wanted.lower() not in {document.fingerprint for document in chain}:
        raise CommandError("信任包的根文件与所给指纹不符，没有写入")


def _newest(options: argparse.Namespace, known: TrustBundle | None) -> bytes:
    """The whole new bundle, wherever it comes from and however little of it travelled."""
    if options.update is not None:
        data = _from_file(options.update)
    elif options.server:
        data = _from_server(options.server, known)
    else:
        data = _from_data(options.data, os.environ)
    if known is None or not is_update(data):
        return data
    try:
        return restore(known.data, data)
    except MalformedError:
        if options.server:
            return _from_server(options.server, None)
        raise


def _from_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"无法读取 {path}：{cause_of(error)}") from error


def _from_server(server: str, known: TrustBundle | None) -> bytes:
    """The answer of a server: a whole bundle, or what is new since the one that is known."""
    since = "" if known is None else f"?since={known.content.version}"
    try:
        # Nothing secret is sent, and what comes back is signed: plain http does no harm.
        address = f"{check_server(server, allow_http=True)}/api/v1/trust{since}"
    except GateError as error:
        raise CommandError(error.message) from error
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=TIMEOUT_SECONDS) as answer:
            data: bytes = answer.read(MAX_BUNDLE_BYTES + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise CommandError(f"{urlsplit(address).netloc} 没有给出信任包（{error.code}）") from error
    except (OSError, HTTPException) as error:
        cause = getattr(error, "reason", error)
        raise CommandError(f"连接不上 {urlsplit(address).netloc}（{cause}）") from error
    return data


def _from_data(folder: Path, environment: Mapping[str, str]) -> bytes:
    with open_services(folder, environment) as services:
        # Here, as in open_services.
        from registry.errors import KeyUnavailableError

        try:
            return services.trust.data()
        except KeyUnavailableError as error:
            raise CommandError(f"无法取得信任包：{error}") from error


@contextmanager
def open_services(folder: Path, environment: Mapping[str, str]) -> Iterator[Services]:
    """The services of a data folder that is there already. Raises CommandError."""
    # Composing an empty folder would make a registry of its own.
    if not (folder / "keys" / "blind.key").is_file():
        raise CommandError(f"{folder} 不是随证的数据目录")
    # Here, so that exporting from a server needs only the plain install.
    from api.composition import compose
    from api.settings import Settings, SettingsError
    from registry.errors import KeyUnavailableError

    try:
        services = compose(Settings.from_environment({**environment, "SUIZHENG_DATA": str(folder)}))
    except (SettingsError, KeyUnavailableError) as error:
        raise CommandError(f"无法取得信任包：{error}") from error
    except OSError as error:
        raise CommandError(f"无法使用数据目录 {folder}：{cause_of(error)}") from error
    try:
        yield services
    finally:
        services.close()
