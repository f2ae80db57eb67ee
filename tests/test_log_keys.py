"""Keys: who signs when, files that only their owner reads, and rotation that rewrites nothing."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_house import MARKET, NOON

from registry.database import migrate, open_engine
from registry.errors import InvalidDraftError, KeyUnavailableError
from registry.keys import rules
from registry.keys.rules import LOG, REGISTRY_PURPOSES, Period, department_purpose, in_force
from registry.keys.service import KeyService

DEPARTMENT = department_purpose(MARKET)


@pytest.fixture
def keys(database_url: str, tmp_path: Path) -> KeyService:
    return opened(database_url, tmp_path)


def opened(url: str, folder: Path) -> KeyService:
    engine = open_engine(url)
    migrate(engine)
    return KeyService(folder / "keys", engine)


@pytest.fixture
def lite(tmp_path: Path) -> KeyService:
    return opened(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path)


def test_the_first_start_makes_the_registrys_keys_and_the_second_finds_them(keys: KeyService) -> None:
    keys.prepare(NOON)
    first = [keys.key_for(purpose, NOON).public for purpose in REGISTRY_PURPOSES]
    assert len(set(first)) == len(REGISTRY_PURPOSES)
    keys.prepare(NOON + timedelta(days=1))
    assert [keys.key_for(purpose, NOON).public for purpose in REGISTRY_PURPOSES] == first


def test_keys_are_files_of_their_owner_alone(lite: KeyService, tmp_path: Path) -> None:
    lite.prepare(NOON)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    files = list((tmp_path / "keys").iterdir())
    assert len(files) == len(REGISTRY_PURPOSES)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_key_file_that_others_can_reach_is_refused(lite: KeyService, tmp_path: Path, mode: int) -> None:
    lite.prepare(NOON)
    for file in (tmp_path / "keys").iterdir():
        file.chmod(mode)
    fresh = opened(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path)
    with pytest.raises(KeyUnavailableError) as refused:
        fresh.key_for(LOG, NOON)
    assert refused.value.reason == "key_file_exposed"
    assert "chmod 600" in refused.value.message
    for file in (tmp_path / "keys").iterdir():
        file.chmod(0o600)
    fresh.key_for(LOG, NOON)


def test_a_key_folder_that_others_can_reach_is_refused(lite: KeyService, tmp_path: Path) -> None:
    (tmp_path / "keys").chmod(0o755)
    with pytest.raises(KeyUnavailableError, match="chmod 700"):
        opened(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [("lost", "key_file_missing"), ("cut", "key_file_damaged"), ("another", "key_file_damaged")],
)
def test_a_lost_cut_or_foreign_key_file_is_named(lite: KeyService, tmp_path: Path, harm: str, reason: str) -> None:
    lite.prepare(NOON)
    (log,), (codes,) = lite.periods(LOG), lite.periods(rules.CODES)
    file = tmp_path / "keys" / f"{log.kid.hex()}.pem"
    if harm == "lost":
        file.unlink()
    elif harm == "cut":
        file.write_bytes(file.read_bytes()[:30])
    else:
        shutil.copy(tmp_path / "keys" / f"{codes.kid.hex()}.pem", file)
    with pytest.raises(KeyUnavailableError) as refused:
        opened(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path).key_for(LOG, NOON)
    assert refused.value.reason == reason


def test_no_key_is_made_by_asking_for_one(keys: KeyService) -> None:
    with pytest.raises(KeyUnavailableError) as refused:
        keys.key_for(DEPARTMENT, NOON)
    assert refused.value.reason == "no_key_in_force"
    made = keys.ensure(DEPARTMENT, NOON)
    assert keys.key_for(DEPARTMENT, NOON).public == made.public


def test_rotation_takes_over_at_the_next_whole_second_and_rewrites_nothing(keys: KeyService) -> None:
    old = keys.ensure(DEPARTMENT, NOON).public
    at = NOON + timedelta(days=3, milliseconds=400)
    new = keys.rotate(DEPARTMENT, at)
    changes_at = NOON + timedelta(days=3, seconds=1)
    assert keys.key_for(DEPARTMENT, NOON).public == old
    assert keys.key_for(DEPARTMENT, changes_at - timedelta(microseconds=1)).public == old
    assert keys.key_for(DEPARTMENT, changes_at).public == new
    newer = keys.rotate(DEPARTMENT, at + timedelta(days=1))
    assert [key.public for key in keys.known()] == [old, new, newer]
    assert {key.purpose for key in keys.known()} == {DEPARTMENT}


def test_a_key_is_not_rotated_twice_within_one_second(keys: KeyService) -> None:
    keys.ensure(DEPARTMENT, NOON)
    keys.rotate(DEPARTMENT, NOON)
    with pytest.raises(KeyUnavailableError):
        keys.rotate(DEPARTMENT, NOON)
    assert len(keys.periods(DEPARTMENT)) == 2


def test_there_is_nothing_to_rotate_before_the_first_key(keys: KeyService) -> None:
    with pytest.raises(InvalidDraftError) as refused:
        keys.rotate(DEPARTMENT, NOON)
    assert refused.value.errors[0].reason == "unknown_purpose"
    assert keys.periods(DEPARTMENT) == []


def test_two_processes_that_start_together_have_one_key(database_url: str, tmp_path: Path) -> None:
    services = [opened(database_url, tmp_path) for _ in range(4)]
    made: list[bytes] = []
    start = threading.Barrier(len(services))

    def begin(service: KeyService) -> None:
        start.wait()
        made.append(service.ensure(DEPARTMENT, NOON).public.kid)

    threads = [threading.Thread(target=begin, args=(service,)) for service in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1
    assert [file.name for file in (tmp_path / "keys").iterdir()] == [f"{made[0].hex()}.pem"]


@given(st.lists(st.integers(1, 1000), unique=True, max_size=5), st.integers(-5, 1100))
def test_at_any_time_at_most_one_key_is_in_force(changes: list[int], at: int) -> None:
    bounds = [NOON + timedelta(seconds=second) for second in sorted(changes)]
    ends: list[datetime | None] = [*bounds, None]
    periods = [
        Period(bytes([number]), begins, end)
        for number, (begins, end) in enumerate(zip([NOON, *bounds], ends, strict=True))
    ]
    moment = NOON + timedelta(seconds=at)
    covering = [period for period in periods if period.covers(moment)]
    assert len(covering) == (1 if at >= 0 else 0)
    assert in_force(periods, moment) == (covering[0] if covering else None)


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)))  # noqa: DTZ001 (made aware below)
def test_whole_seconds_bracket_the_moment(naive: datetime) -> None:
    at = naive.replace(tzinfo=NOON.tzinfo)
    assert rules.whole_second(at) <= at <= rules.next_second(at) < at + timedelta(seconds=1)


def test_the_umask_does_not_matter(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        lite = opened(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path)
        lite.prepare(NOON)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "keys").iterdir()} == {0o600}
