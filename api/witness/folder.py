"""The folder of a witness: its key and its memory, which belong together.

A key whose memory is lost must never cosign again: it could contradict itself. So the memory names the key before the
key exists in its place, and a key without a memory that names it is refused.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from api.gate.errors import cause_of
from api.gate.files import sync_folder
from api.witness.errors import WitnessFolderError
from api.witness.memory import Memory
from verifier.cosignature import witness_key
from verifier.errors import MalformedError
from verifier.note import COSIGNATURE, check_name, to_vkey
from verifier.suites import PublicKey, SoftwareKey

KEY, MEMORY = "witness.pem", "heads.db"

_NEW_KEY = ".witness.pem.new"
_BEGIN_ANEW = "换一个空目录重新开始，把新公钥交给登记处，并请其停用旧公钥"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Identity:
    """Who cosigns, with what, and what it remembers."""

    name: str
    key: SoftwareKey
    memory: Memory

    @property
    def vkey(self) -> str:
        """The public key as operators exchange it."""
        return to_vkey(self.name, self.key.public, COSIGNATURE)


def open_folder(folder: Path, name: str | None) -> Identity:
    """The witness in this folder; key and memory are made at the first start, under `name`.

    Raises WitnessFolderError: no name at the first start, another name; key or memory lost, damaged or open to others.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _open(folder, name)
    except OSError as error:
        raise WitnessFolderError("unusable", f"无法使用目录 {folder}：{cause_of(error)}") from error


def _open(folder: Path, name: str | None) -> Identity:
    path, memory_path = folder / KEY, folder / MEMORY
    if path.exists() and not memory_path.exists():
        raise _memory_lost(folder)
    memory = Memory(memory_path)
    known = memory.identity()
    if known is None:
        if path.exists():
            raise _memory_lost(folder)
        known = _begin(folder, memory, name)
    if not path.exists():
        _put_in_place(folder, known[1])
    key = _read(path)
    if key.public != known[1]:
        raise WitnessFolderError(
            "wrong_key", f"{path} 不是这份见证记录的密钥；请放回原来的密钥，或换一个空目录重新开始"
        )
    if name not in (None, known[0]):
        raise WitnessFolderError("wrong_name", f"{folder} 属于见证方 {known[0]}；请去掉 --name，或换一个空目录")
    return Identity(known[0], key, memory)


def _begin(folder: Path, memory: Memory, name: str | None) -> tuple[str, PublicKey]:
    if name is None:
        raise WitnessFolderError("no_name", "首次启动须用 --name 指定见证方的名称，例如 market.example/w1")
    try:
        check_name(name)
    except MalformedError as error:
        raise WitnessFolderError("wrong_name", f"见证方的名称不可用：{error.message}") from error
    key = SoftwareKey.generate()
    descriptor = os.open(folder / _NEW_KEY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.to_pem())
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)
    # From here on this key and no other; nothing is cosigned before it is in its place.
    memory.name(name, key.public)
    return name, key.public


def _put_in_place(folder: Path, public: PublicKey) -> None:
    made = folder / _NEW_KEY
    if not made.exists() or _read(made).public != public:
        message = f"密钥文件 {folder / KEY} 不存在，请从备份恢复；没有备份的，{_BEGIN_ANEW}"
        raise WitnessFolderError("key_lost", message)
    made.replace(folder / KEY)
    sync_folder(folder)


def _read(path: Path) -> SoftwareKey:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & _OTHERS:
        message = f"{path} 可被其他用户读取（权限 {mode:o}），已拒绝使用；请执行 chmod 600，并考虑更换密钥"
        raise WitnessFolderError("key_exposed", message)
    try:
        key = SoftwareKey.from_pem(path.read_bytes())
        witness_key(to_vkey("check", key.public, COSIGNATURE))
    except MalformedError as error:
        raise WitnessFolderError("key_damaged", f"密钥文件 {path} 已损坏：{error.message}；请从备份恢复") from error
    return key


def _memory_lost(folder: Path) -> WitnessFolderError:
    message = (
        f"{folder} 中有密钥而没有它的见证记录：记录丢失后，同一密钥再联署可能前后矛盾，已拒绝启动。请{_BEGIN_ANEW}"
    )
    return WitnessFolderError("memory_lost", message)
