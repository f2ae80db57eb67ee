"""Other people's tools accept the log, from the folder and over HTTP, and refuse it when one byte of it is wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from api_office import settings_in
from fastapi import FastAPI
from log_house import House
from sqlalchemy import select
from tlog_tools import Tools, build_tools, key_of

from api.app import create_app
from api.composition import compose
from registry.log.tables import CheckpointRow
from registry.work import REGISTRY
from verifier.note import to_vkey

#: 65,536 + 768 + 5: a full tile of level 1, and a partial one on each of the levels 0, 1 and 2.
SIZE = 66_309


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    return build_tools(tmp_path_factory.mktemp("tools"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A log that grew in three steps, the last of them with real signatures."""
    folder = tmp_path_factory.mktemp("log")
    house = House(f"sqlite:///{folder / 'registry.db'}", folder)
    house.fill(SIZE - 305)
    house.settle()
    house.submit(300)
    house.settle()
    house.submit(5)
    assert house.settle().published_size == SIZE
    return house


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application on a real socket of the loopback."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not server.started:
            assert time.monotonic() < deadline and thread.is_alive(), "the server did not start"
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/log/"
    finally:
        server.should_exit = True
        thread.join(30)


def newest_root(house: House) -> bytes:
    with house.registry.read(REGISTRY) as work:
        return work.session.scalars(select(CheckpointRow.root).order_by(CheckpointRow.size.desc())).first() or b""


def test_fsck_accepts_the_folder(tools: Tools, house: House) -> None:
    assert tools.fsck(f"file://{house.log}", key_of(house)) == (SIZE, newest_root(house))


def test_fsck_accepts_what_the_server_serves(tools: Tools, tmp_path: Path) -> None:
    services = compose(settings_in(tmp_path))
    with served(create_app(services)) as url:
        deadline = time.monotonic() + 30
        while services.pipeline.log.serve("checkpoint") is None:
            assert time.monotonic() < deadline, "nothing was published"
            time.sleep(0.02)
        key = services.keys.key_for("log", services.clock())
        size, _ = tools.fsck(url, to_vkey(services.pipeline.origin, key.public))
        assert size > 0


@pytest.mark.parametrize(
    "path", ["tile/0/000", "tile/0/259.p/5", "tile/1/000", "tile/1/001.p/3", "tile/2/000.p/1", "tile/entries/100"]
)
def test_fsck_refuses_a_log_with_one_wrong_bit(tools: Tools, house: House, path: str) -> None:
    file = house.log / path
    whole = file.read_bytes()
    file.write_bytes(whole[:20] + bytes([whole[20] ^ 1]) + whole[21:])
    try:
        with pytest.raises(AssertionError, match="fsck failed"):
            tools.fsck(f"file://{house.log}", key_of(house))
    finally:
        file.write_bytes(whole)


def test_gos_notes_open_the_checkpoint(tools: Tools, house: House) -> None:
    key = key_of(house)
    text = tools.open_note(key, house.log / "checkpoint")
    assert text.split("\n")[:2] == [house.pipeline.origin, str(SIZE)]
    assert text.endswith(f"{key.split('+')[0]}+{key.split('+')[1]}\n")


def test_gos_notes_refuse_another_size_and_another_key(tools: Tools, house: House, tmp_path: Path) -> None:
    forged = tmp_path / "checkpoint"
    forged.write_text((house.log / "checkpoint").read_text().replace(str(SIZE), str(SIZE + 1)))
    with pytest.raises(AssertionError, match="invalid signature"):
        tools.open_note(key_of(house), forged)
    other = House(f"sqlite:///{tmp_path / 'other.db'}", tmp_path)
    with pytest.raises(AssertionError, match="no verifiable signatures"):
        tools.open_note(key_of(other), house.log / "checkpoint")
