"""The composition root: the only place that knows which classes stand behind the names."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from api.filing import file_chores, open_files, open_token, passphrase_of
from api.http.in_flight import InFlight
from api.http.limits import RateLimit
from api.http.published_trust import PublishedTrust
from api.http.registrations import Registration, Written, write_together
from api.http.together import Together
from api.import_worker import ImportWorker
from api.settings import NO_CHAIN, Settings, SettingsError
from api.witness.client import WitnessClient
from api.worker import Worker
from chain.opening import Chain
from registry.accounts import service as accounts
from registry.accounts import tokens, tries
from registry.accounts.tables import Staff
from registry.blind import MIN_KEY_BYTES, BlindIndex
from registry.catalogue import service as catalogue
from registry.certificates import changing
from registry.database import migrate, open_engine
from registry.departments import service as departments
from registry.errors import AuthenticationError, DuplicateError
from registry.fallbacks import service as fallbacks
from registry.files.store import FileStore
from registry.governance.service import Declarer
from registry.idempotency import service as idempotency
from registry.imports import service as imports
from registry.imports.folder import ImportFolder
from registry.keys.service import KeyService
from registry.log.service import open_log
from registry.pipeline import Pipeline
from registry.posters import service as posters
from registry.scans import service as scans
from registry.signing import service as signing
from registry.venues import service as venues
from registry.witnesses import service as witnesses
from registry.work import REGISTRY, Actor, Registry

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
#: An upload that was interrupted this long ago will not be continued.
_LEFT_BEHIND_SECONDS: Final = 86_400.0
#: Requests that share a query or a transaction.
_MOST_TOGETHER: Final = 256
_FIRST_MASTER: Final = (
    "已生成文件库的主密钥（%s 中的 files-*.key，或密码令牌）。请立即离线备份：丢失后已存文件无法恢复；"
    "备份须与文件库分开存放。（a master key for stored files was made: back it up, apart from the store）"
)

_log = logging.getLogger("suizheng")


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a request or a command may need. `first_password` is the first administrator's, on the first start."""

    settings: Settings
    engine: Engine
    registry: Registry
    keys: KeyService
    files: FileStore
    pipeline: Pipeline
    trust: PublishedTrust
    chain: Chain | None
    worker: Worker
    import_folder: ImportFolder
    import_worker: ImportWorker
    verifications: RateLimit
    logins: RateLimit
    reports: RateLimit
    in_flight: InFlight
    authentications: Together[str, Actor]
    registrations: Together[Registration, Written]
    clock: Callable[[], datetime]
    draw: Callable[[int], bytes]
    first_password: str | None
    witnesses: WitnessClient | None

    def close(self) -> None:
        """Stop the worker and let go of chain and database. What is left undone is done by the next process."""
        self.registrations.close()
        self.authentications.close()
        self.import_worker.stop()
        if self.worker.stop() and self.chain is not None:
            self.chain.close()
        if self.witnesses is not None:
            self.witnesses.close()
        self.keys.flush_counts(self.clock())
        self.trust.close()
        self.engine.dispose()


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def compose(
    settings: Settings, *, clock: Callable[[], datetime] = now, draw: Callable[[int], bytes] = secrets.token_bytes
) -> Services:
    """The services of these settings. Made if missing: folders, secrets, schema, built-in types, first administrator.

    What is there stays. Nothing runs yet: `worker.start()` does.

    Raises SettingsError, KeyUnavailableError, and sqlalchemy's errors for a database that cannot be opened.
    """
    for folder in ("", "keys", "files", "log", "chain"):
        (settings.data / folder).mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
    engine = open_engine(settings.database_url)
    migrate(engine)
    blind = BlindIndex(_secret(settings.data / "keys" / "blind.key", draw, may_make=_is_new(engine)))
    registry = Registry(engine, blind, clock, draw)
    keys = open_keys(settings, engine)
    keys.prepare(clock())
    with registry.begin(REGISTRY) as work:
        catalogue.install_builtin(work)
        operator = departments.operator(work).code
    files = open_files(settings, engine)
    if files.masters.prepare(clock()):
        _log.warning(_FIRST_MASTER, settings.data / "keys")
    tiles = settings.data / "log"
    chain = None if settings.chain == NO_CHAIN else _open_chain(settings, engine, operator, clock, draw)
    client = _reach_witnesses(settings, registry)
    send = client.send if client else None
    declarer = None if chain is None else Declarer(engine, chain)
    pipeline = Pipeline(engine, keys, tiles, chain, chain, clock, draw, proofs=chain, declarer=declarer, send=send)
    import_folder = ImportFolder(settings.data / "imports", files.masters)
    import_folder.seal_plain()
    chores = (*_chores(registry, import_folder), *file_chores(files, clock), lambda: keys.flush_counts(clock()))
    worker = Worker(pipeline.tick, chores, clock)
    # Last: whatever keeps this from being a start must not cost the password that is shown this once.
    with registry.begin(REGISTRY) as work:
        first_password = accounts.create_first_administrator(work)
    return Services(
        settings=settings, engine=engine, registry=registry, keys=keys, files=files, pipeline=pipeline,
        trust=PublishedTrust(registry, keys), chain=chain,
        worker=worker, import_folder=import_folder,
        import_worker=ImportWorker(registry, settings, worker.wake),
        verifications=_limit(settings.verifications_per_minute), logins=_limit(settings.logins_per_minute),
        reports=_limit(settings.reports_per_minute),
        authentications=Together("authentications", partial(_authenticate, registry), _MOST_TOGETHER),
        registrations=Together("registrations", partial(write_together, registry), _MOST_TOGETHER),
        in_flight=InFlight(), clock=clock, draw=draw, first_password=first_password, witnesses=client,
    )  # fmt: skip


def open_keys(settings: Settings, engine: Engine) -> KeyService:
    """The keys of these settings. Raises SettingsError, KeyUnavailableError."""
    return KeyService(
        settings.data / "keys", engine, token=open_token(settings), suites=settings.key_suites,
        passphrase=passphrase_of(settings),
    )  # fmt: skip


def _authenticate(registry: Registry, secrets: Sequence[str]) -> list[Actor | AuthenticationError]:
    with registry.read(REGISTRY) as work:
        return tokens.authenticate_many(work, secrets)


def _reach_witnesses(settings: Settings, registry: Registry) -> WitnessClient | None:
    try:
        with registry.begin(REGISTRY) as work:
            witnesses.configure(work, settings.witnesses, settings.witness_threshold, settings.distrusted_witnesses)
    except DuplicateError as error:
        raise SettingsError("SUIZHENG_WITNESSES", error.message) from error
    return WitnessClient(len(settings.witnesses)) if settings.witnesses else None


def _open_chain(
    settings: Settings, engine: Engine, operator: str, clock: Callable[[], datetime], draw: Callable[[int], bytes]
) -> Chain:
    # Opened by the first call of the worker: the server starts and works while the chain is down.
    return Chain(
        settings.chain, settings.data / "chain", origin=open_log(engine, draw), registry_code=operator, clock=clock,
        draw=draw,
    )  # fmt: skip


def _limit(per_minute: int) -> RateLimit:
    # A quarter of a minute's worth at once: a queue of people at one desk, but not a flood.
    return RateLimit(per_minute, max(1, per_minute // 4), time.monotonic)


def _chores(registry: Registry, import_folder: ImportFolder) -> tuple[Callable[[], object], ...]:
    def forget() -> None:
        with registry.begin(REGISTRY) as work:
            idempotency.forget_old(work)
            tries.forget_old(work)
            venues.forget_old_visits(work)
            posters.forget_old_sightings(work)
            fallbacks.forget_old(work)
            scans.forget_old(work)
            signing.forget_old(work)

    def lapse() -> None:
        # In transactions of their own, so that nobody waits for a whole year's worth of them.
        lapsed = changing.LAPSED_AT_ONCE
        while lapsed == changing.LAPSED_AT_ONCE:
            with registry.begin(REGISTRY) as work:
                lapsed = changing.lapse_due(work)

    def forget_imports() -> None:
        with registry.begin(REGISTRY) as work:
            imports.forget_old(work)
            jobs, uploads = imports.kept(work)
        import_folder.sweep(jobs, uploads, _LEFT_BEHIND_SECONDS, time.time())

    return lapse, forget, forget_imports


def _is_new(engine: Engine) -> bool:
    with Session(engine) as session:
        return session.scalars(select(Staff.id).limit(1)).first() is None


def _secret(path: Path, draw: Callable[[int], bytes], *, may_make: bool) -> bytes:
    """The secret in a file that only its owner may read; made on the first start, never again.

    Raises SettingsError if it is lost: without it nobody's certificates could be found any more.
    """
    if not path.exists():
        if not may_make:
            raise SettingsError("SUIZHENG_DATA", f"缺少 {path.name}，而数据库已在使用；请从备份恢复该文件后再启动。")
        _make_secret(path, draw(MIN_KEY_BYTES))
    secret = path.read_bytes()
    if len(secret) < MIN_KEY_BYTES:
        raise SettingsError("SUIZHENG_DATA", f"{path.name} 已损坏；请从备份恢复该文件后再启动。")
    return secret


def _make_secret(path: Path, secret: bytes) -> None:
    # Whole or not there: written aside, made durable, then linked. Of two processes that start together one link wins.
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
