"""What a signature says it covers: Signature.xml (GB/T 33190 18.2), and the list of integrity (GM/T 0099)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from verifier.documents import markup
from verifier.documents.ofd import Package
from verifier.errors import MalformedError

INTEGRITY = "OFDEntries.xml"
MAX_SIGNATURES = 64
_MAX_REFERENCES = 20_000
_MAX_STAMPS = 1000
_METHODS = {
    "sm3": "sm3",
    "1.2.156.10197.1.401": "sm3",
    "1.2.156.10197.1.401.2": "sm3",
    "sha256": "sha256",
    "sha-256": "sha256",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "sha1": "sha1",
    "sha-1": "sha1",
    "1.3.14.3.2.26": "sha1",
    "md5": "md5",
    "1.2.840.113549.2.5": "md5",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """An entry and the digest it should have; None: named only."""

    location: str
    entry: str | None
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Paper:
    """One entry that a signature is put on. `method` is sm3, sha256, sha1, md5 or what else is written there."""

    identity: str
    kind: str
    entry: str
    value_entry: str
    method: str
    references: tuple[Reference, ...]
    time: str = ""
    seal_entry: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed:
    """A signature in Signatures.xml before it is opened."""

    identity: str
    kind: str
    location: str
    listing: str


def list_signatures(package: Package, listing: str) -> list[Listed]:
    """The signatures of a document in the order of its list. Raises MalformedError."""
    root = package.parse(listing)
    found = [
        Listed(
            markup.attribute(element, "ID")[:60] or str(number),
            # An absent Type means Seal.
            "signature" if markup.attribute(element, "Type") == "Sign" else "seal",
            markup.attribute(element, "BaseLoc"),
            listing,
        )
        for number, element in enumerate(markup.children(root, "Signature"), 1)
    ]
    if len(found) > MAX_SIGNATURES:
        raise MalformedError("too_many_signatures", f"签章超过上限 {MAX_SIGNATURES} 个")
    return found


def read_paper(package: Package, listed: Listed) -> Paper:
    """The Signature.xml of a listed signature. Raises MalformedError."""
    entry = _required(package, listed.location, listed.listing, "签章描述")
    root = package.parse(entry)
    info = markup.child(root, "SignedInfo")
    references = None if info is None else markup.child(info, "References")
    if info is None or references is None:
        raise MalformedError(
            "wrong_signature_file", f"{entry} 缺少 SignedInfo 或 References", evidence={"entry": entry}
        )
    provider = markup.child(info, "Provider")
    seal = markup.text(info, "Seal", "BaseLoc")
    written = markup.attribute(references, "CheckMethod") or "MD5"
    stamps = list(markup.children(info, "StampAnnot"))[:_MAX_STAMPS]
    return Paper(
        listed.identity,
        listed.kind,
        entry,
        _required(package, markup.text(root, "SignedValue") or "SignedValue.dat", entry, "签名值"),
        _METHODS.get(written.lower(), written[:60]),
        tuple(_references(package, entry, references)),
        markup.text(info, "SignatureDateTime")[:60],
        _required(package, seal, entry, "印章") if seal else None,
        {
            "provider": {} if provider is None else {key: value[:100] for key, value in provider.attrib.items()},
            "signature_method": markup.text(info, "SignatureMethod")[:60],
            "check_method": written[:60],
            "stamps": [
                {"page": markup.attribute(one, "PageRef")[:20], "boundary": markup.attribute(one, "Boundary")[:60]}
                for one in stamps
            ],
        },
    )


def find_integrity(package: Package) -> Paper | None:
    """The list of integrity at the root of a package, or None. Raises MalformedError."""
    entry = package.archive.find(INTEGRITY)
    if entry is None:
        return None
    root = package.parse(entry)
    named = [
        Reference(
            markup.attribute(one, "FileLoc")[:200], package.resolve(markup.attribute(one, "FileLoc"), entry), None
        )
        for one in markup.children(root, "FileList", "File")
    ][:_MAX_REFERENCES]
    value = _required(package, markup.text(root, "SignedValueLoc") or "signedvalue.dat", entry, "签名值")
    return Paper(
        "integrity", "integrity", entry, value, "sm3", tuple(named), markup.attribute(root, "CreationDate")[:60]
    )


def _references(package: Package, entry: str, references: Element) -> list[Reference]:
    found = list[Reference]()
    for element in markup.children(references, "Reference"):
        if len(found) >= _MAX_REFERENCES:
            raise MalformedError("too_much_work", "签章引用的条目超过上限")
        location = markup.attribute(element, "FileRef")
        value = markup.text(element, "CheckValue")
        found.append(Reference(location[:200], _resolve(package, location, entry), _digest(value, entry)))
    return found


def _resolve(package: Package, location: str, base: str) -> str | None:
    """The entry of a location in `base`. Some makers leave out the stroke in front of a path from the root."""
    found = package.resolve(location, base)
    return package.resolve(location, "") if found is None and not location.startswith((".", "/")) else found


def _digest(text: str, entry: str) -> bytes | None:
    if not text:
        return None
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("wrong_signature_file", f"{entry} 的摘要不是 Base64", evidence={"entry": entry}) from error


def _required(package: Package, location: str, base: str, what: str) -> str:
    found = _resolve(package, location, base) if location else None
    if found is None:
        raise MalformedError(
            "entry_missing", f"{what}文件 {location[:80]} 不存在", evidence={"location": location[:80]}
        )
    return found
