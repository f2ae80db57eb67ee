"""What a file is, by its content; its name is only asked whether it says something else."""

from __future__ import annotations

import io
import zipfile
import zlib

from codes import payload
from verifier.documents.findings import FORMAT_CHINESE, Format, Note
from verifier.evidence import MAGIC
from verifier.sd_jwt import is_sd_jwt

_BEGINNINGS = (
    (0, b"\x89PNG\r\n\x1a\n", Format.PNG),
    (0, b"\xff\xd8\xff", Format.JPEG),
    (0, b"GIF87a", Format.GIF),
    (0, b"GIF89a", Format.GIF),
    (0, b"II*\x00", Format.TIFF),
    (0, b"MM\x00*", Format.TIFF),
    (8, b"WEBP", Format.WEBP),
    # ISO base media files: the major brand after the length and "ftyp" (ISO/IEC 23008-12 annex B, AV1 image format 9).
    *((4, b"ftyp" + brand, Format.HEIF) for brand in (b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1")),
    *((4, b"ftyp" + brand, Format.AVIF) for brand in (b"avif", b"avis")),
    (0, b"Rar!\x1a\x07", Format.ARCHIVE),
    (0, b"7z\xbc\xaf\x27\x1c", Format.ARCHIVE),
    (0, b"\x1f\x8b\x08", Format.ARCHIVE),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format.OFFICE),
    (0, MAGIC, Format.EVIDENCE),
)
_EXTENSIONS = {
    "ofd": Format.OFD,
    "pdf": Format.PDF,
    "png": Format.PNG,
    "jpg": Format.JPEG,
    "jpeg": Format.JPEG,
    "gif": Format.GIF,
    "bmp": Format.BMP,
    "tif": Format.TIFF,
    "tiff": Format.TIFF,
    "webp": Format.WEBP,
    "heic": Format.HEIF,
    "heif": Format.HEIF,
    "avif": Format.AVIF,
    "rar": Format.ARCHIVE,
    "7z": Format.ARCHIVE,
    "gz": Format.ARCHIVE,
    "szb": Format.EVIDENCE,
    "sd-jwt": Format.EXTRACT,
    "zip": Format.ZIP,
    "xml": Format.XML,
    **dict.fromkeys(("doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods"), Format.OFFICE),
}
_TEXT_BYTES = 64 * 1024
_PDF_BYTES = 1024


def sniff(data: bytes) -> Format:
    """What the bytes are. Never raises."""
    if data.startswith(b"PK\x03\x04") or data.startswith(b"PK\x05\x06"):
        return _zip(data)
    for offset, mark, kind in _BEGINNINGS:
        if data.startswith(mark, offset):
            return kind
    # Readers of PDF look for the mark in the first kilobyte (ISO 32000-2 annex I).
    if b"%PDF-" in data[:_PDF_BYTES]:
        return Format.PDF
    if data.startswith(b"BM") and len(data) > 30 and data[6:10] == b"\x00" * 4:
        return Format.BMP
    return _text(data)


def name_differs(name: str, kind: Format) -> Note | None:
    """A remark if the name's ending says that the file is something else."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    said = _EXTENSIONS.get(ending)
    if said is None or said is kind:
        return None
    return Note(
        "name_differs",
        f"文件名以 .{ending} 结尾，内容却是{FORMAT_CHINESE[kind]}；以内容为准",
        {"extension": ending, "format": kind.value},
    )


def _zip(data: bytes) -> Format:
    if data.count(b"PK\x01\x02") > 10_000:
        return Format.OFD if b"OFD.xml" in data else Format.ZIP
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, NotImplementedError):
        # A cut or damaged package is still what it was meant to be.
        return Format.OFD if b"OFD.xml" in data or b"Doc_0/" in data else Format.ZIP
    # A package that lost its entrance is a damaged OFD file, not some other ZIP.
    if any(name.lower() == "ofd.xml" or name.endswith("Doc_0/Document.xml") for name in names):
        return Format.OFD
    if "[Content_Types].xml" in names or "mimetype" in names:
        return Format.OFFICE
    return Format.ZIP


def _text(data: bytes) -> Format:
    if not data or b"\x00" in data[:_TEXT_BYTES]:
        return Format.UNKNOWN
    start = data[:_TEXT_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        return Format.XML
    if start.startswith(b"{") and b'"signatures"' in data and b'"signed"' in data:
        return Format.TRUST
    for encoding in ("utf-8", "gb18030"):
        try:
            text = _uncut(start, len(data)).decode(encoding)
        except UnicodeDecodeError:
            continue
        if is_sd_jwt(start):
            return Format.EXTRACT
        if len(data) <= _TEXT_BYTES and payload.is_code(payload.normalise_scanned(start.decode("ascii", "replace"))):
            return Format.CODE
        return Format.TEXT if text else Format.UNKNOWN
    return Format.UNKNOWN


def _uncut(start: bytes, length: int) -> bytes:
    """What is looked at of a longer file ends in front of its last line, so that no character is cut through."""
    return start if length <= _TEXT_BYTES else start[: max(start.rfind(b"\n"), 1)]
