"""Root documents (根文件): which offline root keys there are, and whom they let publish trust bundles.

Canonical JSON under at least `threshold` of its own root keys. Its successor has the next version and is held by a
threshold of the old root keys and of its own: so root keys change one after the other, and whoever holds any version
follows to the newest without asking anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from verifier import canonical, multisigned, times
from verifier.errors import MalformedError, SignatureError, StaleTrustError, VerificationError
from verifier.suites import PublicKey, SigningKey, public_key

FORMAT = "suizheng-root/1"
MAX_CHAIN = 64
MAX_ROOT_BYTES = 64 * 1024
MAX_KEYS = 32

_CONTEXT = b"suizheng/root/1\x00"
_WHAT = "根文件"


@dataclass(frozen=True, slots=True)
class RootContent:
    """The signed part. publishers: who sign trust bundles, `publisher_threshold` of them each. expires_at exclusive."""

    registry: str
    version: int
    issued_at: datetime
    expires_at: datetime
    threshold: int
    keys: tuple[PublicKey, ...]
    publisher_threshold: int
    publishers: tuple[PublicKey, ...]

    def to_json(self) -> dict[str, Any]:
        """The JSON object that is signed."""
        return {
            "format": FORMAT,
            "registry": self.registry,
            "version": self.version,
            "issued_at": times.to_text(self.issued_at),
            "expires_at": times.to_text(self.expires_at),
            "roots": _group(self.threshold, self.keys),
            "publishers": _group(self.publisher_threshold, self.publishers),
        }

    @classmethod
    def from_json(cls, value: Any) -> RootContent:
        """The inverse of `to_json`. Raises MalformedError for anything else, whatever was wrong with it."""
        try:
            if value["format"] != FORMAT or not isinstance(value["registry"], str):
                raise MalformedError("unknown_version", "根文件的格式版本不受支持")
            threshold, keys = _read_group(value["roots"])
            publisher_threshold, publishers = _read_group(value["publishers"])
            content = cls(
                value["registry"], value["version"], times.from_text(value["issued_at"]),
                times.from_text(value["expires_at"]), threshold, keys, publisher_threshold, publishers,
            )  # fmt: skip
            if type(content.version) is not int or content.version < 1 or content.to_json() != value:
                raise MalformedError("wrong_fields", "根文件的字段与格式不符")
        except VerificationError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise MalformedError("wrong_fields", "根文件的字段与格式不符") from error
        if {key.kid for key in keys} & {key.kid for key in publishers}:
            raise MalformedError("root_key_publishes", "根密钥不能同时用于发布：根密钥须离线保存")
        return content

    @property
    def message(self) -> bytes:
        """The bytes that root keys sign."""
        return _CONTEXT + canonical.canonicalise(self.to_json())


@dataclass(frozen=True, slots=True)
class RootDocument:
    """A root document with the signatures it has; a draft may still be below its threshold."""

    content: RootContent
    signatures: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def from_json(cls, value: Any) -> RootDocument:
        """The document of its JSON object; nothing is verified yet. Raises MalformedError."""
        signed, signatures = multisigned.take_apart(value, _WHAT, least=0)
        return cls(RootContent.from_json(signed), tuple(signatures))

    @classmethod
    def from_bytes(cls, data: bytes) -> RootDocument:
        """The document of a file; nothing is verified yet. Raises MalformedError."""
        if len(data) > MAX_ROOT_BYTES:
            raise MalformedError("too_long", f"根文件超过上限 {MAX_ROOT_BYTES} 字节")
        return cls.from_json(canonical.parse_canonical(data))

    def to_json(self) -> dict[str, Any]:
        """{"signed", "signatures"}."""
        return multisigned.assemble(self.content.to_json(), dict(self.signatures))

    def to_bytes(self) -> bytes:
        """The file."""
        return canonical.canonicalise(self.to_json())

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits by which people compare root documents: SHA-256 of what is signed."""
        return hashlib.sha256(self.content.message).hexdigest()

    def signed_with(self, key: SigningKey, before: RootDocument | None = None) -> RootDocument:
        """The document with one more signature, by a root key of its own or of the one before it.

        Raises SignatureError for any other key.
        """
        if key.public not in self.content.keys and (before is None or key.public not in before.content.keys):
            raise SignatureError("not_a_root_key", "这个密钥不是该根文件（或上一版）的根密钥")
        fresh = dict(self.signatures) | {key.public.kid: key.sign(self.content.message)}
        return RootDocument(self.content, tuple(sorted(fresh.items())))

    def check(self, before: RootDocument | None) -> None:
        """Raises SignatureError unless a threshold of its own root keys holds it, and of those before, and it follows.

        `before` None: a first document, or one that is believed for another reason.
        """
        mine = self.content
        if before is not None:
            if (mine.registry, mine.version) != (before.content.registry, before.content.version + 1):
                raise SignatureError("root_does_not_follow", "根文件不是上一版的下一版，或属于另一个登记机构")
            old = before.content
            multisigned.check_threshold(
                old.keys, old.threshold, mine.message, self.signatures, "根文件（上一版根密钥）"
            )
        multisigned.check_threshold(mine.keys, mine.threshold, mine.message, self.signatures, _WHAT)


def check_chain(chain: Sequence[RootDocument]) -> RootDocument:
    """The newest of a chain of root documents, each of which follows the one before. Raises SignatureError."""
    before: RootDocument | None = None
    for document in chain:
        document.check(before)
        before = document
    if before is None or len(chain) > MAX_CHAIN:
        raise SignatureError("root_does_not_follow", f"根文件应有 1 至 {MAX_CHAIN} 版")
    return before


def follow(known: RootDocument, chain: Sequence[RootDocument]) -> RootDocument:
    """The newest of a checked chain, if it leads on from the document that is believed already.

    Raises StaleTrustError for an older one (rollback), SignatureError for a chain that goes another way.
    """
    newest, version = chain[-1], known.content.version
    if newest.content.version < version:
        raise StaleTrustError("root_rolled_back", f"根文件第 {newest.content.version} 版旧于现有的第 {version} 版")
    for document in chain:
        if document.content.version == version:
            if document.content != known.content:
                raise SignatureError("other_root", "同一版本的根文件内容不同")
            return newest
        if document.content.version == version + 1:
            document.check(known)
            return newest
    raise SignatureError("root_does_not_follow", f"信任包中的根文件与现有的第 {version} 版接不上")


def _group(threshold: int, keys: Sequence[PublicKey]) -> dict[str, Any]:
    return {
        "threshold": threshold,
        "keys": [{"suite": int(key.suite), "public": key.raw.hex()} for key in keys],
    }


def _read_group(value: Any) -> tuple[int, tuple[PublicKey, ...]]:
    threshold = value["threshold"]
    if not 0 < len(value["keys"]) <= MAX_KEYS:
        raise MalformedError("wrong_field", "根文件的密钥数目不合理")
    keys = tuple(public_key(key["suite"], bytes.fromhex(key["public"])) for key in value["keys"])
    if type(threshold) is not int or not 1 <= threshold <= len({key.kid for key in keys}):
        raise MalformedError("wrong_field", "根文件的门限不合理")
    if len({key.kid for key in keys}) < len(keys):
        raise MalformedError("wrong_field", "根文件中同一密钥出现了两次")
    return threshold, keys
