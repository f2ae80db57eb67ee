"""Uploads of imports and their rows lie sealed, can be continued after any break, and are read at any place."""

from __future__ import annotations

import io
import random
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import kill_tally
import pytest
from file_house import lying_in, make_store
from hypothesis import given
from hypothesis import strategies as st
from registry_house import MARKET, NOON

from registry.errors import FileKeyError, NotFoundError, TransitionError
from registry.files.masters import Masters
from registry.imports.folder import ROWS, ImportFolder
from registry.imports.rewrapping import masters_in_use, rewrap
from registry.imports.sealed import PIECE_BYTES, SealedWriter, open_whole, size_of
from verifier.digests import double_digest

NAME = "jobs/1/rows"
#: Around the borders of pieces.
SIZES = (0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 3 * PIECE_BYTES + 7)


@pytest.fixture(scope="module")
def masters(tmp_path_factory: pytest.TempPathFactory) -> Masters:
    return make_store(tmp_path_factory.mktemp("masters")).masters


def some_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def sealed(data: bytes, masters: Masters, name: str = NAME) -> bytes:
    file = io.BytesIO()
    writer = _Memory(file, name, masters)
    writer.write(data)
    writer.end()
    return file.getvalue()


class _Memory(SealedWriter):
    """A writer over bytes in memory, which nothing has to make durable."""

    def _sync(self) -> None:
        self._file.truncate()


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_is_read_back_at_any_place(masters: Masters, size: int) -> None:
    data = some_bytes(size)
    body = sealed(data, masters)
    assert data[:40] not in body or size < 2
    with open_whole(io.BytesIO(body), NAME, masters) as file:
        assert file.read() == data
        for place in (0, size // 2, max(0, size - 1), size, size + 5):
            assert file.seek(place) == place
            assert file.read(100) == data[place : place + 100]
        assert file.seek(0, io.SEEK_END) == size


@given(kept=st.integers(0, 3 * PIECE_BYTES), torn=st.integers(0, 2 * PIECE_BYTES))
def test_a_file_is_written_on_from_wherever_it_ends(masters: Masters, kept: int, torn: int) -> None:
    """Whatever a kill takes off the end, what is said to be there is there, and the whole is what was sent."""
    data = some_bytes(3 * PIECE_BYTES)
    file = io.BytesIO()
    writer = _Memory(file, NAME, masters)
    writer.write(data[:kept])
    writer.flush()
    file.truncate(max(0, len(file.getvalue()) - torn))
    there = size_of(file, NAME, masters)
    assert there == kept if not torn else there <= max(0, kept - 1)
    assert there == kept or there % PIECE_BYTES == 0
    again = _Memory(file, NAME, masters)
    assert again.size == there
    again.write(data[there:])
    again.end()
    assert read_all(file.getvalue(), masters) == data


def read_all(body: bytes, masters: Masters, name: str = NAME) -> bytes:
    with open_whole(io.BytesIO(body), name, masters) as file:
        return file.read()


def test_nothing_that_was_altered_moved_or_cut_off_is_read(masters: Masters) -> None:
    data = some_bytes(3 * PIECE_BYTES + 7)
    body = sealed(data, masters)
    start = len(body) - len(data) - 4 * 28
    first, second = (
        body[start : start + PIECE_BYTES + 28],
        body[start + PIECE_BYTES + 28 : start + 2 * PIECE_BYTES + 56],
    )
    rest = body[start + len(first) + len(second) :]
    head = body[:start]
    assert read_all(head + first + second + rest, masters) == data
    flipped = bytearray(body)
    flipped[start + 100] ^= 1
    for wrong in (bytes(flipped), head + second + first + rest, head + first + second, body[:-1], head, b"", data):
        with pytest.raises(NotFoundError) as refused:
            read_all(wrong, masters)
        assert refused.value.reason == "import_damaged"
    # Another file's, under its own name, is refused by its key already.
    with pytest.raises(FileKeyError):
        read_all(body, masters, "jobs/2/rows")
    # What was never ended is not a whole file.
    file = io.BytesIO()
    writer = _Memory(file, NAME, masters)
    writer.write(data)
    writer.flush()
    with pytest.raises(NotFoundError):
        read_all(file.getvalue(), masters)


def test_an_upload_goes_on_in_another_process_where_a_torn_piece_was_dropped(tmp_path: Path, masters: Masters) -> None:
    folder, data = ImportFolder(tmp_path, masters), some_bytes(2 * PIECE_BYTES + 99)
    digest, size = double_digest(data).sha256, len(data)
    with folder.continued(MARKET, digest, 0, size) as held:
        held.write(data[: PIECE_BYTES + 50])
    (part,) = lying_in(tmp_path)
    part.write_bytes(part.read_bytes()[:-3])
    later = ImportFolder(tmp_path, masters)
    there = later.received(MARKET, digest)
    assert (there.offset, there.complete) == (PIECE_BYTES, False)
    with pytest.raises(TransitionError) as ahead, later.continued(MARKET, digest, PIECE_BYTES + 50, size):
        pass
    assert ahead.value.state == str(PIECE_BYTES)
    with later.continued(MARKET, digest, there.offset, size) as held:
        held.write(data[there.offset :])
        later.finish(MARKET, digest, held)
    assert later.received(MARKET, digest).complete
    with later.open(MARKET, digest) as whole:
        assert whole.read() == data


def test_what_an_older_version_left_plain_is_sealed_and_goes_on(tmp_path: Path, masters: Masters) -> None:
    data, rows = some_bytes(PIECE_BYTES + 1), b'[2,["a"],null]\n' * 9
    digest = double_digest(data).sha256
    folder = ImportFolder(tmp_path, masters)
    uploads, job = tmp_path / "uploads" / MARKET, tmp_path / "jobs" / "01JOB"
    for made in (uploads, job):
        made.mkdir()
    (uploads / f"{digest.hex()}.file").write_bytes(data)
    (uploads / f"{'ab' * 32}.part").write_bytes(data[:9])
    (job / "rows.jsonl").write_bytes(rows)
    (job / "sheet").write_bytes(data)
    folder.seal_plain()
    assert all(data[:9] not in path.read_bytes() and b"null" not in path.read_bytes() for path in lying_in(tmp_path))
    with folder.open(MARKET, digest) as whole, folder.open_for("01JOB", ROWS) as kept:
        assert (whole.read(), kept.read()) == (data, rows)
    # Killed before the plain rows were removed, it does not take them for newer ones.
    (job / "rows.jsonl").write_bytes(b"planted\n")
    folder.seal_plain()
    with folder.open_for("01JOB", ROWS) as kept:
        assert kept.read() == rows
    assert len(lying_in(tmp_path)) == 2


def kept_under_an_old_key(folder: ImportFolder) -> dict[str, bytes]:
    """Three whole uploads and the rows of a job; the name of each job or upload, and its bytes."""
    datas = [some_bytes(size) for size in (99, PIECE_BYTES, 3 * PIECE_BYTES + 7)]
    for data in datas:
        folder.keep(MARKET, io.BytesIO(data))
    folder.write_for("01JOB", ROWS, [b"rows\n"])
    return {double_digest(data).sha256.hex(): data for data in datas} | {"01JOB": b"rows\n"}


def read_again(folder: ImportFolder, kept: dict[str, bytes]) -> None:
    for name, data in kept.items():
        opened = folder.open_for(name, ROWS) if name == "01JOB" else folder.open(MARKET, bytes.fromhex(name))
        with opened as file:
            assert file.read() == data


def test_an_old_master_key_can_go_once_the_imports_are_taken_over(tmp_path: Path) -> None:
    masters, begun = make_store(tmp_path).masters, some_bytes(PIECE_BYTES + 50)
    folder, old = ImportFolder(tmp_path / "imports", masters), masters.current()
    kept, digest, size = kept_under_an_old_key(folder), double_digest(begun).sha256, len(begun)
    with folder.continued(MARKET, digest, 0, size) as held:
        held.write(begun[: PIECE_BYTES + 9])
        held.flush()
        new = masters.rotate(NOON + timedelta(days=1))
        # What is being received at this moment stays, and is said to.
        assert [None if one is None else one.reason for one in rewrap(folder, masters)].count("upload_in_progress") == 1
    assert masters_in_use(folder) == {new: 4, old: 1}
    with (tmp_path / "imports" / "uploads" / MARKET / f"{'ab' * 32}.sealed").open("wb") as junk:
        junk.write(b"suizheng-import/1\n" + old + b"\0\x09no key at all")
    # A damaged one is told and keeps nobody else from being taken over.
    told = [None if one is None else one.reason for one in rewrap(folder, masters)]
    assert len(told) == 2 and set(told) == {"file_key_damaged", None}
    Path(junk.name).unlink()
    assert masters_in_use(folder) == {new: 5} and list(rewrap(folder, masters)) == []
    (tmp_path / "keys" / f"files-{old.hex()}.key").unlink()
    later = ImportFolder(tmp_path / "imports", make_store(tmp_path).masters)
    read_again(later, kept)
    with later.continued(MARKET, digest, PIECE_BYTES + 9, size) as held:
        held.write(begun[PIECE_BYTES + 9 :])
        later.finish(MARKET, digest, held)
    read_again(later, {digest.hex(): begun})


REWRAPPING = """
import sys
from datetime import timedelta
from pathlib import Path
sys.path[:0] = ["tests", "."]
from file_house import make_store
from registry.imports.folder import ImportFolder
from registry.imports.rewrapping import rewrap
masters = make_store(Path(sys.argv[1])).masters
print("ready", flush=True)
for _ in rewrap(ImportFolder(Path(sys.argv[1]) / "imports", masters), masters):
    print("one", flush=True)
"""


def test_taking_over_that_is_killed_anywhere_loses_nothing_and_goes_on(tmp_path: Path) -> None:
    masters, draws = make_store(tmp_path).masters, kill_tally.chance("rewrapping imports")
    folder, old = ImportFolder(tmp_path / "imports", masters), masters.current()
    kept = kept_under_an_old_key(folder)
    for number in range(60):
        data = some_bytes(20 * PIECE_BYTES + number)
        kept[folder.keep(MARKET, io.BytesIO(data)).hex()] = data
    new = masters.rotate(NOON + timedelta(days=1))
    for _ in range(2):
        command = [sys.executable, "-c", REWRAPPING, str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for _ in range(draws.randrange(1, 9)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
        kill_tally.count("files", -process.wait(), drawn=True)
        in_use = masters_in_use(folder)
        assert in_use[old] + in_use[new] == len(kept)
        read_again(folder, kept)
    assert set(rewrap(folder, masters)) <= {None} and masters_in_use(folder) == {new: len(kept)}
    read_again(folder, kept)
    # Nothing lies beside them, but for a copy that a kill cut short; it is swept like any upload nobody needs.
    folder.sweep((), (), 0, 2**40)
    assert lying_in(tmp_path / "imports") == []
