"""`suizheng administrator`: on the server itself, where nobody is left who could approve it, add an administrator, or
give one who has lost the password a new one."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import Any

from api.cli.errors import CommandError
from api.composition import compose
from api.settings import Settings, SettingsError
from registry.accounts import service as accounts
from registry.accounts.control import ADMINISTRATOR
from registry.errors import InvalidDraftError, RegistryError
from registry.factors import halves
from registry.proposals import service as proposals
from registry.proposals.actions import Applied
from registry.work import REGISTRY, Work


def run(options: argparse.Namespace) -> int:
    """Make the account, or a new password of an administrator's and take the second factor off; print the one-time
    password. The record of changes says that it was done here.

    Raises CommandError.
    """
    environment = os.environ if options.data is None else {**os.environ, "SUIZHENG_DATA": str(options.data)}
    if not options.reason.strip():
        raise CommandError("请用 --reason 说明为何在服务器上办理")
    try:
        settings = Settings.from_environment(environment)
        if not (settings.data / "keys" / "blind.key").is_file():
            raise CommandError(f"{settings.data} 不是随证的数据目录")
        services = compose(settings)
        try:
            with services.registry.begin(REGISTRY) as work:
                action, given = _wanted(work, options)
                done = proposals.change(work, action, given, options.reason, services.keys)
                removed = action == "account.password" and halves.has_factor(work, given["account_id"])
                if removed:
                    proposals.change(work, "account.factor", given, options.reason, services.keys)
        finally:
            services.close()
    except SettingsError as error:
        raise CommandError(f"环境变量 {error}") from error
    except InvalidDraftError as error:
        raise CommandError("；".join(one.message for one in error.errors)) from error
    except RegistryError as error:
        raise CommandError(error.message) from error
    assert isinstance(done, Applied)
    said = "已新增管理员" if action == "account.create" else "已重置口令：管理员"
    print(f"✓ {said} {options.username}，一次性口令：{done.once['one_time_password']}")
    if removed:
        print("  其双重验证已解除；请登录后重新设置。")
    return 0


def _wanted(work: Work, options: argparse.Namespace) -> tuple[str, Mapping[str, Any]]:
    """The change: an account that nobody has is made, an administrator's gets a new password."""
    known = accounts.find_staff(work, options.username)
    if known is not None and ADMINISTRATOR in known.roles and known.disabled_at is None:
        return "account.password", {"account_id": known.id}
    given = {"username": options.username, "name": options.name, "roles": [ADMINISTRATOR], "department": None}
    return "account.create", given
