"""A ZIP from a stranger: everything about it is bounded and checked before anything in it is used."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
import zlib

from cryptography.hazmat.primitives import hashes

from verifier.errors import Check, MalformedError, UndecidedError

MAX_FILE_BYTES = 128 * 1024 * 1024
MAX_ENTRIES = 10_000
MAX_ENTRY_BYTES = 64 * 1024 * 1024
MAX_TOTAL_BYTES = 256 * 1024 * 1024
MAX_NAME_CHARACTERS = 500
#: How many times its packed size an entry of more than 1 MB may have.
MAX_RATIO = 200
#: Bytes that are digested for all seals of one file together.
MAX_DIGESTED_BYTES = 2 * 1024 * 1024 * 1024

_FREE_RATIO_BYTES = 1024 * 1024
_STEP_BYTES = 1024 * 1024
#: Longer entries are unpacked again when they are asked for again.
_KEPT_BYTES = 1024 * 1024
_CENTRAL_MARK, _LOCAL_MARK = b"PK\x01\x02", b"PK\x03\x04"
#: A local header (APPNOTE 4.3.7), and where in it the lengths of name and extra field are.
_LOCAL_BYTES, _LENGTHS_AT, _LENGTHS = 30, 26, struct.Struct("<HH")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UTF8_FLAG, _ENCRYPTED_FLAG = 0x800, 0x1
_DRIVE = re.compile(r"[A-Za-z]:")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError, KeyError)


class Archive:
    """The entries of a ZIP by name. Made by `Archive(data)`, which raises MalformedError for anything unsafe, and
    UndecidedError for what is encrypted."""

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_FILE_BYTES:
            raise MalformedError("too_long", f"文件超过上限 {MAX_FILE_BYTES // 2**20} MB")
        if data.count(_CENTRAL_MARK) > MAX_ENTRIES:
            raise MalformedError("zip_bomb", f"压缩包条目超过上限 {MAX_ENTRIES} 个")
        self._data = data
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _BROKEN as error:
            raise MalformedError("broken_zip", "压缩包已损坏，无法打开；请重新获取文件") from error
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            self._admit(info)
        total = sum(info.file_size for info in self._infos.values())
        if total > MAX_TOTAL_BYTES:
            raise MalformedError("zip_bomb", f"压缩包展开后有 {total // 2**20} MB，超过上限", evidence={"bytes": total})
        self.names = frozenset(self._infos)
        self._folded: dict[str, list[str]] = {}
        for name in sorted(self.names):
            self._folded.setdefault(name.casefold(), []).append(name)
        self._contents: dict[str, bytes] = {}
        self._digests: dict[tuple[str, str, bytes], bytes] = {}
        self._digested = 0

    def read(self, name: str) -> bytes:
        """The bytes of an entry. Raises MalformedError if it is missing or damaged."""
        kept = self._contents.get(name)
        if kept is not None:
            return kept
        data = self._unpack(name)
        if len(data) <= _KEPT_BYTES:
            self._contents[name] = data
        return data

    def size(self, name: str) -> int:
        """The length of an entry in bytes."""
        return self._infos[name].file_size

    def find(self, name: str) -> str | None:
        """The entry of this name; failing that, the only one that differs in upper and lower case alone; or None."""
        if name in self.names:
            return name
        alike = self._folded.get(name.casefold(), [])
        return alike[0] if len(alike) == 1 else None

    def alike(self, name: str) -> list[str]:
        """Every entry that is called so but for upper and lower case, this one too: some programs see no difference."""
        return self._folded.get(name.casefold(), [])

    def digest(self, name: str, algorithm: str, prefix: bytes = b"") -> bytes:
        """The digest (sm3, sha256, sha1, md5) of prefix and entry; each is computed once. Raises MalformedError."""
        key = (name, algorithm, prefix)
        if key not in self._digests:
            data = self.read(name)
            self._digested += len(data)
            if self._digested > MAX_DIGESTED_BYTES:
                raise MalformedError("too_much_work", "签章引用的数据总量超过上限")
            self._digests[key] = digest(algorithm, prefix, data)
        return self._digests[key]

    def has_strays(self) -> bool:
        """Whether entries stand in the file that its directory does not list; who reads from the front shows them."""
        data, end = self._data, 0
        for info in sorted(self._zip.infolist(), key=lambda one: one.header_offset):
            if _LOCAL_MARK in data[end : info.header_offset]:
                return True
            names = _LENGTHS.unpack_from(data, info.header_offset + _LENGTHS_AT)
            end = info.header_offset + _LOCAL_BYTES + sum(names) + info.compress_size
        return _LOCAL_MARK in data[end:]

    def _admit(self, info: zipfile.ZipInfo) -> None:
        name = _name(info)
        if not name and info.orig_filename in ("./", ".\\"):
            return
        if name.endswith("/"):
            _check_name(name.rstrip("/") or "/")
            return
        _check_name(name)
        if name in self._infos:
            raise MalformedError("duplicate_entry", f"压缩包中有两个同名条目 {name}", evidence={"entry": name})
        if info.flag_bits & _ENCRYPTED_FLAG:
            message = "文件包有加密的条目，无法核验；请提供未加密的文件"
            raise UndecidedError("encrypted_entry", message, check=Check.FORMAT, evidence={"entry": name})
        if info.compress_type not in _METHODS:
            raise MalformedError("unknown_method", "压缩包用了不允许的压缩方法", evidence={"entry": name})
        if info.file_size > MAX_ENTRY_BYTES or (
            info.file_size > _FREE_RATIO_BYTES and info.file_size > MAX_RATIO * max(info.compress_size, 1)
        ):
            raise MalformedError("zip_bomb", f"条目 {name} 展开后过大", evidence={"entry": name})
        self._infos[name] = info

    def _unpack(self, name: str) -> bytes:
        info = self._infos.get(name)
        if info is None:
            raise MalformedError("entry_missing", f"文件中缺少 {name}", evidence={"entry": name})
        try:
            with self._zip.open(info) as stream:
                parts, length = list[bytes](), 0
                # The sizes in the directory are claims: what comes out is counted.
                while part := stream.read(_STEP_BYTES):
                    length += len(part)
                    if length > MAX_ENTRY_BYTES:
                        raise MalformedError("zip_bomb", f"条目 {name} 展开后过大", evidence={"entry": name})
                    parts.append(part)
        except _BROKEN as error:
            raise MalformedError("broken_entry", f"条目 {name} 已损坏", evidence={"entry": name}) from error
        return b"".join(parts)


def digest(algorithm: str, *parts: bytes) -> bytes:
    """The digest of the parts one after another."""
    if algorithm == "sm3":
        state = hashes.Hash(hashes.SM3())
        for part in parts:
            state.update(part)
        return state.finalize()
    hasher = hashlib.new(algorithm, usedforsecurity=False)
    for part in parts:
        hasher.update(part)
    return hasher.digest()


def _name(info: zipfile.ZipInfo) -> str:
    # Some programs pack a folder as "./", and some of Windows divide folders by backslashes: the same names.
    return _written(info).replace("\\", "/").removeprefix("./")


def _written(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename
    if info.flag_bits & _UTF8_FLAG:
        return name
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return name


def _check_name(name: str) -> None:
    shown = name[:80]
    if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise MalformedError("unsafe_path", "压缩包有不合规的条目名", evidence={"entry": shown})
    if name.startswith("/") or _DRIVE.match(name):
        raise MalformedError("unsafe_path", f"条目 {shown} 用了绝对路径", evidence={"entry": shown})
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise MalformedError("unsafe_path", f"条目 {shown} 的路径离开了压缩包", evidence={"entry": shown})
