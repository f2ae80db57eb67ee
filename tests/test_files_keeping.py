"""What an operator does with the store: seal what is plain, change the master key, sweep; and is killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import kill_tally
import pytest
from alembic import command as command_of_alembic
from alembic.config import Config
from api_office import OpenOffice, open_office, reason, settings_in
from file_house import lying_in, make_store, note, object_path, row_of
from registry_house import MARKET, House
from sqlalchemy import column, insert, select, table, update

from api.cli.main import main
from api.settings import FileSettings
from registry import migrations
from registry.database import migrate, open_engine
from registry.errors import BusyError, InvalidDraftError, NotFoundError
from registry.files import keeping
from registry.files import service as files
from registry.files.tables import StoredFileRow
from registry.imports.folder import ImportFolder
from registry.work import REGISTRY
from verifier.digests import double_digest

pytest_plugins = ["registry_fixtures"]

SECRET = "310105189901010006 的体检报告".encode()
LATER = datetime(2099, 1, 1, tzinfo=UTC)


def document(number: int) -> bytes:
    return b"%PDF-1.7 " + SECRET * 300 + str(number).encode()


def plaintext_in(folder: Path) -> list[Path]:
    return [path for path in lying_in(folder) if SECRET in path.read_bytes()]


# ---- Sealing what is plain ------------------------------------------------------------------------------------------


def test_plain_files_are_sealed_one_by_one_and_damaged_ones_stay(house: House, tmp_path: Path) -> None:
    store = make_store(tmp_path, house.engine)
    plain = [note(house, store, document(number)) for number in range(5)]
    store.plain_path(plain[2].sha256).write_bytes(document(2)[:-1])
    faults = [one for one in keeping.encrypt(house.registry, store) if one is not None]
    assert [(one.reason, one.evidence["sha256"]) for one in faults] == [("file_damaged", plain[2].sha256.hex())]
    assert plaintext_in(tmp_path / "files") == [store.plain_path(plain[2].sha256)]
    for number in (0, 1, 3, 4):
        assert store.read(row_of(house, plain[number])) == document(number)
    store.plain_path(plain[2].sha256).write_bytes(document(2))
    assert list(keeping.encrypt(house.registry, store)) == [None]
    assert plaintext_in(tmp_path / "files") == [] and house.see(keeping.standing).plain == 0
    # A kill between the switch and the removal leaves a plain file beside the sealed one: it goes the next time.
    store.plain_path(plain[0].sha256).write_bytes(document(0))
    assert list(keeping.encrypt(house.registry, store)) == [] and plaintext_in(tmp_path / "files") == []


ENCRYPTING = """
import os, sys
from pathlib import Path
sys.path[:0] = ["tests", "."]
from file_house import make_store
from registry_house import House
from registry.database import open_engine
from registry.files import keeping
engine = open_engine(sys.argv[2])
house, store = House(engine), make_store(Path(sys.argv[1]), engine)
print("ready", flush=True)
for _ in keeping.encrypt(house.registry, store):
    print("one", flush=True)
"""


def test_sealing_that_is_killed_anywhere_loses_nothing_and_is_done_again(house: House, tmp_path: Path) -> None:
    store, draws = make_store(tmp_path, house.engine), kill_tally.chance("sealing files")
    plain = [note(house, store, document(number)) for number in range(120)]
    url = house.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", ENCRYPTING, str(tmp_path), url]
    killed = 0
    while house.see(keeping.standing).plain:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        if killed < 4:
            time.sleep(draws.uniform(0.02, 0.2))
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.stdout.read()
        kill_tally.count("files", -process.wait(), drawn=True)
        for number, one in enumerate(plain):
            assert store.read(row_of(house, one)) == document(number)
    assert killed >= 1
    list(keeping.encrypt(house.registry, store))
    assert plaintext_in(tmp_path / "files") == []
    # What was sealed twice because of a kill belongs to nobody now. A kill between the link and the removal of the name
    # that it was written under leaves both.
    found = keeping.find_orphans(house.registry, store, LATER)
    unfinished = [one for one in found.orphans if one.name.startswith("incoming/")]
    assert found.named == len(plain)
    assert len(unfinished) <= killed and len(found.orphans) - len(unfinished) <= killed


# ---- The master key -------------------------------------------------------------------------------------------------


def test_a_new_master_key_takes_every_file_over_without_touching_a_body(house: House, tmp_path: Path) -> None:
    store = make_store(tmp_path, house.engine)
    stored = [store.put([document(number)]) for number in range(450)]
    with house.work() as work:
        files.register_many(work, stored)
    bodies = {path: path.read_bytes() for path in lying_in(tmp_path / "files")}
    (old,) = (tmp_path / "keys").glob("files-*.key")
    store.masters.rotate(house.clock())
    fresh = store.put([document(1000)])
    house.do(files.register, fresh)
    # Broken off after the first rows, which stay done.
    counts = [next(keeping.rewrap(house.registry, store))]
    assert [count for *_, count in house.see(keeping.standing).masters] == [250, 201]
    assert store.read(row_of(house, stored[0])) == document(0)
    counts += keeping.rewrap(house.registry, store)
    assert counts == [200, 200, 50] and list(keeping.rewrap(house.registry, store)) == []
    old.unlink()
    reopened = make_store(tmp_path, house.engine)
    for number, one in enumerate(stored):
        assert reopened.read(row_of(house, one)) == document(number)
    assert {path: path.read_bytes() for path in bodies} == bodies


# ---- What belongs to nobody -----------------------------------------------------------------------------------------


def test_what_fails_after_storing_leaves_no_row_and_is_swept(house: House, tmp_path: Path) -> None:
    store = make_store(tmp_path, house.engine)
    kept = store.put([document(1)])
    house.do(files.register, kept)

    def give_up(work: Any) -> None:
        files.register(work, store.put([document(2)], is_new=True))
        raise BusyError("copy_contended", "同一证照正在制作另一份加注件，请重试。")

    with pytest.raises(BusyError):
        house.do(give_up)
    with house.work() as work:
        assert list(work.session.scalars(select(StoredFileRow.sha256))) == [kept.sha256]
    now = datetime.now(UTC)
    assert keeping.find_orphans(house.registry, store, now - timedelta(hours=1)).orphans == ()
    found = keeping.find_orphans(house.registry, store, LATER)
    assert len(found.orphans) == 1 and found.named == 1
    store.objects.delete(found.orphans[0].name)
    assert lying_in(tmp_path / "files") == [object_path(tmp_path, kept)]


# ---- The whole server and its commands ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("office")
    filing = FileSettings(str(folder / "files"), daily_mb=3)
    with open_office(settings_in(folder, files=filing)) as office:
        yield office


def hand_in(office: OpenOffice, data: bytes, role: str = "registrar") -> Any:
    return office.send("POST", "/api/v1/files", role, content=data)


def stored_row(office: OpenOffice, data: bytes) -> tuple[StoredFileRow, Path]:
    sha256 = bytes.fromhex(hand_in(office, data).json()["sha256"])
    with office.services.registry.read(REGISTRY) as work:
        row = files.get(work, sha256)
    assert row.object is not None
    return row, office.services.settings.data / "files" / row.object[:2] / row.object


def invoice(office: OpenOffice, sha256: bytes) -> Any:
    return office.send("POST", "/api/v1/invoices", "window", json={"sha256": sha256.hex()})


def test_damage_and_a_lost_key_are_problems_that_say_what_to_do(office: OpenOffice) -> None:
    row, path = stored_row(office, document(10))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert reason(invoice(office, row.sha256), 404) == "file_damaged"
    path.unlink()
    assert reason(invoice(office, row.sha256), 404) == "file_missing"
    path.write_bytes(whole)
    # It opens again: what is refused now is its content.
    assert invoice(office, row.sha256).status_code == 422
    masters = office.services.files.masters
    masters._loaded.clear()
    (key,) = (office.services.settings.data / "keys").glob("files-*.key")
    key.rename(key.with_suffix(".away"))
    refused = invoice(office, row.sha256)
    assert reason(refused, 503) == "file_key_missing" and "备份" in refused.json()["detail"]
    key.with_suffix(".away").rename(key)
    assert invoice(office, row.sha256).status_code == 422


def test_a_department_over_its_quota_is_told_and_nothing_is_kept(office: OpenOffice) -> None:
    refused = hand_in(office, os.urandom(3_100_000))
    assert reason(refused, 413) == "quota_exceeded" and "超过限额 3 MB" in refused.json()["detail"]
    assert hand_in(office, b"a small one").status_code == 201


def command(office: OpenOffice, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setenv("SUIZHENG_DATA", str(office.services.settings.data))
    return main(["files", *words])


def test_the_commands_tell_what_they_do(
    office: OpenOffice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row, path = stored_row(office, document(20))
    body = path.read_bytes()
    assert command(office, monkeypatch, "rotate") == 0 and "备份" in capsys.readouterr().out
    assert command(office, monkeypatch, "rewrap") == 0 and "已改由主密钥" in capsys.readouterr().out
    assert command(office, monkeypatch, "status") == 0
    said = capsys.readouterr().out
    assert "未加密 0 个" in said and "保护 0 个文件" in said
    # The server that runs finds both keys; bodies are as they were.
    assert invoice(office, row.sha256).status_code == 422 and path.read_bytes() == body
    with office.services.registry.begin(REGISTRY) as work:
        work.session.execute(
            update(StoredFileRow).where(StoredFileRow.sha256 == row.sha256)
            .values(object=None, master=None, wrapped=None)
        )  # fmt: skip
    path.unlink()
    assert command(office, monkeypatch, "encrypt") == 1 and row.sha256.hex() in capsys.readouterr().err
    kept = office.services.files.plain_path(row.sha256)
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(document(20))
    assert command(office, monkeypatch, "encrypt") == 0 and "已加密 1 个文件" in capsys.readouterr().out
    assert not kept.exists() and invoice(office, row.sha256).status_code == 422


def test_a_sweep_shows_first_and_deletes_when_told_to(
    office: OpenOffice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, path = stored_row(office, document(30))
    folder = office.services.settings.data / "files"
    orphan, half = folder / "ab" / ("ab" * 16), folder / "incoming" / ("cd" * 16)
    orphan.parent.mkdir(exist_ok=True)
    for left in (orphan, half):
        left.write_bytes(b"left behind")
    for old in lying_in(folder):
        os.utime(old, (1, 1))
    command(office, monkeypatch, "sweep")
    said = capsys.readouterr().out
    assert orphan.name in said and half.name in said and "没有删除" in said and orphan.exists()
    command(office, monkeypatch, "sweep", "--delete")
    assert "已删除" in capsys.readouterr().out
    assert not orphan.exists() and not half.exists() and path.exists()
    # With another registry's store nothing is removed at all.
    elsewhere = folder.parent / "elsewhere"
    (elsewhere / "incoming").mkdir(parents=True)
    (elsewhere / "ab").mkdir()
    (elsewhere / "ab" / orphan.name).write_bytes(b"somebody else's")
    os.utime(elsewhere / "ab" / orphan.name, (1, 1))
    monkeypatch.setenv("SUIZHENG_FILES", str(elsewhere))
    assert command(office, monkeypatch, "sweep", "--delete") == 64
    assert "没有删除任何内容" in capsys.readouterr().err and (elsewhere / "ab" / orphan.name).exists()


# ---- Uploads that are continued -------------------------------------------------------------------------------------


def test_an_upload_is_ended_by_whoever_holds_it(tmp_path: Path) -> None:
    folder, data = ImportFolder(tmp_path, make_store(tmp_path).masters), b"a list of certificates"
    digest = sha256(data).digest()
    with folder.continued(MARKET, digest, 0, len(data)) as held:
        held.write(data)
        # While the digest is made nobody else may write, neither before nor after it.
        with pytest.raises(BusyError), folder.continued(MARKET, digest, len(data), len(data) + 1):
            pass
        folder.finish(MARKET, digest, held)
    with folder.open(MARKET, digest) as whole:
        assert whole.read() == data
    other = sha256(b"another").digest()
    with pytest.raises(InvalidDraftError), folder.continued(MARKET, other, 0, len(data)) as held:
        held.write(data)
        folder.finish(MARKET, other, held)
    assert not folder.received(MARKET, other).offset


def test_an_upload_that_was_taken_away_meanwhile_is_not_ended(tmp_path: Path) -> None:
    folder, data = ImportFolder(tmp_path, make_store(tmp_path).masters), b"a list of certificates"
    digest = sha256(data).digest()
    with pytest.raises(BusyError), folder.continued(MARKET, digest, 0, len(data)) as held:
        held.write(data)
        (part,) = tmp_path.rglob("*.receiving")
        part.unlink()
        folder.finish(MARKET, digest, held)
    with pytest.raises(NotFoundError):
        folder.require(MARKET, digest)


def test_a_database_of_an_older_version_keeps_its_files(database_url: str, tmp_path: Path) -> None:
    """Files that other rows refer to, from before they were sealed."""
    engine = open_engine(database_url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    data = document(1)
    old = {
        "sha256": double_digest(data).sha256, "sm3": double_digest(data).sm3, "size": len(data),
        "media_type": "application/pdf", "stored_at": datetime.now(UTC), "stored_by": "staff:1",
    }  # fmt: skip
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command_of_alembic.upgrade(config, "0019")
        columns = ("sha256", "sm3", "size", "media_type", "stored_at", "stored_by")
        connection.execute(insert(table("files", *(column(name) for name in columns))), old)
    migrate(engine)
    house = House(engine)
    store = make_store(tmp_path, engine)
    path = store.plain_path(double_digest(data).sha256)
    path.parent.mkdir()
    path.write_bytes(data)
    assert store.read(house.see(files.get, double_digest(data).sha256)) == data
    assert list(keeping.encrypt(house.registry, store)) == [None] and not path.exists()
    assert store.read(house.see(files.get, double_digest(data).sha256)) == data
    engine.dispose()
