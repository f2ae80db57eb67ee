"""Reading DER (X.690) without ever writing it again: what was signed are the bytes as they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from verifier.errors import MalformedError

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, PRINTABLE_STRING, T61_STRING, IA5_STRING = 0x0C, 0x13, 0x14, 0x16
UTC_TIME, GENERALIZED_TIME, VISIBLE_STRING, UNIVERSAL_STRING, BMP_STRING = 0x17, 0x18, 0x1A, 0x1C, 0x1E
SEQUENCE, SET = 0x30, 0x31

_MAX_CHILDREN = 10_000
_ENCODINGS = {
    UTF8_STRING: "utf-8",
    PRINTABLE_STRING: "ascii",
    T61_STRING: "latin-1",
    IA5_STRING: "utf-8",
    VISIBLE_STRING: "ascii",
    UNIVERSAL_STRING: "utf-32-be",
    BMP_STRING: "utf-16-be",
}
_TIME = re.compile(r"(\d{12}|\d{14})(?:[.,]\d{1,9})?(Z|[+-]\d{4})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Element:
    """One element of `source`: its tag, where it starts, where its content starts, where it ends."""

    source: bytes
    tag: int
    start: int
    body: int
    end: int

    @property
    def raw(self) -> bytes:
        """Tag, length and content as they stand."""
        return self.source[self.start : self.end]

    @property
    def content(self) -> bytes:
        """The content as it stands."""
        return self.source[self.body : self.end]

    def children(self) -> list[Element]:
        """The elements of a constructed element. Raises MalformedError."""
        if not self.tag & 0x20:
            raise _wrong("不是构造类型")
        found, at = list[Element](), self.body
        while at < self.end:
            element = _read(self.source, at, self.end)
            found.append(element)
            if len(found) > _MAX_CHILDREN:
                raise _wrong("元素过多")
            at = element.end
        return found

    def expect(self, *tags: int) -> Element:
        """This element if it has one of the tags. Raises MalformedError."""
        if self.tag not in tags:
            raise _wrong(f"元素类型 {self.tag:#x} 与标准不符")
        return self

    def integer(self) -> int:
        """The number of an INTEGER of at most 64 bytes. Raises MalformedError."""
        content = self.expect(INTEGER).content
        if not 0 < len(content) <= 64:
            raise _wrong("整数长度不合理")
        return int.from_bytes(content, "big", signed=True)

    def oid(self) -> str:
        """The dotted form of an OBJECT IDENTIFIER. Raises MalformedError."""
        content = self.expect(OID).content
        if not 0 < len(content) <= 64 or content[-1] & 0x80:
            raise _wrong("对象标识符有误")
        arcs, arc = list[int](), 0
        for byte in content:
            arc = arc << 7 | byte & 0x7F
            if not byte & 0x80:
                arcs.append(arc)
                arc = 0
        first = min(arcs[0] // 40, 2)
        return ".".join(str(number) for number in (first, arcs[0] - 40 * first, *arcs[1:]))

    def text(self) -> str:
        """The characters of any string type. Raises MalformedError."""
        encoding = _ENCODINGS.get(self.tag)
        if encoding is None:
            raise _wrong("应为字符串")
        try:
            return self.content.decode(encoding)
        except UnicodeDecodeError:
            try:
                return self.content.decode("gb18030")
            except UnicodeDecodeError as error:
                raise _wrong("字符串编码有误") from error

    def octets(self) -> bytes:
        """The bytes of an OCTET STRING. Raises MalformedError."""
        return self.expect(OCTET_STRING).content

    def bits(self) -> bytes:
        """The bytes of a BIT STRING of whole bytes. Raises MalformedError."""
        content = self.expect(BIT_STRING).content
        if content[:1] != b"\x00":
            raise _wrong("位串不是整字节")
        return content[1:]

    def time_text(self) -> str:
        """A time as GeneralizedTime writes it, with the century a UTCTime lacks (RFC 5280 4.1.2.5.1).

        Raises MalformedError.
        """
        text = self.expect(UTC_TIME, GENERALIZED_TIME).content.decode("ascii", "replace")
        found = _TIME.fullmatch(text)
        if not found or len(found[1]) != (12 if self.tag == UTC_TIME else 14):
            raise _wrong("时间格式有误")
        if self.tag == UTC_TIME:
            return ("19" if text >= "5" else "20") + text
        return text

    def time(self) -> datetime:
        """The time that a UTCTime or GeneralizedTime in UTC means. Raises MalformedError."""
        try:
            return datetime.strptime(self.time_text()[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError as error:
            raise _wrong("时间不存在") from error


def parse(data: bytes) -> Element:
    """The one element that is all of the data. Raises MalformedError."""
    element = _read(data, 0, len(data))
    if element.end != len(data):
        raise _wrong("末尾有多余字节")
    return element


def first(data: bytes) -> Element:
    """The element that the data begin with, whatever follows. Raises MalformedError."""
    return _read(data, 0, len(data))


def sequence_of(*raw: bytes) -> bytes:
    """A SEQUENCE whose content are elements as they stand: what version 1 seals sign."""
    return retagged(SEQUENCE, b"".join(raw))


def retagged(tag: int, content: bytes) -> bytes:
    """The content under another tag: what is signed of implicitly tagged attributes (RFC 5652 5.4)."""
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _read(data: bytes, at: int, end: int) -> Element:
    if end - at < 2:
        raise _wrong("被截断")
    tag, length, body = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise _wrong("标签过长")
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or end - body < count:
            raise _wrong("长度有误")
        length, body = int.from_bytes(data[body : body + count], "big"), body + count
    if body + length > end:
        raise _wrong("被截断")
    return Element(data, tag, at, body, body + length)


def _wrong(what: str) -> MalformedError:
    return MalformedError("wrong_der", f"ASN.1 数据有误：{what}")
