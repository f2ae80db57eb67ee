"""Texts that are made to steer a terminal, a spreadsheet, another file or a pattern, wherever strangers write them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from api.cli.main import main
from api.gate.errors import GateError
from api.gate.files import replace_file
from api.imports.columns import Column, labels_of
from api.imports.reading import read_sheet
from api.pages.workbooks import template_csv
from codes.processes import surroundings

_STEERING = "\x1b]0;taken over\x07\x1b[2J\u202e"

#: Each takes the square of its length where a pattern tries every beginning of a run: days instead of a moment.
_PATTERNS = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
from api.imports.mapping import choices
from registry.catalogue.rules import compile_definition
from registry.catalogue.service import builtin_definitions
from registry.catalogue.field_rows import _listed
from registry.certificates.names import normalise_code, normalise_name, normalise_number
from verifier.certificate_file import read_certificates
from verifier.documents.invoices import day_of
from verifier.errors import MalformedError

N = 2_000_000
assert _listed("\\t" * N + "甲") == ["甲"]
assert normalise_name("随" + " " * N + "a") == "随a" and normalise_code(" " * N + "a") == "A"
assert normalise_number(" " * N + "a") == "a" and day_of("2026" + " " * N) is None
for text in ("-----BEGIN CERTIFICATE-----" * (N // 27), "-----BEGIN CERTIFICATE-----" + "-" * N):
    try:
        read_certificates(text.encode())
    except MalformedError:
        pass
definition = compile_definition(next(one for one in builtin_definitions() if one["kind"] == "certificate"))
for header in ("0" * 7_999 + "\\n", "持证主体" * 2_000, "\\ufdfa" * 7_999):
    assert [one.field for one in choices([header] * 60, definition, None)] == [""] * 60
print("done")
"""


def test_no_pattern_takes_the_square_of_what_strangers_write() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", _PATTERNS], env=surroundings(), capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n", (done.returncode, done.stderr[-2000:])


@pytest.mark.parametrize("command", ["scan", "verify", "inspect"])
def test_a_files_name_does_not_steer_the_terminal(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"a{_STEERING}b.png"
    path.write_bytes(b"no picture")
    trust = [] if command != "verify" else ["--trust", str(tmp_path / f"none{_STEERING}")]
    main([command, str(path), *trust])
    told = capsys.readouterr()
    assert "none" in told.err or "b.png" in told.out
    for text in (told.out, told.err):
        assert not set(text) & set(_STEERING) - set("taken over;[0J]2")


def test_a_file_is_not_written_through_a_link_that_lies_beside_it(tmp_path: Path) -> None:
    victim, target = tmp_path / "victim", tmp_path / "未登记.csv"
    victim.write_bytes(b"precious")
    (tmp_path / f".{target.name}.part").symlink_to(victim)
    target.symlink_to(victim)
    before = os.umask(0o022)
    try:
        replace_file(target, b"rows", mode=0o600)
        replace_file(tmp_path / "bundle", b"public")
    finally:
        os.umask(before)
    assert (victim.read_bytes(), target.read_bytes(), target.is_symlink()) == (b"precious", b"rows", False)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (target, tmp_path / "bundle")] == [0o600, 0o644]
    with pytest.raises(GateError, match="none"):
        replace_file(tmp_path / "none" / "file", b"")


def test_a_template_holds_no_formula_and_its_headers_are_read_as_they_were() -> None:
    headers = ["=HYPERLINK(1)", "+1", "@a", "-1", "注册号", "0012"]
    data = template_csv([Column(f"extend_info.f{n}", header, "text", False, "") for n, header in enumerate(headers)])
    assert not any(cell.startswith(("=H", "+", "@", "-")) for cell in data.decode("utf-8-sig").strip().split(","))
    first = read_sheet(data).rows[0]
    assert list(labels_of(first.cells).values()) == headers
