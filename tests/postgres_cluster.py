"""A real PostgreSQL cluster on loopback, made for a while and removed after it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chain.network.ports import free_ports


def _binary(name: str) -> str | None:
    found = shutil.which(name)
    if found:
        return found
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(versions[-1]) if versions else None


def is_installed() -> bool:
    """Whether this machine has PostgreSQL."""
    return bool(_binary("initdb") and _binary("pg_ctl"))


@contextmanager
def running_cluster() -> Iterator[str]:
    """The URL prefix of a cluster, to which the name of a database is added."""
    initdb, pg_ctl = _binary("initdb"), _binary("pg_ctl")
    assert initdb and pg_ctl, "PostgreSQL is not installed on this machine"
    folder = Path(tempfile.mkdtemp(prefix="suizheng-pg-"))
    owner = "postgres" if os.geteuid() == 0 else None
    if owner:
        shutil.chown(folder, owner)
    (port,) = free_ports(1)

    def run(*command: str) -> None:
        subprocess.run(command, check=True, user=owner, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    data, log = str(folder / "data"), str(folder / "log")
    run(initdb, "-D", data, "-U", "suizheng", "-A", "trust", "-E", "UTF8", "--no-locale")
    options = f"-p {port} -h 127.0.0.1 -k {folder} -c max_connections=60"
    run(pg_ctl, "-D", data, "-o", options, "-l", log, "-w", "start")
    try:
        yield f"postgresql+psycopg://suizheng@127.0.0.1:{port}"
    finally:
        run(pg_ctl, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def make_postgres_database(server: str) -> str:
    """Create an empty database in the cluster and return its URL."""
    import psycopg

    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(server.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"
