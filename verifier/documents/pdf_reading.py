"""Opening a PDF with pyHanko so that a small file makes no large work."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any


def open_pdf(data: bytes) -> Any:
    """pyHanko's reader over the file. Raises PdfError, or what stands in `pdf_parts.BROKEN`."""
    from pyhanko.pdf_utils import xref
    from pyhanko.pdf_utils.reader import PdfFileReader

    # pyHanko believes how many entries a cross-reference stream says to have: ten digits would keep it busy for good.
    if not hasattr(xref.parse_xref_stream, "__wrapped__"):
        xref.parse_xref_stream = _as_many_as_there_are(xref.parse_xref_stream)
    return PdfFileReader(io.BytesIO(data), strict=False)


def _as_many_as_there_are(parse: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """The same, for as long as there can be entries: each takes a byte at least (ISO 32000-1 section 7.5.8.3)."""

    @wraps(parse)
    def bounded(stream: Any, strict: bool = True) -> Iterator[Any]:
        for count, entry in enumerate(parse(stream, strict=strict)):
            if count >= len(stream.data):
                raise ValueError("the cross-reference stream is shorter than its index says")
            yield entry

    return bounded
