"""The server's process: services, the application, and what the first start has to say."""

from __future__ import annotations

import socket
import sys
from urllib.parse import urlsplit

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from api.app import create_app
from api.cli.errors import CommandError
from api.cli.program import called, with_data
from api.composition import Services, compose
from api.gate.errors import cause_of
from api.settings import Settings, SettingsError
from registry.accounts.service import FIRST_ADMINISTRATOR
from registry.errors import FileKeyError, KeyUnavailableError

_GRACE_SECONDS = 10


def host(settings: Settings, address: str, listener: socket.socket) -> None:
    """Serve on the listener until told to stop. Raises CommandError if the services cannot be had."""
    services = _compose(settings)
    if services.first_password is not None:
        _tell_password(services.first_password)
    _serve(services, listener, _url(settings, address, listener))


def _compose(settings: Settings) -> Services:
    try:
        return compose(settings)
    except (SettingsError, KeyUnavailableError, FileKeyError) as error:
        raise CommandError(f"无法启动：{error}") from error
    except SQLAlchemyError as error:
        raise CommandError(
            f"无法打开数据库（{type(error).__name__}）；请检查 SUIZHENG_DATABASE_URL 与数据库服务"
        ) from error
    except OSError as error:
        raise CommandError(f"无法使用数据目录 {settings.data}：{cause_of(error)}") from error


def _tell_password(password: str) -> None:
    """On the error output, which is not piped into files as easily; it is stored nowhere."""
    sys.stderr.write(
        f"\n首次启动，已建立管理员账号：\n\n    用户名  {FIRST_ADMINISTRATOR}\n    一次性口令  {password}\n\n"
        "口令只显示这一次，首次登录后须修改。如已遗失，请在服务器上重置：\n"
        f"{with_data(called())} administrator {FIRST_ADMINISTRATOR} --reason 理由\n\n"
    )
    sys.stderr.flush()


def _url(settings: Settings, host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    # The port was left to the system, or the address to us: then the public address cannot be known from the settings.
    if settings.port == port and urlsplit(settings.public_url).hostname not in (None, "127.0.0.1"):
        return settings.public_url
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _serve(services: Services, listener: socket.socket, address: str) -> None:
    """Serve; the application itself starts the worker and closes the services."""
    config = uvicorn.Config(
        create_app(services),
        log_level="warning",
        # Who asked for what is nobody's business; what was done stands in the registry.
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    sys.stdout.write(f"随证已启动：{address}\n按 Ctrl+C 停止\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listener])
