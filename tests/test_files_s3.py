"""Files in a store that speaks S3: a real server over loopback, and every way in which it can be away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api_office import open_office, reason, settings_in
from file_house import make_store
from s3_server import BUCKET, CREDENTIALS, Line, S3Server, running_s3

from api.cli.main import main
from api.settings import FileSettings
from api.stores.s3 import S3Store
from registry.errors import NotFoundError, RegistryError, StoreError
from registry.files.store import FileStore, StoredFile

SECRET = "310105189901010006 的体检报告".encode()
DATA = b"%PDF-1.7 " + SECRET * 20_000
SOON = timedelta(seconds=2)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    before = {name: os.environ.get(name) for name in CREDENTIALS}
    os.environ.update(CREDENTIALS)
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture
def line(s3: S3Server) -> Iterator[Line]:
    line = Line(s3)
    yield line
    line.close()


@pytest.fixture
def store(s3: S3Server, tmp_path: Path) -> FileStore:
    return make_store(tmp_path, objects=S3Store(BUCKET, tmp_path.name, s3.url))


def object_of(s3: S3Server, tmp_path: Path, stored: StoredFile) -> Path:
    assert stored.sealed is not None
    return s3.bucket / tmp_path.name / stored.sealed.object


def lying_in(s3: S3Server, tmp_path: Path) -> list[Path]:
    return [path for path in (s3.bucket / tmp_path.name).rglob("*") if path.is_file()]


def reason_of(kind: type[RegistryError], act: Any) -> str:
    with pytest.raises(kind) as refused:
        act()
    assert any("一" <= letter <= "鿿" for letter in refused.value.message)
    return refused.value.reason


def test_a_bucket_holds_ciphertext_under_names_of_no_meaning(s3: S3Server, store: FileStore, tmp_path: Path) -> None:
    stored = store.put([DATA])
    assert store.read(stored) == DATA
    (path,) = lying_in(s3, tmp_path)
    assert path == object_of(s3, tmp_path, stored)
    seen = path.read_bytes() + str(path).encode()
    assert SECRET not in seen and stored.sha256 not in seen and stored.sha256.hex()[:12].encode() not in seen
    (listed,) = store.objects.list()
    assert stored.sealed is not None and (listed.name, listed.size) == (stored.sealed.object, path.stat().st_size)
    assert abs(listed.written_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_an_object_is_written_once_and_removed_for_good(store: FileStore) -> None:
    objects = store.objects
    objects.put("0" * 32, [b"one"])
    assert reason_of(StoreError, lambda: objects.put("0" * 32, [b"another"])) == "object_exists"
    assert objects.get("0" * 32).read() == b"one" and objects.size("0" * 32) == 3
    for _ in range(2):
        objects.delete("0" * 32)
    assert objects.size("0" * 32) is None
    with pytest.raises(FileNotFoundError):
        objects.get("0" * 32)


def test_damage_in_a_bucket_is_noticed(s3: S3Server, store: FileStore, tmp_path: Path) -> None:
    stored, other = store.put([DATA]), store.put([DATA + b"!"])
    path = object_of(s3, tmp_path, stored)
    whole = path.read_bytes()
    flipped = whole[:9000] + bytes((whole[9000] ^ 1,)) + whole[9001:]
    for altered in (flipped, whole[:4096], object_of(s3, tmp_path, other).read_bytes()):
        path.write_bytes(altered)
        assert reason_of(NotFoundError, lambda: store.read(stored)) == "file_damaged"
    path.unlink()
    assert reason_of(NotFoundError, lambda: store.read(stored)) == "file_missing"


@pytest.mark.parametrize("fault", ["drop", "refuse", "stall"])
def test_a_store_that_fails_keeps_nothing_and_is_used_again(
    s3: S3Server, line: Line, tmp_path: Path, fault: Any
) -> None:
    store = make_store(tmp_path, objects=S3Store(BUCKET, tmp_path.name, line.url, answer_within=SOON, retry_for=SOON))
    line.disturb(fault)
    assert reason_of(StoreError, lambda: store.put([DATA])) == "store_unavailable"
    assert lying_in(s3, tmp_path) == []
    line.disturb("none")
    stored = store.put([DATA])
    line.disturb(fault)
    # What is away is not taken for lost or damaged.
    assert reason_of(StoreError, lambda: store.read(stored)) == "store_unavailable"
    line.disturb("none")
    assert store.read(stored) == DATA
    assert len(lying_in(s3, tmp_path)) == 1


def test_nobody_at_the_address_and_wrong_credentials_are_told_apart(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = S3Store(BUCKET, tmp_path.name, "http://127.0.0.1:9", answer_within=SOON, retry_for=SOON)
    assert reason_of(StoreError, lambda: nobody.put("1" * 32, [b"one"])) == "store_unavailable"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    stranger = S3Store(BUCKET, tmp_path.name, s3.url, answer_within=SOON, retry_for=SOON)
    assert reason_of(StoreError, lambda: stranger.put("1" * 32, [b"one"])) == "store_refused"


def test_a_whole_server_keeps_its_files_in_a_bucket(
    s3: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(s3)
    settings = settings_in(tmp_path, files=FileSettings(f"s3://{BUCKET}/{tmp_path.name}", line.url))
    with open_office(settings) as office:

        def hand_in(data: bytes) -> Any:
            return office.send("POST", "/api/v1/files", "registrar", content=data)

        assert hand_in(DATA).status_code == hand_in(DATA).status_code == 201
        assert len(lying_in(s3, tmp_path)) == 1 and not list((tmp_path / "files").rglob("*"))
        line.disturb("refuse")
        assert reason(hand_in(b"another" * 9), 503) == "store_unavailable"
        line.disturb("none")
        assert hand_in(b"another" * 9).status_code == 201
    monkeypatch.setenv("SUIZHENG_DATA", str(tmp_path))
    monkeypatch.setenv("SUIZHENG_FILES", f"s3://{BUCKET}/{tmp_path.name}")
    monkeypatch.setenv("SUIZHENG_FILES_ENDPOINT", s3.url)
    (s3.bucket / tmp_path.name / ("f" * 32)).write_bytes(b"of nobody")
    assert main(["files", "sweep"]) == 0
    assert "0 个对象" in capsys.readouterr().out
    for path in lying_in(s3, tmp_path):
        os.utime(path, (1, 1))
    assert main(["files", "sweep", "--delete"]) == 0
    assert "1 个对象" in capsys.readouterr().out
    assert not (s3.bucket / tmp_path.name / ("f" * 32)).exists() and lying_in(s3, tmp_path)
    line.close()
