"""Files for the fuzz driver: sealed OFD, signed PDF, pictures. What a seal covers must not change and stay valid."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime, timedelta

import pdf_maker
from fuzz_mutations import Target, mutate
from ofd_maker import Maker, make_cast, pack, plain_files, sealer, unpack
from PIL import Image

from codes.picture import draw_png, draw_svg
from verifier import State
from verifier.documents.findings import Roots
from verifier.documents.inspecting import inspect

_AT = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
_SIGNS = "Doc_0/Signs/"


def documents() -> list[Target]:
    """The readers of documents."""
    return [_sealed_ofd(), _ofd_as_a_file(), _pdf(), _pictures()]


def _sealed_ofd() -> Target:
    """Entries altered inside the archive, packed again."""
    cast = make_cast()
    sealed = Maker().add(sealer(cast)).packed()
    roots = Roots((cast.root.trusted,))
    files = unpack(sealed)

    def alter(chance: random.Random, seed: bytes) -> bytes:
        changed = dict(files)
        name = chance.choice(list(changed))
        changed[name] = mutate(chance, changed[name], list(files.values()))
        return pack(changed)

    def accepts(data: bytes) -> bool:
        return inspect(data, "a.ofd", roots, _AT).state is State.VALID

    return Target("sealed OFD", 1, [sealed], accepts, lambda data, _: _covered(data) == _covered(sealed), alter=alter)


def _ofd_as_a_file() -> Target:
    """The archive's own bytes altered: its directory, its sizes, its compression."""
    cast = make_cast()
    seeds = [Maker().add(sealer(cast)).packed(), pack(plain_files())]
    roots = Roots((cast.root.trusted,))

    def accepts(data: bytes) -> bool:
        return inspect(data, "a.ofd", roots, _AT).state is State.VALID

    return Target("OFD as a file", 1, seeds, accepts, lambda data, _: _covered(data) == _covered(seeds[0]))


def _covered(data: bytes) -> dict[str, bytes] | None:
    """What the seal covers, read by another library; None where that cannot read it."""
    try:
        return {name: content for name, content in unpack(data).items() if not name.startswith(_SIGNS)}
    except Exception:  # noqa: BLE001 whatever the other library says of an altered archive
        return None


def _pdf() -> Target:
    root, signer = pdf_maker.make_people()
    signed = pdf_maker.sign(pdf_maker.plain(), signer, root=root)
    seeds = [signed, pdf_maker.plain(attached=b"<x/>", script=True)]
    roots, at = Roots((root.trusted,)), datetime.now(UTC) + timedelta(seconds=1)
    begin = signed.index(b"/Contents <") + len(b"/Contents <")
    end = signed.index(b">", begin)

    def same(data: bytes, seed: bytes) -> bool:
        # No signature covers its own value: other hexadecimal digits of the same bytes are the same signature. What is
        # added behind the signed revision and changes nothing in it stays valid with a remark (`later_revision`).
        return data[:begin] == signed[:begin] and data[end : len(signed)] == signed[end:]

    return Target("PDF", 1, seeds, lambda data: inspect(data, "a.pdf", roots, at).state is State.VALID, same)


def _pictures() -> Target:
    image = Image.new("RGB", (40, 30), "white")
    seeds = []
    for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        out = io.BytesIO()
        image.save(out, form)
        seeds.append(out.getvalue())

    def accepts(data: bytes) -> bool:
        return inspect(data, "a.png", Roots(), _AT).state is State.VALID

    return Target("picture as a file", 1, seeds, accepts)


def code_pictures(text: str) -> list[bytes]:
    """Pictures of a code."""
    return [draw_png(text, "M", 2), draw_svg(text, "M", title="x").encode()]
