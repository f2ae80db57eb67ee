"""OFD packages (GB/T 33190-2016): documents, pages, attachments, and which entries a viewer uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from verifier.documents import markup
from verifier.documents.archive import Archive
from verifier.documents.findings import Note
from verifier.errors import MalformedError

ENTRANCE = "OFD.xml"
MAX_PAGES = 10_000
_MAX_DOCUMENTS = 50
_MAX_VERSIONS = 50
_MAX_ATTACHMENTS = 1000
_MAX_CUSTOM_DATA = 500
_MAX_NOTES = 200
#: XML that is parsed for one package, however often an entry is named.
MAX_PARSED_BYTES = 256 * 1024 * 1024
MAX_PARSED_TAGS = 10_000_000
#: A side of a page in millimetres that no paper has.
_HUGE_MM = 20_000

_LISTS = ("PublicRes", "DocumentRes", "Annotations", "Attachments", "CustomTags", "Extensions")
_FILES = frozenset(("FileLoc", "MediaFile", "FontFile", "PageRes", "SchemaLoc"))
_SIZE = re.compile(r"\s+")


@dataclass
class Body:
    """One document of a package (DocBody). `used`: the entries that a viewer reads for it, without its seals.

    unread: entries among them that could not be parsed, so that what they use is unknown; missing_pages: locations of
    pages that are not there.
    """

    root: str
    signatures: str | None
    facts: dict[str, Any]
    used: set[str] = field(default_factory=set)
    attachments: list[tuple[str, str]] = field(default_factory=list)
    custom_data: dict[str, str] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    missing_pages: list[str] = field(default_factory=list)


@dataclass
class Package:
    """An opened OFD file. Made by `open_package`, which raises MalformedError."""

    archive: Archive
    bodies: list[Body]
    notes: list[Note]
    _bytes_left: int = MAX_PARSED_BYTES
    _tags_left: int = MAX_PARSED_TAGS

    def parse(self, entry: str) -> Element:
        """The root element of an entry. Raises MalformedError, also when the package asks for too much parsing."""
        data = self.archive.read(entry)
        self._bytes_left -= len(data)
        self._tags_left -= data.count(b"<")
        if self._bytes_left < 0 or self._tags_left < 0:
            raise MalformedError("too_much_work", "文件中的 XML 总量超过上限", evidence={"entry": entry})
        return markup.parse(data, entry)

    def resolve(self, location: str, base: str) -> str | None:
        """The entry that a location in the entry `base` means (ST_Loc, 7.4), or None if there is none.

        Raises MalformedError for a path that leaves the package.
        """
        wanted = absolute(location, base)
        found = self.archive.find(wanted)
        if found is not None and found != wanted:
            self.note("path_case_differs", f"路径 {wanted} 与条目 {found} 大小写不同", entry=found)
        return found

    def note(self, reason: str, message: str, **evidence: Any) -> None:
        """Remark something once; what is wrong hundreds of times is told often enough."""
        remark = Note(reason, message, evidence)
        if len(self.notes) < _MAX_NOTES and remark not in self.notes:
            self.notes.append(remark)


def absolute(location: str, base: str) -> str:
    """The path within the package of a location in `base`. Raises MalformedError if it leaves the package."""
    start = [] if location.startswith("/") else base.split("/")[:-1]
    for part in location.replace("\\", "/").split("/"):
        if part == "..":
            if not start:
                raise MalformedError(
                    "unsafe_path", f"路径 {location[:80]} 离开了文件包", evidence={"location": location[:80]}
                )
            start.pop()
        elif part not in ("", "."):
            start.append(part)
    return "/".join(start)


def open_package(data: bytes) -> Package:
    """The package of a file's bytes. Raises MalformedError."""
    archive = Archive(data)
    entrance = archive.find(ENTRANCE)
    if entrance is None:
        raise _no_entrance(archive)
    package = Package(archive, [], [])
    root = package.parse(entrance)
    bodies = list(markup.children(root, "DocBody"))
    if not 0 < len(bodies) <= _MAX_DOCUMENTS:
        raise MalformedError("wrong_ofd", "OFD.xml 中没有文档，或文档过多")
    for body in bodies:
        package.bodies.append(_read_body(package, body, entrance))
    return package


def _no_entrance(archive: Archive) -> MalformedError:
    inner = next((name for name in sorted(archive.names) if name.endswith("/" + ENTRANCE)), None)
    if inner is None:
        return MalformedError("no_entrance", "文件包中没有 OFD.xml，不是完整的 OFD 文件")
    message = f"OFD.xml 不在文件包的最外层而在 {inner}：文件被解压后连同文件夹重新打包过；请取原来的 OFD 文件"
    return MalformedError("no_entrance", message, evidence={"entry": inner})


def _read_body(package: Package, element: Element, entrance: str) -> Body:
    location = markup.text(element, "DocRoot")
    root = package.resolve(location, entrance) if location else None
    if root is None:
        raise MalformedError("wrong_ofd", "OFD.xml 指向的文档不存在，文件不完整", evidence={"location": location[:80]})
    document = package.parse(root)
    listed = markup.text(element, "Signatures")
    signatures = package.resolve(listed, entrance) if listed else None
    if listed and signatures is None:
        raise MalformedError("entry_missing", "文件声明了签章，但签章列表不存在", evidence={"location": listed[:80]})
    body = Body(root, signatures, _info(element, root), used={entrance, root})
    body.custom_data = _custom_data(element)
    body.facts["custom_data"] = body.custom_data
    _read_document(package, body, document)
    _use_versions(package, body, element, entrance)
    return body


def _use_versions(package: Package, body: Body, element: Element, entrance: str) -> None:
    """What the versions of a document name (GB/T 33190 clause 19): a viewer may show any of them."""
    versions = list(markup.children(element, "Versions", "Version"))
    if versions:
        package.note("has_versions", f"文件含有 {len(versions)} 个版本，阅读器可能显示其中任何一个")
    for version in versions[:_MAX_VERSIONS]:
        entry = _use(package, body, markup.attribute(version, "BaseLoc"), body.root, entrance)
        content = None if entry is None else _parse(package, body, entry)
        if entry is None or content is None:
            continue
        for file in markup.children(content, "FileList", "File"):
            _use(package, body, (file.text or "").strip(), entry)
        root = _use(package, body, markup.text(content, "DocRoot"), entry)
        document = None if root is None or root == body.root else _parse(package, body, root)
        if root is not None and document is not None:
            shown = Body(root, None, {}, body.used, body.attachments, {}, body.unread, body.missing_pages)
            _read_document(package, shown, document)


def _info(element: Element, root: str) -> dict[str, Any]:
    names = {
        "id": "DocID",
        "title": "Title",
        "author": "Author",
        "created": "CreationDate",
        "modified": "ModDate",
        "creator": "Creator",
        "creator_version": "CreatorVersion",
    }
    found = {key: markup.text(element, "DocInfo", name)[:200] for key, name in names.items()}
    return {"root": root, **{key: value for key, value in found.items() if value}}


def _custom_data(element: Element) -> dict[str, str]:
    found = dict[str, str]()
    for item in markup.children(element, "DocInfo", "CustomDatas", "CustomData"):
        if len(found) < _MAX_CUSTOM_DATA:
            found[markup.attribute(item, "Name")[:100]] = (item.text or "").strip()[:1000]
    return found


def _read_document(package: Package, body: Body, document: Element) -> None:
    pages = list(markup.children(document, "Pages", "Page"))
    if len(pages) > MAX_PAGES:
        raise MalformedError("too_many_pages", f"文档有 {len(pages)} 页，超过上限 {MAX_PAGES} 页")
    size = _page_size(package, markup.text(document, "CommonData", "PageArea", "PhysicalBox"), body.root)
    body.facts |= {"pages": len(pages), "page_size_mm": size}
    templates = list(markup.children(document, "CommonData", "TemplatePage"))
    body.facts["templates"] = len(templates)
    _open_pages(package, body, (*templates, *pages))
    for parent in (document, *markup.children(document, "CommonData")):
        for element in parent:
            if markup.local(element) in _LISTS:
                _use_list(package, body, element, body.root)
    body.facts["attachments"] = [
        {"name": name, "entry": entry, "size": package.archive.size(entry)} for name, entry in body.attachments
    ]


def _open_pages(package: Package, body: Body, pages: Iterable[Element]) -> None:
    opened = set[str]()
    for element in pages:
        location = markup.attribute(element, "BaseLoc")
        entry = _use(package, body, location, body.root)
        if entry is None:
            body.missing_pages.append(location[:80])
        if entry is None or entry in opened:
            continue
        opened.add(entry)
        content = _parse(package, body, entry)
        if content is not None:
            _page_size(package, markup.text(content, "Area", "PhysicalBox"), entry)
            for resource in markup.children(content, "PageRes"):
                _use_list(package, body, resource, entry)


def _use_list(package: Package, body: Body, element: Element, base: str) -> None:
    """A resource list, or the list of annotations, attachments or tags, and every file that it names."""
    entry = _use(package, body, (element.text or "").strip(), base)
    root = None if entry is None else _parse(package, body, entry)
    if entry is None or root is None:
        return
    folder = markup.attribute(root, "BaseLoc")
    for owner, child in _files(root):
        location = (child.text or "").strip()
        found = _use(package, body, location, absolute(folder + "/-", entry) if folder else entry, entry)
        if found is not None and markup.local(owner) == "Attachment" and len(body.attachments) < _MAX_ATTACHMENTS:
            body.attachments.append((markup.attribute(owner, "Name")[:200], found))


def _files(root: Element) -> Iterator[tuple[Element, Element]]:
    for owner in root.iter():
        for child in owner:
            if markup.local(child) in _FILES:
                yield owner, child


def _use(package: Package, body: Body, location: str, *bases: str) -> str | None:
    """Remember that a viewer reads the entry at this location, sought from each base in turn."""
    if not location:
        return None
    for base in bases:
        entry = package.resolve(location, base)
        if entry is not None:
            body.used.add(entry)
            return entry
    package.note("entry_missing", f"文件引用的 {location[:80]} 不存在", location=location[:80], named_in=bases[-1])
    return None


def _parse(package: Package, body: Body, entry: str) -> Element | None:
    try:
        return package.parse(entry)
    except MalformedError as error:
        if error.reason != "broken_xml":
            raise
        package.note("broken_xml", error.message, entry=entry)
        body.unread.add(entry)
        return None


def _page_size(package: Package, box: str, entry: str) -> list[float] | None:
    parts = _SIZE.split(box)
    try:
        width, height = (float(part) for part in parts[2:4])
    except ValueError:
        return None
    if not (0 < width <= _HUGE_MM and 0 < height <= _HUGE_MM):
        package.note("huge_page", f"{entry} 的页面尺寸不合理（{box[:60]} 毫米）", entry=entry)
        return None
    return [width, height]
