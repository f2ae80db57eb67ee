"""Checked by others: cosigned checkpoints with Go libraries, our witness with Tessera as the log."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import missing
from test_witness import Process
from witness_world import NAMES, SEEN, cosigned, head_of, trusting, witness
from world import ORIGIN, make_world

from verifier.cosignature import Witness, check_cosigned, find_cosignatures, witness_key
from verifier.note import key_hash, open_checkpoint, split_note, to_vkey
from verifier.suites import PublicKey, SoftwareKey

WORLD = make_world()
LOG_VKEY = to_vkey(ORIGIN, WORLD.log_key.public)


TESSERA = "github.com/transparency-dev/tessera/cmd/examples/posix-oneshot"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the little Go program and Tessera's, built with the versions and hashes that stand in go.sum."""
    go = shutil.which("go")
    if not go:
        missing("go")
    assert go
    built = tmp_path_factory.mktemp("go")
    source = Path(__file__).parent / "tlog-witness"
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    command = [go, "build", "-o", f"{built}{os.sep}", ".", TESSERA]
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return built


@pytest.fixture
def program(programs: Path) -> Path:
    return programs / "tlog-witness"


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


def test_a_log_by_others_publishes_only_what_our_witness_cosigned(programs: Path, tmp_path: Path) -> None:
    """Tessera with a policy that lets it publish no checkpoint without the witness; grown, and forked."""
    name, seed = "tessera.example/log", hashlib.sha256(b"a log by others").digest()
    key = SoftwareKey.from_seed(seed)
    secret = base64.b64encode(b"\x01" + seed).decode()
    (tmp_path / "secret").write_text(f"PRIVATE+KEY+{name}+{key_hash(name, key.public).hex()}+{secret}")
    our = Process(tmp_path / "w", "--name", NAMES[0], "--log-key", to_vkey(name, key.public))
    try:
        vkey = next(line.rpartition("：")[2].strip() for line in our.lines if NAMES[0] in line)
        (tmp_path / "policy").write_text(f"witness w {vkey} {our.url}\nquorum w\n")

        def grow(log: str, *entries: str, seconds: float = 30) -> int:
            for entry in entries:
                (tmp_path / entry).write_text(entry)
            command = [
                programs / "posix-oneshot", "--storage_dir", tmp_path / log, "--private_key", tmp_path / "secret",
                "--entries", f"{tmp_path}/{entries[0][:2]}*", "--witness_policy_file", tmp_path / "policy",
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
            assert done.returncode == 0, done.stderr
            return _cosigned_size(tmp_path / log / "checkpoint", name, key.public, vkey)

        assert grow("log", "a-1") == 1
        assert grow("log", "b-1", "b-2", "b-3") == 4
        shutil.copytree(tmp_path / "log", tmp_path / "fork")
        assert grow("log", "c-1", "c-2") == 6
        # The copy adds something else at the same place: the witness refuses, and the log waits in vain.
        with pytest.raises(subprocess.TimeoutExpired):
            grow("fork", "d-1", "d-2", seconds=5)
        assert _cosigned_size(tmp_path / "fork" / "checkpoint", name, key.public, vkey) == 4
        assert grow("log", "e-1") == 7
    finally:
        our.end()


def _cosigned_size(checkpoint: Path, name: str, key: PublicKey, vkey: str) -> int:
    """The size of a checkpoint that the log signed and our witness cosigned."""
    note = checkpoint.read_text()
    witnesses = [Witness(*witness_key(vkey), datetime(2026, 1, 1, tzinfo=UTC))]
    assert len(find_cosignatures(*split_note(note), witnesses)) == 1
    return open_checkpoint(note, name, key).size
