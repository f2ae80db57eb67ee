"""The command line through real processes: exit statuses, reports, no network, a plain install, kills."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest
import segno
from conftest import missing
from PIL import Image
from world import NOON, VENUE_ID, World, make_world

from api.cli.main import main
from api.gate.reading import read_visits
from codes import picture
from verifier.code import CodeKind
from verifier.status import Status

AT = "2026-11-22T12:00:00+08:00"
SUIZHENG = [sys.executable, "-m", "api.cli"]

# As if only the plain install were there: what the server needs cannot be found.
PLAIN = """
import sys
from importlib.abc import MetaPathFinder
ABSENT = {"sqlalchemy", "alembic", "argon2", "defusedxml", "eth_tester", "fastapi", "filelock", "httpx", "jinja2",
          "openpyxl", "psycopg", "eth", "multipart", "python_multipart", "qrcode", "rich", "uvicorn", "web3",
          "pydantic", "starlette", "segno", "vyper", "tink", "obstore"}
class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from api.cli.main import main
status = main(sys.argv[1:])
assert not ABSENT & {name.partition(".")[0] for name in sys.modules}
assert "sqlite3" not in sys.modules
sys.exit(status)
"""


class Files(NamedTuple):
    world: World
    folder: Path
    trust: Path
    evidence: Path
    code: Path
    png: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    world, folder = make_world(2), tmp_path_factory.mktemp("cli")
    made = Files(world, folder, folder / "trust.json", folder / "a.evidence", folder / "code.txt", folder / "code.png")
    made.trust.write_bytes(world.trust().data)
    made.evidence.write_bytes(world.bundle(1).to_bytes())
    made.code.write_text(world.code() + "\r\n")
    made.png.write_bytes(picture.draw_png(world.code()))
    return made


def verify(files: Files, presented: str | Path, *more: str, trust: Path | None = None, at: str = AT) -> int:
    return main(["verify", str(presented), "--trust", str(trust or files.trust), "--at", at, *more])


def put(files: Files, name: str, data: bytes) -> Path:
    path = files.folder / name
    path.write_bytes(data)
    return path


# verify
def test_a_good_bundle_code_and_picture_are_valid(files: Files) -> None:
    for presented in (files.evidence, files.code, files.png, files.world.code()):
        assert verify(files, presented) == 0


def test_an_altered_bundle_is_invalid(files: Files) -> None:
    data = bytearray(files.evidence.read_bytes())
    data[len(data) // 2] ^= 1
    assert verify(files, put(files, "altered.evidence", bytes(data))) == 1


def test_what_is_not_in_force_says_so(files: Files) -> None:
    trust = put(files, "revoked.json", files.world.with_status(1, Status.REVOKED).data)
    assert verify(files, files.evidence, trust=trust) == 2
    assert verify(files, files.code, at="2026-11-22T12:10:00+08:00") == 2


def test_what_cannot_be_decided_says_so(files: Files) -> None:
    assert verify(files, files.evidence, trust=put(files, "heads.json", files.world.trust(heads=()).data)) == 3
    assert verify(files, files.evidence, at="2027-11-22T12:00:00+08:00") == 3
    assert verify(files, put(files, "copy.pdf", b"%PDF-1.7 without its evidence")) == 3


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"SZ1:", b"SZ1:ABC", b"\xd9\xd9\xf7\x00", b"\xff" * 100, b"A" * 5000, b"SZ1:" + b"A" * 5000],
)
def test_what_is_not_ours_is_invalid(files: Files, content: bytes) -> None:
    assert verify(files, put(files, "noise", content)) == 1


def test_a_picture_of_something_else_is_invalid_and_one_without_a_code_is_no_verdict(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign, blank = BytesIO(), BytesIO()
    segno.make("hello").save(foreign, kind="png", scale=4)
    Image.new("L", (64, 64), 255).save(blank, "PNG")
    assert verify(files, put(files, "foreign.png", foreign.getvalue())) == 1
    assert verify(files, put(files, "blank.png", blank.getvalue())) == 64
    assert "没有读到二维码" in capsys.readouterr().err


def test_of_several_codes_in_a_picture_the_worst_decides(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    page = Image.new("L", (600, 1300), 255)
    ended = files.world.code(code_id=b"\x07" * 8, expires_at=NOON - timedelta(seconds=1))
    for place, text in enumerate((files.world.code(), ended)):
        page.paste(Image.open(BytesIO(picture.draw_png(text))).convert("L"), (20, 20 + 640 * place))
    both = BytesIO()
    page.save(both, "PNG")
    assert verify(files, put(files, "both.png", both.getvalue()), "--json") == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["state"] for line in lines] == ["valid", "not_in_force"]


def test_the_report_has_shape_and_word_first_then_every_check_with_its_age(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    verify(files, files.evidence)
    report = capsys.readouterr().out
    assert report.startswith("(✓) 有效\n原因：")
    assert "食品经营许可证" in report and "2026年11月20日" in report and "依据为 1 天前" in report
    assert report.count("✓ 通过") >= 10 and "\x1b" not in report
    verify(files, files.code, at="2026-11-22T12:10:00+08:00")
    assert capsys.readouterr().out.startswith("/‖\\ 不在有效状态\n")
    verify(files, put(files, "noise", b"noise"))
    report = capsys.readouterr().out
    assert report.startswith("[✕] 不属本系统\n") and "· 未核" in report
    verify(files, put(files, "cut", files.world.code()[:-1].encode()))
    assert capsys.readouterr().out.startswith("[✕] 无效\n")
    verify(files, files.evidence, at="2027-11-22T12:00:00+08:00")
    assert capsys.readouterr().out.startswith("<?> 无法判定\n")


def test_json_is_one_line_with_state_reason_and_checks(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(files, files.evidence, "--json") == 0
    out = capsys.readouterr().out
    verdict = json.loads(out)
    assert out.count("\n") == 1 and verdict["state"] == "valid" and verdict["at"] == "2026-11-22T04:00:00Z"
    assert all({"outcome", "reason", "evidence", "age_seconds"} <= check.keys() for check in verdict["checks"])


def test_what_others_wrote_cannot_steer_the_terminal(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    code = files.world.code(CodeKind.ENTERPRISE, name="公司\x1b[2J\u202e\r✓")
    verify(files, code)
    report = capsys.readouterr().out
    assert not {"\x1b", "\u202e", "\r"} & set(report) and "公司\ufffd[2J" in report


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify", "nowhere", "--trust", "{trust}"], "没有这个文件"),
        (["verify", "{folder}", "--trust", "{trust}"], "这是文件夹"),
        (["verify", "{code}", "--trust", "nowhere"], "无法读取信任包"),
        (["verify", "{code}", "--trust", "{code}"], "不可用"),
        (["verify", "a\x00b", "--trust", "{trust}"], "不能使用的字符"),
        (["verify", "{code}"], "缺少参数：--trust"),
        (["verify", "{code}", "--trust", "{trust}", "--at", "2026-11-22T12:00:00"], "没有写时区"),
        (["verify", "{code}", "--trust", "{trust}", "--at", "noon"], "不是 ISO 8601"),
        (["verify", "{code}", "--trust", "{trust}", "--at", "0001-01-01T00:00:00+08:00"], "超出范围"),
        (["verify", "{code}", "--trust", "{trust}", "--frob"], "不认识的参数"),
        (["frob"], "没有这个选择"),
        ([], "缺少参数"),
        (["gate", "--venue", "unknown", "--trust", "{trust}"], "没有该场所"),
        (["gate", "--venue", VENUE_ID, "--trust", "{trust}", "--journal", "{code}"], "不是闸口日志"),
        (["hand-in", "--journal", "{code}", "--server", "http://example.org"], "https"),
        (["trust", "export", "--out", "x"], "--server"),
        (["trust", "export", "--data", "{folder}", "--out", "x"], "不是随证的数据目录"),
        (["trust", "export", "--server", "http://127.0.0.1:9", "--out", "x"], "连接不上"),
    ],
)
def test_a_command_that_cannot_be_carried_out_ends_with_64_and_says_why(
    files: Files, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    places = {"trust": files.trust, "code": files.code, "folder": files.folder}
    filled = [argument.format(**places) if "{" in argument else argument for argument in arguments]
    try:
        status = main(filled)
    except SystemExit as ended:
        status = int(str(ended.code))
    output = capsys.readouterr()
    assert status == 64 and said in output.err and output.out == ""
    assert "Traceback" not in output.err


def test_help_is_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["-h"],
        *([name, "-h"] for name in ("verify", "gate", "hand-in", "serve", "trust", "witness", "demo")),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        shown = capsys.readouterr().out
        assert ended.value.code == 0 and "用法：" in shown and "显示本帮助" in shown
        assert not any(english in shown for english in ("usage:", "options:", "positional", "show this"))


def test_the_standard_input_is_verified(files: Files) -> None:
    command = [*SUIZHENG, "verify", "-", "--trust", str(files.trust), "--at", AT]
    for data in (files.evidence.read_bytes(), files.code.read_bytes(), files.png.read_bytes()):
        run = subprocess.run(command, input=data, capture_output=True)
        assert run.returncode == 0, run.stderr
    assert subprocess.run(command, input=b"noise", capture_output=True).returncode == 1


def test_an_output_that_nobody_reads_is_no_verdict(files: Files) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [*SUIZHENG, "verify", str(files.code), "--trust", str(files.trust), "--at", AT]
    run = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert run.returncode == 64 and b"Traceback" not in run.stderr


def test_a_terminal_without_the_signs_still_gets_its_verdict(files: Files) -> None:
    command = [*SUIZHENG, "verify", str(files.code), "--trust", str(files.trust), "--at", AT]
    run = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "gb2312"})
    assert run.returncode == 0 and "有效".encode("gb2312") in run.stdout


def test_verification_needs_no_network(files: Files) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode:
        missing("a network namespace")
    for presented in (files.evidence, files.png):
        command = ["unshare", "-rn", *SUIZHENG, "verify", str(presented), "--trust", str(files.trust), "--at", AT]
        run = subprocess.run(command, capture_output=True)
        assert run.returncode == 0, run.stderr


def test_a_plain_install_verifies_and_keeps_the_gate(files: Files, tmp_path: Path) -> None:
    plain = [sys.executable, "-c", PLAIN]
    trust = ["--trust", str(files.trust), "--at", AT]
    for presented in (files.evidence, files.code, files.png):
        run = subprocess.run([*plain, "verify", str(presented), *trust], capture_output=True)
        assert run.returncode == 0, run.stderr
    gate = [*plain, "gate", "--venue", VENUE_ID, *trust, "--journal", str(tmp_path / "gate.jsonl")]
    run = subprocess.run(gate, input=files.code.read_bytes(), capture_output=True)
    assert run.returncode == 0 and run.stdout.decode().startswith("✓ 请进")
    export = subprocess.run(
        [*plain, "trust", "export", "--server", "http://127.0.0.1:9", "--out", str(tmp_path / "t")], capture_output=True
    )
    assert export.returncode == 64 and "连接不上" in export.stderr.decode()


@pytest.mark.parametrize("command", [["serve"], ["demo"]])
def test_a_plain_install_says_what_the_server_commands_need(command: list[str]) -> None:
    # Any free port: somebody's server may run on the usual one.
    environment = {**os.environ, "SUIZHENG_PORT": "0"}
    run = subprocess.run([sys.executable, "-c", PLAIN, *command], capture_output=True, text=True, env=environment)
    assert run.returncode == 64
    assert "suizheng[server]" in run.stderr and "Traceback" not in run.stderr


# gate
class Gate:
    """A gate process with its pipes."""

    def __init__(self, files: Files, folder: Path, *more: str) -> None:
        command = [*SUIZHENG, "gate", "--venue", VENUE_ID, "--trust", str(files.trust), "--at", AT, "--json"]
        self.process = subprocess.Popen(
            [*command, "--journal", str(folder / "gate.jsonl"), *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def scan(self, line: str) -> dict[str, object]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        shown: dict[str, object] = json.loads(self.process.stdout.readline())
        return shown

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> str:
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, said.decode()
        return said.decode()


def test_a_gate_killed_between_lines_loses_nothing_and_still_refuses_replays(files: Files, tmp_path: Path) -> None:
    codes = [files.world.code(code_id=n.to_bytes(8)) for n in range(1, 13)]
    shown: list[dict[str, object]] = []
    for begin in range(0, 12, 3):
        gate = Gate(files, tmp_path)
        for earlier in codes[:begin]:
            shown.append(gate.scan(earlier))
            assert (shown[-1]["admit"], shown[-1]["reason"]) == (False, "replayed")
        for fresh in codes[begin : begin + 3]:
            shown.append(gate.scan(fresh))
            assert shown[-1]["admit"] is True
        gate.kill()
    visits = list(read_visits(tmp_path / "gate.jsonl", 0)[1])
    assert [visit.event_id for visit in visits] == [one["event_id"] for one in shown]
    assert [visit.admitted for visit in visits] == [one["admit"] for one in shown]
    assert len({visit.code_id for visit in visits if visit.admitted}) == 12


def test_a_gate_killed_in_the_middle_of_lines_never_admits_twice(files: Files, tmp_path: Path) -> None:
    codes = [files.world.code(code_id=n.to_bytes(8)) for n in range(1, 201)]
    typed = "".join(code + "\n" for code in codes).encode()
    for _ in range(4):
        gate = Gate(files, tmp_path)
        assert gate.process.stdin and gate.process.stdout
        gate.process.stdin.write(typed)
        gate.process.stdin.flush()
        for _ in range(15):
            gate.process.stdout.readline()
        gate.kill()
    last = Gate(files, tmp_path)
    for code in codes:
        last.scan(code)
    last.end()
    admitted = [visit.code_id for visit in read_visits(tmp_path / "gate.jsonl", 0)[1] if visit.admitted]
    assert sorted(admitted) == [n.to_bytes(8) for n in range(1, 201)]


def test_a_torn_line_is_reported_at_the_start(files: Files, tmp_path: Path) -> None:
    first = Gate(files, tmp_path)
    assert first.scan(files.world.code())["admit"] is True
    first.end()
    with (tmp_path / "gate.jsonl").open("ab") as file:
        file.write(b'{"at":"2026-11-22T0')
    second = Gate(files, tmp_path)
    assert second.scan(files.world.code())["reason"] == "replayed"
    said = second.end()
    assert "19 字节没有写完" in said and "gate.jsonl.torn" in said


def test_a_gate_shows_chinese_verdicts_without_colours_in_a_pipe(files: Files, tmp_path: Path) -> None:
    command = [*SUIZHENG, "gate", "--venue", VENUE_ID, "--trust", str(files.trust), "--at", AT]
    code = files.world.code()
    other = files.world.code(CodeKind.VENUE)
    run = subprocess.run(
        command, input=f"{code}\r\n{code}\r\n{other}\r\n", capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["✓", "✕", "✕"]
    assert "请出示" in lines[2] or "只接受个人码" in lines[2]
    assert "\x1b" not in run.stdout
    assert (tmp_path / f"gate-{VENUE_ID}.jsonl").is_file()


def test_a_second_gate_on_the_same_journal_is_refused(files: Files, tmp_path: Path) -> None:
    first = Gate(files, tmp_path)
    first.scan("x")
    second = Gate(files, tmp_path)
    _, said = second.process.communicate(timeout=60)
    assert second.process.returncode == 64 and "正被另一个闸口进程使用" in said.decode()
    first.end()


def test_on_a_terminal_the_verdict_is_a_coloured_band_and_the_code_is_not_echoed(files: Files, tmp_path: Path) -> None:
    screen, terminal = pty.openpty()
    command = [*SUIZHENG, "gate", "--venue", VENUE_ID, "--trust", str(files.trust), "--at", AT]
    gate = subprocess.Popen(
        [*command, "--journal", str(tmp_path / "gate.jsonl")], stdin=terminal, stdout=terminal, stderr=subprocess.PIPE
    )
    os.close(terminal)
    assert gate.stderr is not None and "闸口" in gate.stderr.readline().decode()
    seen = b""
    code = files.world.code()
    while "请进".encode() not in seen:
        # Typed again until the terminal listens; only one of them can open.
        os.write(screen, code.encode() + b"\r")
        while select.select([screen], [], [], 0.5)[0] and "请进".encode() not in seen:
            seen += os.read(screen, 65536)
    os.write(screen, b"\x04")
    gate.communicate(timeout=60)
    os.close(screen)
    assert gate.returncode == 0
    assert b"\x1b[97;48;5;28m" in seen and "✓ 请进".encode() in seen
    assert seen.count(b"SZ1:") <= 1
