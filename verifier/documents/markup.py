"""XML from strangers: no DTD, no entities, bounded, and names without their prefixes.

OFD files use two namespaces and some producers none at all, so everything is found by local name (GB/T 33190 7.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from verifier.errors import MalformedError

MAX_XML_BYTES = 16 * 1024 * 1024
_MAX_TAGS = 500_000
_DECLARED = re.compile(rb"<\?xml[^>]{0,100}encoding\s*=\s*[\"']([A-Za-z0-9_.-]{1,40})[\"'][^>]{0,100}\?>")
_CHINESE = {"gb2312", "gbk", "gb18030"}


def parse(data: bytes, name: str) -> Element:
    """The root element. Raises MalformedError naming the entry."""
    if len(data) > MAX_XML_BYTES or data.count(b"<") > _MAX_TAGS:
        raise MalformedError("too_long", f"{name} 的 XML 过大", evidence={"entry": name})
    try:
        root: Element = ElementTree.fromstring(_decoded(data), forbid_dtd=True)
    except DefusedXmlException as error:
        raise MalformedError(
            "xml_entities", f"{name} 含有 DTD 或实体声明，为安全起见拒绝解析", evidence={"entry": name}
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise MalformedError("broken_xml", f"{name} 不是完好的 XML", evidence={"entry": name}) from error
    return root


def local(element: Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def children(element: Element, *path: str) -> Iterator[Element]:
    """Every descendant that the path of local names leads to."""
    for child in element:
        if local(child) == path[0]:
            if len(path) == 1:
                yield child
            else:
                yield from children(child, *path[1:])


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


def _decoded(data: bytes) -> bytes | str:
    # expat knows no Chinese multi-byte encoding.
    declared = _DECLARED.match(data[:300].lstrip())
    if declared and declared[1].decode().lower() in _CHINESE:
        body = data.lstrip()[declared.end() :]
        return body.decode("gb18030")
    return data
