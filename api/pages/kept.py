"""What was typed into a form whose session had ended: shown with the log-in, and sent again after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.exceptions import HTTPException

from api.pages.forms import Form, get_form
from api.pages.rendering import local_path

#: Larger bodies hold files; texts of a form are far below. A log-in with what was kept must pass its own limit.
MAX_KEPT_BYTES: Final = 128 * 1024
_ADDRESS: Final = "kept_address"
_FILES: Final = "kept_files"
_PREFIX: Final = "kept."
#: Passwords and codes do not travel back into a page.
_SECRETS: Final = ("/password", "/second-factor")


@dataclass(frozen=True, slots=True)
class KeptForm:
    """A form that was not taken: where it goes, its texts, and the fields whose files are to be chosen again."""

    address: str
    texts: Sequence[tuple[str, str]]
    files: Sequence[str]

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """The same as the hidden fields of a log-in; `kept_in` reads them."""
        carried = [(_PREFIX + name, text) for name, text in self.texts]
        return [(_ADDRESS, self.address), *((_FILES, name) for name in self.files), *carried]


async def kept_of(request: Request) -> KeptForm | None:
    """What the refused request would have sent; None where that is no form, or too large to be carried along."""
    length = request.headers.get("content-length", "")
    if request.method != "POST" or not length.isdigit() or int(length) > MAX_KEPT_BYTES:
        return None
    if request.url.path.startswith(_SECRETS):
        return None
    try:
        form = await get_form(request)
    except HTTPException:
        return None
    return KeptForm(request.url.path, _pairs(form), list(form.uploads)) if form.texts else None


def kept_in(login: Form) -> KeptForm | None:
    """What a log-in carries along; None if nothing, or if it would lead elsewhere than to this server."""
    address = local_path(login.exact(_ADDRESS), "")
    if not address:
        return None
    texts = [(name.removeprefix(_PREFIX), text) for name, text in _pairs(login) if name.startswith(_PREFIX)]
    return KeptForm(address, texts, login.all(_FILES))


def _pairs(form: Form) -> list[tuple[str, str]]:
    return [(name, text) for name, texts in form.texts.items() for text in texts]
