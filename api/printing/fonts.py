"""The Chinese font that goes into every PDF: Noto Sans CJK (SIL OFL 1.1) of the system, or else of a Python package."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import typst

from api.printing.errors import FontMissingError

FAMILY: Final = "Noto Sans CJK SC"
_WEIGHTS: Final = {400, 700}
_PACKAGE: Final = "manimgx_fonts_cjk"


@lru_cache(maxsize=1)
def find_fonts() -> typst.Fonts:
    """The fonts to print with, looked for once. Raises FontMissingError."""
    return _of_system() or _of_package(_PACKAGE)


def _of_system() -> typst.Fonts | None:
    fonts = typst.Fonts(include_system_fonts=True, include_embedded_fonts=False)
    weights = {font.weight for font in fonts.fonts() if font.family == FAMILY}
    return fonts if weights >= _WEIGHTS else None


def _of_package(name: str) -> typst.Fonts:
    # One variable font with all weights; only its folder is looked at, no code of the package runs.
    spec = find_spec(name)
    if spec is not None and spec.origin is not None:
        folder = str(Path(spec.origin).parent)
        fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder])
        if FAMILY in fonts.families():
            return fonts
    raise FontMissingError(
        "font_missing",
        f"本机没有中文字体 {FAMILY}，无法制作 PDF；请安装系统软件包 fonts-noto-cjk，"
        "或执行 pip install manimgx-fonts-cjk，然后重新启动。",
    )
