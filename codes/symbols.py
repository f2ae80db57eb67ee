"""QR symbols in pixels: what is found in one picture, bounded in time whatever is in it."""

from __future__ import annotations

import time

import zxingcpp
from PIL import Image

# The reader's time grows with the square of what looks like finder patterns: a page full of them takes minutes at full
# size, and 0.8 s at this one, where a code of 40 mm on an A4 page still has 2.6 pixels a module.
_SCANNED_SIDE = 1200
CLOSER_SIDE = 2400
"""Pixels a side of the largest picture that is looked at; for what is too small at the size above."""
#: Of this thread's time on the processor: what others have to do makes nothing unread.
_CLOSER_SECONDS = 1.0
_PAGE_SECONDS = 3.0

#: Row and column in the picture as it came, and the text.
_Symbol = tuple[float, float, str]


def grey(image: Image.Image) -> Image.Image:
    """The picture in grey, no larger than the reader needs."""
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256).convert("L")
    elif image.mode in ("1", "P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "L")
    if max(image.size) > CLOSER_SIDE:
        image.thumbnail((CLOSER_SIDE, CLOSER_SIDE))
    if image.has_transparency_data:
        # Transparent pixels are often stored as black; on paper they are white.
        colour = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colour.size, "white"), colour).convert("L")
    return image.convert("L")


def find(image: Image.Image) -> list[str]:
    """The texts of all QR codes, top to bottom: in the whole picture, or else from closer."""
    return _texts(_overview(image) or _closer(image, _CLOSER_SECONDS)[0])


def find_all(image: Image.Image) -> tuple[list[str], bool]:
    """As `find`, and from closer too where something was found: a page may hold one large code and many small ones.

    With it, whether there was time for all of the page.
    """
    found, whole = _closer(image, _PAGE_SECONDS)
    return _texts(_overview(image) + found), whole


def _texts(found: list[_Symbol]) -> list[str]:
    return list(dict.fromkeys(text for _, _, text in sorted(found)))


def _overview(image: Image.Image) -> list[_Symbol]:
    small = image.copy()
    small.thumbnail((_SCANNED_SIDE, _SCANNED_SIDE))
    scale = image.width / small.width
    return [(y * scale, x * scale, text) for y, x, text in _read(small)]


def _closer(image: Image.Image, seconds: float) -> tuple[list[_Symbol], bool]:
    """Overlapping pieces of the picture at up to twice its size, and whether these were all: no new piece is begun when
    the time is over."""
    scale = min(2.0, CLOSER_SIDE / max(image.size))
    wide, high = (max(1, round(side * scale)) for side in image.size)
    large = image if scale == 1 else image.resize((wide, high), Image.Resampling.BICUBIC)
    found: list[_Symbol] = []
    end = time.thread_time() + seconds
    for top in range(0, max(1, high - _SCANNED_SIDE // 2), _SCANNED_SIDE // 2):
        for left in range(0, max(1, wide - _SCANNED_SIDE // 2), _SCANNED_SIDE // 2):
            if time.thread_time() > end:
                return found, False
            piece = large.crop((left, top, min(wide, left + _SCANNED_SIDE), min(high, top + _SCANNED_SIDE)))
            found += [((top + y) / scale, (left + x) / scale, text) for y, x, text in _read(piece)]
    return found, True


def _read(image: Image.Image) -> list[_Symbol]:
    barcodes = zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormat.QRCode, text_mode=zxingcpp.TextMode.Plain)
    return [(one.position.top_left.y, one.position.top_left.x, one.text) for one in barcodes]
