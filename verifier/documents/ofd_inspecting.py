"""An OFD file as a whole: its documents, its invoice, its seals in turn, and what none of them covers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from verifier.documents import invoices
from verifier.documents.findings import Note, Roots, Signed
from verifier.documents.judging import Judged, judge, judge_listed
from verifier.documents.ofd import Body, Package, open_package
from verifier.documents.papers import find_integrity, list_signatures

_SHOWN = 200


def inspect_ofd(
    data: bytes, roots: Roots, at: datetime
) -> tuple[dict[str, Any], dict[str, Any] | None, tuple[Signed, ...], tuple[Note, ...], Note | None]:
    """Facts, invoice, seals and signatures, notes, and the note that keeps the file from being valid though they are.

    Raises MalformedError for what is no OFD file or not a safe one.
    """
    package = open_package(data)
    judged = [one for body in package.bodies for one in _judge_body(package, body, roots, at)]
    integrity = find_integrity(package)
    if integrity is not None:
        judged.append(judge(package, integrity, roots, at))
    covered = {entry for one in judged if one.signed.integrity == "intact" for entry in one.covered}
    doubt = _lost(package, judged) or _strays(package) or _uncovered(package, judged, covered)
    facts = _facts(package, covered, judged)
    invoice = invoices.find_invoice(package, covered)
    return facts, invoice, tuple(one.signed for one in judged), tuple(package.notes), doubt


def _judge_body(package: Package, body: Body, roots: Roots, at: datetime) -> list[Judged]:
    if body.signatures is None:
        return []
    listing = body.signatures
    listed = list_signatures(package, listing)
    judged = [judge_listed(package, one, roots, at) for one in listed]
    for place, one in enumerate(judged):
        # A seal that is added later changes the list that an earlier one may protect.
        if one.changed == {listing} and any(later.signed.integrity == "intact" for later in judged[place + 1 :]):
            judged[place] = judge_listed(package, listed[place], roots, at, listing)
    return judged


def _lost(package: Package, judged: list[Judged]) -> Note | None:
    """The remark on descriptions of signatures that no list names: left behind when a seal was taken away."""
    listed = {one.signed.facts.get("entry") for one in judged}
    left = sorted(name for name in package.archive.names - listed if name.endswith("/Signature.xml"))
    # Where one could not be read, that has been said and is worse.
    if not left or any(one.paper is None for one in judged):
        return None
    note = Note(
        "lost_signature", f"文件中有签章描述 {left[0]}，签章列表却没有它：签章被移除，或文件被改动", {"entries": left}
    )
    package.notes.append(note)
    return note


def _strays(package: Package) -> Note | None:
    if not package.archive.has_strays():
        return None
    note = Note("stray_entries", "压缩包里有目录没有列出的条目，有的阅读器会显示它们而不是签章覆盖的内容")
    package.notes.append(note)
    return note


def _uncovered(package: Package, judged: list[Judged], covered: set[str]) -> Note | None:
    """The remark on what a viewer shows, or may show, and no intact seal covers; or on pages that are not there."""
    if not any(one.signed.integrity == "intact" for one in judged):
        return None
    left = _may_show(package, judged) - covered
    missing = [location for body in package.bodies for location in body.missing_pages]
    if left:
        entries = sorted(left)
        message = f"阅读器会用到的 {len(entries)} 个条目没有任何完好的签章覆盖：{'、'.join(entries[:5])}"
        note = Note("not_all_covered", message, {"entries": entries[:_SHOWN]})
    elif missing:
        message = f"文件列出的 {len(missing)} 页不存在（{'、'.join(missing[:5])}），看到的不是完整的文件"
        note = Note("page_missing", message, {"locations": missing[:_SHOWN]})
    else:
        return None
    package.notes.append(note)
    return note


def _may_show(package: Package, judged: list[Judged]) -> set[str]:
    """Entries that a viewer reads. One that sees no upper and lower case may take another entry of the same name; and
    where something could not be parsed, nobody knows what it uses."""
    used = {entry for body in package.bodies for entry in body.used}
    used |= {alike for entry in used for alike in package.archive.alike(entry)}
    if any(body.unread for body in package.bodies):
        return used | package.archive.names - _of_signatures(package, judged)
    return used


def _of_signatures(package: Package, judged: list[Judged]) -> set[str]:
    """Lists, descriptions and values of signatures, which no seal can cover all of."""
    own = {one.paper.entry for one in judged if one.paper} | {one.paper.value_entry for one in judged if one.paper}
    own |= {one.paper.seal_entry for one in judged if one.paper and one.paper.seal_entry}
    return own | {body.signatures for body in package.bodies if body.signatures}


def _facts(package: Package, covered: set[str], judged: list[Judged]) -> dict[str, Any]:
    own = _of_signatures(package, judged)
    used = {entry for body in package.bodies for entry in body.used}
    return {
        "pages": sum(body.facts["pages"] for body in package.bodies),
        "documents": [body.facts for body in package.bodies],
        "entries": len(package.archive.names),
        "covered": sorted(covered)[:_SHOWN],
        "uncovered_used": sorted(used - covered)[:_SHOWN],
        "uncovered_other": sorted(package.archive.names - used - covered - own)[:_SHOWN],
    }
