"""The one door: what a file is, what is in it, and what its seals and signatures are worth."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from verifier.digests import double_digest
from verifier.documents import pictures
from verifier.documents.findings import FORMAT_CHINESE, PICTURES, Format, Inspection, Note, Roots, Signed, conclude
from verifier.documents.ofd_inspecting import inspect_ofd
from verifier.documents.sniffing import name_differs, sniff
from verifier.errors import MalformedError, UndecidedError, VerificationError
from verifier.extract import contents
from verifier.verdict import State

#: A longer file is not looked at.
MAX_FILE_BYTES = 128 * 1024 * 1024

_MEASURED = (Format.PNG, Format.JPEG, Format.GIF, Format.BMP, Format.TIFF, Format.WEBP)
_OURS = {
    Format.EVIDENCE: "这是随证证据包，请用 suizheng verify 核验",
    Format.EXTRACT: "这是证照摘录件，请用 suizheng verify 核验；以下内容未经核验",
    Format.CODE: "这是随证码，请用 suizheng verify 核验",
    Format.TRUST: "这是随证信任包；它是核验的依据，请在 suizheng verify 中以 --trust 使用",
}
_ADVICE = {
    **dict.fromkeys(PICTURES, "；图片中如有二维码，请用 suizheng scan 核验"),
    **dict.fromkeys((Format.ZIP, Format.ARCHIVE), "；请解压后逐个检查其中的文件"),
}


def inspect(data: bytes, name: str, roots: Roots, at: datetime) -> Inspection:
    """The answer for a file's bytes and name, judged at that time. Never raises for any bytes."""
    digests, kind = double_digest(data), sniff(data)
    common: dict[str, Any] = {
        "format": kind,
        "at": at,
        "size": len(data),
        "sha256": digests.sha256.hex(),
        "sm3": digests.sm3.hex(),
    }
    differs = name_differs(name, kind)
    remarks = () if differs is None else (differs,)
    try:
        if len(data) > MAX_FILE_BYTES:
            raise MalformedError("too_long", f"文件超过上限 {MAX_FILE_BYTES // 2**20} MB")
        return _inspect(data, kind, roots, at, remarks, common)
    except UndecidedError as error:
        state = State.UNDECIDED
        return Inspection(state=state, reason=error.reason, message=error.message, notes=remarks, **common)
    except VerificationError as error:
        state = State.INVALID
        return Inspection(state=state, reason=error.reason, message=error.message, notes=remarks, **common)


def _inspect(
    data: bytes, kind: Format, roots: Roots, at: datetime, remarks: tuple[Note, ...], common: dict[str, Any]
) -> Inspection:
    document: dict[str, Any] = {}
    invoice: dict[str, Any] | None = None
    signatures: tuple[Signed, ...] = ()
    notes: tuple[Note, ...] = ()
    doubt: Note | None = None
    if kind is Format.OFD:
        document, invoice, signatures, notes, doubt = inspect_ofd(data, roots, at)
    elif kind is Format.PDF:
        from verifier.documents.pdf import inspect_pdf

        document, invoice, signatures, notes, doubt = inspect_pdf(data, roots, at)
    elif kind is Format.EXTRACT:
        document = {"told": contents(data)}
    elif kind in _MEASURED:
        document = pictures.describe(data, kind)
    state, reason, message = conclude(signatures, doubt)
    said = _said_of(kind, len(data)) if not signatures else None
    if said is not None:
        reason, message = said
    return Inspection(
        state=state,
        reason=reason,
        message=message,
        document=document,
        invoice=invoice,
        signatures=signatures,
        notes=(*remarks, *notes),
        **common,
    )


def _said_of(kind: Format, size: int) -> tuple[str, str] | None:
    """Reason and message for a file without signatures; None where those of its signatures say it all."""
    if kind in _OURS:
        return "use_verify", _OURS[kind]
    if not size:
        return "empty_file", "文件是空的；可能没有下载完，请重新获取"
    if kind is Format.UNKNOWN:
        return "unknown_format", "无法识别文件的类型"
    if kind in (Format.OFD, Format.PDF):
        return None
    advice = _ADVICE.get(kind, "")
    return "no_signature", f"{FORMAT_CHINESE[kind]}不带可核验的签章，真伪无法判定{advice}"
