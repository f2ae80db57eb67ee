"""`suizheng inspect`: reports for people, keys for machines, exit statuses, trust from bundles and certificates."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from ofd_maker import SIGNED, Cast, Maker, make_cast, make_seal, pack, sealer, sign_sealed, unsealed_files
from test_architecture import FORBIDDEN_MODULES
from test_cli import PLAIN
from test_inspect_ofd import REAL, real
from world import World, make_world

from api.cli.main import main
from verifier.digests import double_digest, sm3
from verifier.errors import MalformedError
from verifier.trust import TrustBundle

AT = "2026-11-22T12:00:00+08:00"
KEYS = {
    *("file", "format", "format_name", "state", "state_name", "reason", "message", "at", "size", "sha256", "sm3"),
    *("document", "invoice", "signatures", "notes"),
}
SEAL_KEYS = {
    *("id", "kind", "state", "state_name", "reason", "message", "at", "checks", "integrity", "entry", "digest_method"),
    *("stated_time", "provider", "signature_method", "check_method", "stamps", "references", "form", "time", "seal"),
    *("maker", "signer", "notes"),
}


@pytest.fixture(scope="module")
def cast() -> Cast:
    return make_cast()


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(2)


@pytest.fixture
def folder(tmp_path: Path, cast: Cast, world: World) -> Path:
    sealed = Maker().add(sealer(cast))
    (tmp_path / "valid.ofd").write_bytes(sealed.packed())
    changed = sealed.files | {"Doc_0/Pages/Page_0/Content.xml": b"<Page/>"}
    (tmp_path / "changed.ofd").write_bytes(pack(changed))
    seal = make_seal(cast.maker, [cast.signer.certificate], end=SIGNED - timedelta(days=1))
    ended = Maker().add(lambda paper: sign_sealed(cast.signer, seal, sm3(paper)))
    (tmp_path / "ended.ofd").write_bytes(ended.packed())
    (tmp_path / "plain.bin").write_bytes(pack(unsealed_files()))
    (tmp_path / "evidence.szb").write_bytes(world.bundle(1).to_bytes())
    (tmp_path / "code.txt").write_text(world.code() + "\n")
    (tmp_path / "trust.json").write_bytes(world.trust(seal_makers=(cast.root.certificate,)).data)
    (tmp_path / "root.pem").write_bytes(
        x509.load_der_x509_certificate(cast.root.certificate).public_bytes(Encoding.PEM)
    )
    (tmp_path / "root.der").write_bytes(cast.root.certificate)
    return tmp_path


def run(folder: Path, *arguments: str) -> int:
    return main(
        ["inspect", *(str(folder / one) if "." in one and one[0] != "-" else one for one in arguments), "--at", AT]
    )


@pytest.mark.parametrize("trust", ["trust.json", "root.pem", "root.der"])
def test_exit_statuses_are_those_of_verify(folder: Path, trust: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "valid.ofd", "--trust", trust) == 0
    assert "(✓) 有效" in capsys.readouterr().out
    assert run(folder, "changed.ofd", "--trust", trust) == 1
    assert run(folder, "ended.ofd", "--trust", trust) == 2
    assert run(folder, "valid.ofd") == 3


def test_the_worst_file_decides_and_one_that_cannot_be_read_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = ("--trust", "root.pem")
    assert run(folder, "valid.ofd", "ended.ofd", "plain.bin", *trust) == 2
    assert run(folder, "valid.ofd", "changed.ofd", "ended.ofd", *trust) == 1
    capsys.readouterr()
    assert run(folder, "valid.ofd", "absent.ofd", "changed.ofd", *trust) == 64
    said = capsys.readouterr()
    assert said.out.count("文件：") == 2 and "无法读取" in said.err


def test_the_report_tells_what_a_file_is_and_what_to_think_of_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "changed.ofd", "--trust", "root.pem") == 1
    report = capsys.readouterr().out
    head = report.splitlines()
    assert head[1] == "[✕] 无效" and "Doc_0/Pages/Page_0/Content.xml" in head[2]
    for told in ("OFD 版式文件", "2 页", "测试专用章", "测试制章系统", "测试局电子印章证书", "2026年11月20日 09:00"):
        assert told in report
    assert "✕ Doc_0/Pages/Page_0/Content.xml" in report


def test_machines_get_one_line_a_file_with_stable_keys(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "valid.ofd", "plain.bin", "--json") == 3
    sealed, plain = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert sealed.keys() == plain.keys() == KEYS
    assert sealed["signatures"][0].keys() == SEAL_KEYS
    data = (folder / "valid.ofd").read_bytes()
    assert (sealed["size"], sealed["sm3"]) == (len(data), double_digest(data).sm3.hex())
    assert (plain["format"], plain["reason"], plain["signatures"]) == ("ofd", "no_signature", [])


def test_real_files_are_reported_in_one_go(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in REAL:
        (tmp_path / name).write_bytes(real(name))
    assert main(["inspect", *(str(tmp_path / name) for name in REAL), "--at", AT]) == 2
    report = capsys.readouterr().out
    assert report.count("文件：") == len(REAL) and "发票号码：83089647（签章覆盖）" in report


@pytest.mark.parametrize(
    ("name", "format_", "word"),
    [
        ("evidence.szb", "evidence", "verify"),
        ("code.txt", "code", "verify"),
        ("trust.json", "trust", "--trust"),
    ],
)
def test_our_own_things_are_recognised_and_sent_to_verify(
    folder: Path, name: str, format_: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, name, "--json") == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["reason"]) == (format_, "use_verify") and word in found["message"]


def test_standard_input_is_a_file_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Input:
        buffer = io.BytesIO((folder / "changed.ofd").read_bytes())

    monkeypatch.setattr(sys, "stdin", Input)
    assert main(["inspect", "-", "--json", "--at", AT]) == 1
    assert json.loads(capsys.readouterr().out)["file"] == "-"


def test_trust_that_cannot_be_used_ends_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.json").write_text('{"signed": 1}')
    (folder / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    for bad in ("bad.json", "bad.pem", "code.txt", "absent.pem"):
        assert run(folder, "valid.ofd", "--trust", bad) == 64
        assert capsys.readouterr().err.startswith("suizheng：")
    assert main(["inspect", str(folder / "valid.ofd"), "--trust", str(folder / "trust.json")]) in (0, 3)


def test_a_bundle_past_its_time_lends_no_certificates(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    late = ["--at", "2031-01-01T00:00:00+08:00"]
    assert main(["inspect", str(folder / "valid.ofd"), "--trust", str(folder / "trust.json"), *late, "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["reason"] == "unknown_maker"
    assert found["notes"][0]["reason"] == "trust_expired"


def test_a_bundle_without_seal_makers_is_byte_for_byte_as_before(world: World) -> None:
    bundle = world.trust()
    assert b"seal_makers" not in bundle.data
    assert TrustBundle.open(bundle.data).content.seal_makers == ()
    carrying = world.trust(seal_makers=(b"der",))
    assert TrustBundle.open(carrying.data).content.seal_makers == (b"der",)
    with pytest.raises(MalformedError):
        replace(world.content).from_json(world.content.to_json() | {"seal_makers": []})


def test_a_plain_install_inspects_ofd_offline(folder: Path, tmp_path: Path) -> None:
    absent = PLAIN.replace('"vyper"', '"vyper", "pyhanko", "lxml", "asn1crypto"')
    program = absent.replace("from api.cli", "import socket\nsocket.socket = None\nfrom api.cli", 1)
    done = subprocess.run(
        [sys.executable, "-c", program, "inspect", folder / "valid.ofd", "--trust", folder / "root.pem", "--at", AT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_inspecting_an_ofd_file_loads_no_database_http_or_chain_library(folder: Path) -> None:
    program = (
        "import sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from verifier.documents.findings import Roots\nfrom verifier.documents.inspecting import inspect\n"
        "inspect(Path(sys.argv[1]).read_bytes(), 'a.ofd', Roots(), datetime.now(UTC))\nprint(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, folder / "valid.ofd"], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) & (FORBIDDEN_MODULES | {"pyhanko", "aiohttp", "lxml"}) == set()
