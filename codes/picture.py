"""Codes as pictures: QR (ISO/IEC 18004) drawn as SVG and PNG, and read back from pictures."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from html import escape
from io import BytesIO
from itertools import groupby
from typing import Final, Literal

import zxingcpp
from PIL import Image, ImageOps

from codes import symbols
from codes.payload import MAX_TEXT_CHARS, is_code

Level = Literal["M", "Q"]
SCREEN: Final[Level] = "M"
"""15 % of the symbol may be unreadable: for screens."""
PRINT: Final[Level] = "Q"
"""25 % of the symbol may be unreadable: for paper, stickers and signs."""

QUIET_ZONE = 4
"""Empty modules on each side (ISO/IEC 18004 section 6.3.8)."""
MAX_VERSION = 22
"""105 modules a side: 0.38 mm a module when printed at 40 mm, which a 300 dpi printer draws with four dots."""
MAX_MODULE_PIXELS = 64
MAX_PICTURE_BYTES = 16 * 1024 * 1024
MAX_PICTURE_PIXELS = 50_000_000
"""What the largest telephones take."""
MAX_PICTURE_SAMPLES = 120_000_000
"""Bytes that a decoded picture may take: 30 million pixels with transparency, 40 million in colour."""
PHOTO_SIDE = 1600

_LINK = re.compile(r"https?://[!-~]{1,300}")
_KEY_URI = re.compile(r"otpauth://totp/[!-~]{1,300}")
_TEXT = re.compile(rf"[0-9A-Z $%*+\-./:]{{1,{MAX_TEXT_CHARS}}}")
_PHOTOS = {"PNG": b"\x89PNG", "JPEG": b"\xff\xd8\xff", "WebP": b"RIFF"}
#: With the bytes they begin with. Of an animation the first picture is read.
_FORMATS = {**_PHOTOS, "GIF": b"GIF8", "BMP": b"BM"}
_OUR_SVG = re.compile(
    rb'<svg xmlns="http://www\.w3\.org/2000/svg" viewBox="0 0 (\d{2,3}) \1" width="\d{2,5}" height="\d{2,5}"'
    rb'[^<>]{0,1200}><title>[^<>]{0,1000}</title><path fill="#fff" d="M0 0h\1v\1H0z"/>'
    rb'<path stroke="#000" d="((?:[Mm]-?\d{1,3}(?: \d{1,3}(?:\.5)?)h\d{1,3})+)"/></svg>\s*'
)
_RUN = re.compile(rb"([Mm])(-?\d+) (\d+)(?:\.5)?h(\d+)")
#: What Pillow's decoders raise on damaged or hostile files.
DECODER_ERRORS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    EOFError,
    MemoryError,
    AssertionError,
    NotImplementedError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class PictureError(ValueError):
    """Root of what this module raises. `.reason` is a stable code, `.message` is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class UndrawableError(PictureError):
    """The text does not go into a QR of ours: shorten the code, or ask for another size."""


class TooLargePictureError(PictureError):
    """Over a limit, refused before any pixel was decoded: send a smaller picture."""


class UnreadablePictureError(PictureError):
    """Not a picture of a format we read, or a damaged one: send another file."""


class NoCodeError(PictureError):
    """A good picture with no readable QR in it: take the picture again."""


class ForeignCodeError(PictureError):
    """The QR codes in the picture are not ours. `.count` of them were read."""

    def __init__(self, count: int) -> None:
        super().__init__("foreign_code", f"图片中读到 {count} 个二维码，但都不是随证的码")
        self.count = count


def draw_svg(text: str, level: Level = SCREEN, *, title: str = "随证码") -> str:
    """An SVG of one unit a module, quiet zone included, drawn crisply at any size.

    `title` is what a screen reader says. The error correction is exactly `level`. Raises UndrawableError.
    """
    return _svg(*_matrix(text, level), level, title)


def draw_link_svg(url: str, *, title: str) -> str:
    """An SVG of a link for a phone's camera to open, as `draw_svg` draws codes. Raises UndrawableError."""
    if not _LINK.fullmatch(url):
        raise UndrawableError("not_a_link", "只能为 http 或 https 链接制作二维码")
    return _svg(*_symbol(url, SCREEN), SCREEN, title)


def draw_key_uri_svg(uri: str, *, title: str) -> str:
    """An SVG of an authenticator's key, for its app to read, as `draw_svg` draws codes. Raises UndrawableError."""
    if not _KEY_URI.fullmatch(uri):
        raise UndrawableError("not_a_key_uri", "只能为 otpauth 地址制作二维码")
    return _svg(*_symbol(uri, SCREEN), SCREEN, title)


def _svg(side: int, rows: bytes, level: Level, title: str) -> str:
    full = side + 2 * QUIET_ZONE
    name = escape(title[:120], quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full} {full}" width="{full * 4}" height="{full * 4}"'
        f' role="img" aria-label="{name}" data-level="{level}" shape-rendering="crispEdges"><title>{name}</title>'
        f'<path fill="#fff" d="M0 0h{full}v{full}H0z"/><path stroke="#000" d="{_path(side, rows)}"/></svg>\n'
    )


def draw_png(text: str, level: Level = SCREEN, module_pixels: int = 8) -> bytes:
    """A black-and-white PNG whose modules are squares of `module_pixels` whole pixels, quiet zone included.

    The error correction is exactly `level`. Raises UndrawableError.
    """
    if not 1 <= module_pixels <= MAX_MODULE_PIXELS:
        raise UndrawableError("module_pixels", f"每个模块的像素数应在 1 至 {MAX_MODULE_PIXELS} 之间")
    side, rows = _matrix(text, level)
    symbol = ImageOps.expand(Image.frombytes("L", (side, side), rows), QUIET_ZONE, 255).convert("1")
    full = symbol.width * module_pixels
    picture = BytesIO()
    symbol.resize((full, full), Image.Resampling.NEAREST).save(picture, "PNG")
    return picture.getvalue()


def read(picture: bytes, is_known: Callable[[str], bool] = is_code) -> list[str]:
    """The texts of all codes of ours in a PNG, JPEG, WebP, GIF or BMP, or in an SVG of `draw_svg`; top to bottom.

    is_known: which texts count; by default those of codes of ours.
    Never empty: raises TooLargePictureError, UnreadablePictureError, NoCodeError or ForeignCodeError.
    The texts are as they stand in the QR; whether they are genuine is for the verifier.
    """
    found = read_all(picture)
    ours = [text for text in found if is_known(text)]
    if not ours:
        raise ForeignCodeError(len(found))
    return ours


def read_all(picture: bytes) -> list[str]:
    """As `read`, with the texts of all QR codes, whosever they are. Raises the same but ForeignCodeError."""
    if len(picture) > MAX_PICTURE_BYTES:
        raise TooLargePictureError("too_many_bytes", f"图片超过 {MAX_PICTURE_BYTES // 2**20} MB，请换一张小一些的图片")
    is_svg = picture.lstrip()[:5] in (b"<svg ", b"<?xml")
    found = symbols.find(_from_svg(picture) if is_svg else _open(picture, symbols.grey, _FORMATS))
    if not found:
        raise NoCodeError("no_code", "图片中没有读到二维码，请对准、靠近后重新拍摄")
    return found


def photo(picture: bytes) -> bytes:
    """A photo as a JPEG of at most PHOTO_SIDE pixels a side, with nothing of what the camera wrote beside it: neither
    where nor when nor by which phone. Raises TooLargePictureError, UnreadablePictureError.
    """
    if len(picture) > MAX_PICTURE_BYTES:
        raise TooLargePictureError("too_many_bytes", f"图片超过 {MAX_PICTURE_BYTES // 2**20} MB，请换一张小一些的图片")
    out = BytesIO()
    _open(picture, _plain, _PHOTOS).save(out, "JPEG", quality=80)
    return out.getvalue()


def _plain(image: Image.Image) -> Image.Image:
    image.draft("RGB", (PHOTO_SIDE, PHOTO_SIDE))
    upright = ImageOps.exif_transpose(image).convert("RGB")
    upright.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    # A new picture has no metadata to lose.
    bare = Image.new("RGB", upright.size)
    bare.paste(upright)
    return bare


def _matrix(text: str, level: Level) -> tuple[int, bytes]:
    """The modules a side, and row by row one byte a module: 0 dark, 255 light."""
    # Only this alphabet goes into alphanumeric mode; anything else would make a denser symbol than promised.
    if not _TEXT.fullmatch(text):
        raise UndrawableError("not_a_code", "只能为随证的码制作二维码")
    if level not in (SCREEN, PRINT):
        raise UndrawableError("unknown_level", "纠错级别只能是 M（屏幕）或 Q（打印）")
    return _symbol(text, level)


def _symbol(text: str, level: Level) -> tuple[int, bytes]:
    barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=level)
    pixels = memoryview(barcode.to_image(scale=1, add_quiet_zones=False))
    side = pixels.shape[0] if pixels.shape else 0
    if side > 17 + 4 * MAX_VERSION:
        raise UndrawableError(
            "too_long",
            f"内容 {len(text)} 个字符，在纠错级别 {level} 下超过二维码版本 {MAX_VERSION}；请减少码中的授权项",
        )
    return side, pixels.tobytes()


def _path(side: int, rows: bytes) -> str:
    """One horizontal stroke for each run of dark modules, each from the end of the one before."""
    parts: list[str] = []
    pen_x = pen_y = 0
    for y, x, length in _runs(side, rows):
        if not parts:
            parts.append(f"M{x + QUIET_ZONE} {y + QUIET_ZONE}.5h{length}")
        else:
            parts.append(f"m{x - pen_x} {y - pen_y}h{length}")
        pen_x, pen_y = x + length, y
    return "".join(parts)


def _runs(side: int, rows: bytes) -> Iterator[tuple[int, int, int]]:
    for y in range(side):
        x = 0
        for module, run in groupby(rows[y * side : (y + 1) * side]):
            length = len(list(run))
            if module == 0:
                yield y, x, length
            x += length


def _from_svg(picture: bytes) -> Image.Image:
    """Our own SVG as pixels. Any other is refused: rendering SVG would mean running what strangers wrote."""
    ours = _OUR_SVG.fullmatch(picture)
    if not ours:
        raise UnreadablePictureError("foreign_svg", "只能读取本系统制作的 SVG 二维码；其他图片请转为 PNG 或 JPEG")
    side = int(ours[1])
    if side > 17 + 4 * MAX_VERSION + 2 * QUIET_ZONE:
        raise TooLargePictureError("too_many_pixels", "SVG 二维码的尺寸超过上限")
    rows, x, y = bytearray(b"\xff" * (side * side)), 0, 0
    for move, right, down, length in _RUN.findall(ours[2]):
        absolute = move == b"M"
        x, y = int(right) + (0 if absolute else x), int(down) + (0 if absolute else y)
        end = x + int(length)
        if not (0 <= x < end <= side and 0 <= y < side):
            raise UnreadablePictureError("damaged", "SVG 二维码已损坏")
        rows[y * side + x : y * side + end] = bytes(end - x)
        x = end
    return Image.frombytes("L", (side, side), bytes(rows)).resize((4 * side, 4 * side), Image.Resampling.NEAREST)


def _open(picture: bytes, take: Callable[[Image.Image], Image.Image], formats: Mapping[str, bytes]) -> Image.Image:
    """What `take` makes of the picture, which is decoded under every limit."""
    try:
        with Image.open(BytesIO(picture), formats=[name.upper() for name in formats]) as image:
            check_size(image)
            return take(image)
    except TooLargePictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except DECODER_ERRORS as error:
        raise _unreadable(picture, formats) from error


def check_size(image: Image.Image) -> None:
    """Refuse what would take too much to decode; the size stands in the header. Raises TooLargePictureError."""
    samples = image.width * image.height * (4 if image.has_transparency_data else len(image.getbands()))
    # JPEG is decoded at the size that is wanted.
    too_long = image.format != "JPEG" and samples > MAX_PICTURE_SAMPLES
    if too_long or image.width * image.height > MAX_PICTURE_PIXELS:
        raise _too_many_pixels(image)


def _unreadable(picture: bytes, formats: Mapping[str, bytes]) -> UnreadablePictureError:
    """What keeps a file from being read as a picture, and what to do about it."""
    if picture.startswith(tuple(formats.values())):
        return UnreadablePictureError("unreadable", "无法读取图片：文件已损坏或不完整；请重新获取或重新拍摄")
    names = "、".join(formats)
    return UnreadablePictureError("unreadable", f"无法读取图片：文件不是 {names} 格式；请转换格式，或截图后再试")


def _too_many_pixels(image: Image.Image | None = None) -> TooLargePictureError:
    size = "图片的像素" if image is None else f"图片有 {image.width}×{image.height} 像素，解码后"
    return TooLargePictureError("too_many_pixels", f"{size}超过上限，请缩小或裁剪后再试")
