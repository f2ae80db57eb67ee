"""Files whose table of objects is broken: every reader rebuilds it, by the last object of each number that it finds.

What the table says and what a search finds may differ, so this is for files in which nothing was signed.
"""

from __future__ import annotations

import re
import zlib

from verifier.documents.pdf_parts import BLANKS

_OBJECT = re.compile(rb"(?<!\d)(\d{1,7})\s+\d{1,5}\s+obj\b")
_ROOT = re.compile(rb"/Root\s+(\d{1,7}\s+\d{1,5}\s+R)\b")
_CATALOG = re.compile(rb"/Type\s*/Catalog\b")
_PACKED = re.compile(rb"\bobj\s*<<([^<>]*/Type\s*/ObjStm\b[^<>]*)>>\s*stream\r?\n")
_MAX_OBJECTS, _MAX_UNPACKED = 200_000, 64 << 20
#: As other readers do, this many bytes are searched for the end of the file.
MAX_TAIL = 1000


def rebuilt(data: bytes) -> bytes | None:
    """The file with a table of what is found in it; None for one that is signed, encrypted, cut off or without a root.

    Raises zlib.error, ValueError for what is damaged further.
    """
    is_whole = b"%%EOF" in data and not data[data.rindex(b"%%EOF") + 5 :].strip(BLANKS)
    if not is_whole or b"/ByteRange" in data or b"/Encrypt" in data:
        return None
    made = bytearray(data + b"\n" + _unpacked(data))
    places = {int(found[1]): found.start() for found in _OBJECT.finditer(made)}
    root = _root_of(data, made, places)
    if root is None or len(places) > _MAX_OBJECTS:
        return None
    at = len(made)
    made += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in sorted(places.items()):
        made += b"%d 1\n%010d 00000 n \n" % (number, place)
    made += b"trailer\n<</Size %d/Root %s>>\nstartxref\n%d\n%%%%EOF\n" % (max(places) + 1, root, at)
    return bytes(made)


def without_tail(data: bytes) -> tuple[bytes, bool]:
    """The file without a long tail behind its end, such as the padding of tapes; whether anything stood in the tail.

    A tail with objects in it is an update that was cut off, and stays.
    """
    end = data.rfind(b"%%EOF")
    if end < 0 or len(data) - end <= MAX_TAIL or b"obj" in data[end:]:
        return data, False
    stop = end + len(b"%%EOF\n")
    return data[:stop], bool(data[stop:].strip(BLANKS))


def _root_of(data: bytes, made: bytearray, places: dict[int, int]) -> bytes | None:
    stated = _ROOT.findall(data)
    if stated:
        return bytes(stated[-1])
    for number, place in sorted(places.items(), reverse=True):
        end = made.find(b"endobj", place)
        if _CATALOG.search(made, place, end if end > 0 else len(made)):
            return b"%d 0 R" % number
    return None


def _unpacked(data: bytes) -> bytes:
    """The objects of object streams (ISO 32000-1 section 7.5.7), each standing alone; of compressed ones alone."""
    made = bytearray()
    for found in _PACKED.finditer(data):
        count, first = (_number(found[1], key) for key in (b"N", b"First"))
        body = zlib.decompressobj().decompress(data[found.end() :], _MAX_UNPACKED)
        if len(made) + len(body) > _MAX_UNPACKED:
            raise ValueError("the object streams unfold too far")
        heads = [int(word) for word in body[:first].split()[: 2 * count]]
        places = [first + place for place in heads[1::2]]
        for number, begin, end in zip(heads[::2], places, [*places[1:], len(body)], strict=True):
            made += b"%d 0 obj\n%s\nendobj\n" % (number, body[begin:end])
    return bytes(made)


def _number(dictionary: bytes, key: bytes) -> int:
    found = re.search(rb"/" + key + rb"\s+(\d{1,9})\b", dictionary)
    if found is None:
        raise ValueError("an object stream without its numbers")
    return int(found[1])
