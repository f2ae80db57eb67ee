"""Documents with codes on their pages, for tests: PDF from pictures, TIFF, and PDFs without an end."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence

import pypdfium2
from PIL import Image

from codes.picture import draw_png

A4 = (1240, 1754)
"""Pixels of an A4 page at 150 dpi."""


def page_with(*texts: str) -> Image.Image:
    """A page as a scanner makes it, with the codes below one another."""
    page = Image.new("L", A4, 255)
    for place, text in enumerate(texts):
        page.paste(Image.open(io.BytesIO(draw_png(text, module_pixels=4))).convert("L"), (120, 80 + 560 * place))
    return page


def pdf_of(*pages: Image.Image, rotations: Sequence[int] = ()) -> bytes:
    """The pictures as pages, which a reader has to turn by so many degrees."""
    out = io.BytesIO()
    pages[0].save(out, "PDF", save_all=True, append_images=list(pages[1:]), resolution=150)
    if not rotations:
        return out.getvalue()
    document = pypdfium2.PdfDocument(out.getvalue())
    for number, degrees in enumerate(rotations):
        document[number].set_rotation(degrees)
    turned = io.BytesIO()
    document.save(turned)
    return turned.getvalue()


def tiff_of(*pages: Image.Image, compression: str = "group4") -> bytes:
    """The pictures as a fax or an office scanner keeps them."""
    out = io.BytesIO()
    first, *more = (page.convert("1") for page in pages)
    first.save(out, "TIFF", save_all=True, append_images=more, compression=compression)
    return out.getvalue()


def joined(*documents: bytes) -> bytes:
    """The pages of all of them."""
    whole = pypdfium2.PdfDocument.new()
    for one in documents:
        whole.import_pages(pypdfium2.PdfDocument(one))
    out = io.BytesIO()
    whole.save(out)
    return out.getvalue()


def drawing(content: bytes, *resources: bytes, entries: bytes = b"") -> bytes:
    """A PDF of one page with this content; its resources are objects from 5 on, which `entries` names."""
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<<" + entries + b">>>>"
    tree = (b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", page)
    return written((*tree, stream(content, b"/Filter/FlateDecode", zlib.compress), *resources))


def endless(count: int = 200_000) -> bytes:
    """A page that blends itself with itself so many times: minutes of drawing, and little memory."""
    return drawing(b"/G gs 0 0 600 800 re f " * count, b"<</BM/Luminosity/ca .5>>", entries=b"/ExtGState<</G 5 0 R>>")


def greedy(depth: int = 12) -> bytes:
    """A page whose forms draw the next form ten times each: 10 ** depth in the end."""
    forms = []
    for level in range(depth):
        inner = b"0 0 600 800 re f" if level == depth - 1 else b"/F Do " * 10
        forms.append(stream(inner, b"/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</F %d 0 R>>>>" % (level + 6)))
    return drawing(b"/F Do", *forms, entries=b"/XObject<</F 5 0 R>>")


def stream(content: bytes, entries: bytes, packed: Callable[[bytes], bytes] = bytes) -> bytes:
    """A stream object."""
    data = packed(content)
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries, len(data), data)


def written(objects: Sequence[bytes]) -> bytes:
    """A PDF of these objects, the first of which is the catalogue."""
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, one in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)
