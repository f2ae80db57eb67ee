"""Pictures that people bring: codes of other systems, formats we do not read, and files that are no pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import segno
from PIL import Image
from test_foreign import trusting
from test_foreign_limits import code, issuer

from api.cli.main import main
from codes import picture

#: The first bytes of a photo of a telephone, and 200 more.
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 200


def drawn(*texts: str, form: str = "PNG") -> bytes:
    """One picture with a QR of each text side by side."""
    symbols = []
    for text in texts:
        made = io.BytesIO()
        segno.make(text, error="m", micro=False).save(made, kind="png", scale=4, border=4)
        symbols.append(Image.open(made).convert("RGB"))
    sheet = Image.new("RGB", (sum(one.width for one in symbols), max(one.height for one in symbols)), "white")
    left = 0
    for one in symbols:
        sheet.paste(one, (left, 0))
        left += one.width
    out = io.BytesIO()
    sheet.save(out, form)
    return out.getvalue()


FOREIGN = code(issuer().kid).decode()
ELSEWHERE = "https://example.org/"


AVIF = HEIC.replace(b"heic", b"avif")
UNREAD = (HEIC, AVIF)


@pytest.mark.parametrize("data", UNREAD)
def test_a_picture_of_a_format_we_do_not_read_is_undecided(
    data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, trust = tmp_path / "photo", tmp_path / "trust.json"
    given.write_bytes(data)
    trust.write_bytes(trusting().data)
    for asked, reason, said in (
        (["scan", str(given)], "unreadable", "转换格式"),
        (["verify", str(given), "--trust", str(trust)], "picture_not_read", "截图"),
    ):
        assert main([*asked, "--at", "2026-03-31T00:00:00Z", "--json"]) == 3
        told = json.loads(capsys.readouterr().out)
        assert told["reason"] == reason and said in told["message"]


def test_a_known_foreign_code_in_a_picture_is_judged_and_another_is_not_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, trust = tmp_path / "code.png", tmp_path / "trust.json"
    trust.write_bytes(trusting().data)
    for texts, status, reason in (((FOREIGN, ELSEWHERE), 3, "unknown_issuer"), ((ELSEWHERE,), 1, "not_ours")):
        given.write_bytes(drawn(*texts))
        assert main(["verify", str(given), "--trust", str(trust), "--at", "2026-03-31T00:00:00Z", "--json"]) == status
        assert json.loads(capsys.readouterr().out)["reason"] == reason


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (drawn(ELSEWHERE)[:150], "已损坏或不完整"),
        (drawn(ELSEWHERE, form="JPEG")[:700], "已损坏或不完整"),
        (b"%PDF-1.7\n", "请转换格式，或截图"),
        (b"", "转换格式"),
    ],
)
def test_why_a_picture_cannot_be_read_is_told(data: bytes, said: str) -> None:
    with pytest.raises(picture.UnreadablePictureError) as refused:
        picture.read_all(data)
    assert said in refused.value.message


def test_a_picture_that_is_too_large_is_told_its_size() -> None:
    made = io.BytesIO()
    Image.new("1", (8000, 8000)).save(made, "PNG")
    with pytest.raises(picture.TooLargePictureError) as refused:
        picture.read_all(made.getvalue())
    assert "8000×8000" in refused.value.message
