"""`suizheng files status|encrypt|rotate|rewrap|sweep`: the store of files, by whoever may read its keys."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.cli.arguments import now
from api.cli.errors import CommandError
from api.cli.program import called
from api.filing import open_files
from api.settings import Settings, SettingsError
from registry.blind import BlindIndex
from registry.database import migrate, open_engine
from registry.errors import RegistryError
from registry.factors import sealing
from registry.files import keeping
from registry.files.keeping import Standing
from registry.files.store import FileStore
from registry.imports import rewrapping
from registry.imports.folder import ImportFolder
from registry.work import REGISTRY, Registry
from verifier import times

EXIT_DONE, EXIT_DAMAGED = 0, 1
_SHOWN: Final = 20


class _Stores(NamedTuple):
    registry: Registry
    files: FileStore
    imports: ImportFolder


def run(options: argparse.Namespace) -> int:
    """Carry out one of the actions. Raises CommandError; it is then safe to repeat the command."""
    environment = os.environ if options.data is None else {**os.environ, "SUIZHENG_DATA": str(options.data)}
    try:
        settings = Settings.from_environment(environment)
        registry = _open_registry(settings)
        try:
            files = open_files(settings, registry.engine)
            imports = ImportFolder(settings.data / "imports", files.masters)
            return _ACTIONS[options.action](options, _Stores(registry, files, imports))
        finally:
            registry.engine.dispose()
    except SettingsError as error:
        raise CommandError(f"环境变量 {error}") from error
    except RegistryError as refused:
        raise CommandError(refused.message) from refused


def _open_registry(settings: Settings) -> Registry:
    blind = settings.data / "keys" / "blind.key"
    if not blind.is_file():
        raise CommandError(f"{settings.data} 不是随证的数据目录")
    engine = open_engine(settings.database_url)
    migrate(engine)
    return Registry(engine, BlindIndex(blind.read_bytes()), now, secrets.token_bytes)


def _status(_options: argparse.Namespace, stores: _Stores) -> int:
    standing, imports = _standing(stores.registry), rewrapping.masters_in_use(stores.imports)
    factors = sealing.masters_in_use(stores.registry)
    print(f"文件 {standing.files:,} 个，共 {standing.size:,} 字节；未加密 {standing.plain:,} 个")
    for place, (master, vault, made_at, count) in enumerate(standing.masters, 1):
        state = "在用" if place == len(standing.masters) else "旧"
        where = "密码令牌" if vault == "token" else f"文件 files-{master.hex()}.key"
        protects = f"保护 {count:,} 个文件、{imports[master]:,} 个导入文件、{factors[master]:,} 个双重验证密钥"
        print(f"{master.hex()}  {state}  {where}  {times.for_people(made_at)} 生成  {protects}")
    return EXIT_DONE


def _encrypt(_options: argparse.Namespace, stores: _Stores) -> int:
    registry, files, _ = stores
    files.masters.prepare(now())
    done, faults = 0, []
    with _bar() as bar:
        task = bar.add_task("加密", total=_standing(registry).plain)
        for fault in keeping.encrypt(registry, files):
            bar.advance(task)
            if fault is None:
                done += 1
            else:
                faults.append(f"{fault.evidence.get('sha256')}：{fault.message}")
    print(f"✓ 已加密 {done:,} 个文件")
    for line in faults[:_SHOWN]:
        sys.stderr.write(f"✕ {line}\n")
    if faults:
        sys.stderr.write(f"{len(faults):,} 个文件没有加密，原样保留；恢复后重新执行即可\n")
    return EXIT_DAMAGED if faults else EXIT_DONE


def _rotate(_options: argparse.Namespace, stores: _Stores) -> int:
    masters = stores.files.masters
    master = masters.current() if masters.prepare(now()) else masters.rotate(now())
    print(f"✓ 新主密钥 {master.hex()} 已启用，请立即离线备份；运行中的服务一小时内换用。")
    print(f"  旧主密钥仍须保留：用 {called()} files rewrap 改由新主密钥保护；旧的数据库备份仍依赖旧主密钥。")
    return EXIT_DONE


def _rewrap(_options: argparse.Namespace, stores: _Stores) -> int:
    registry, files, imports = stores
    faults = list[RegistryError]()
    done = imported = secrets = 0
    with _bar() as bar:
        masters = _standing(registry).masters
        task = bar.add_task("改换", total=sum(count for _, _, _, count in masters[:-1]))
        for count in keeping.rewrap(registry, files):
            bar.advance(task, count)
            done += count
        for fault in rewrapping.rewrap(imports, files.masters):
            if fault is None:
                imported += 1
            else:
                faults.append(fault)
    print(f"✓ {done:,} 个文件、{imported:,} 个导入文件已改由主密钥 {files.masters.current().hex()} 保护")
    for fault in sealing.rewrap(registry, files.masters):
        if fault is None:
            secrets += 1
        else:
            faults.append(fault)
    print(f"✓ {secrets:,} 个双重验证密钥已改由该主密钥保护")
    for fault in faults[:_SHOWN]:
        sys.stderr.write(f"✕ {fault.message}\n")
    if faults:
        sys.stderr.write(f"{len(faults):,} 个导入文件或双重验证密钥没有改换，原样保留；处理后重新执行即可\n")
    return EXIT_DAMAGED if faults else EXIT_DONE


def _sweep(options: argparse.Namespace, stores: _Stores) -> int:
    registry, files, _ = stores
    before: datetime = now() - timedelta(hours=options.older_than)
    found = keeping.find_orphans(registry, files, before)
    for one in found.orphans[:_SHOWN]:
        print(f"{one.name}  {one.size:,} 字节  {times.for_people(one.written_at)}")
    if len(found.orphans) > _SHOWN:
        print(f"… 另有 {len(found.orphans) - _SHOWN:,} 个")
    size = sum(one.size for one in found.orphans)
    told = f"{len(found.orphans):,} 个对象不属于任何文件，共 {size:,} 字节"
    if not options.delete:
        print(f"{told}；没有删除，加 --delete 删除" if found.orphans else told)
        return EXIT_DONE
    if found.orphans and not found.named and _standing(registry).files:
        raise CommandError("文件库中没有一个对象属于这个数据库，疑似连错了数据库或文件库，没有删除任何内容")
    for one in found.orphans:
        files.objects.delete(one.name)
    print(f"✓ {told}，已删除")
    return EXIT_DONE


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace, _Stores], int]]] = {
    "status": _status, "encrypt": _encrypt, "rotate": _rotate, "rewrap": _rewrap, "sweep": _sweep,
}  # fmt: skip


def _standing(registry: Registry) -> Standing:
    with registry.read(REGISTRY) as work:
        return keeping.standing(work)


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
