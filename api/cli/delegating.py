"""`suizheng delegation key|sign|show`: what the device of a delegate does, with its private key in a file."""

from __future__ import annotations

import argparse
from pathlib import Path

import orjson

from api.cli.arguments import now
from api.cli.errors import CommandError
from api.cli.new_keys import public_text, write_new_key
from api.cli.reading import read_given
from api.gate.errors import cause_of
from codes import payload
from verifier import times
from verifier.delegated_code import Chain
from verifier.delegation import Link, LinkClaims
from verifier.errors import VerificationError
from verifier.suites import SoftwareKey, Suite

FORMAT = "suizheng-delegation/1"
_MAX_CHAIN_BYTES = 64 * 1024


def run(options: argparse.Namespace) -> int:
    """Carry out one of the actions. Raises CommandError."""
    actions = {"key": _key, "sign": _sign, "show": _show}
    try:
        actions[options.action](options)
    except VerificationError as error:
        raise CommandError(error.message) from error
    return 0


def _key(options: argparse.Namespace) -> None:
    print(public_text(write_new_key(options.out, "设备密钥", Suite[options.suite])))


def _sign(options: argparse.Namespace) -> None:
    """Only bytes that are a link's are signed: a device's key is for nothing else."""
    try:
        asked = bytes.fromhex(options.bytes)
    except ValueError as error:
        raise CommandError("待签字节应为十六进制") from error
    key = _load(options.key)
    print(key.sign(_link_bytes(asked)).hex())


def _link_bytes(asked: bytes) -> bytes:
    from verifier import cbor

    parts = cbor.require_list(cbor.decode(asked, limit=2048), 4, 4)
    if parts[0] != "Signature1":
        raise CommandError("这不是一项委托的待签字节")
    link = LinkClaims.from_bytes(cbor.require_bytes(parts[3]))
    print(f"# {link.role.name.lower()} → {times.for_people(link.ends_at)}", flush=True)
    return asked


def _show(options: argparse.Namespace) -> None:
    print(read_chain(options.chain).show(_load(options.key), options.at or now()))


def read_chain(path: Path) -> Chain:
    """The chain of a file as the registry gives it out. Raises CommandError, VerificationError."""
    try:
        value = orjson.loads(read_given(str(path), _MAX_CHAIN_BYTES))
        links = [(bytes.fromhex(one["payload"]), bytes.fromhex(one["signature"])) for one in value["links"]]
        if value["format"] != FORMAT:
            raise KeyError(value["format"])
        enterprise, kid = payload.decode(value["enterprise"]), bytes.fromhex(value["kid"])
    except (KeyError, TypeError, ValueError) as error:
        raise CommandError(f"{path} 不是委托链文件（{FORMAT}）") from error
    return Chain(enterprise, kid, tuple(Link.open(list(one)) for one in links))


def _load(path: Path) -> SoftwareKey:
    try:
        return SoftwareKey.from_pem(path.read_bytes())
    except OSError as error:
        raise CommandError(f"无法读取设备密钥 {path}：{cause_of(error)}") from error
