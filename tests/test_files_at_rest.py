"""Files lie sealed: what a thief, a broken disk, a full one and a kill find or leave in the store."""

from __future__ import annotations

import io
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import kill_tally
import pytest
from file_house import lying_in, make_store, note, object_path, row_of
from registry_house import CARE, House, actor
from sqlalchemy import update

from api.stores.folder import FolderStore
from registry.errors import FileKeyError, LimitError, NotFoundError, RegistryError, StoreError
from registry.files import service as files
from registry.files.masters import FileMasters, Masters
from registry.files.service import Quota
from registry.files.store import FileStore, StoredFile
from registry.files.tables import StoredFileRow
from verifier.digests import double_digest

pytest_plugins = ["registry_fixtures"]

SECRET = "310105189901010006 的体检报告".encode()
DATA = b"%PDF-1.7 " + SECRET * 900 + bytes(range(256)) * 64


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return make_store(tmp_path)


def reason_of(act: Callable[[], object], kind: type[RegistryError] = NotFoundError) -> str:
    with pytest.raises(kind) as refused:
        act()
    assert any("一" <= letter <= "鿿" for letter in refused.value.message), "people are told in Chinese"
    return refused.value.reason


# ---- What lies there ------------------------------------------------------------------------------------------------


def test_a_file_is_stored_once_and_known_by_its_content(house: House, tmp_path: Path) -> None:
    store = make_store(tmp_path, house.engine)
    stored = store.put(io.BytesIO(DATA))
    assert (stored.sha256, stored.sm3) == double_digest(DATA)
    assert (stored.size, stored.media_type) == (len(DATA), "application/pdf")
    house.do(files.register, stored)
    again = store.put(DATA[place : place + 1000] for place in range(0, len(DATA), 1000))
    assert again == stored and store.read(again) == store.read(row_of(house, stored)) == DATA
    assert lying_in(tmp_path / "files") == [object_path(tmp_path, stored)]


def test_neither_content_nor_digest_nor_name_of_a_file_is_in_the_store(store: FileStore, tmp_path: Path) -> None:
    stored = store.put([DATA])
    for path in lying_in(tmp_path / "files"):
        found = path.read_bytes() + str(path.relative_to(tmp_path)).encode()
        for secret in (
            SECRET,
            stored.sha256,
            stored.sm3,
            stored.sha256.hex().encode(),
            stored.sha256.hex()[:12].encode(),
        ):
            assert secret not in found
        assert path.stat().st_mode & 0o077 == 0
    # Whoever has the same file cannot tell that it is here: it looks different each time.
    other = store.put([DATA], is_new=True)
    assert object_path(tmp_path, other).read_bytes()[-4096:] != object_path(tmp_path, stored).read_bytes()[-4096:]


@pytest.mark.parametrize("size", [1, 4023, 4024, 4025, 4096, 1 << 20, (1 << 20) + 1])
def test_files_of_every_length_come_back(store: FileStore, size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert store.read(store.put([data])) == data


def test_a_file_that_is_too_long_empty_or_interrupted_leaves_nothing(store: FileStore, tmp_path: Path) -> None:
    def torn() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError

    assert store.put(io.BytesIO(b"12345"), limit_bytes=5).size == 5
    for data, reason in ((b"123456", "file_too_large"), (b"", "file_empty")):
        assert reason_of(lambda data=data: store.put(io.BytesIO(data), limit_bytes=5), LimitError) == reason
    with pytest.raises(ConnectionError):
        store.put(torn())
    assert len(lying_in(tmp_path / "files")) == 1


# ---- Damage and theft -----------------------------------------------------------------------------------------------


def test_no_flipped_byte_of_an_object_goes_unnoticed(store: FileStore, tmp_path: Path) -> None:
    stored = store.put([DATA])
    path = object_path(tmp_path, stored)
    whole = path.read_bytes()
    places = [0, 1, 39, 40, 41, 4095, 4096, len(whole) - 17, len(whole) - 1]
    for place in places + random.Random(1).sample(range(len(whole)), 60):
        path.write_bytes(whole[:place] + bytes((whole[place] ^ 1,)) + whole[place + 1 :])
        assert reason_of(lambda: store.read(stored)) == "file_damaged", place
    path.write_bytes(whole)
    assert store.read(stored) == DATA


def test_no_part_of_an_object_passes_for_the_whole(store: FileStore, tmp_path: Path) -> None:
    stored = store.put([DATA])
    path = object_path(tmp_path, stored)
    whole = path.read_bytes()
    # At a segment's end too, where each segment that is left is authentic.
    for length in (0, 1, 39, 40, 4096, 2 * 4096, 3 * 4096, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert reason_of(lambda: store.read(stored)) == "file_damaged", length
    for longer in (whole + b"\0", whole + whole[-4096:], whole[:4096] + whole[8192:]):
        path.write_bytes(longer)
        assert reason_of(lambda: store.read(stored)) == "file_damaged"


def test_objects_that_changed_places_are_noticed(house: House, tmp_path: Path) -> None:
    store = make_store(tmp_path, house.engine)
    one, other = store.put([DATA]), store.put([DATA[:-1] + b"!"])
    for stored in (one, other):
        house.do(files.register, stored)
    first, second = object_path(tmp_path, one), object_path(tmp_path, other)
    bodies = first.read_bytes(), second.read_bytes()
    first.write_bytes(bodies[1])
    second.write_bytes(bodies[0])
    for stored in (one, other):
        assert reason_of(lambda stored=stored: store.read(stored)) == "file_damaged"
    first.write_bytes(bodies[0])
    second.write_bytes(bodies[1])
    # Rows that are led to another file's object, with its key: the digest speaks.
    assert one.sealed is not None and other.sealed is not None
    moved = StoredFile(one.sha256, one.sm3, one.size, one.media_type, other.sealed)
    assert reason_of(lambda: store.read(moved)) == "file_damaged"
    # A key that is led to another object's name does not open.
    stolen = type(one.sealed)(one.sealed.object, other.sealed.master, other.sealed.wrapped)
    moved = StoredFile(one.sha256, one.sm3, one.size, one.media_type, stolen)
    assert reason_of(lambda: store.read(moved), FileKeyError) == "file_key_wrong"


def test_a_lost_file_is_told_and_heals_when_it_is_handed_in_again(house: House, tmp_path: Path) -> None:
    store = make_store(tmp_path, house.engine)
    stored = store.put([DATA])
    house.do(files.register, stored)
    object_path(tmp_path, stored).unlink()
    assert reason_of(lambda: store.read(row_of(house, stored))) == "file_missing"
    healed = store.put([DATA])
    house.do(files.register, healed)
    assert healed.sealed != stored.sealed and store.read(row_of(house, stored)) == DATA


def test_a_disk_that_is_not_mounted_has_lost_nothing(store: FileStore, tmp_path: Path) -> None:
    stored = store.put([DATA])
    (tmp_path / "files").rename(tmp_path / "elsewhere")
    assert reason_of(lambda: store.read(stored), StoreError) == "store_unavailable"
    assert reason_of(lambda: store.put([b"another"]), StoreError) == "store_unavailable"
    (tmp_path / "elsewhere").rename(tmp_path / "files")
    assert store.read(stored) == DATA


# ---- Master keys ----------------------------------------------------------------------------------------------------


def test_without_the_right_master_key_nothing_opens(house: House, tmp_path: Path) -> None:
    store = make_store(tmp_path, house.engine, passphrase=b"one")
    stored = store.put([DATA])
    (key,) = (tmp_path / "keys").glob("files-*.key")
    whole = key.read_bytes()
    assert stored.sealed is not None

    def opened(passphrase: bytes | None = b"one") -> Callable[[], bytes]:
        fresh = Masters(house.engine, FileMasters(tmp_path / "keys", passphrase))
        return lambda: FileStore(store.objects, fresh, house.engine, tmp_path).read(stored)

    assert opened()() == DATA
    assert reason_of(opened(b"another"), FileKeyError) == "key_passphrase_wrong"
    assert reason_of(opened(None), FileKeyError) == "key_passphrase_missing"
    key.write_bytes(os.urandom(32))
    assert reason_of(opened(), FileKeyError) == "file_key_wrong"
    key.write_bytes(whole[:-5])
    assert reason_of(opened(), FileKeyError) == "key_passphrase_wrong"
    key.chmod(0o644)
    assert reason_of(opened(), FileKeyError) == "key_file_exposed"
    key.unlink()
    assert reason_of(opened(), FileKeyError) == "file_key_missing"
    # A start says so at once, and makes no other key in its place.
    lost = Masters(house.engine, FileMasters(tmp_path / "keys", b"one"))
    assert reason_of(lambda: lost.prepare(house.clock()), FileKeyError) == "file_key_missing"
    assert not list((tmp_path / "keys").glob("files-*.key"))


# ---- Full disks and kills -------------------------------------------------------------------------------------------


@contextmanager
def files_up_to(limit_bytes: int) -> Iterator[None]:
    """A real limit of the kernel on the size of any file that this process writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_is_told_and_leaves_nothing(store: FileStore, tmp_path: Path) -> None:
    large = os.urandom(400_000)
    for limit in (0, 1, 8192, 399_999):
        with files_up_to(limit):
            assert reason_of(lambda: store.put([large], is_new=True), StoreError) == "store_full"
        assert lying_in(tmp_path / "files") == []
    assert store.read(store.put([large])) == large


PUTTING = """
import sys
from pathlib import Path
sys.path[:0] = ["tests", "."]
from file_house import make_store
store = make_store(Path(sys.argv[1]))
print("ready", flush=True)
data = sys.argv[2].encode()
while True:
    stored = store.put([data * 40_000, b"end"], is_new=True)
    print(stored.sealed.object, flush=True)
"""


def test_a_kill_leaves_whole_objects_and_no_plaintext(tmp_path: Path) -> None:
    draws = kill_tally.chance("putting files")
    acknowledged: set[str] = set()
    for _ in range(5):
        command = [sys.executable, "-c", PUTTING, str(tmp_path), SECRET.decode()]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(draws.uniform(0.01, 0.25))
        process.send_signal(signal.SIGKILL)
        acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
        kill_tally.count("files", -process.wait(), drawn=True)
    found = lying_in(tmp_path / "files")
    assert len(acknowledged) > 1
    objects = {path.name: path for path in found if path.parent.name != "incoming"}
    assert acknowledged <= objects.keys()
    # Whatever has an object's name is whole, whether it was acknowledged or not.
    assert len({path.stat().st_size for path in objects.values()}) == 1
    assert not any(SECRET in path.read_bytes() for path in found)
    folder = FolderStore(tmp_path / "files")
    left = [one for one in folder.list() if one.name.startswith("incoming/")]
    assert len(left) == len(found) - len(objects)
    later = max(one.written_at for one in folder.list()).replace(year=2099)
    assert folder.forget_unfinished(later) == len(left)
    assert {path.name for path in lying_in(tmp_path / "files")} == objects.keys()


# ---- Quotas ---------------------------------------------------------------------------------------------------------


def test_a_department_hands_in_no_more_than_its_quota(house: House, tmp_path: Path) -> None:
    store = make_store(tmp_path, house.engine)
    one, two, three = (store.put([bytes((65 + number,)) * 1_000_000]) for number in range(3))

    def hand_in(stored: StoredFile, quota: Quota) -> None:
        def act(work: files.Work) -> None:
            files.check_quota(work, quota, [stored])
            files.register(work, stored)

        house.do(act)

    a_day = Quota(daily=2_000_000)
    hand_in(one, a_day)
    hand_in(two, a_day)
    hand_in(one, a_day)
    assert reason_of(lambda: hand_in(three, a_day), LimitError) == "quota_exceeded"
    house.clock.pass_by(days=1)
    assert reason_of(lambda: hand_in(three, Quota(total=2_999_999)), LimitError) == "quota_exceeded"
    hand_in(three, Quota(daily=2_000_000, total=3_000_000))


def test_those_who_hand_in_at_once_stay_within_the_quota_together(house: House) -> None:
    quota, ready = Quota(daily=3_000_000), threading.Barrier(6)

    def hand_in(number: int) -> bool:
        stored = StoredFile(bytes((number,)) * 32, bytes(32), 1_000_000, "text/plain")
        ready.wait()
        try:
            with house.work(actor()) as work:
                files.check_quota(work, quota, [stored])
                files.register(work, stored)
        except LimitError as refused:
            assert refused.reason == "quota_exceeded"
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(hand_in, range(6))) == [False] * 3 + [True] * 3
    with house.work(actor(CARE)) as work:
        # Another department has a quota of its own.
        files.check_quota(work, quota, [StoredFile(bytes(32 * (99,)), bytes(32), 3_000_000, "text/plain")])


def test_a_row_of_an_older_version_is_read_from_its_plain_file(house: House, tmp_path: Path) -> None:
    store = make_store(tmp_path, house.engine)
    stored = note(house, store, DATA)
    assert store.read(row_of(house, stored)) == DATA and store.put([DATA]).sealed is None
    store.plain_path(stored.sha256).write_bytes(DATA[:-1])
    assert reason_of(lambda: store.read(row_of(house, stored))) == "file_damaged"


def test_a_lost_key_record_is_named(house: House, tmp_path: Path) -> None:
    store = make_store(tmp_path, house.engine)
    stored = store.put([DATA])
    house.do(files.register, stored)
    with house.work() as work:
        work.session.execute(update(StoredFileRow).values(wrapped=b"nonsense"))
    assert reason_of(lambda: store.read(row_of(house, stored)), FileKeyError) == "file_key_damaged"
