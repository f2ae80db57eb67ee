"""The process that looks at the pages of one document: `python -m codes.page_process KIND PAGES SECONDS`.

Readers of PDF and TIFF are large programs in C, and strangers feed them. codes.pages starts it (see codes.apart) with a
kind (pdf, tiff), how many pages to look at, and its seconds of the processor. Its input is the document. Each line of
its output is JSON: {"refused": "encrypted" or "broken"}, or else {"pages": how many}, then for each page that it came
to, in order, {"page": from 1, "texts": of the codes, "whole": whether all of it was looked at, "words": a PDF's own
text}.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Final

from PIL import Image, TiffImagePlugin

from codes import apart, picture, symbols

#: No new page is begun after so much of the seconds; their end is the end of one that hangs.
_LAST_BEGIN: Final = 0.8
#: Bytes of memory: a page of 50 million pixels in colour, with what is made of it on the way.
_MEMORY_BYTES: Final = 768 << 20
_FPDF_ERR_PASSWORD: Final = 4

#: How many pages there are, and the picture and the words of one of them, counted from 0.
_Document = tuple[int, Callable[[int], tuple[Image.Image, str]]]
_MAX_WORDS: Final = 20_000
_BAD_PAGE: Final = (*picture.DECODER_ERRORS, picture.PictureError, RuntimeError)


class _RefusedError(Exception):
    """No page of it can be looked at."""


def main() -> None:
    """Look at the first pages of what comes on standard input."""
    kind, limit, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    opened = {"pdf": _pdf, "tiff": _tiff}[kind]()
    apart.bound(seconds, _MEMORY_BYTES)
    for line in _lines(opened, sys.stdin.buffer.read(), limit, seconds * _LAST_BEGIN):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    # What a hostile document left behind is not taken apart again.
    os._exit(0)


def _lines(opened: Callable[[bytes], _Document], data: bytes, limit: int, seconds: float) -> Iterator[dict[str, Any]]:
    try:
        count, page = opened(data)
    except _RefusedError as error:
        yield {"refused": str(error)}
        return
    yield {"pages": count}
    for number in range(min(count, limit)):
        if time.process_time() > seconds:
            return
        words = ""
        try:
            drawn, words = page(number)
            texts, whole = symbols.find_all(drawn)
        except _BAD_PAGE:
            texts, whole = [], False
        yield {"page": number + 1, "texts": texts, "whole": whole, "words": words}


def _pdf() -> Callable[[bytes], _Document]:
    import pypdfium2

    def opened(data: bytes) -> _Document:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            raise _RefusedError("encrypted" if error.err_code == _FPDF_ERR_PASSWORD else "broken") from error

        def page(number: int) -> tuple[Image.Image, str]:
            found = document[number]
            # However large the paper is, and however small.
            scale = symbols.CLOSER_SIDE / max(found.get_size())
            drawn: Image.Image = found.render(scale=scale, grayscale=True, may_draw_forms=False).to_pil()
            return drawn.convert("L"), _words(found)

        return len(document), page

    return opened


def _words(page: Any) -> str:
    try:
        return str(page.get_textpage().get_text_range())[:_MAX_WORDS]
    except _BAD_PAGE:
        return ""


def _tiff() -> Callable[[bytes], _Document]:
    def opened(data: bytes) -> _Document:
        try:
            image = TiffImagePlugin.TiffImageFile(BytesIO(data))
            count = image.n_frames
        except picture.DECODER_ERRORS as error:
            raise _RefusedError("broken") from error

        def page(number: int) -> tuple[Image.Image, str]:
            image.seek(number)
            picture.check_size(image)
            return symbols.grey(image.copy()), ""

        return count, page

    return opened


if __name__ == "__main__":
    main()
