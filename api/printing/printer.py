"""Data and a template to PDF/A-2b (ISO 19005-2), by typst. What people typed is data: it is never read as markup.

The data goes to the template as JSON, where strings stay strings. The same template, data, time and font give the same
bytes. Takes some 10 to 200 ms, in which other threads run: call it from a thread (a plain `def` operation), never from
the event loop.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Final, cast

import orjson
import typst

from api.printing.errors import GlyphMissingError, TemplateError
from api.printing.fonts import FAMILY, find_fonts

TEMPLATES: Final = Path(__file__).with_name("templates")
#: For archives, and because only then a character that no font has is an error instead of a box.
_STANDARD: Final = "a-2b"
_NO_GLYPH: Final = re.compile(r'the text `"(.+?)"` could not be displayed')
#: A crowd that prints leaves one processor to everybody else.
_AT_ONCE: Final = BoundedSemaphore(max(1, (os.cpu_count() or 1) - 1))


def print_pdf(template: str, data: Mapping[str, Any], at: datetime) -> bytes:
    """The PDF of `templates/<template>.typ` with this data, created at `at` as it says inside.

    `data` holds what JSON can hold; pictures are SVG texts (codes.picture.draw_svg), drawn by `picture` of common.typ.
    Raises FontMissingError, GlyphMissingError, TemplateError.
    """
    source = TEMPLATES / f"{template}.typ"
    inputs = {"data": orjson.dumps(data).decode(), "font": FAMILY}
    compiler = typst.Compiler(font_paths=find_fonts(), root=str(TEMPLATES))
    with _AT_ONCE:
        try:
            made = compiler.compile(
                str(source), format="pdf", sys_inputs=inputs, timestamp=int(at.timestamp()), pdf_standards=[_STANDARD]
            )
        except (typst.TypstError, OSError, RuntimeError) as error:
            if missing := _NO_GLYPH.search(str(error)):
                raise GlyphMissingError(
                    "glyph_missing",
                    f"本机字体没有“{missing[1]}”这个字，印出来会是空框，所以没有制作；请安装含有这个字的字体后再试。",
                ) from error
            raise TemplateError("template_failed", f"版式 {template} 与所给数据不符：{error}") from error
    return cast(bytes, made)
