"""Pictures by their headers alone: size in pixels and number of pages. Nothing is decoded."""

from __future__ import annotations

import struct
from typing import Any

from verifier.documents.findings import Format
from verifier.errors import MalformedError

_MAX_SEGMENTS = 10_000
_MAX_TIFF_PAGES = 10_000
_HUGE_PIXELS = 100_000_000
_FRAMES = frozenset((*range(0xC0, 0xD0),)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))


def describe(data: bytes, kind: Format) -> dict[str, Any]:
    """{width, height, pages, huge} in pixels; the size is None where the header does not tell.

    Raises MalformedError for a damaged header.
    """
    try:
        width, height, pages = _READERS[kind](data)
    except (struct.error, IndexError) as error:
        raise MalformedError("broken_picture", "图片的文件头不完整，文件已损坏") from error
    huge = width is not None and height is not None and width * height > _HUGE_PIXELS
    return {"width": width, "height": height, "pages": pages, "huge": huge}


_Size = tuple[int | None, int | None, int]


def _png(data: bytes) -> _Size:
    if data[12:16] != b"IHDR":
        raise MalformedError("broken_picture", "PNG 没有文件头，文件已损坏")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height, 1


def _jpeg(data: bytes) -> _Size:
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height, 1
        elif marker == 0xDA:
            break
        else:
            at += 2 + max(int(struct.unpack_from(">H", data, at + 2)[0]), 2)
    raise MalformedError("broken_picture", "JPEG 没有图像尺寸，文件已损坏")


def _gif(data: bytes) -> _Size:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height, 1


def _bmp(data: bytes) -> _Size:
    if struct.unpack_from("<I", data, 14)[0] < 40:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return abs(width), abs(height), 1


def _webp(data: bytes) -> _Size:
    chunk = data[12:16]
    if chunk == b"VP8X":
        return _uint24(data, 24) + 1, _uint24(data, 27) + 1, 1
    if chunk == b"VP8L":
        packed = struct.unpack_from("<I", data, 21)[0]
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF, 1


def _tiff(data: bytes) -> _Size:
    order = "<" if data[:2] == b"II" else ">"
    at, pages, seen = int(struct.unpack_from(order + "I", data, 4)[0]), 0, set[int]()
    width = height = None
    # Each directory names the next: a ring of them is cut where it closes.
    while at and at not in seen and pages < _MAX_TIFF_PAGES:
        seen.add(at)
        count = int(struct.unpack_from(order + "H", data, at)[0])
        if pages == 0:
            width, height = _tiff_size(data, order, at + 2, count)
        pages += 1
        at = int(struct.unpack_from(order + "I", data, at + 2 + 12 * count)[0])
    return width, height, pages


def _tiff_size(data: bytes, order: str, at: int, count: int) -> tuple[int | None, int | None]:
    found: dict[int, int] = {}
    for number in range(count):
        tag, kind = struct.unpack_from(order + "HH", data, at + 12 * number)
        if tag in (256, 257):
            found[tag] = int(struct.unpack_from(order + ("H" if kind == 3 else "I"), data, at + 12 * number + 8)[0])
    return found.get(256), found.get(257)


def _uint24(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


_READERS = {
    Format.PNG: _png,
    Format.JPEG: _jpeg,
    Format.GIF: _gif,
    Format.BMP: _bmp,
    Format.WEBP: _webp,
    Format.TIFF: _tiff,
}
