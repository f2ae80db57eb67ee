"""`suizheng keys list|show|rotate`: the signing keys of a data folder, by whoever may read it."""

from __future__ import annotations

import argparse
import os
from datetime import datetime

import orjson

from api.cli.arguments import now
from api.cli.errors import CommandError
from api.composition import compose, open_keys
from api.http.keys import KeyShown, history
from api.settings import Settings, SettingsError
from registry.database import migrate, open_engine
from registry.errors import KeyUnavailableError, RegistryError
from registry.keys.service import KeyService
from registry.proposals import service as proposals
from registry.proposals.actions import Applied
from registry.work import REGISTRY
from verifier import times

_DUE = {
    "waiting": "待启用", "fresh": "在用", "due_soon": "临近更换期", "overdue": "应更换", "past": "已停用"
}  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Carry out one of the actions. Raises CommandError."""
    environment = os.environ if options.data is None else {**os.environ, "SUIZHENG_DATA": str(options.data)}
    try:
        settings = Settings.from_environment(environment)
        if not (settings.data / "keys" / "blind.key").is_file():
            raise CommandError(f"{settings.data} 不是随证的数据目录")
        if options.action == "rotate":
            _rotate(options, settings)
            return 0
        engine = open_engine(settings.database_url)
        try:
            migrate(engine)
            _show(options, open_keys(settings, engine), now())
        finally:
            engine.dispose()
    except SettingsError as error:
        raise CommandError(f"环境变量 {error}") from error
    except (RegistryError, KeyUnavailableError) as error:
        raise CommandError(error.message) from error
    return 0


def _rotate(options: argparse.Namespace, settings: Settings) -> None:
    """Make the new key; the record of changes says that it was made at the server, and why."""
    if not options.reason.strip():
        raise CommandError("请用 --reason 说明为何在服务器上更换密钥，以及由谁办理")
    given = {"purpose": options.purpose, "lead_hours": options.lead_hours, "suite": options.suite}
    services = compose(settings)
    try:
        with services.registry.begin(REGISTRY) as work:
            done = proposals.change(work, "key.rotate", given, options.reason, services.keys)
        assert isinstance(done, Applied)
        (made,) = (key for key in history(services.keys, services.clock()) if key.kid == done.value.kid.hex())
    finally:
        services.close()
    print(f"✓ 新密钥 {made.kid}（{made.suite}，{_place(made)}）将于 {times.for_people(made.valid_from)} 启用")


def _show(options: argparse.Namespace, keys: KeyService, at: datetime) -> None:
    shown = history(keys, at)
    if options.action == "show":
        shown = [key for key in shown if key.kid == options.kid or key.purpose == options.kid]
        if not shown:
            raise CommandError(f"没有这个密钥或用途：{options.kid}")
    if options.json:
        for key in shown:
            print(orjson.dumps(key.model_dump(mode="json")).decode())
        return
    for key in shown:
        print(_line(key, whole=options.action == "show"))


def _line(key: KeyShown, *, whole: bool) -> str:
    end = "" if key.valid_to is None else times.for_people(key.valid_to)
    line = (
        f"{key.kid}  {key.purpose}  {key.suite}  {_place(key)}  {times.for_people(key.valid_from)} – {end}"
        f"  签 {key.uses} 次  {_DUE[key.due]}"
    )
    return f"{line}\n  公钥 {key.suite}:{key.public}" if whole else line


def _place(key: KeyShown) -> str:
    return "密码令牌" if key.vault == "token" else "文件"
