"""`suizheng import` against a real server, also over a line that breaks."""

from __future__ import annotations

import csv
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from api_office import ISSUER, LICENCE, Office, furnish
from httpx import Client
from import_files import HEADERS, csv_of, licence_row, xlsx_of, zip_of
from killable_server import Server

from api.cli.errors import CommandError
from api.cli.import_client import ImportClient
from api.cli.main import main


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, str]]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    url = f"http://127.0.0.1:{server.port}"
    with Client(base_url=url, timeout=30) as client:
        office = Office(client, has_chain=False)
        furnish(office, server.first_password)
        yield office, url
    server.close()


@pytest.fixture
def import_(office: tuple[Office, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    monkeypatch.setenv("SUIZHENG_TOKEN", office[0].tokens["registrar", ISSUER])

    def command(data: bytes, *more: str, name: str = "册.csv") -> int:
        path = tmp_path / name
        path.write_bytes(data)
        return main(["import", str(path), "--server", office[1], *(more or ("--type", LICENCE))])

    return command


def test_rows_to_correct_are_kept_beside_the_file_and_go_through_once_mended(
    import_: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_(csv_of(licence_row(1), licence_row(2, 有效期截止="昨天"))) == 1  # type: ignore[operator]
    said = capsys.readouterr()
    assert "共 2 行：已登记 1，已存在 0，未登记 1" in said.out
    assert "第 3 行 F 列“有效期截止”" in said.err
    refused = list(csv.reader((tmp_path / "册.未登记.csv").read_text("utf-8-sig").splitlines()))
    assert refused[0][-1] == "未登记原因"
    refused[1][5] = "长期"
    assert import_(csv_of(refused[1], headers=refused[0])) == 0  # type: ignore[operator]
    assert import_(csv_of(licence_row(1), licence_row(2))) == 0  # type: ignore[operator]
    assert "已存在 2" in capsys.readouterr().out


def test_a_dry_run_in_json_with_attached_files(
    import_: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = tmp_path / "附件.zip"
    packed.write_bytes(zip_of(**{"扫描.pdf": b"%PDF-1.7\n%%EOF\n"}))
    data = xlsx_of([*licence_row(10), "扫描.pdf"], headers=[*HEADERS, "附件"])
    more = ("--type", LICENCE, "--attachments", str(packed), "--dry-run", "--json")
    assert import_(data, *more, name="册.xlsx") == 0  # type: ignore[operator]
    job = orjson.loads(capsys.readouterr().out)
    assert (job["state"], job["dry_run"], job["accepted"]) == ("done", True, 1)


def test_unknown_columns_end_with_a_mapping_to_complete(
    import_: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = csv_of(licence_row(20), headers=["证照编号", "企业名称", "统一社会信用代码", *HEADERS[3:]])
    assert import_(data) == 3  # type: ignore[operator]
    offered = capsys.readouterr().out
    assert orjson.loads(offered) == {"企业名称": "holders.0.holder_name", "统一社会信用代码": "holders.0.holder_code"}
    mapping = tmp_path / "mapping.json"
    mapping.write_text(offered)
    assert import_(data, "--type", LICENCE, "--mapping", str(mapping)) == 0  # type: ignore[operator]


def test_what_cannot_be_done_says_why(import_: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert import_(b"PK\x03\x04 no") == 2  # type: ignore[operator]
    assert "XLSX 文件已损坏" in capsys.readouterr().err
    assert import_(csv_of(licence_row(30)), "--dry-run") == 64  # type: ignore[operator]
    assert f"  {LICENCE}  营业执照" in capsys.readouterr().err
    assert import_(csv_of(licence_row(30)), "--type", "11100000MB0341032Y999") == 64  # type: ignore[operator]
    assert "404" in capsys.readouterr().err


class BrokenLine:
    """A proxy on this machine that cuts its first connections after so many bytes."""

    def __init__(self, port: int, cuts: list[int]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.port, self.cuts = port, cuts
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            far = socket.create_connection(("127.0.0.1", self.port))
            left = self.cuts.pop(0) if self.cuts else None
            for pair in ((near, far, left), (far, near, None)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, left: int | None) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if left is not None and (left := left - len(data)) < 0:
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_an_upload_over_a_line_that_breaks_goes_on_where_it_broke(office: tuple[Office, str], tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(6 << 20))
    line = BrokenLine(int(office[1].rsplit(":", 1)[1]), [2 << 20, 3 << 20])
    client = ImportClient(line.url, office[0].tokens["registrar", ISSUER], (0.05, 0.1, 0.2, 0.5, 1.0))
    told: list[int] = []
    digest = client.upload(path, lambda sent, size: told.append(sent))
    line.listener.close()
    assert line.connections >= 3
    answer = office[0].send("GET", f"/api/v1/uploads/{digest}", "registrar").json()
    assert (answer["offset"], answer["complete"]) == (6 << 20, True)
    # It never began again from nothing once something had arrived.
    starts = [told[0], *(later for earlier, later in pairwise(told) if later < earlier)]
    assert starts[0] == 0 and all(start > 0 for start in starts[1:])


def test_a_server_that_does_not_answer_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    client = ImportClient("http://127.0.0.1:9", "szt_x", pauses=(0.0,))
    with pytest.raises(CommandError) as refused:
        client.post("/api/v1/imports", {})
    assert "地址不通或拒绝连接" in refused.value.message
    assert capsys.readouterr().err.count("继续尝试") == 1
