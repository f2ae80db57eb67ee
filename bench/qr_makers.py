"""QR libraries side by side: time, size and read-back at the lengths of a venue code and of a dynamic person code.

    python bench/qr_makers.py

Every picture is read back by a reader that made none of the symbols of `qrcode` and `segno`; and every symbol of
ours is compared module by module with the one that `segno` draws under the same mask.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

import qrcode
import qrcode.constants
import segno
import zxingcpp
from PIL import Image
from qrcode.image.svg import SvgImage, SvgPathImage

from codes import payload, picture

ROUNDS = 40
CODE_BYTES = {169: 110, 381: 251}
LEVELS: dict[str, int] = {"M": qrcode.constants.ERROR_CORRECT_M, "Q": qrcode.constants.ERROR_CORRECT_Q}


class Maker(NamedTuple):
    name: str
    svg: Callable[[str, picture.Level], bytes]
    png: Callable[[str, picture.Level], bytes]


def _qrcode(text: str, level: str, factory: type[SvgImage | SvgPathImage] | None = None) -> bytes:
    maker = qrcode.QRCode(error_correction=LEVELS[level], box_size=8, border=4, image_factory=factory)
    maker.add_data(text)
    made = BytesIO()
    maker.make_image().save(made)
    return made.getvalue()


def _segno(text: str, level: str, kind: str, scale: int) -> bytes:
    made = BytesIO()
    symbol = segno.make(text, error=level, micro=False, boost_error=False)
    symbol.save(made, kind=kind, scale=scale, border=4, **({"xmldecl": False} if kind == "svg" else {}))
    return made.getvalue()


def _zxing_png(text: str, level: str) -> bytes:
    barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=level)
    made = BytesIO()
    Image.fromarray(barcode.to_image(scale=8)).save(made, "PNG")
    return made.getvalue()


MAKERS = (
    Maker(
        "qrcode, SVG as one path",
        lambda text, level: _qrcode(text, level, SvgPathImage),
        lambda text, level: _qrcode(text, level),
    ),
    Maker(
        "qrcode, SVG as squares",
        lambda text, level: _qrcode(text, level, SvgImage),
        lambda text, level: _qrcode(text, level),
    ),
    Maker("segno", lambda t, level: _segno(t, level, "svg", 1), lambda t, level: _segno(t, level, "png", 8)),
    Maker(
        "zxing-cpp, its own writers",
        lambda text, level: (
            zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=level).to_svg().encode()
        ),
        _zxing_png,
    ),
    Maker(
        "zxing-cpp modules, codes.picture",
        lambda text, level: picture.draw_svg(text, level).encode(),
        lambda text, level: picture.draw_png(text, level),
    ),
)


def _milliseconds(make: Callable[[str, picture.Level], bytes], texts: list[str], level: picture.Level) -> float:
    make(texts[0], level)
    begin = time.perf_counter()
    for text in texts:
        make(text, level)
    return (time.perf_counter() - begin) / len(texts) * 1000


def _read_back(make: Callable[[str, picture.Level], bytes], texts: list[str], level: picture.Level) -> str:
    good = 0
    for text in texts:
        # Only QR: in about 1 symbol of 500 the reader also sees a short linear barcode that is not there.
        grey = Image.open(BytesIO(make(text, level))).convert("L")
        barcodes = zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormat.QRCode)
        good += [(one.text, one.ec_level) for one in barcodes] == [(text, level)]
    return f"{good}/{len(texts)}"


def _same_modules(texts: list[str], level: picture.Level) -> str:
    same = 0
    for text in texts:
        barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=level)
        ours = bytes(module == 0 for module in memoryview(barcode.to_image(add_quiet_zones=False)).tobytes())
        theirs = (segno.make(text, error=level, mask=mask, micro=False, boost_error=False) for mask in range(8))
        same += any(ours == b"".join(bytes(row) for row in symbol.matrix) for symbol in theirs)
    return f"{same}/{len(texts)}"


def main() -> None:
    """Print one table: a line for each maker, length and level."""
    draw = random.Random(20261122)  # the same codes in every run
    print(f"{'maker':34}{'chars':>6}{'level':>6}{'SVG ms':>9}{'SVG B':>9}{'PNG ms':>9}{'PNG B':>8}{'read back':>11}")
    for chars, size in CODE_BYTES.items():
        texts = [payload.encode(draw.randbytes(size)) for _ in range(ROUNDS)]
        for level in (picture.SCREEN, picture.PRINT):
            for maker in MAKERS:
                svg, png = _milliseconds(maker.svg, texts, level), _milliseconds(maker.png, texts, level)
                sizes = len(maker.svg(texts[0], level)), len(maker.png(texts[0], level))
                print(
                    f"{maker.name:34}{chars:6}{level:>6}{svg:9.2f}{sizes[0]:9}{png:9.2f}{sizes[1]:8}"
                    f"{_read_back(maker.png, texts, level):>11}"
                )
            print(f"{'modules equal to those of segno':34}{chars:6}{level:>6}{_same_modules(texts, level):>53}")


if __name__ == "__main__":
    main()
