"""Codes as pictures: drawn exactly as asked, read back when crooked, blurred and noisy, and bombs refused unread."""

from __future__ import annotations

import random
import re
import struct
import time
import zlib
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
import segno
import zxingcpp
from conftest import missing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from codes import payload, picture
from codes.picture import (
    ForeignCodeError,
    Level,
    NoCodeError,
    PictureError,
    TooLargePictureError,
    UndrawableError,
    UnreadablePictureError,
    draw_png,
    draw_svg,
    read,
)

SAMPLES = Path(__file__).parents[2] / "shared" / "samples" / "dcc"
VENUE = payload.encode(random.Random(1).randbytes(110))
PERSON = payload.encode(random.Random(2).randbytes(251))
LEVELS: tuple[Level, ...] = ("M", "Q")


def _png(image: Image.Image) -> bytes:
    made = BytesIO()
    image.save(made, "PNG")
    return made.getvalue()


def _image(text: str, level: Level = "M", module_pixels: int = 8) -> Image.Image:
    return Image.open(BytesIO(draw_png(text, level, module_pixels))).convert("L")


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=1, max_size=payload.MAX_CODE_BYTES), st.sampled_from(LEVELS), st.integers(2, 10))
def test_every_code_that_is_drawn_is_read_back(data: bytes, level: Level, module_pixels: int) -> None:
    text = payload.encode(data)
    try:
        drawn = draw_png(text, level, module_pixels)
    except UndrawableError as error:
        assert error.reason == "too_long" and level == "Q" and len(text) > 823
        return
    assert read(drawn) == [text]
    assert read(draw_svg(text, level).encode()) == [text]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("text", [VENUE, PERSON])
def test_our_modules_are_those_of_an_independent_maker(text: str, level: Level) -> None:
    modules = _image(text, level, 1)
    ours = [[modules.getpixel((x, y)) == 0 for x in range(modules.width)] for y in range(modules.height)]
    quiet = [False] * picture.QUIET_ZONE
    candidates = []
    for mask in range(8):
        symbol = segno.make(text, error=level, mask=mask, micro=False, boost_error=False)
        assert symbol.mode == "alphanumeric"
        rows = [quiet + [bool(module) for module in row] + quiet for row in symbol.matrix]
        blank = [[False] * len(rows[0])] * picture.QUIET_ZONE
        candidates.append(blank + rows + blank)
    assert ours in candidates


@pytest.mark.parametrize("level", LEVELS)
def test_the_level_is_exactly_the_one_that_was_asked_for(level: Level) -> None:
    barcodes = zxingcpp.read_barcodes(_image(VENUE, level), formats=zxingcpp.BarcodeFormat.QRCode)
    assert [barcode.ec_level for barcode in barcodes] == [level]


def test_png_modules_are_whole_squares_with_a_quiet_zone_of_four() -> None:
    for module_pixels in (1, 3, 8):
        image = _image(VENUE, "M", module_pixels)
        assert image.size == ((45 + 8) * module_pixels,) * 2
        small = image.resize((53, 53), Image.Resampling.NEAREST)
        assert small.resize(image.size, Image.Resampling.NEAREST).tobytes() == image.tobytes()
        assert image.point(lambda value: 255 - value).getbbox() == (4 * module_pixels,) * 2 + (49 * module_pixels,) * 2


def test_the_svg_is_well_formed_says_what_it_is_and_needs_no_script_or_style() -> None:
    root = ElementTree.fromstring(draw_svg(VENUE, "Q", title="图书馆 <\"&'> 场所码"))
    assert root.get("role") == "img" and root.get("data-level") == "Q"
    assert root.get("aria-label") == root.findtext("{*}title") == "图书馆 <\"&'> 场所码"
    assert root.get("viewBox") == "0 0 61 61"
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags == {"svg", "title", "path"}
    assert not any(name in ("style", "href") or name.startswith("on") for e in root.iter() for name in e.attrib)


def test_the_svg_draws_the_same_modules_as_the_png() -> None:
    assert read(draw_svg(VENUE, title='<&>"').encode()) == [VENUE]
    dark = sum(int(run) for run in re.findall(r"h(\d+)", draw_svg(VENUE).split('stroke="#000"')[1]))
    assert dark == _image(VENUE, "M", 1).histogram()[0]


@pytest.mark.parametrize(
    ("text", "level", "module_pixels", "reason"),
    [
        ("", "M", 8, "not_a_code"),
        ("sz1:lower", "M", 8, "not_a_code"),
        ("随证", "M", 8, "not_a_code"),
        ("A" * 1135, "M", 8, "not_a_code"),
        ("A" * 824, "Q", 8, "too_long"),
        ("A", "L", 8, "unknown_level"),
        ("A", "M", 0, "module_pixels"),
        ("A", "M", 65, "module_pixels"),
    ],
)
def test_what_does_not_go_into_a_code_of_ours_is_refused(
    text: str, level: Level, module_pixels: int, reason: str
) -> None:
    with pytest.raises(UndrawableError) as refused:
        draw_png(text, level, module_pixels)
    assert refused.value.reason == reason


@pytest.mark.parametrize("text", [VENUE, PERSON])
@pytest.mark.parametrize("degrees", [7, 45, 90, 133, 180, 270])
def test_a_crooked_picture_is_read(text: str, degrees: int) -> None:
    page = Image.new("L", (1280, 1280), 230)
    page.paste(_image(text, module_pixels=6), (400, 300))
    assert read(_png(page.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=200))) == [text]


@pytest.mark.parametrize("text", [VENUE, PERSON])
def test_a_blurred_and_noisy_picture_is_read(text: str) -> None:
    blurred = _image(text).filter(ImageFilter.GaussianBlur(2.5))
    noise = Image.effect_noise(blurred.size, 60)
    assert read(_png(Image.blend(blurred, noise, 0.35))) == [text]


@pytest.mark.parametrize("text", [VENUE, PERSON])
def test_a_print_of_40_millimetres_scanned_at_150_dpi_is_read(text: str) -> None:
    side = round(40 / 25.4 * 150)
    scanned = _image(text, "Q", 12).resize((side, side), Image.Resampling.LANCZOS)
    made = BytesIO()
    scanned.save(made, "JPEG", quality=60)
    assert read(made.getvalue()) == [text]


def test_a_printed_code_with_a_blot_is_read_at_level_q() -> None:
    spoiled = _image(VENUE, "Q")
    ImageDraw.Draw(spoiled).ellipse((220, 220, 330, 330), fill=255)
    assert read(_png(spoiled)) == [VENUE]


def test_a_tiny_screenshot_is_read_at_one_pixel_a_module() -> None:
    assert read(draw_png(VENUE, "M", 1)) == [VENUE]


def test_black_on_transparent_is_read_as_black_on_white() -> None:
    grey = _image(VENUE)
    clear = Image.new("RGBA", grey.size, (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), mask=grey.point(lambda value: 255 - value))
    assert read(_png(clear)) == [VENUE]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_common_formats_and_modes_are_read(kind: str, mode: str) -> None:
    made = BytesIO()
    image = _image(VENUE).convert(mode)
    (image.convert("RGB") if kind != "PNG" else image).save(made, kind)
    assert read(made.getvalue()) == [VENUE]


def test_sixteen_bit_grey_is_read() -> None:
    grey = _image(VENUE)
    samples = b"".join(struct.pack("<H", value * 257) for value in grey.tobytes())
    assert read(_png(Image.frombytes("I;16", grey.size, samples))) == [VENUE]


def test_several_codes_come_from_top_to_bottom_and_foreign_ones_are_left_out() -> None:
    page = Image.new("L", (900, 1800), 255)
    foreign = BytesIO()
    segno.make("another thing").save(foreign, kind="png", scale=8)
    page.paste(_image(PERSON, module_pixels=6), (300, 50))
    page.paste(Image.open(foreign).convert("L"), (300, 650))
    page.paste(_image(VENUE, module_pixels=6), (100, 1200))
    assert read(_png(page)) == [PERSON, VENUE]


def test_a_qr_of_something_else_is_named_as_such() -> None:
    made = BytesIO()
    segno.make("WIFI:S:guest;;").save(made, kind="png", scale=8)
    with pytest.raises(ForeignCodeError) as refused:
        read(made.getvalue())
    assert refused.value.count == 1 and "不是随证的码" in refused.value.message


def test_real_codes_of_other_systems_are_foreign() -> None:
    found = sorted(SAMPLES.glob("*.png"))
    if not found:
        missing("the collection of sample pictures")
    for sample in found:
        with pytest.raises(ForeignCodeError):
            read(sample.read_bytes())


def test_a_picture_without_a_code_says_so() -> None:
    with pytest.raises(NoCodeError):
        read(_png(Image.new("L", (640, 480), 255)))
    with pytest.raises(NoCodeError):
        read(_png(Image.effect_noise((320, 240), 100)))


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000, 2**31 - 1])
@pytest.mark.filterwarnings("error")
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(TooLargePictureError):
        read(_png_header(side, side))


def test_a_page_full_of_finder_patterns_does_not_hold_the_reader_up() -> None:
    symbol = Image.open(BytesIO(draw_png("SZ1:AB8", module_pixels=3))).convert("L").crop((12, 12, 33, 33))
    page = Image.new("L", (6990, 6990), 255)
    row = Image.new("L", (6990, 30), 255)
    for x in range(0, 6960, 30):
        row.paste(symbol, (x, 0))
    for y in range(0, 6960, 30):
        page.paste(row, (0, y))
    begin = time.perf_counter()
    with pytest.raises(PictureError):
        read(_png(page))
    assert time.perf_counter() - begin < 10


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_code_on_a_page_scanned_at_600_dpi_is_read(kind: str) -> None:
    page = Image.new("L", (4960, 7016), 250)
    side = round(40 / 25.4 * 600)
    page.paste(_image(PERSON, "Q", 12).resize((side, side)), (3000, 5000))
    made = BytesIO()
    page.save(made, kind)
    assert read(made.getvalue()) == [PERSON]


def test_a_file_over_the_limit_is_refused_before_it_is_opened() -> None:
    with pytest.raises(TooLargePictureError):
        read(draw_png(VENUE) + bytes(picture.MAX_PICTURE_BYTES))


def test_a_truncated_png_is_unreadable_and_never_read_wrongly() -> None:
    whole = draw_png(VENUE)
    # The last 24 bytes are checksums and the end mark, behind the last pixel: without them the picture is still whole.
    for size in range(0, len(whole) - 24, 7):
        with pytest.raises(UnreadablePictureError):
            read(whole[:size])


def _foreign_or_damaged(data: bytes) -> None:
    try:
        read(data)
    except PictureError as error:
        assert error.reason and error.message


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=2000))
def test_noise_bytes_raise_only_picture_errors(noise: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x00\x01\x00\x00WEBPVP8L", b"<svg "):
        with pytest.raises(PictureError):
            read(start + noise)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_altered_pictures_raise_only_picture_errors(data: st.DataObject) -> None:
    jpeg = BytesIO()
    _image(VENUE, module_pixels=3).save(jpeg, "JPEG")
    for whole in (draw_png(VENUE, "M", 2), jpeg.getvalue(), draw_svg(VENUE).encode()):
        altered = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 6))):
            altered[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        _foreign_or_damaged(bytes(altered))


@pytest.mark.parametrize(
    "svg",
    [
        '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>',
        draw_svg(VENUE).replace("</svg>", '<image href="file:///etc/passwd"/></svg>'),
        draw_svg(VENUE).replace('stroke="#000"', 'stroke="#fff"'),
        draw_svg(VENUE).replace("M4 4.5h7", "M4 4.5h999"),
        draw_svg(VENUE).replace("M4 4.5h7", "m-4 4.5h7"),
        draw_svg(VENUE).replace("0 0 53 53", "0 0 999 999").replace("h53v53", "h999v999"),
    ],
)
def test_an_svg_that_is_not_ours_is_refused_and_never_rendered(svg: str) -> None:
    with pytest.raises((UnreadablePictureError, TooLargePictureError)):
        read(svg.encode())
