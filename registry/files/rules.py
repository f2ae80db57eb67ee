"""What kind of file some bytes are, by their beginning; the sender's word for it is not asked."""

from __future__ import annotations

#: Bytes of a file that the decision looks at.
LOOKED_AT_BYTES = 8192
UNKNOWN = "application/octet-stream"

_BEGINNINGS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (8, b"WEBP", "image/webp"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\x1f\x8b", "application/gzip"),
)
#: Names found near the beginning of a ZIP, and what such a ZIP is.
_INSIDE_ZIP = (
    (b"OFD.xml", "application/ofd"),
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (b"mimetypeapplication/vnd.oasis.opendocument", "application/vnd.oasis.opendocument"),
)


def sniff(beginning: bytes, end: bytes = b"") -> str:
    """The media type of a file by its first and last bytes; `application/octet-stream` if it is none we know."""
    if beginning.startswith(b"PK\x03\x04"):
        found = (kind for name, kind in _INSIDE_ZIP if name in beginning or name in end)
        return next(found, "application/zip")
    for offset, mark, kind in _BEGINNINGS:
        if beginning.startswith(mark, offset):
            return kind
    return _text(beginning)


def _text(beginning: bytes) -> str:
    if b"\x00" in beginning or not beginning:
        return UNKNOWN
    start = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<?xml"):
        return "application/xml"
    for encoding in ("utf-8", "gb18030"):
        try:
            # The cut may go through a character: the last four bytes are not judged.
            beginning[: max(len(beginning) - 4, 1)].decode(encoding)
        except UnicodeDecodeError as wrong:
            if wrong.reason == "unexpected end of data" or wrong.start >= len(beginning) - 8:
                return "text/plain"
            continue
        return "text/plain"
    return UNKNOWN
