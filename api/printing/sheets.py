"""What is printed of codes: cards and sheets of printed codes, posters of venues, labels of components.

Nothing personal is on any of them: who holds a card writes their name on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, Literal

from api.printing.printer import print_pdf
from codes import picture
from verifier.times import SHANGHAI

Paper = Literal["a4", "a3"]
LABELS_A_PAGE: Final = 24
#: 25 pages of labels; they are typeset in some seconds.
MAX_LABELS: Final = 600
MAX_POSTERS: Final = 100


@dataclass(frozen=True, slots=True)
class PrintedCode:
    """A printed code: its text, id and generation, its end, what it may show in words, and who gave it out."""

    text: str
    code_id: str
    generation: int
    until: datetime
    grants: tuple[str, ...]
    office: str


@dataclass(frozen=True, slots=True)
class VenuePoster:
    """A poster: its code's text, its number, the real name and address of the venue."""

    text: str
    code_id: str
    number: int
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class ComponentLabel:
    """A label: its code's text, what it is, its 16-digit code, where it stands, who answers for it."""

    text: str
    name: str
    number: str
    place: str
    unit: str


def print_card(code: PrintedCode, form: Literal["card", "sheet"], at: datetime) -> bytes:
    """A card for a card printer, or an A4 sheet in large print with a card to cut out. Raises FontMissingError."""
    local = code.until.astimezone(SHANGHAI)
    data = {
        "code": _drawn(code.text, picture.PRINT), "code_id": code.code_id, "generation": code.generation,
        "until": f"{local.year}年{local.month}月{local.day}日", "grants": list(code.grants), "office": code.office,
    }  # fmt: skip
    return print_pdf("card" if form == "card" else "printed", data, at)


def print_posters(posters: Sequence[VenuePoster], paper: Paper, office: str, page: str, at: datetime) -> bytes:
    """Posters, one a page; large and flat, so level M keeps their modules big. `page`: where anybody reads the code.

    Raises FontMissingError.
    """
    drawn = [{**asdict(poster), "code": _drawn(poster.text, picture.SCREEN)} for poster in posters]
    return print_pdf("posters", {"paper": paper, "posters": drawn, "office": office, "page": page}, at)


def print_labels(labels: Sequence[ComponentLabel], page: str, at: datetime) -> bytes:
    """Labels, 24 an A4 page; small and weathered, so with the stronger correction. `page` as of `print_posters`.

    Raises FontMissingError.
    """
    drawn = [{**asdict(label), "code": _drawn(label.text, picture.PRINT)} for label in labels]
    return print_pdf("labels", {"labels": drawn, "page": page}, at)


def _drawn(text: str, level: picture.Level) -> str:
    return picture.draw_svg(text, level)
