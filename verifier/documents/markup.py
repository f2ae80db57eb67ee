"""XML from strangers: no DTD, no entities, bounded, and names without their prefixes.

A first pass refuses any document type; without one there are no entities to expand and nothing to fetch. Then the
compiled parser builds the tree, many times as fast and small as one that checks in Python.

OFD files use two namespaces and some producers none at all, so everything is found by local name (GB/T 33190 7.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from verifier.errors import MalformedError

MAX_XML_BYTES = 16 * 1024 * 1024
_MAX_TAGS = 500_000
_DECLARED = re.compile(rb"<\?xml[^>]{0,100}encoding\s*=\s*[\"']([A-Za-z0-9_.-]{1,40})[\"'][^>]{0,100}\?>")
#: Encodings that expat does not know, or not under this name, and Python's names of them.
_ENCODINGS = {
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "cp936", "ms936", "windows-936"), "gb18030"),
    **dict.fromkeys(("utf8", "utf_8", "unicode-1-1-utf-8"), "utf-8"),
    "big5": "big5",
}


def parse(data: bytes, name: str) -> Element:
    """The root element. Raises MalformedError naming the entry."""
    if len(data) > MAX_XML_BYTES or data.count(b"<") > _MAX_TAGS:
        raise MalformedError("too_long", f"{name} 的 XML 过大", evidence={"entry": name})
    try:
        decoded = _decoded(data)
        _refuse_document_type(decoded, name)
        return ElementTree.fromstring(decoded)  # noqa: S314 no document type, so no entities
    except (ElementTree.ParseError, expat.ExpatError, ValueError, LookupError) as error:
        raise MalformedError("broken_xml", f"{name} 不是完好的 XML", evidence={"entry": name}) from error


def local(element: Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: Element, *path: str) -> Iterator[Element]:
    """Every descendant that the path of local names leads to."""
    name, ending, rest = path[0], "}" + path[0], path[1:]
    for child in element:
        if child.tag == name or child.tag.endswith(ending):
            if rest:
                yield from children(child, *rest)
            else:
                yield child


def child(element: Element, *path: str) -> Element | None:
    """The first one that the path leads to, or None."""
    return next(children(element, *path), None)


def text(element: Element, *path: str) -> str:
    """The trimmed text of the first element at the path; empty if there is none."""
    found = child(element, *path)
    return "" if found is None else (found.text or "").strip()


def attribute(element: Element, name: str) -> str:
    """An attribute by its local name; empty if there is none."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return value.strip()
    return ""


def _refuse_document_type(data: bytes | str, name: str) -> None:
    def refuse(*_: object) -> NoReturn:
        raise MalformedError(
            "xml_entities", f"{name} 含有 DTD 或实体声明，为安全起见拒绝解析", evidence={"entry": name}
        )

    scanner = expat.ParserCreate()
    scanner.StartDoctypeDeclHandler = refuse
    scanner.EntityDeclHandler = refuse
    scanner.Parse(data, True)


def _decoded(data: bytes) -> bytes | str:
    plain = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    declared = _DECLARED.match(plain[:300])
    if declared:
        encoding = _ENCODINGS.get(declared[1].decode().lower())
        if encoding is not None:
            return plain[declared.end() :].decode(encoding)
    return data
