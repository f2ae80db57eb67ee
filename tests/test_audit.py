"""The auditor at work: with the log alone, interrupted and taken up again, over HTTP, on the command line."""

from __future__ import annotations

import functools
import http.server
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import audit_world as world
import pytest
import registry_house as house
from audit_world import LOG_ALONE, Copy
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import PLAIN

from api.audit.auditing import AuditReport, audit
from api.audit.entries import as_submitted
from api.audit.heads import parse_vkey
from api.audit.seen import SeenEntries
from api.audit.sources import TileSource, open_files
from api.audit.state import AuditState, StateError
from api.audit.tree import Tree
from api.cli.auditing import Bar, write_report
from api.cli.main import main
from registry.certificates import service as certificates
from registry.keys import rules as key_rules
from verifier import merkle
from verifier.digests import double_digest
from verifier.entry import Entry, Kind
from verifier.errors import MalformedError
from verifier.note import to_vkey

pytest_plugins = ("audit_fixtures",)
SUIZHENG = [sys.executable, "-m", "api.cli"]
LEAVES = [merkle.leaf_hash(number.to_bytes(4)) for number in range(1_400)]


def grow(size: int) -> Tree:
    tree = Tree()
    for first in range(0, size, 256):
        for _ in tree.add(LEAVES[first : min(first + 256, size)]):
            pass
    return tree


# ---- The tree that is rebuilt ---------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(LEAVES)))
def test_the_rebuilt_tree_has_the_root_of_all_its_leaves(size: int) -> None:
    assert grow(size).frontier().root() == merkle.root_of(LEAVES[:size])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5), st.integers(0, 255))
def test_the_root_within_a_tile_is_known_before_the_tile_is_whole(tiles: int, more: int) -> None:
    begun = tiles * 256
    assert grow(begun).frontier(LEAVES[begun : begun + more]).root() == merkle.root_of(LEAVES[: begun + more])
    assert grow(begun + more % 144).whole().root() == merkle.root_of(LEAVES[:begun])


@settings(max_examples=20, deadline=None)
@given(numbers=st.lists(st.integers(0, 40), max_size=60))
def test_what_was_met_before_is_found_again(numbers: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    seen = SeenEntries(tmp_path_factory.mktemp("seen"))
    for index, number in enumerate(numbers):
        seen.add(index, double_digest(bytes((number,))).sha256)
    pairs = list(seen.repeated())
    assert len(pairs) == len(numbers) - len(set(numbers))
    assert all(early < late and numbers[early] == numbers[late] for early, late in pairs)
    seen.forget_from(0)
    assert list(seen.repeated()) == []


def test_the_link_that_the_log_adds_is_no_part_of_a_submission() -> None:
    alone = Entry(Kind.STATUS, bytes(16), house.MARKET, house.NOON, double_digest(b"x"), {"status": 1})
    linked = Entry(Kind.STATUS, bytes(16), house.MARKET, house.NOON, double_digest(b"x"), {"status": 1}, b"p" * 32)
    assert as_submitted(linked.to_bytes(), linked) == alone.to_bytes() == as_submitted(alone.to_bytes(), alone)


# ---- With less than everything --------------------------------------------------------------------------------------


def parts(report: AuditReport) -> dict[str, bool]:
    return {part.what: part.blocked for part in report.findings.unchecked}


def test_what_was_not_given_is_listed_and_never_looks_checked(original: Copy) -> None:
    report = original.audit(**LOG_ALONE)
    assert report.state == "clean"
    assert parts(report) == {"数据库": False, "区块链": False}
    without_trust = original.audit(**LOG_ALONE, trust=None)
    assert without_trust.state == "incomplete"
    assert parts(without_trust) == {"数据库": False, "区块链": False, "检查点签名": True, "条目签名": False}
    assert without_trust.findings.checked["条目签名"] == 0


def test_the_public_key_alone_is_enough_for_the_head(original: Copy) -> None:
    key = to_vkey(world.origin_of(original), world.key_of(original, key_rules.LOG).public)
    report = original.audit(**LOG_ALONE, trust=None, key=parse_vkey(key))
    assert report.state == "clean" and report.findings.checked["检查点签名"] == 1
    for wrong in ("", "name", key[:-2], key.replace("suizheng", "suizhen"), "a+00000000+AAAA"):
        with pytest.raises(MalformedError):
            parse_vkey(wrong)


@pytest.mark.parametrize(
    ("given_", "what"),
    [
        ({"log": "http://127.0.0.1:9"}, "存证日志"),
        ({"log": "/nowhere/at/all"}, "存证日志"),
        ({"database": "sqlite:////nowhere/registry.db"}, "数据库"),
        ({"database": "not a url"}, "数据库"),
        ({"database": "postgresql+psycopg://nobody@127.0.0.1:9/none"}, "数据库"),
        ({"rpc": "http://127.0.0.1:9"}, "区块链"),
        ({"rpc": "/nowhere"}, "区块链"),
    ],
)
def test_what_cannot_be_reached_is_told_and_is_no_divergence(original: Copy, given_: dict[str, Any], what: str) -> None:
    report = original.audit(**given_)
    assert report.state == "incomplete" and parts(report)[what]
    assert all(part.why for part in report.findings.unchecked)


def test_a_database_that_is_none_of_ours_is_told(original: Copy, tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"not a database at all, and long enough to look like one" * 30)
    report = original.audit(database=f"sqlite:///{tmp_path / 'other.db'}")
    assert report.state == "incomplete" and parts(report)["数据库"]


def test_an_audit_changes_nothing(copied: Copy) -> None:
    def state() -> dict[str, bytes]:
        files = (path for path in copied.folder.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
        return {str(path): path.read_bytes() for path in files}

    before = state()
    copied.audit(all_of_them=True)
    assert {name: data for name, data in state().items() if name in before} == before


def test_several_processes_find_what_one_finds(copied: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.audit.auditing.WORTH_PROCESSES", 1)
    assert copied.audit(jobs=2).findings.checked == copied.audit(jobs=1).findings.checked
    copied.execute("UPDATE log_entries SET department = ? WHERE log_index = 200", house.CARE)
    assert [found.code for found in copied.audit(jobs=2).findings.divergences] == ["entry_row_fields_differ"]


def test_a_registry_at_work_is_no_divergence(tmp_path: Path) -> None:
    """Entries are registered, sequenced, published and anchored while the auditor looks again and again."""
    folder = tmp_path / "data"
    url = f"sqlite:///{folder / 'registry.db'}"
    clock = house.Clock()
    services = world.compose(world.Settings(data=folder, database_url=url), clock=clock)
    world.furnish(services)
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            services.pipeline.tick()
            with services.registry.begin(house.actor()) as unit:
                certificates.register_many(unit, [house.food(1_000 * number + at) for at in range(20)])

    worker = threading.Thread(target=work)
    try:
        while not services.pipeline.tick().idle:
            pass
        (folder / "trust.json").write_bytes(services.trust.data())
        worker.start()
        copied, sizes = Copy(folder), []
        for _ in range(3):
            # The chain's file is held by the registry: as far as the database knows it.
            report = copied.audit(now=house.NOON + timedelta(minutes=1))
            assert report.findings.divergences == []
            assert report.head is not None
            sizes.append(report.head.size)
        assert sizes == sorted(sizes) and sizes[-1] > sizes[0]
    finally:
        stop.set()
        worker.join(60)
        services.close()


# ---- Taken up again -------------------------------------------------------------------------------------------------


def test_a_second_audit_reads_only_what_is_new(copied: Copy, tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    first = copied.audit(**LOG_ALONE, resume=file)
    assert (first.state, first.began) == ("clean", 0)
    entries = world.entries_of(copied)
    more = world.signed_entries(copied, 300)
    world.publish(copied, [*entries, *more])
    second = copied.audit(**LOG_ALONE, resume=file)
    assert (second.state, second.began) == ("clean", 256)
    assert second.findings.checked["条目"] == len(entries) + 300 - 256
    third = copied.audit(**LOG_ALONE, resume=file)
    assert third.began == (len(entries) + 300) // 256 * 256


@pytest.mark.parametrize("at", [0, 100, 255])
def test_a_past_that_was_rewritten_since_is_found_by_its_root(copied: Copy, tmp_path: Path, at: int) -> None:
    file = tmp_path / "audit.json"
    assert copied.audit(**LOG_ALONE, resume=file).state == "clean"
    entries = world.entries_of(copied)
    entries[at] = world.signed_entries(copied, 1)[0]
    world.publish(copied, entries)
    # Without the bundle's anchored heads: only what the earlier audit remembers tells.
    key = parse_vkey(to_vkey(world.origin_of(copied), world.key_of(copied, key_rules.LOG).public))
    report = copied.audit(**LOG_ALONE, trust=None, key=key, resume=file)
    assert [found.code for found in report.findings.divergences] == ["earlier_audit_differs"]


def test_a_log_that_went_back_since_is_found(copied: Copy, tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    key = parse_vkey(to_vkey(world.origin_of(copied), world.key_of(copied, key_rules.LOG).public))
    assert copied.audit(**LOG_ALONE, trust=None, key=key, resume=file).state == "clean"
    world.publish(copied, world.entries_of(copied)[:-1])
    report = copied.audit(**LOG_ALONE, trust=None, key=key, resume=file)
    assert [found.code for found in report.findings.divergences] == ["checkpoint_rolled_back"]


def test_a_repetition_of_an_entry_that_an_earlier_audit_read_is_found(copied: Copy, tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    assert copied.audit(**LOG_ALONE, resume=file).state == "clean"
    entries = world.entries_of(copied)
    world.publish(copied, [*entries, entries[30]])
    report = copied.audit(**LOG_ALONE, resume=file)
    assert report.began == 256
    assert [found.code for found in report.findings.divergences] == ["entry_duplicated"]


class _Interrupted(Exception):
    pass


def test_an_audit_that_was_interrupted_goes_on_where_it_stopped(
    copied: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.audit.walking._TILES_PER_NOTE", 1)
    file = tmp_path / "audit.json"

    def stop(stage: str, done: int, _of: int) -> None:
        # After the second tile: the first one is on record.
        if stage == "条目" and done > 256:
            raise _Interrupted

    with pytest.raises(_Interrupted):
        audit(copied.request(**LOG_ALONE, resume=file), stop)
    report = copied.audit(**LOG_ALONE, resume=file)
    assert (report.state, report.began) == ("clean", 256)


def test_a_divergence_is_never_passed_over_by_going_on(copied: Copy, tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    world.publish(copied, [*world.entries_of(copied), b"no entry"])
    for _ in range(2):
        report = copied.audit(**LOG_ALONE, resume=file)
        assert [found.code for found in report.findings.divergences] == ["entry_malformed"]
    assert not file.exists()


def test_a_damaged_state_is_refused(original: Copy, tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    original.audit(**LOG_ALONE, resume=file)
    state = AuditState.read(file)
    assert state is not None and state.head.size == world.size_of(original)
    body = json.loads(file.read_bytes())
    for damaged in (b"", b"{}", b"[]", json.dumps({**body, "done": 512}).encode(), file.read_bytes()[:-20]):
        file.write_bytes(damaged)
        with pytest.raises(StateError):
            AuditState.read(file)


# ---- Over HTTP and on the command line ------------------------------------------------------------------------------


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_a_log_is_audited_over_http_as_from_a_folder(original: Copy) -> None:
    with served(original.log) as url:
        assert original.audit(**{**LOG_ALONE, "log": url}).findings.checked == (
            original.audit(**LOG_ALONE).findings.checked
        )
        assert TileSource(open_files(url)).tile(0, 999, 256) == ("tile/0/999", None)


def run(original: Copy, *options: str, program: list[str] = SUIZHENG) -> subprocess.CompletedProcess[str]:
    trust = ["--trust", str(original.folder / "trust.json")]
    command = [*program, "audit", "--at", "2026-11-23T12:00:00+08:00", *trust, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_says_clean_and_what_it_did_not_check(original: Copy) -> None:
    done = run(original, "--log", str(original.log), program=[sys.executable, "-c", PLAIN])
    assert (done.returncode, done.stderr) == (0, "")
    assert "没有发现分歧" in done.stdout and "未核查" in done.stdout and "数据库" in done.stdout


def test_the_command_names_the_first_divergence_with_its_place_and_what_to_do(copied: Copy) -> None:
    bundle = copied.log / "tile/entries/000"
    data = bytearray(bundle.read_bytes())
    data[5_000] ^= 1
    bundle.write_bytes(data)
    done = run(copied, "--log", str(copied.log))
    assert done.returncode == 1
    for word in ("分歧 1：条目与第 0 层瓦片不符", "瓦片 tile/0/000", "序号", "应为", "实为", "含义", "处置"):
        assert word in done.stdout
    assert "分歧 2" not in done.stdout


def test_the_command_tells_programs_everything(original: Copy) -> None:
    database = f"sqlite:///{original.database}"
    done = run(original, "--log", str(original.log), "--database", database, "--rpc", str(original.folder / "chain"),
               "--files", str(original.folder / "files"),
               "--file-keys", str(original.folder / "keys"), "--json", "--all")  # fmt: skip
    assert done.returncode == 0, done.stdout
    told = json.loads(done.stdout)
    assert (told["state"], told["size"], told["divergences"]) == ("clean", world.size_of(original), [])
    assert told["unchecked"] == [] and told["chain_height"] > 0 and told["checked"]["链上占用"] == 1


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ([], 64, "至少给出"),
        (["--log", "/nowhere"], 3, "不是文件夹"),
        (["--log", "/", "--key", "nonsense"], 64, "--key"),
        (["--rpc", "http://127.0.0.1:9", "--contract", "0x12"], 64, "40 位"),
        (["--log", "/", "--trust", "/nowhere"], 64, "/nowhere"),
    ],
)
def test_the_command_says_what_is_wrong_with_it(
    options: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", *options]) == status
    told = capsys.readouterr()
    assert said in told.out + told.err


def test_the_bar_is_drawn_on_a_terminal_only() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        bar = Bar(out)
        bar("条目", 500, 1_000)
        bar.clear()
    assert "500/1,000（50%" in terminal.getvalue() and terminal.getvalue().endswith("\r\x1b[K")
    assert file.getvalue() == ""


def test_a_report_cannot_steer_the_terminal(copied: Copy) -> None:
    world.sign(copied, world.size_of(copied), bytes(32), origin="\x1b[2Jevil\x07")
    out = io.StringIO()
    write_report(out, copied.audit(**LOG_ALONE))
    assert "\x1b" not in out.getvalue() and "\x07" not in out.getvalue()
