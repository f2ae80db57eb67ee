"""E-invoices that a PDF carries as an attached XML, in the dialects that OFD files carry them in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from verifier.documents import markup
from verifier.documents.invoices import MAX_INVOICE_BYTES, Source, composed, is_xml, read_xml
from verifier.documents.pdf_parts import held
from verifier.errors import MalformedError


def find_attached(files: Iterable[tuple[str, Any]], covered: bool) -> dict[str, Any] | None:
    """The invoice that attachments state, or None. covered: whether an intact signature covers the whole file."""
    sources = (_source(name, file) for name, file in files)
    return composed((source, covered) for source in sources if source is not None)


def _source(name: str, file: Any) -> Source | None:
    stream = held(held(file, "/EF"), "/F")
    if stream is None or len(stream.encoded_data) > MAX_INVOICE_BYTES:
        return None
    data = stream.data
    if len(data) > MAX_INVOICE_BYTES or not is_xml(data):
        return None
    try:
        return read_xml(markup.parse(data, name), name)
    except MalformedError:
        # An attachment that is no XML after all is no invoice.
        return None
