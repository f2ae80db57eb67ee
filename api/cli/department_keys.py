"""`suizheng department-key new|register`: a department's own key, made and proved where it is kept."""

from __future__ import annotations

import argparse
import base64
import os
from pathlib import Path

from api.cli.department_client import DepartmentClient
from api.cli.errors import CommandError
from api.cli.new_keys import public_text, write_new_key
from api.cli.report import printable
from api.gate.errors import GateError, cause_of
from api.gate.hand_in import check_server, read_token
from verifier.errors import VerificationError
from verifier.key_possession import asked
from verifier.suites import SoftwareKey, Suite


def run(options: argparse.Namespace) -> int:
    """Carry out one of the actions. Raises CommandError."""
    try:
        return {"new": _new, "register": _register}[options.action](options)
    except VerificationError as error:
        raise CommandError(error.message) from error


def _new(options: argparse.Namespace) -> int:
    print(public_text(write_new_key(options.out, "部门密钥", Suite[options.suite])))
    return 0


def _register(options: argparse.Namespace) -> int:
    client, key = open_client(options), load_key(options.key)
    place = f"/departments/{options.department}/keys"
    wanted = {
        "suite": key.public.suite.name, "public": key.public.raw.hex(),
        "valid_from": options.valid_from and options.valid_from.isoformat(),
        "valid_to": options.valid_to and options.valid_to.isoformat(),
    }  # fmt: skip
    challenge = client.post(f"{place}/challenges", wanted)
    answer = client.post(
        place,
        {"challenge_id": challenge["id"], "signature": _prove(key, options.department, challenge["to_be_signed"]),
         "reason": options.reason},
    )  # fmt: skip
    if "kid" in answer:
        print(printable(f"✓ 密钥 {answer['kid']} 已登记，自 {answer['valid_from']} 起启用"))
    else:
        print(printable(f"✓ 已证明持有密钥 {key.public.kid.hex()}；待管理员批准，申请编号 {answer['id']}"))
    return 0


def _prove(key: SoftwareKey, department: str, text: str) -> str:
    """Only a challenge to this department is signed: the key is for nothing that somebody else thinks of."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise CommandError("服务器给出的待签字节不是 Base64") from error
    if asked(data).department != department:
        raise CommandError("服务器给出的待签字节不是本部门的，未签署")
    return base64.b64encode(key.sign(data)).decode()


def open_client(options: argparse.Namespace) -> DepartmentClient:
    """The client of a command's options. Raises CommandError."""
    try:
        server = check_server(options.server, options.allow_http)
        return DepartmentClient(server, read_token(dict(os.environ), options.token_file))
    except GateError as error:
        raise CommandError(error.message) from error


def load_key(path: Path) -> SoftwareKey:
    """The private key in a file. Raises CommandError, MalformedError."""
    try:
        return SoftwareKey.from_pem(path.read_bytes())
    except OSError as error:
        raise CommandError(f"无法读取部门密钥 {path}：{cause_of(error)}") from error
