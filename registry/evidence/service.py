"""Use cases of evidence bundles."""

from __future__ import annotations

from collections.abc import Callable

from registry.certificates import service as certificates
from registry.errors import NotFoundError
from registry.log.published import PublishedLog
from registry.log.receipts import receipt_of_item
from registry.witnesses.service import cosigned_note
from registry.work import Work
from verifier.anchor import AnchorProof
from verifier.entry import Kind
from verifier.evidence import EvidenceBundle


def export(
    work: Work, log: PublishedLog, certificate_id: str, read_file: Callable[[bytes], bytes] | None = None
) -> bytes:
    """The evidence bundle of a certificate, under the newest anchored head; with its files if `read_file` is given.

    It carries the head's chain proof if there is one, and so does not depend on a trust bundle that lists the head.
    `read_file(sha256)` returns a stored file's bytes (files.store.FileStore.reader). Who may have the bundle is the
    caller's to decide: it holds the whole face. Raises NotFoundError: no such certificate, or its salts were erased;
    NotAnchoredYetError: ask again in a few seconds.
    """
    certificate = certificates.get(work, certificate_id)
    if certificate.salts is None:
        raise NotFoundError("erased", "该证照的存证盐值已依法删除，不能再导出证据包。", {"certificate": certificate_id})
    entry = receipt_of_item(work, log, certificate.id, Kind.CERTIFICATE)
    files: tuple[bytes, ...] = ()
    if read_file is not None:
        files = tuple(read_file(file.sha256) for file in certificates.files_of(work, certificate.id))
    bundle = EvidenceBundle(
        face=certificate.face,
        salts=certificate.salts,
        signed_entry=entry.signed_entry,
        receipt=entry.receipt,
        anchor=entry.anchor,
        files=files,
        proof=None if entry.chain_proof is None else AnchorProof(entry.chain_proof),
        cosigned=cosigned_note(work, entry.anchor.size),
    )
    return bundle.to_bytes()
