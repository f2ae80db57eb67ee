"""The published log: paths, tiles, proofs, and what happens when files are lost, cut short or altered."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_house import House
from sqlalchemy import select, update

from registry.errors import NotFoundError
from registry.keys.rules import LOG
from registry.log import tiles
from registry.log.errors import LogContradictionError
from registry.log.nodes import fold
from registry.log.published import PublishedLog
from registry.log.tables import CheckpointRow, LogEntry
from registry.log.tiles import TILE_WIDTH, is_log_path, pack_entries, parse_tile_path, tile_path, unpack_entries
from registry.work import REGISTRY
from verifier import merkle
from verifier.note import Checkpoint, open_checkpoint, sign_checkpoint


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path)


def grow(house: House, *sizes: int) -> None:
    """Let the log have had a head at each of these sizes."""
    for wanted in sizes:
        house.submit(wanted - house.pipeline.tick().size)
        assert house.settle().published_size == wanted


def again(house: House) -> PublishedLog:
    """What a fresh process sees."""
    return PublishedLog(house.engine, house.log)


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),
        (1, 999, 8, "tile/1/999.p/8"),
        ("entries", 1_000, 255, "tile/entries/x001/000.p/255"),
        (63, 5, 1, "tile/63/005.p/1"),
    ],
)
def test_paths_are_those_of_c2sp_tlog_tiles(level: tiles.Level, number: int, width: int, path: str) -> None:
    assert tile_path(level, number, width) == path
    assert parse_tile_path(path) == (level, number, width)
    assert is_log_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/../../keys",
        "../registry.db",
        ".lock",
        ".writing/x",
        "tile/64/000",
        "tile/00/000",
        "tile/0/1",
        "tile/0/001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/08",
        "tile/0/x001/000/",
        "checkpoint/",
        "/checkpoint",
        "tile/0/\uff10\uff10\uff10",
        "tile/0/000\n",
    ],
)
def test_other_paths_are_not_served(house: House, path: str) -> None:
    grow(house, 3)
    assert not is_log_path(path)
    assert house.pipeline.log.serve(path) is None


@given(st.integers(0, 10**14), st.integers(1, 256), st.sampled_from([0, 1, 7, "entries"]))
def test_every_path_reads_back(number: int, width: int, level: tiles.Level) -> None:
    assert parse_tile_path(tile_path(level, number, width)) == (level, number, width)


@given(st.lists(st.binary(max_size=400), max_size=20), st.integers(1, 50))
def test_bundles_read_back_and_cut_ones_do_not(entries: list[bytes], cut: int) -> None:
    bundle = pack_entries(entries)
    assert unpack_entries(bundle) == entries
    if entries:
        assert unpack_entries(bundle[: -min(cut, len(bundle))]) != entries


@given(st.integers(1, 256))
def test_folding_gives_the_complete_subtrees(width: int) -> None:
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(width)]
    for height, level in enumerate(fold(b"".join(leaves))):
        nodes = [level[at : at + 32] for at in range(0, len(level), 32)]
        span = 1 << height
        assert nodes == [merkle.root_of(leaves[at * span : (at + 1) * span]) for at in range(width // span)]


def test_the_published_files_are_the_log_at_every_size(house: House) -> None:
    for size in (1, 2, 255, 256, 257, 511, 512, 700):
        grow(house, size)
        assert house.check() == size


def test_partial_tiles_go_when_the_full_one_stands(house: House) -> None:
    grow(house, 100, 200)
    assert (house.log / "tile/0/000.p/100").exists()
    assert (house.log / "tile/0/000.p/200").exists()
    grow(house, 300)
    assert not (house.log / "tile/0/000.p").exists()
    assert not (house.log / "tile/entries/000.p").exists()
    assert (house.log / "tile/0/001.p/44").exists()


def test_a_full_tile_is_never_written_again(house: House) -> None:
    grow(house, 300)
    before = {path: path.stat().st_ino for path in (house.log / "tile/0/000", house.log / "tile/entries/000")}
    grow(house, 600, 601)
    again(house).publish()
    assert {path: path.stat().st_ino for path in before} == before


def test_level_two_stands_where_it_should(house: House) -> None:
    house.fill(66_000)
    assert house.settle().published_size == 66_000
    house.check_tiles()
    leaves = [merkle.leaf_hash(number.to_bytes(60)) for number in range(65_536)]
    assert (house.log / "tile/2/000.p/1").read_bytes() == merkle.root_of(
        [merkle.root_of(leaves[index * 256 : (index + 1) * 256]) for index in range(256)]
    )
    for index in (0, 255, 256, 65_535, 65_536, 65_999):
        house.pipeline.log.inclusion(index, 66_000)


def test_every_entry_is_proved_under_every_head_that_covers_it(house: House) -> None:
    sizes = (1, 7, 255, 256, 300, 520)
    grow(house, *sizes)
    log = again(house)
    for size in sizes:
        for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
            proof = log.inclusion(index, size)
            merkle.check_inclusion(proof.leaf_hash, index, size, proof.path, proof.head.root)
        with pytest.raises(NotFoundError):
            log.inclusion(size, size)
    with pytest.raises(NotFoundError):
        log.inclusion(0, 8)


def test_every_head_is_proved_to_extend_every_smaller_size(house: House) -> None:
    grow(house, 7, 300, 520)
    log = again(house)
    for new in (7, 300, 520):
        for old in {1, 2, 3, 7, 128, 255, 256, 257, 299, 300, 519, 520} & set(range(1, new + 1)):
            assert len(log.consistency(old, new)) <= 11
    with pytest.raises(NotFoundError):
        log.consistency(1, 8)
    with pytest.raises(NotFoundError):
        log.root_at(521)


@pytest.mark.parametrize(
    "path",
    ["tile/0/000", "tile/0/002.p/88", "tile/entries/001", "tile/entries/002.p/88", "tile/1/000.p/2", "checkpoint"],
)
@pytest.mark.parametrize("harm", ["lost", "cut", "emptied"])
def test_a_file_that_was_lost_or_cut_short_is_made_anew(house: House, path: str, harm: str) -> None:
    grow(house, 300, 600)
    file = house.log / path
    whole = file.read_bytes()
    if harm == "lost":
        file.unlink()
    else:
        file.write_bytes(whole[: len(whole) // 2] if harm == "cut" else b"")
    again(house).publish()
    assert file.read_bytes() == whole
    assert house.check() == 600


def test_the_whole_folder_may_be_lost(house: House) -> None:
    grow(house, 10, 600)
    shutil.rmtree(house.log)
    House(str(house.engine.url), house.folder).pipeline.tick()
    assert house.check() == 600


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2"])
def test_an_altered_tile_is_never_published_or_proved_from(house: House, path: str) -> None:
    grow(house, 300, 600)
    file = house.log / path
    whole = file.read_bytes()
    file.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    log = again(house)
    for index in (0, 1, 300, 599):
        log.inclusion(index, 600)
        log.consistency(300, 600)
    assert file.read_bytes() == whole
    assert house.check() == 600


def test_an_altered_right_edge_is_noticed_before_the_next_head_is_published(house: House) -> None:
    grow(house, 300, 600)
    file = house.log / "tile/1/000.p/2"
    whole = file.read_bytes()
    file.write_bytes(bytes(64))
    house.submit(300)
    again(house).publish()
    house.settle()
    assert house.check() == 900
    assert (house.log / "tile/1/000.p/3").read_bytes()[:64] == whole


def test_an_audit_finds_and_mends_what_no_proof_has_touched(house: House) -> None:
    grow(house, 600)
    bundle = house.log / "tile/entries/001"
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    assert again(house).audit().size == 600
    assert bundle.read_bytes() == whole


def test_entries_that_contradict_the_signed_head_are_not_published(house: House) -> None:
    grow(house, 20)
    published = (house.log / "checkpoint").read_text()
    with house.engine.begin() as connection:
        signed = connection.execute(select(LogEntry.signed).where(LogEntry.log_index == 3)).scalar_one() or b""
        forged = signed[:-1] + bytes([signed[-1] ^ 1])
        connection.execute(update(LogEntry).where(LogEntry.log_index == 3).values(signed=forged))
    house.submit(5)
    with pytest.raises(LogContradictionError) as stopped:
        house.pipeline.tick()
    assert stopped.value.reason == "tiles_differ"
    assert (house.log / "checkpoint").read_text() == published


def test_a_database_from_before_the_published_head_is_noticed(house: House, tmp_path: Path) -> None:
    grow(house, 20)
    with house.registry.read(REGISTRY):
        pass
    house.engine.dispose()
    kept = tmp_path / "backup.db"
    shutil.copy(tmp_path / "registry.db", kept)
    grow_more = House(str(house.engine.url), house.folder)
    grow_more.submit(5)
    grow_more.settle()
    grow_more.engine.dispose()
    for name in ("registry.db-wal", "registry.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(kept, tmp_path / "registry.db")
    restored = House(str(house.engine.url), house.folder)
    restored.submit(1)
    with pytest.raises(LogContradictionError) as stopped:
        restored.pipeline.tick()
    assert stopped.value.reason == "published_head_unknown"
    assert (stopped.value.ours.size, stopped.value.theirs.size) == (21, 25)


def test_a_head_of_another_log_in_the_folder_is_written_over(house: House) -> None:
    grow(house, 5)
    key = house.keys.key_for(LOG, house.clock())
    foreign = sign_checkpoint(Checkpoint("somebody/else", 900, b"r" * 32), key)
    (house.log / "checkpoint").write_text(foreign)
    assert again(house).publish().size == 5
    assert house.check() == 5


def test_the_published_head_opens_with_the_logs_key(house: House) -> None:
    grow(house, 5)
    note = house.pipeline.log.serve("checkpoint") or b""
    head = open_checkpoint(note.decode(), house.pipeline.origin, house.keys.key_for(LOG, house.clock()).public)
    with house.registry.read(REGISTRY) as work:
        assert head.root == work.session.scalars(select(CheckpointRow.root)).one()


def test_what_a_killed_writer_left_is_cleared(house: House) -> None:
    grow(house, 5)
    left = house.log / ".writing" / "0123456789abcdef"
    left.write_bytes(b"half")
    again(house).publish()
    assert not left.exists()


def test_served_tiles_are_whole_and_what_is_not_there_costs_nothing(house: House) -> None:
    grow(house, 300, 600)
    log = house.pipeline.log
    for path in ("tile/0/000", "tile/entries/000", "tile/0/002.p/88", "tile/1/000.p/2"):
        whole = (house.log / path).read_bytes()
        (house.log / path).write_bytes(whole[:-1])
        assert log.serve(path) == whole
        (house.log / path).unlink()
        assert log.serve(path) == whole
    for path in ("tile/0/003", "tile/0/002", "tile/0/002.p/87", "tile/2/000.p/1", "tile/entries/x001/000"):
        assert log.serve(path) is None


def test_an_empty_log_publishes_nothing(house: House) -> None:
    assert house.pipeline.tick().published_size == 0
    assert not (house.log / "checkpoint").exists()
    assert house.pipeline.log.serve("checkpoint") is None


def test_a_lost_entry_is_not_invented(house: House) -> None:
    grow(house, 20)
    shutil.rmtree(house.log)
    with house.engine.begin() as connection:
        connection.execute(update(LogEntry).where(LogEntry.log_index == 7).values(log_index=1000))
    with pytest.raises(LogContradictionError) as stopped:
        again(house).publish()
    assert stopped.value.reason == "entries_missing"
    assert (stopped.value.ours.size, stopped.value.theirs.size) == (20, 7)


def test_the_width_of_a_tile_is_the_specifications() -> None:
    assert TILE_WIDTH == 256
