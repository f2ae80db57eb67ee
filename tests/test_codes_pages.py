"""Codes on the pages of documents: each with its page, and what was not read is said, whatever became of the reader."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import page_maker
import pdf_maker
import pytest
from page_maker import page_with, pdf_of, tiff_of
from PIL import Image
from world import NOON, World, make_world

from api.cli.main import main
from api.printing import sheets
from codes import apart, pages, payload, picture
from codes.apart import Room
from codes.pages import Found

CODES = [payload.encode(random.Random(number).randbytes(150)) for number in range(4)]
AT = "2026-11-22T12:00:00+08:00"
PAGE = "suizheng.example/verify"


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(1)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is the processor's time, however crowded the machine is."""
    monkeypatch.setattr(apart, "_SECONDS", 600.0)


def refused(data: bytes) -> picture.PictureError:
    with pytest.raises(picture.PictureError) as error:
        pages.read(data)
    return error.value


def scan(folder: Path, data: bytes, world: World, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict]]:
    given, trust = folder / "given", folder / "trust.json"
    given.write_bytes(data)
    trust.write_bytes(world.trust().data)
    status = main(["scan", str(given), "--trust", str(trust), "--at", AT, "--json"])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# What is read.


def test_each_code_comes_with_its_page_and_a_page_without_one_is_passed_over() -> None:
    made = (page_with(CODES[0]), page_with(), page_with(CODES[1], CODES[2]))
    expected = (Found(CODES[0], 1), Found(CODES[1], 3), Found(CODES[2], 3))
    assert pages.read(pdf_of(*made)) == pages.Reading(expected, 3)
    assert pages.read(tiff_of(*made)) == pages.Reading(expected, 3)


def test_turned_pages_are_read_and_a_document_without_any_code_says_so() -> None:
    turned = pdf_of(*(page_with(one) for one in CODES[:3]), rotations=(90, 180, 270))
    assert [one.text for one in pages.read(turned).found] == CODES[:3]
    for blank in (pdf_of(page_with(), page_with()), tiff_of(page_with())):
        assert refused(blank).reason == "no_code_on_pages"


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("mode", ["1", "P", "RGB"])
def test_other_formats_of_pictures_are_read_and_cut_ones_are_not(form: str, mode: str) -> None:
    out = io.BytesIO()
    page_with(CODES[0]).convert(mode).save(out, form)
    (found,) = pages.read(out.getvalue()).found
    assert found == Found(CODES[0], 1 if form == "TIFF" else None)
    assert refused(out.getvalue()[:200]).reason in ("unreadable", "broken_document", "pages_unread")


def test_a_bomb_of_pixels_is_not_unpacked() -> None:
    for form in ("GIF", "BMP", "TIFF"):
        out = io.BytesIO()
        Image.new("1", (8000, 8000)).save(out, form)
        assert refused(out.getvalue()).reason in ("too_many_pixels", "pages_unread")


def test_our_own_paper_is_read_back_and_valid(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = world.code()
    card = sheets.PrintedCode(code, "0102030405060708", 1, NOON, (), "示例办公室")
    poster = sheets.VenuePoster(code, "0102030405060708", 7, "随证体育馆", "上海市长宁区某路 2 号")
    label = sheets.ComponentLabel(code, "垃圾箱", "3101050100000001", "某路", "某单位")
    for pdf in (
        sheets.print_card(card, "card", NOON), sheets.print_card(card, "sheet", NOON),
        sheets.print_posters([poster], "a3", "示例办公室", PAGE, NOON), sheets.print_labels([label], PAGE, NOON),
    ):  # fmt: skip
        status, lines = scan(tmp_path, pdf, world, capsys)
        assert (status, [(one["page"], one["state"]) for one in lines]) == (0, [(1, "valid")])
    status, (line,) = scan(tmp_path, picture.draw_png(code), world, capsys)
    assert (status, line["page"], line["state"]) == (0, None, "valid")


def test_every_label_of_the_largest_sheet_is_read_and_one_page_more_is_said_to_be_unread(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [payload.encode(random.Random(number).randbytes(110)) for number in range(sheets.MAX_LABELS)]
    labels = [sheets.ComponentLabel(text, "垃圾箱", "3101050100000001", "某路", "某单位") for text in texts]
    read = pages.read(sheets.print_labels(labels, PAGE, NOON))
    assert (read.pages, read.unread, {one.text for one in read.found}) == (pages.MAX_PAGES, "", set(texts))
    whole = [page_with(world.code()), *(page_with() for _ in range(pages.MAX_PAGES - 1))]
    assert scan(tmp_path, pdf_of(*whole), world, capsys)[0] == 0
    status, lines = scan(tmp_path, pdf_of(*whole, page_with(CODES[0])), world, capsys)
    assert (status, [one["reason"] for one in lines]) == (3, ["ok", "pages_unread"])
    assert "共 26 页，只看了前 25 页" in lines[1]["message"] and "读到 1 个码" in lines[1]["message"]


def test_of_several_pages_the_worst_decides_and_a_document_of_other_codes_is_judged_as_one(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, trust = tmp_path / "given.pdf", tmp_path / "trust.json"
    trust.write_bytes(world.trust().data)
    for texts, status, states in (
        ((world.code(), world.code()), 0, ["valid", "valid"]),
        ((world.code(), CODES[0]), 1, ["valid", "invalid"]),
        (("HTTPS://EXAMPLE.ORG",), 3, ["undecided"]),
    ):
        given.write_bytes(pdf_of(*(page_with(text) for text in texts)))
        assert main(["verify", str(given), "--trust", str(trust), "--at", AT, "--json"]) == status
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [one["state"] for one in lines] == states
    assert lines[0]["reason"] == "document_alone"


# What is refused.


def test_a_password_to_open_is_named_and_one_to_change_is_not_asked_for() -> None:
    document = pdf_of(page_with(CODES[0]))
    assert pages.read(pdf_maker.encrypted(document, "")).found == (Found(CODES[0], 1),)
    assert refused(pdf_maker.encrypted(document)).reason == "encrypted_document"


@pytest.mark.parametrize("data", [b"%PDF-1.7\n", b"II*\0\x08\0\0\0", b"%PDF-1.4 " + b"[" * 100_000])
def test_a_broken_document_says_so(data: bytes) -> None:
    assert refused(data).reason in ("broken_document", "pages_unread")


def test_a_document_over_the_limit_is_refused_before_it_is_looked_at() -> None:
    assert refused(b"%PDF-1.7\n".ljust(picture.MAX_PICTURE_BYTES + 1)).reason == "too_many_bytes"


def test_without_pypdfium2_a_pdf_says_what_to_install_and_a_tiff_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf_of(page_with(CODES[0])))
    (tmp_path / "a.tif").write_bytes(tiff_of(page_with(CODES[0])))
    program = (
        "import sys, importlib.util\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, package=None: None if name == 'pypdfium2' else real(name, package)\n"
        "from api.cli.main import main\n"
        "sys.exit(main(['scan', *sys.argv[1:], '--json']))\n"
    )
    command = [sys.executable, "-c", program, tmp_path / "a.pdf", tmp_path / "a.tif"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    pdf, tiff = (json.loads(line) for line in done.stdout.splitlines())
    assert (pdf["reason"], tiff["reason"]) == ("pdf_not_installed", "no_trust")
    assert "pip install 'suizheng[documents]'" in pdf["message"]


# What keeps the reader busy, ends it, or fills it.


@pytest.mark.parametrize("hostile", [page_maker.endless, page_maker.greedy])
def test_what_was_read_before_a_hostile_page_is_kept_and_the_rest_is_unread(
    hostile: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_PROCESSOR_SECONDS", 3)
    read = pages.read(page_maker.joined(pdf_of(page_with(CODES[0])), hostile()))
    assert read.found == (Found(CODES[0], 1),) and "共 2 页，只看了前 1 页（其后" in read.unread
    error = refused(hostile())
    assert error.reason == "pages_unread" and "一页也没有看成" in error.message


def test_a_reader_that_is_killed_is_an_error_and_the_next_document_is_read() -> None:
    errors: list[picture.PictureError] = []
    thread = threading.Thread(target=lambda: errors.append(refused(page_maker.endless())))
    thread.start()
    while not (readers := _readers()):
        assert thread.is_alive()
        time.sleep(0.01)
    for pid in readers:
        os.kill(pid, signal.SIGKILL)
    thread.join()
    assert errors[0].reason in ("broken_document", "pages_unread")
    assert pages.read(pdf_of(page_with(CODES[0]))).found == (Found(CODES[0], 1),)


def _readers() -> list[int]:
    """The processes that look at pages, of this process."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    found = [int(pid) for task in tasks for pid in _words(task / "children")]
    return [pid for pid in found if b"codes.page_process" in _words(Path(f"/proc/{pid}/cmdline"))]


def _words(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().replace(b"\0", b" ").split()
    except OSError:  # it has ended
        return []


def test_only_so_many_documents_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_room", room := Room(1, 1, 0.05))
    document = pdf_of(page_with(CODES[0]))
    with room._places:
        assert refused(document).reason == "reader_busy"
    with room._turns:
        assert refused(document).reason == "reader_busy"
    assert pages.read(document).found


def test_this_process_never_loads_the_reader_of_pdf(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf_of(page_with(CODES[0])))
    (tmp_path / "json.py").write_text("raise SystemExit('taken from the folder at hand')")
    program = (
        "import sys; from pathlib import Path; sys.path.remove(''); from codes import pages\n"
        "assert len(pages.read(Path('a.pdf').read_bytes()).found) == 1\n"
        "assert not [name for name in sys.modules if name.startswith('pypdfium2')]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_altered_documents_end_in_pages_or_in_a_refusal() -> None:
    program = Path(__file__).with_name("page_crashes.py")
    done = subprocess.run([sys.executable, program, "200", "1"], capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": str(Path(__file__).parent.parent)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    ended = dict(one.split("=") for one in done.stdout.split())
    assert "raised" not in ended and int(ended["read"]) > 100, (ended, done.stderr)
