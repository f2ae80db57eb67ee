"""A ZIP from strangers: looked at before anything is unpacked, read file by file, each counted while it is read."""

from __future__ import annotations

import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from api.imports.sheets import SheetError
from registry.files.store import CHUNK_BYTES, DEFAULT_LIMIT_BYTES

MAX_FILES: Final = 200_000
MAX_UNPACKED_BYTES: Final = 16 << 30
#: Text packs a hundredfold, scans hardly at all; a bomb a thousandfold.
_MAX_RATIO: Final = 200
_RATIO_FROM_BYTES: Final = 1 << 20
_UTF8_NAME: Final = 0x800
_ENCRYPTED: Final = 0x1
_UNIX: Final = 3
#: What programs add to a ZIP of their own accord.
_NOISE: Final = ("__macosx/", ".ds_store", "thumbs.db", "desktop.ini")
_SHEETS: Final = (".csv", ".xlsx")
#: Folders and name that a sheet may give of a longer path.
_NEAREST: Final = 6

_BROKEN: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    ValueError,
)


class AttachmentError(ValueError):
    """A file of the ZIP that cannot be taken. Do: what `message` says."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class Attachments:
    """The files in a ZIP by the names that a sheet gives them: the whole path, or the last part where only one has it.

    Raises SheetError for a ZIP that is broken, encrypted, too large, or has names that lead out of it.
    """

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._archive = zipfile.ZipFile(file)
            found = [
                (_name_of(part).replace("\\", "/"), part) for part in self._archive.infolist() if not part.is_dir()
            ]
        except _BROKEN as error:
            raise _unreadable(file) from error
        self._parts = [(name, part) for name, part in found if not _is_noise(name)]
        _check(self._parts)
        self._by_end: dict[str, list[tuple[str, zipfile.ZipInfo]]] = {}
        for name, part in self._parts:
            for end in _ends(_folded(name)):
                self._by_end.setdefault(end, []).append((name, part))

    def sheet(self) -> zipfile.ZipInfo:
        """The one sheet in a ZIP that holds sheet and files. Raises SheetError if there is none, or more than one."""
        sheets = [(name, part) for name, part in self._parts if name.lower().endswith(_SHEETS)]
        least = min((name.count("/") for name, _ in sheets), default=0)
        top = [(name, part) for name, part in sheets if name.count("/") == least]
        if len(top) == 1:
            return top[0][1]
        if not top:
            raise SheetError("no_sheet_in_zip", "ZIP 中没有 CSV 或 XLSX 表格；请把表格与附件一起打包。")
        names = "、".join(name for name, _ in top[:5])
        raise SheetError("many_sheets_in_zip", f"ZIP 中有多个表格（{names}），无法确定登记哪一个；请只留一个。")

    def find(self, name: str) -> zipfile.ZipInfo:
        """The file of this name, with any of the folders above it. Raises AttachmentError.

        Of several the one whose whole path, or else whose very spelling, this is.
        """
        found = self._called(name)
        if not found:
            raise AttachmentError("attachment_missing", f"ZIP 中没有文件“{name[:60]}”")
        if len(found) > 1:
            message = f"ZIP 中有 {len(found)} 个名为“{name[:60]}”的文件，请写出文件夹；同一文件夹中的同名文件请改名"
            raise AttachmentError("attachment_ambiguous", message)
        return found[0][1]

    def unnamed(self, names: Iterable[str], but: zipfile.ZipInfo | None = None) -> list[str]:
        """The paths of files that none of these names may mean, in the order of the ZIP; without one of them."""
        named = {path for name in names for path, _ in self._called(name)}
        return [path for path, part in self._parts if path not in named and part is not but]

    def _called(self, name: str) -> list[tuple[str, zipfile.ZipInfo]]:
        """The files that a name may mean: more than one where it does not tell them apart."""
        written = name.strip().replace("\\", "/").removeprefix("./").lstrip("/")
        wanted = _folded(written)
        found = self._by_end.get(wanted, [])
        for same in (lambda path: _folded(path) == wanted, lambda path: path == written):
            if len(found) > 1:
                found = [one for one in found if same(one[0])] or found
        return found

    @contextmanager
    def open(self, part: zipfile.ZipInfo, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Iterator[Iterator[bytes]]:
        """The bytes of a file, in chunks. Raises AttachmentError, from the chunks too: broken, or over the limit."""
        try:
            with self._archive.open(part) as stream:
                yield _counted(stream, part, limit_bytes)
        except AttachmentError:
            raise
        except (*_BROKEN, RuntimeError) as error:
            raise AttachmentError("attachment_broken", f"ZIP 中的文件“{_name_of(part)[:60]}”已损坏") from error

    def close(self) -> None:
        """Let go of the ZIP; the file under it is the caller's."""
        self._archive.close()


def is_bundle(file: BinaryIO) -> bool:
    """Whether a file is a ZIP other than an XLSX."""
    file.seek(0)
    if file.read(4) != b"PK\x03\x04":
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except _BROKEN:
        return False
    # Documents that are ZIPs themselves: of Office, OpenDocument, Numbers.
    return not (
        names & {"[Content_Types].xml", "mimetype"} or any(name.startswith(("xl/", "Index/")) for name in names)
    )


def _unreadable(file: BinaryIO) -> SheetError:
    file.seek(0)
    if file.read(2) != b"PK":
        return SheetError("not_a_zip", "附件应打包为 ZIP；这是别的文件，RAR、7z 等请解压后重新打包为 ZIP。")
    return SheetError("broken_zip", "ZIP 文件已损坏或不完整；请重新打包后上传。")


def _counted(stream: object, part: zipfile.ZipInfo, limit_bytes: int) -> Iterator[bytes]:
    size = 0
    read = stream.read  # type: ignore[attr-defined]
    while chunk := read(CHUNK_BYTES):
        size += len(chunk)
        # What the directory says of a size is not believed.
        if size > limit_bytes:
            limit = f"{limit_bytes >> 20} MB"
            raise AttachmentError("attachment_too_large", f"ZIP 中的文件“{_name_of(part)[:60]}”超过上限 {limit}")
        yield chunk


def _check(parts: list[tuple[str, zipfile.ZipInfo]]) -> None:
    if len(parts) > MAX_FILES or sum(part.file_size for _, part in parts) > MAX_UNPACKED_BYTES:
        raise SheetError(
            "unpacks_too_large",
            f"ZIP 展开后过大（上限 {MAX_FILES} 个文件、{MAX_UNPACKED_BYTES >> 30} GB）；请拆分后分别上传。",
            status=413,
        )
    for name, part in parts:
        if part.flag_bits & _ENCRYPTED:
            raise SheetError("encrypted", f"ZIP 已加密（{name[:60]}）；请取消密码后重新打包。")
        if _leads_out(name) or (part.create_system == _UNIX and stat.S_ISLNK(part.external_attr >> 16)):
            raise SheetError("unsafe_name", f"ZIP 中有指向压缩包之外的文件名“{name[:60]}”；请重新打包。")
        if part.file_size > _RATIO_FROM_BYTES and part.file_size > _MAX_RATIO * max(1, part.compress_size):
            message = f"ZIP 中的“{name[:60]}”压缩比异常，疑似压缩炸弹，未展开。"
            raise SheetError("zip_bomb", message, status=413)


def _name_of(part: zipfile.ZipInfo) -> str:
    """The name as it was meant: without the mark of UTF-8, Chinese Windows writes names in GB 18030 (appnote 4.4.4)."""
    if part.flag_bits & _UTF8_NAME or part.filename.isascii():
        return part.filename
    try:
        raw = part.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return part.filename
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return part.filename


def _leads_out(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/") or name[1:2] == ":"


def _is_noise(name: str) -> bool:
    folded = name.lower()
    last = folded.rsplit("/", 1)[-1]
    return folded.startswith(_NOISE) or last in _NOISE or last.startswith(("~$", "._"))


def _ends(path: str) -> set[str]:
    """What a sheet may call a file: the path, or its end from any of the nearest folders on."""
    parts = path.split("/")
    return {path, *("/".join(parts[start:]) for start in range(max(0, len(parts) - _NEAREST), len(parts)))}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
