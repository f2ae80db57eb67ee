"""SD-JWT (RFC 9901) in compact serialisation: a signed JSON object, some of whose members are told by disclosures.

    <issuer-signed JWT> ~ <disclosure> ~ … ~ [<key binding JWT>]

Reading follows RFC 9901 7.1 and refuses whatever it leaves open: a digest stands in one place only, a disclosure is
asked for by one digest, claims never overwrite others, and the names `_sd`, `_sd_alg` and `...` mean nothing else.
Nothing here knows keys, times or trust: see verifier.extract and verifier.key_binding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from verifier.canonical import canonicalise
from verifier.errors import MalformedError
from verifier.jws import MAX_DEPTH, Jws, decode, encode, open_jws, parse_json

SEPARATOR = "~"
DIGESTS, ELEMENT, ALGORITHM = "_sd", "...", "_sd_alg"
SHA_256 = "sha-256"
SALT_BYTES = 16
MAX_SD_JWT_BYTES = 512 * 1024
MAX_DISCLOSURES = 256

_RESERVED: Final = frozenset((DIGESTS, ELEMENT))
_BEGINNING = b"eyJ"

#: Where a disclosed claim stands: names of members and places in arrays, from the top.
Path = tuple[str | int, ...]


class Withheld:
    """Stands in an array for an element whose disclosure is not there."""

    def __repr__(self) -> str:
        return "WITHHELD"


WITHHELD: Final = Withheld()


@dataclass(frozen=True, slots=True)
class SdJwt:
    """A parsed SD-JWT, not yet believed.

    claims: the signed claims with everything disclosed put in its place, withheld elements of arrays as WITHHELD.
    disclosed: where each disclosure's claim stands, in the order of the disclosures.
    presented: the text that a key binding is about: all but the key binding. binding: the key binding JWT, or None.
    """

    jwt: Jws
    claims: dict[str, Any]
    disclosed: tuple[Path, ...]
    presented: str
    binding: str | None

    @property
    def digest(self) -> str:
        """`sd_hash` of RFC 9901 4.3.1."""
        return digest_of(self.presented)


def is_sd_jwt(presented: bytes) -> bool:
    """Whether some bytes are meant as an SD-JWT."""
    return presented.lstrip()[:3] == _BEGINNING and SEPARATOR.encode() in presented


def digest_of(text: str) -> str:
    """Base64url of SHA-256 over the ASCII text (RFC 9901 4.2.3)."""
    return encode(hashlib.sha256(text.encode()).digest())


def disclosure(salt: bytes, value: Any, name: str | None = None) -> str:
    """The text of a disclosure: of an object's member, or of an array's element where there is no name."""
    parts = [encode(salt), value] if name is None else [encode(salt), name, value]
    return encode(canonicalise(parts))


def assemble(jwt: str, disclosures: Iterable[str], binding: str = "") -> str:
    """The compact serialisation."""
    return SEPARATOR.join((jwt, *disclosures, binding))


class Concealer:
    """Replaces claims by digests and keeps their disclosures; `draw(n)` returns n random bytes."""

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        self._draw = draw
        self.disclosures: list[str] = []

    def members(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """What stands in an object for these members: their digests, in an order that tells nothing."""
        digests = [self._conceal(value, name) for name, value in members.items()]
        return {DIGESTS: sorted(digests)} if digests else {}

    def elements(self, elements: Iterable[Any]) -> list[dict[str, str]]:
        """What stands in an array for these elements, in their order."""
        return [{ELEMENT: self._conceal(value, None)} for value in elements]

    def _conceal(self, value: Any, name: str | None) -> str:
        text = disclosure(self._draw(SALT_BYTES), value, name)
        self.disclosures.append(text)
        return digest_of(text)


def open_sd_jwt(presented: bytes, typ: str) -> SdJwt:
    """Parse and put every disclosure in its place. Nothing is verified yet. Raises MalformedError, KindError."""
    if len(presented) > MAX_SD_JWT_BYTES:
        raise MalformedError("too_long", f"内容超过上限 {MAX_SD_JWT_BYTES} 字节")
    try:
        text = presented.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise MalformedError("not_an_sd_jwt", "内容不是 SD-JWT（应为 ASCII 文本）") from error
    if SEPARATOR not in text:
        raise MalformedError("not_an_sd_jwt", "内容不是 SD-JWT（缺少分隔符 ~）")
    first, *disclosures, binding = text.split(SEPARATOR)
    if len(disclosures) > MAX_DISCLOSURES:
        raise MalformedError("too_long", f"披露项超过上限 {MAX_DISCLOSURES} 个")
    jwt = open_jws(first, typ)
    reader = _Reader(disclosures)
    claims = reader.read(jwt.claims)
    presented_text = text[: len(text) - len(binding)]
    return SdJwt(jwt, claims, reader.disclosed(), presented_text, binding or None)


def without_gaps(value: Any) -> Any:
    """Claims as RFC 9901 7.1 gives them to an application: withheld elements of arrays are not there."""
    if isinstance(value, dict):
        return {name: without_gaps(one) for name, one in value.items()}
    if isinstance(value, list):
        return [without_gaps(one) for one in value if one is not WITHHELD]
    return value


@dataclass(frozen=True, slots=True)
class _Disclosure:
    """name: None for an element of an array."""

    name: str | None
    value: Any


class _Reader:
    """Puts disclosures in their places, each once."""

    def __init__(self, texts: list[str]) -> None:
        self._order = [digest_of(text) for text in texts]
        self._given = dict(zip(self._order, map(_parse_disclosure, texts), strict=True))
        if len(self._given) != len(texts):
            raise MalformedError("repeated_disclosure", "同一披露项出现了两次")
        self._seen: set[str] = set()
        self._places: dict[str, Path] = {}

    def read(self, claims: dict[str, Any]) -> dict[str, Any]:
        """The claims with what is disclosed."""
        if claims.get(ALGORITHM, SHA_256) != SHA_256:
            raise MalformedError("unknown_digest", "披露项的摘要算法不受支持，应为 sha-256")
        whole = self._object({name: value for name, value in claims.items() if name != ALGORITHM}, ())
        if len(self._places) != len(self._given):
            raise MalformedError("unknown_disclosure", "有披露项不属于签名的内容")
        return whole

    def disclosed(self) -> tuple[Path, ...]:
        """Where each disclosure stands."""
        return tuple(self._places[digest] for digest in self._order)

    def _value(self, value: Any, path: Path) -> Any:
        if len(path) > MAX_DEPTH:
            raise MalformedError("too_deep", f"披露项嵌套超过 {MAX_DEPTH} 层")
        if isinstance(value, dict):
            return self._object(value, path)
        return self._array(value, path) if isinstance(value, list) else value

    def _object(self, members: dict[str, Any], path: Path) -> dict[str, Any]:
        if ELEMENT in members or ALGORITHM in members:
            raise MalformedError("misplaced_name", "“...”与“_sd_alg”不能用作字段名")
        told = {name: self._value(value, (*path, name)) for name, value in members.items() if name != DIGESTS}
        for digest in self._digests(members.get(DIGESTS, [])):
            found = self._take(digest)
            if found is None:
                continue
            if found.name is None:
                raise MalformedError("misplaced_disclosure", "数组元素的披露项用在了对象中")
            if found.name in told:
                raise MalformedError("claim_clash", "披露的字段与已有字段同名")
            place = (*path, found.name)
            self._places[digest] = place
            told[found.name] = self._value(found.value, place)
        return told

    def _array(self, elements: list[Any], path: Path) -> list[Any]:
        told = []
        for index, element in enumerate(elements):
            place = (*path, index)
            if not isinstance(element, dict) or ELEMENT not in element:
                told.append(self._value(element, place))
                continue
            if len(element) != 1:
                raise MalformedError("misplaced_name", "“...”之外还有其他字段")
            (digest,) = self._digests([element[ELEMENT]])
            found = self._take(digest)
            if found is not None and found.name is not None:
                raise MalformedError("misplaced_disclosure", "对象字段的披露项用在了数组中")
            if found is not None:
                self._places[digest] = place
            told.append(WITHHELD if found is None else self._value(found.value, place))
        return told

    def _take(self, digest: str) -> _Disclosure | None:
        if digest in self._seen:
            raise MalformedError("repeated_digest", "同一摘要出现了两次")
        self._seen.add(digest)
        return self._given.get(digest)

    @staticmethod
    def _digests(value: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(one, str) and len(decode(one)) == 32 for one in value):
            raise MalformedError("wrong_field", "“_sd”应为摘要的数组，“...”应为一个摘要")
        return value


def _parse_disclosure(text: str) -> _Disclosure:
    parts = parse_json(decode(text))
    if not isinstance(parts, list) or len(parts) not in (2, 3) or not isinstance(parts[0], str):
        raise MalformedError("wrong_disclosure", "披露项应为 [盐, 值] 或 [盐, 名称, 值]")
    if len(parts) == 2:
        return _Disclosure(None, parts[1])
    if not isinstance(parts[1], str) or parts[1] in _RESERVED or parts[1] == ALGORITHM:
        raise MalformedError("wrong_disclosure", "披露项的字段名不能是“_sd”“_sd_alg”“...”")
    return _Disclosure(parts[1], parts[2])
