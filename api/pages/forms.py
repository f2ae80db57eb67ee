"""What a browser's form sends, read once and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import BinaryIO, Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from api.errors import ProblemError

#: Sixty rows of a type have nine inputs each.
#: A matter of 64 slots that accept dozens of types has some thousands.
_MAX_FIELDS: Final = 8_000
_MAX_FILES: Final = 20
_MAX_FIELD_BYTES: Final = 64 * 1024
#: How the parser says that a field exceeds `max_part_size`.
_PART_TOO_LARGE: Final = "Part exceeded maximum size"
_MAX_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Upload:
    """A file a form sent: the sender's name for it (untrusted) and its content."""

    name: str
    content: BinaryIO = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """Texts and files by the names of their fields."""

    texts: Mapping[str, list[str]]
    uploads: Mapping[str, list[Upload]]

    def text(self, name: str) -> str:
        """The trimmed text of a field; empty if it was not sent."""
        return self.exact(name).strip()

    def exact(self, name: str) -> str:
        """The text of a field as it was sent: in a code or a password blanks count."""
        return next(iter(self.texts.get(name, ())), "")

    def all(self, name: str) -> list[str]:
        """Every non-empty text of a field that may be sent several times."""
        return [text.strip() for text in self.texts.get(name, ()) if text.strip()]

    def upload(self, name: str) -> Upload | None:
        """The first file of a field, if one was chosen."""
        return next(iter(self.uploads.get(name, ())), None)


def whole_number(text: str) -> int | None:
    """The number that a text of up to nine digits says; None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


async def get_form(request: Request) -> Form:
    """The request's form, as a dependency. Too many fields are refused by the parser (400), too large ones with 413."""
    try:
        sent = await request.form(max_files=_MAX_FILES, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES)
    except HTTPException as refused:
        if not refused.detail.startswith(_PART_TOO_LARGE):
            raise
        message = f"有一栏的内容超过 {_MAX_FIELD_BYTES // 1024} KB，请核对后重新填写或重新扫码。"
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "field_too_large", message) from refused
    texts: dict[str, list[str]] = {}
    uploads: dict[str, list[Upload]] = {}
    for name, value in sent.multi_items():
        if isinstance(value, UploadFile):
            # A file field that was left empty arrives as a nameless file of no bytes.
            if value.filename:
                uploads.setdefault(name, []).append(Upload(value.filename, value.file))
        else:
            texts.setdefault(name, []).append(value)
    return Form(texts, uploads)
