"""Paper: the font is inside, text stays text, the same input gives the same bytes, and the server goes on meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pypdfium2
import pytest
import typst
from starlette.concurrency import run_in_threadpool

from api.printing import fonts
from api.printing.errors import FontMissingError, GlyphMissingError, TemplateError
from api.printing.printer import TEMPLATES, print_pdf
from codes import picture
from codes.payload import encode

AT = datetime(2026, 11, 26, 2, 30, tzinfo=UTC)
CODE = encode(bytes(range(240)))
RARE = "张䶮 𠮷 㵧 𬭚"
MARKUP = '*粗* _斜_ #panic("x") $x^2$ `a` @b <c> \\ // /* = - + ~ \' " --'


def _copy(**changes: Any) -> dict[str, Any]:
    face = {
        "title": "食品经营许可证", "number": "JY23101050000017", "emblem": "长宁区（示例）", "footer": "",
        "validity": "2024年1月1日 至 2028年12月31日",
        "issuer": "某区市场监督管理局", "issued": "2024年1月1日", "facts": [{"label": "名称", "value": RARE}],
    }  # fmt: skip
    copy = {
        "number": "0001", "purpose": "办理招牌设置", "matter": "户外招牌设置", "receiver": "某区绿化市容局",
        "made_by": "某区市场监督管理局", "made_at": "2026年11月26日 10:30", "expires_at": "2026年12月26日 10:30",
    }  # fmt: skip
    return {"face": face, "copy": copy, "code": picture.draw_svg(CODE), "marks": "仅限招牌设置", **changes}


def _text(pdf: bytes) -> str:
    pages = (page.get_textpage() for page in pypdfium2.PdfDocument(pdf))
    return "".join("".join(page.get_text_range().split()) for page in pages)


def test_a_sheet_has_its_words_its_code_and_its_fonts_inside() -> None:
    pdf = print_pdf("copy", _copy(), AT)
    text = _text(pdf)
    for word in ("食品经营许可证", "JY23101050000017", "办理招牌设置", "".join(RARE.split())):
        assert word in text
    image = pypdfium2.PdfDocument(pdf)[0].render(scale=200 / 72).to_pil()
    image.save(png := io.BytesIO(), "PNG")
    assert picture.read(png.getvalue()) == [CODE]
    assert pdf.count(b"/FontFile") >= 2
    assert pdf.count(b"/FontFile") == pdf.count(b"/Type/FontDescriptor") + pdf.count(b"/Type /FontDescriptor")


def test_a_character_that_no_font_has_is_named_instead_of_printed_as_a_box() -> None:
    for missing in ("\U0003134a", "🎉"):
        data = _copy()
        data["copy"]["receiver"] = f"某区{missing}局"
        with pytest.raises(GlyphMissingError) as refused:
            print_pdf("copy", data, AT)
        assert refused.value.reason == "glyph_missing" and f"“{missing}”" in refused.value.message


def test_what_is_printed_says_that_it_is_for_archives() -> None:
    metadata = print_pdf("copy", _copy(), AT)
    assert b"<pdfaid:part>2</pdfaid:part>" in metadata and b"<pdfaid:conformance>B</pdfaid:conformance>" in metadata


def test_text_that_people_typed_is_never_read_as_markup() -> None:
    data = _copy()
    for part in ("purpose", "receiver", "number"):
        data["copy"][part] = MARKUP
    data["face"]["title"] = data["marks"] = MARKUP
    assert _text(print_pdf("copy", data, AT)).count("".join(MARKUP.split())) >= 4
    for template in TEMPLATES.glob("*.typ"):
        assert not re.search(r"\beval\b|\bplugin\b|@preview", template.read_text()), template


def test_the_same_input_gives_the_same_bytes_and_another_time_gives_others() -> None:
    first, again = (hashlib.sha256(print_pdf("copy", _copy(), AT)).digest() for _ in range(2))
    assert first == again
    assert hashlib.sha256(print_pdf("copy", _copy(), AT + timedelta(seconds=1))).digest() != first
    assert hashlib.sha256(print_pdf("copy", _copy(marks="他用"), AT)).digest() != first


def test_data_that_a_template_cannot_take_is_named() -> None:
    with pytest.raises(TemplateError, match="copy") as refused:
        print_pdf("copy", {"face": {}}, AT)
    assert refused.value.reason == "template_failed"


def test_the_package_alone_prints_both_weights_and_rare_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_of_system", lambda: None)
    fonts.find_fonts.cache_clear()
    try:
        pdf = print_pdf("copy", _copy(), AT)
    finally:
        fonts.find_fonts.cache_clear()
    assert "".join(RARE.split()) in _text(pdf)
    source = b"#set text(font: sys.inputs.font, fallback: false)\n#sys.inputs.words"
    packaged = fonts._of_package("manimgx_fonts_cjk")
    drawn = {}
    for name, words in (("rare", "䶮"), ("rarer", "𠮷"), ("none", "\U0010fffd")):
        inputs = {"font": fonts.FAMILY, "words": words}
        drawn[name] = typst.Compiler(font_paths=packaged).compile(source, format="svg", sys_inputs=inputs)
    assert len(set(drawn.values())) == 3


def test_a_machine_without_a_font_is_told_what_to_install() -> None:
    with pytest.raises(FontMissingError) as refused:
        fonts._of_package("json")
    assert "fonts-noto-cjk" in refused.value.message
    assert "manimgx-fonts-cjk" in refused.value.message


def test_the_event_loop_goes_on_while_a_long_sheet_is_printed() -> None:
    data = _copy()
    data["face"]["facts"] = [
        {"label": f"第 {row} 项", "value": "热食类食品制售、自制饮品制售" * 20} for row in range(600)
    ]

    async def measure() -> tuple[int, bytes]:
        print_pdf("copy", _copy(), AT)
        printing = asyncio.create_task(run_in_threadpool(print_pdf, "copy", data, AT))
        beats = 0
        while not printing.done():
            await asyncio.sleep(0.005)
            beats += 1
        return beats, printing.result()

    with ThreadPoolExecutor(1) as elsewhere:
        # A browser that other tests drive keeps a loop running in this thread.
        beats, pdf = elsewhere.submit(asyncio.run, measure()).result()
    assert len(pypdfium2.PdfDocument(pdf)) > 10
    assert beats >= 5
