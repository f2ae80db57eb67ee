"""`suizheng administrator`: on the server itself, add an administrator where nobody is left who could approve one."""

from __future__ import annotations

import argparse
import os

from api.cli.errors import CommandError
from api.composition import compose
from api.settings import Settings, SettingsError
from registry.errors import InvalidDraftError, RegistryError
from registry.proposals import service as proposals
from registry.proposals.actions import Applied
from registry.work import REGISTRY


def run(options: argparse.Namespace) -> int:
    """Make the account and print its one-time password; the record of changes says that it was made here.

    Raises CommandError.
    """
    environment = os.environ if options.data is None else {**os.environ, "SUIZHENG_DATA": str(options.data)}
    given = {"username": options.username, "name": options.name, "roles": ["administrator"], "department": None}
    if not options.reason.strip():
        raise CommandError("请用 --reason 说明为何在服务器上新增管理员")
    try:
        settings = Settings.from_environment(environment)
        if not (settings.data / "keys" / "blind.key").is_file():
            raise CommandError(f"{settings.data} 不是随证的数据目录")
        services = compose(settings)
        try:
            with services.registry.begin(REGISTRY) as work:
                done = proposals.change(work, "account.create", given, options.reason, services.keys)
        finally:
            services.close()
    except SettingsError as error:
        raise CommandError(f"环境变量 {error}") from error
    except InvalidDraftError as error:
        raise CommandError("；".join(one.message for one in error.errors)) from error
    except RegistryError as error:
        raise CommandError(error.message) from error
    assert isinstance(done, Applied)
    print(f"✓ 已新增管理员 {options.username}，一次性口令：{done.once['one_time_password']}")
    return 0
