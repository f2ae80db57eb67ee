"""Cosigned checkpoints, read and written by libraries of others (Go: x/mod/sumdb/note, transparency-dev/formats)."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import missing
from witness_world import NAMES, SEEN, cosigned, head_of, trusting, witness
from world import ORIGIN, make_world

from verifier.cosignature import Witness, check_cosigned, witness_key
from verifier.note import to_vkey

WORLD = make_world()
LOG_VKEY = to_vkey(ORIGIN, WORLD.log_key.public)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The little Go program, built with the versions and hashes that stand in go.sum."""
    go = shutil.which("go")
    if not go:
        missing("go")
    assert go
    built = tmp_path_factory.mktemp("go") / "tlog-witness"
    source = Path(__file__).parent / "tlog-witness"
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        [go, "build", "-o", built, "."], cwd=source, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return built


def run(program: Path, note: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([program, *arguments], input=note, capture_output=True, check=False, timeout=30)


def test_what_our_witnesses_cosign_opens_with_the_library_of_others(program: Path) -> None:
    vkeys = [witness(name).vkey for name in NAMES]
    done = run(program, cosigned(WORLD, *NAMES), "open", LOG_VKEY, *vkeys)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split("\n")[:-1] == [f"{name} {int(SEEN.timestamp())}" for name in NAMES]
    wrong = cosigned(WORLD, *NAMES).replace(b"\n5\n", b"\n6\n", 1)
    assert run(program, wrong, "open", LOG_VKEY, *vkeys).returncode != 0


def test_what_the_library_of_others_cosigns_counts_with_us(program: Path) -> None:
    done = run(program, cosigned(WORLD, NAMES[0]), "cosign", LOG_VKEY, "others.example/w1")
    assert done.returncode == 0, done.stderr
    vkey, _, note = done.stdout.partition(b"\n")
    begun = SEEN - timedelta(days=1)
    theirs = Witness(*witness_key(vkey.decode()), begun)
    trust = trusting(WORLD, 2, witnesses=(witness(NAMES[0]), theirs))
    now = datetime.now(UTC)
    found = check_cosigned(note, head_of(WORLD), trust.log_keys(), trust.content.witnesses, 2, now)
    assert {one.witness.name for one in found} == {NAMES[0], "others.example/w1"}
