"""The witness: what it cosigns and what it refuses, its folder, its process, and being killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from witness_house import ORIGIN, Department, Tree
from world import NOON, fixed_key, make_world

from api.witness.errors import WitnessFolderError
from api.witness.folder import KEY, MEMORY, open_folder
from api.witness.logs import KnownLogs
from api.witness.submission import MAX_BODY_BYTES, SIZE_TYPE, write_submission
from verifier.cosignature import witness_key
from verifier.merkle import EMPTY_ROOT
from verifier.note import Checkpoint, sign_checkpoint, to_vkey
from verifier.suites import SoftwareKey
from verifier.trust import sign_trust
from verifier.trust_content import TrustedKey

SUIZHENG = [sys.executable, "-m", "api.cli"]
TREE = Tree()
FORK = Tree(branch="fork", fork_at=4)


@pytest.fixture
def department(tmp_path: Path) -> Department:
    return Department(tmp_path / "w")


def test_a_log_that_only_grows_is_cosigned_at_every_size(department: Department) -> None:
    size = 0
    for new in (1, 2, 3, 7, 8, 8, 9, 31, 40):
        department.check(department.ask(TREE, size, new), TREE.note(new))
        size = new
    assert department.size() == 40


def test_the_cosignature_bears_the_time_of_the_witness(tmp_path: Path) -> None:
    at = NOON + timedelta(hours=3)
    later = Department(tmp_path / "w", clock=lambda: at)
    assert later.check(later.ask(TREE, 0, 5), TREE.note(5)) == at


def test_a_log_that_starts_elsewhere_is_told_where_the_witness_stands(department: Department) -> None:
    assert department.ask(TREE, 0, 5).status == 200
    for old, new in ((0, 5), (0, 9), (3, 9), (7, 9)):
        answer = department.ask(TREE, old, new)
        assert (answer.status, answer.content_type, answer.text) == (409, SIZE_TYPE, "5\n")
    # A client that knows nothing begins with zero, and is told so.
    assert department.ask(TREE, 5, 9).status == 200


def test_a_fork_is_refused_at_the_same_size_and_beyond(department: Department) -> None:
    assert department.ask(TREE, 0, 8).status == 200
    same = department.ask(FORK, 8, 8)
    assert same.status == 409 and same.content_type != SIZE_TYPE and "分叉" in same.text
    assert department.ask(FORK, 8, 9).status == 422
    assert department.ask(FORK, 0, 9).status == 409
    # Nothing of that was remembered.
    assert department.ask(TREE, 8, 9).status == 200


def test_a_log_never_goes_back(department: Department) -> None:
    assert department.ask(TREE, 0, 8).status == 200
    assert department.ask(TREE, 8, 7).status == 400
    assert (department.ask(TREE, 5, 7).status, department.size()) == (409, 8)


def body(old: str = "old 0", proof: str = "", note: str = TREE.note(5)) -> bytes:
    return f"{old}\n{proof}\n{note}".encode()


STRANGE = Tree(origin="strange.example/log")
BAD = {
    "nothing": (b"", 400),
    "no empty line": (b"old 0\n", 400),
    "no old line": (body("size 0"), 400),
    "leading zero": (body("old 00"), 400),
    "negative": (body("old -1"), 400),
    "signed": (body("old +1"), 400),
    "huge number": (body("old " + "9" * 5000), 400),
    "beyond 63 bits": (body(f"old {2**63}"), 400),
    "carriage returns": (body().replace(b"\n", b"\r\n"), 400),
    "proof of no base64": (body(proof="?\n"), 400),
    "proof of a short hash": (body(proof="AAAA\n"), 400),
    "proof in another base64": (body(proof="A" * 42 + "B=\n"), 400),
    "64 proof lines": (body(proof="".join(["A" * 43 + "=\n"] * 64)), 400),
    "a proof from nothing": (body(proof="A" * 43 + "=\n"), 422),
    "old beyond the checkpoint": (body("old 6"), 400),
    "not text": (b"old 0\n\n\xff\xfe", 400),
    "not a note": (body(note="hello\n"), 400),
    "an extension line": (body(note=TREE.note(5).replace("\n\n", "\nmore\n\n", 1)), 400),
    "another log": (STRANGE.submission(0, 5), 404),
    "not signed": (body(note=TREE.head(5).to_text() + "\n"), 400),
    "signed by a stranger": (body(note=TREE.note(5, fixed_key("stranger"))), 403),
    "signed for another size": (body(note=TREE.note(5).replace("\n5\n", "\n6\n", 1)), 403),
    "an empty tree with another root": (body(note=sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), TREE.key)), 422),
    "too long": (body() + b" " * MAX_BODY_BYTES, 413),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_as_it_should_be_is_refused_in_words_and_leaves_no_trace(name: str, department: Department) -> None:
    data, status = BAD[name]
    answer = department.cosigner.add_checkpoint(data)
    assert answer.status == status, answer.text
    assert len(answer.text) > 3 and answer.text.endswith("\n")
    assert department.identity.memory.remembered() == []


def test_the_empty_log_may_be_cosigned(department: Department) -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), TREE.key)
    department.check(department.cosigner.add_checkpoint(write_submission(0, [], note)), note)
    assert department.ask(TREE, 0, 5).status == 200


def test_a_wrong_proof_is_refused_whatever_is_wrong_with_it(department: Department) -> None:
    assert department.ask(TREE, 0, 6).status == 200
    right = TREE.proof(6, 20)
    for wrong in ([], right[:-1], [*right, bytes(32)], right[::-1], [bytes(32), *right[1:]], TREE.proof(5, 20)):
        assert department.cosigner.add_checkpoint(write_submission(6, wrong, TREE.note(20))).status == 422
    assert department.ask(TREE, 6, 20).status == 200


@given(data=st.binary(max_size=400), cut=st.integers(0, 400))
@example(data=b"\x00\n", cut=194)
@settings(max_examples=200, deadline=None)
def test_noise_is_answered_and_never_cosigned(data: bytes, cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    noisy = Department(tmp_path_factory.getbasetemp() / "noisy")
    whole = TREE.submission(0, 5)
    assert noisy.cosigner.add_checkpoint(data).status in (400, 403, 404)
    changed = whole[:cut] + data + whole[cut + 1 :]
    assert changed == whole or noisy.cosigner.add_checkpoint(changed).status in (400, 403, 404, 422)


def test_of_many_who_ask_at_once_no_two_get_contradicting_heads(department: Department) -> None:
    said: dict[tuple[int, bytes], int] = {}
    lock = threading.Lock()

    def ask(tree: Tree) -> None:
        for _ in range(30):
            size = department.size()
            new = min(40, size + 1)
            if department.ask(tree, size, new).status == 200:
                with lock:
                    said[new, tree.head(new).root] = 1

    threads = [threading.Thread(target=ask, args=(tree,)) for tree in (TREE, FORK) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({size for size, _ in said}) == len(said) > 5


def test_logs_come_from_trust_bundles_and_single_keys_and_rotated_keys_count(tmp_path: Path) -> None:
    world, path, heard = make_world(), tmp_path / "trust.json", list[str]()
    path.write_bytes(world.trust().data)
    logs = KnownLogs([path], [to_vkey(ORIGIN, TREE.key.public)], heard.append)
    assert logs.find_keys(ORIGIN) == (TREE.key.public,)
    assert logs.find_keys("strange.example") is None
    content = world.content
    assert logs.find_keys(content.origin) == (world.log_key.public,)
    fresh = fixed_key("the next log key").public
    keys = (*content.keys, TrustedKey(fresh, "registry", ("log",), NOON))
    path.write_bytes(sign_trust(replace(content, version=4, keys=keys), [world.root_key]))
    assert set(logs.find_keys(content.origin) or ()) == {world.log_key.public, fresh}
    path.write_bytes(b"half a fi")
    assert set(logs.find_keys(content.origin) or ()) == {world.log_key.public, fresh}
    assert len(heard) == 2 and "版本 4" in heard[0] and "不可用" in heard[1]


def test_a_folder_keeps_one_key_that_only_its_owner_may_read(tmp_path: Path) -> None:
    first = open_folder(tmp_path / "w", "market.example/w1")
    assert witness_key(first.vkey) == ("market.example/w1", first.key.public)
    assert (tmp_path / "w" / KEY).stat().st_mode & 0o777 == 0o600
    for name in (None, "market.example/w1"):
        assert open_folder(tmp_path / "w", name).vkey == first.vkey
    for name in ("another.example", "two words", "a+b", ""):
        with pytest.raises(WitnessFolderError):
            open_folder(tmp_path / "w", name)
    with pytest.raises(WitnessFolderError, match="--name"):
        open_folder(tmp_path / "new", None)


def test_a_key_whose_memory_is_lost_never_cosigns_again(tmp_path: Path) -> None:
    def refused(folder: Path) -> str:
        with pytest.raises(WitnessFolderError) as error:
            open_folder(folder, "market.example/w1")
        return error.value.reason

    def fresh(name: str) -> Path:
        open_folder(tmp_path / name, "market.example/w1")
        return tmp_path / name

    lost = fresh("lost")
    (lost / MEMORY).unlink()
    assert refused(lost) == "memory_lost"
    emptied = fresh("emptied")
    (emptied / MEMORY).write_bytes(b"")
    assert refused(emptied) == "memory_lost"
    damaged = fresh("damaged")
    (damaged / MEMORY).write_bytes(b"not a database, but long enough to be read as one" * 40)
    assert refused(damaged) == "memory_failed"
    keyless = fresh("keyless")
    (keyless / KEY).unlink()
    assert refused(keyless) == "key_lost"
    swapped = fresh("swapped")
    (swapped / KEY).write_bytes(SoftwareKey.generate().to_pem())
    assert refused(swapped) == "wrong_key"
    broken = fresh("broken")
    (broken / KEY).write_bytes(b"-----BEGIN")
    assert refused(broken) == "key_damaged"
    exposed = fresh("exposed")
    (exposed / KEY).chmod(0o640)
    assert refused(exposed) == "key_exposed"
    (tmp_path / "file").write_text("")
    assert refused(tmp_path / "file") == "unusable"


def test_a_memory_that_cannot_be_written_costs_the_cosignature(department: Department, tmp_path: Path) -> None:
    (tmp_path / "w" / MEMORY).write_bytes(b"overwritten by somebody who should not have" * 100)
    with pytest.raises(WitnessFolderError):
        department.ask(TREE, 0, 5)


def test_killed_at_a_hundred_moments_it_never_contradicts_itself(tmp_path: Path) -> None:
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(here.parent), str(here)))}
    command = [sys.executable, str(here / "witness_crashes.py"), str(tmp_path), "120"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    deaths = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(deaths) == 120
    started = [death["acknowledged"] for death in deaths if death["kind"] == "start"]
    assert True in started and False in started
    assert max(death["acknowledged"] for death in deaths if death["kind"] == "cosign") > 20


class Process:
    """`suizheng witness` on a free port."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.said = folder.with_name("said")
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                [*SUIZHENG, "witness", "--folder", str(folder), "--listen", "127.0.0.1:0", *arguments],
                stdout=subprocess.PIPE, stderr=said, text=True,
            )  # fmt: skip
        assert self.process.stdout is not None
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.url = found[0]
                return
        raise AssertionError(self.said.read_text())

    def end(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Process]:
    log_key = to_vkey(ORIGIN, TREE.key.public)
    process = Process(tmp_path / "w", "--name", "market.example/w1", "--log-key", log_key)
    yield process
    process.end()


def test_the_process_cosigns_over_http_and_remembers_after_a_kill(running: Process, tmp_path: Path) -> None:
    vkey = open_folder(tmp_path / "w", None).vkey
    assert any(vkey in line for line in running.lines)
    with httpx.Client(base_url=running.url) as http:
        assert http.get("/").text == f"{vkey}\n{ORIGIN} 0 -\n"
        answer = http.post("/add-checkpoint", content=TREE.submission(0, 8))
        assert answer.status_code == 200 and answer.text.startswith("— market.example/w1 ")
        conflict = http.post("/add-checkpoint", content=TREE.submission(0, 9))
        assert (conflict.status_code, conflict.headers["Content-Type"], conflict.text) == (409, SIZE_TYPE, "8\n")
        assert http.post("/add-checkpoint", content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
        assert http.get("/add-checkpoint").status_code == 405
        assert http.get("/elsewhere").status_code == 404
        refused = http.post("/add-checkpoint", content=STRANGE.submission(0, 5))
        assert refused.status_code == 404 and "信任包" in refused.text
    running.end()
    again = Process(tmp_path / "w", "--log-key", to_vkey(ORIGIN, TREE.key.public))
    try:
        with httpx.Client(base_url=again.url) as http:
            assert re.fullmatch(rf"{re.escape(vkey)}\n{ORIGIN} 8 \S+Z\n", http.get("/").text)
            assert http.post("/add-checkpoint", content=FORK.submission(8, 8)).status_code == 409
            assert http.post("/add-checkpoint", content=TREE.submission(8, 9)).status_code == 200
    finally:
        again.end()


def test_who_asks_too_often_has_to_wait(running: Process) -> None:
    with httpx.Client(base_url=running.url) as http:
        answers = [http.post("/add-checkpoint", content=b"")]
        # A crowded machine may ask little faster than the limit refills.
        while answers[-1].status_code == 400 and len(answers) < 2_000:
            answers.append(http.post("/add-checkpoint", content=b""))
    assert len(answers) > 1
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--name", "a.example"], "--trust"),
        (["--name", "a.example", "--log-key", "nonsense"], "vkey"),
        (["--name", "a.example", "--trust", "missing.json"], "信任包"),
        (["--log-key", to_vkey(ORIGIN, TREE.key.public)], "--name"),
        (["--name", "a b", "--log-key", to_vkey(ORIGIN, TREE.key.public)], "空格"),
        (["--name", "a", "--log-key", to_vkey(ORIGIN, TREE.key.public), "--listen", "8320"], "127.0.0.1:8320"),
    ],
)
def test_a_witness_that_cannot_begin_says_what_to_do(arguments: list[str], said: str, tmp_path: Path) -> None:
    from api.cli.main import main

    where = ["--listen", "127.0.0.1:0"] if "--listen" not in arguments else []
    with pytest.MonkeyPatch.context() as patch:
        errors = tmp_path / "errors"
        with errors.open("w") as stream:
            patch.setattr(sys, "stderr", stream)
            assert main(["witness", "--folder", str(tmp_path / "w"), *where, *arguments]) == 64
    assert said in errors.read_text()
