"""Cards, posters and labels on paper: read back from the rendered page, and who may print them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import pypdfium2
import pytest
from api_office import COMPANY, ISSUER, PERSON, USER, OpenOffice, open_office, reason, settings_in
from PIL import Image, ImageFilter
from world import FOOD, NOON, VENUE_ID, World, make_world

from api.printing import sheets
from codes import picture
from verifier.code import CodeKind, Grant, GrantKind

LONG = "长宁区虹桥街道社区综合为老服务中心助餐点（示例）通行证"
PAGE = "suizheng.example/verify"


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(1)


def pages(pdf: bytes, dpi: float) -> list[Image.Image]:
    """Every page in grey, as a printer or a copier would have it."""
    document = pypdfium2.PdfDocument(pdf)
    return [page.render(scale=dpi / 72).to_pil().convert("L") for page in document]


def seen(image: Image.Image) -> list[str]:
    out = BytesIO()
    image.save(out, "PNG")
    return picture.read(out.getvalue())


def written(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    return "".join(page.get_textpage().get_text_range() for page in document)


def fullest(world: World) -> sheets.PrintedCode:
    until = NOON + timedelta(days=180)
    grants = (Grant(GrantKind.PASS, VENUE_ID, 23, 2**20 - 1, until), Grant(GrantKind.CERTIFICATE, FOOD, 23, 5, until))
    text = world.code(CodeKind.PRINTED, grants=grants, status_index=2**20 - 1)
    return sheets.PrintedCode(text, "0102030405060708", 12, until, (LONG, LONG), "上海市长宁区政务服务办公室（示例）")


def test_a_card_has_the_size_of_a_bank_card_and_is_read_at_150_dpi_blurred_and_turned(world: World) -> None:
    code = fullest(world)
    pdf = sheets.print_card(code, "card", NOON)
    (page,) = pages(pdf, 150)
    assert [round(side / 150 * 25.4, 1) for side in page.size] == pytest.approx([85.6, 54.0], abs=0.2)
    copied = page.rotate(7, Image.Resampling.BICUBIC, expand=True, fillcolor=255).filter(ImageFilter.GaussianBlur(0.7))
    assert seen(copied) == [code.text]
    assert "2027年5月21日" in written(pdf) and b"NotoSansCJK" in pdf


def test_the_large_print_is_one_page_with_a_card_that_can_be_cut_out(world: World) -> None:
    code = fullest(world)
    (page,) = pages(sheets.print_card(code, "sheet", NOON), 150)
    top, bottom = page.crop((0, 0, page.width, page.height // 2)), page.crop((0, page.height // 2, *page.size))
    assert seen(top) == seen(bottom) == [code.text]


@pytest.mark.parametrize(("paper", "wide"), [("a4", 210), ("a3", 297)])
def test_a_poster_a_page_with_its_number(world: World, paper: sheets.Paper, wide: int) -> None:
    made = [
        sheets.VenuePoster(
            world.code(CodeKind.VENUE, status_index=n), "01020304050607", n, "随证体育馆", "上海市长宁区某路 2 号"
        )
        for n in (7, 8)
    ]  # fmt: skip
    pdf = sheets.print_posters(made, paper, "示例办公室", PAGE, NOON)
    shown = pages(pdf, 60)
    assert [seen(page) for page in shown] == [[poster.text] for poster in made]
    assert round(shown[0].width / 60 * 25.4) == pytest.approx(wide, abs=1)
    # Spaces between Chinese and digits are drawn, not written.
    assert "第7张" in written(pdf).replace(" ", "") and "随证体育馆" in written(pdf)
    assert PAGE in written(pdf)


def test_labels_stand_three_by_eight_and_every_one_is_read(world: World) -> None:
    labels = [
        sheets.ComponentLabel(
            world.code(CodeKind.COMPONENT, subject=f"31010501180{n:05d}", place="号" * 60),
            "路灯", f"31010501180{n:05d}", "号" * 60, "单" * 30,
        )
        for n in range(25)
    ]  # fmt: skip
    pdf = sheets.print_labels(labels, PAGE, NOON)
    first, second = pages(pdf, 150)
    assert written(pdf).count(PAGE) == len(labels)
    wide, high = first.width / 3, first.height / 8
    for n, label in enumerate(labels[:24]):
        left, top = n % 3 * wide, n // 3 * high
        assert seen(first.crop((round(left), round(top), round(left + wide), round(top + high)))) == [label.text]
    assert seen(second) == [labels[24].text]


# Over HTTP.


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("printouts"))) as office:
        yield office


def issue(office: OpenOffice, kind: str) -> dict[str, Any]:
    body = {"kind": kind, "holder_code_type_code": "111", "holder_code": PERSON}
    made: dict[str, Any] = office.send("POST", "/api/v1/codes", "window", json=body).json()
    return made


def test_a_department_prints_its_own_printed_codes_while_they_hold(office: OpenOffice) -> None:
    code = issue(office, "printed")
    path = f"/api/v1/codes/{code['id']}/card.pdf"
    for form in ("card", "sheet"):
        answer = office.send("GET", f"{path}?form={form}", "window")
        assert (answer.status_code, answer.content[:5]) == (200, b"%PDF-")
        assert code["text"] in [text for page in pages(answer.content, 150) for text in seen(page)]
        assert PERSON not in written(answer.content)
    assert reason(office.send("GET", path, "window", USER), 403) == "not_the_issuer"
    phone = issue(office, "person")
    assert reason(office.send("GET", f"/api/v1/codes/{phone['id']}/card.pdf", "window"), 404) == "not_a_printed_code"
    office.send("POST", f"/api/v1/codes/{code['id']}/loss", "window")
    assert reason(office.send("GET", path, "window"), 409) == "code_out_of_force"


def test_posters_and_labels_are_printed_by_who_manages_them(office: OpenOffice) -> None:
    assert reason(office.send("GET", "/api/v1/components/labels.pdf", "venue"), 404) == "no_labels"
    rule = {"hours": [], "admit": {"types": [], "pass": True}, "anti_passback_seconds": 0}
    facts = {"name": "示例馆", "address": "示例路 1 号", "responsible": COMPANY, "rule": rule}
    venue = office.send("POST", "/api/v1/venues", "venue", json=facts).json()["id"]
    path = f"/api/v1/venues/{venue}/posters.pdf"
    assert reason(office.send("GET", path, "venue"), 404) == "no_posters"
    office.send("POST", f"/api/v1/venues/{venue}/posters", "venue", json={"count": 3})
    assert len(pages(office.send("GET", path, "venue").content, 20)) == 3
    assert len(pages(office.send("GET", f"{path}?number=2&paper=a3", "venue").content, 20)) == 1
    assert reason(office.send("GET", path, "venue", USER), 403) == "not_the_venues_department"
    lamp = {"code": "3101050118000001", "place": "示例路 1 号", "unit": COMPANY, "unit_name": "示例"}
    assert office.send("POST", "/api/v1/components", "venue", ISSUER, json=lamp).status_code == 201
    (page,) = pages(office.send("GET", "/api/v1/components/labels.pdf", "venue").content, 150)
    assert len(seen(page)) == 1
