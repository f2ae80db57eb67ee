"""What a trust bundle says, as frozen records and as JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from verifier import times
from verifier.anchor import Anchor
from verifier.cosignature import MAX_WITNESSES, Witness
from verifier.errors import MalformedError, VerificationError
from verifier.foreign.profile import ForeignIssuer
from verifier.root import RootDocument
from verifier.suites import PublicKey, public_key
from verifier.trusted_chain import TrustedChain
from verifier.venue import Venue

FORMAT = "suizheng-trust/1"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key, whose it is (18-character USCC or "registry"), what for, and when (valid_to exclusive, None: no end).

    Purposes: "entries" (log entries), "extract", "log", "status", "code:person", "code:enterprise", "code:venue",
    "code:component", "code:printed", "code:derived".
    """

    public: PublicKey
    owner: str
    purposes: tuple[str, ...]
    valid_from: datetime
    valid_to: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """{suite, public, owner, purposes, valid_from, valid_to}."""
        return {
            "suite": int(self.public.suite),
            "public": self.public.raw.hex(),
            "owner": self.owner,
            "purposes": list(self.purposes),
            "valid_from": times.to_text(self.valid_from),
            "valid_to": _end_to_text(self.valid_to),
        }

    @classmethod
    def from_json(cls, value: Any) -> TrustedKey:
        """The inverse of `to_json`. Raises MalformedError."""
        item = _object(value, {"suite", "public", "owner", "purposes", "valid_from", "valid_to"})
        return cls(
            _public(item),
            _text(item["owner"]),
            tuple(_list(item["purposes"], _text)),
            times.from_text(item["valid_from"]),
            _end_from_text(item["valid_to"]),
        )


@dataclass(frozen=True, slots=True)
class Department:
    """A department: 18-character USCC, full name, level (district, street, municipal)."""

    code: str
    name: str
    level: str

    def to_json(self) -> dict[str, Any]:
        """{code, name, level}."""
        return {"code": self.code, "name": self.name, "level": self.level}

    @classmethod
    def from_json(cls, value: Any) -> Department:
        """The inverse of `to_json`. Raises MalformedError."""
        item = _object(value, {"code", "name", "level"})
        return cls(_text(item["code"]), _text(item["name"]), _text(item["level"]))


@dataclass(frozen=True, slots=True)
class Scope:
    """A department may issue a certificate type in a period (valid_to exclusive, None: no end)."""

    department: str
    type_code: str
    valid_from: datetime
    valid_to: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """{department, type_code, valid_from, valid_to}."""
        return {
            "department": self.department,
            "type_code": self.type_code,
            "valid_from": times.to_text(self.valid_from),
            "valid_to": _end_to_text(self.valid_to),
        }

    @classmethod
    def from_json(cls, value: Any) -> Scope:
        """The inverse of `to_json`. Raises MalformedError."""
        item = _object(value, {"department", "type_code", "valid_from", "valid_to"})
        return cls(
            _text(item["department"]),
            _text(item["type_code"]),
            times.from_text(item["valid_from"]),
            _end_from_text(item["valid_to"]),
        )


@dataclass(frozen=True, slots=True)
class TrustedType:
    """A certificate type at one version: 21-character code, name, once-only or not, JSON Schema of `extend_info`."""

    code: str
    version: int
    name: str
    one_time: bool
    schema: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """{code, version, name, one_time, schema}."""
        return {
            "code": self.code,
            "version": self.version,
            "name": self.name,
            "one_time": self.one_time,
            "schema": self.schema,
        }

    @classmethod
    def from_json(cls, value: Any) -> TrustedType:
        """The inverse of `to_json`. Raises MalformedError."""
        item = _object(value, {"code", "version", "name", "one_time", "schema"})
        if type(item["version"]) is not int or not isinstance(item["one_time"], bool):
            raise _wrong()
        if not isinstance(item["schema"], dict):
            raise _wrong()
        return cls(_text(item["code"]), item["version"], _text(item["name"]), item["one_time"], item["schema"])


@dataclass(frozen=True, slots=True)
class TrustContent:
    """The signed part. `origin` names the log; the kids name keys in `keys`; statuses map list numbers to tokens.

    witness_threshold: how many of the witnesses must have cosigned a head, 0 for none. seal_makers: DER certificates of
    trusted seal makers, signers and their authorities.
    """

    registry: str
    version: int
    issued_at: datetime
    expires_at: datetime
    root_threshold: int
    root_keys: tuple[PublicKey, ...]
    origin: str
    log_kid: bytes
    status_kid: bytes
    keys: tuple[TrustedKey, ...]
    departments: tuple[Department, ...]
    scopes: tuple[Scope, ...]
    types: tuple[TrustedType, ...]
    heads: tuple[Anchor, ...]
    venues: tuple[Venue, ...]
    statuses: Mapping[int, bytes]
    #: What changed since the tokens in `statuses`, by the same numbers (verifier.status_delta).
    status_deltas: Mapping[int, bytes] = field(default_factory=dict)
    #: Signers of other systems' codes that are believed here.
    issuers: tuple[ForeignIssuer, ...] = ()
    chains: tuple[TrustedChain, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    witness_threshold: int = 0
    seal_makers: tuple[bytes, ...] = ()
    #: Names of matters by code, so that a scope can be read without a network.
    matters: Mapping[str, str] = field(default_factory=dict)
    #: Root documents, oldest first; the newest names `root_keys` as publishers. None: the keys vouch for themselves.
    root_chain: tuple[RootDocument, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The JSON object that is signed."""
        # Left out where there is nothing to say, as in the bundles of earlier versions.
        return {
            "format": FORMAT,
            "registry": self.registry,
            "version": self.version,
            "issued_at": times.to_text(self.issued_at),
            "expires_at": times.to_text(self.expires_at),
            "roots": {
                "threshold": self.root_threshold,
                "keys": [{"suite": int(key.suite), "public": key.raw.hex()} for key in self.root_keys],
            },
            "log": {"origin": self.origin, "kid": self.log_kid.hex()},
            "status_kid": self.status_kid.hex(),
            "keys": [key.to_json() for key in self.keys],
            "departments": [department.to_json() for department in self.departments],
            "scopes": [scope.to_json() for scope in self.scopes],
            "types": [kind.to_json() for kind in self.types],
            "heads": [head.to_json() for head in self.heads],
            "venues": [venue.to_json() for venue in self.venues],
            "statuses": _tokens_to_json(self.statuses),
            **self._optional_to_json(),
        }

    def _optional_to_json(self) -> dict[str, Any]:
        """What stands in the object only where there is any."""
        optional: dict[str, Any] = {
            name: [one.to_json() for one in ones]
            for name, ones in (
                ("issuers", self.issuers),
                ("chains", self.chains),
                ("witnesses", self.witnesses),
                ("root_chain", self.root_chain),
            )
            if ones
        }
        if self.seal_makers:
            optional["seal_makers"] = [base64.b64encode(one).decode() for one in self.seal_makers]
        if self.matters:
            optional["matters"] = dict(self.matters)
        if self.status_deltas:
            optional["status_deltas"] = _tokens_to_json(self.status_deltas)
        return optional | ({"witness_threshold": self.witness_threshold} if self.witnesses else {})

    @classmethod
    def from_json(cls, value: Any) -> TrustContent:
        """The inverse of `to_json`. Raises MalformedError for anything else, whatever was wrong with it."""
        try:
            return _content(value)
        except VerificationError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise _wrong() from error


def _content(value: Any) -> TrustContent:
    item = _object(value, _CONTENT_KEYS, _OPTIONAL_KEYS)
    if item["format"] != FORMAT:
        raise MalformedError("unknown_version", "信任包的格式版本不受支持")
    roots = _object(item["roots"], {"threshold", "keys"})
    root_keys = tuple(_list(roots["keys"], lambda key: _public(_object(key, {"suite", "public"}))))
    threshold, version = roots["threshold"], item["version"]
    if type(threshold) is not int or not 1 <= threshold <= len({key.kid for key in root_keys}):
        raise MalformedError("wrong_field", "信任包的根密钥门限不合理")
    if type(version) is not int or version < 1:
        raise MalformedError("wrong_field", "信任包的版本号应为正整数")
    log = _object(item["log"], {"origin", "kid"})
    content = TrustContent(
        registry=_text(item["registry"]),
        version=version,
        issued_at=times.from_text(item["issued_at"]),
        expires_at=times.from_text(item["expires_at"]),
        root_threshold=threshold,
        root_keys=root_keys,
        origin=_text(log["origin"]),
        log_kid=_hex(log["kid"]),
        status_kid=_hex(item["status_kid"]),
        keys=tuple(_list(item["keys"], TrustedKey.from_json)),
        departments=tuple(_list(item["departments"], Department.from_json)),
        scopes=tuple(_list(item["scopes"], Scope.from_json)),
        types=tuple(_list(item["types"], TrustedType.from_json)),
        heads=tuple(_list(item["heads"], Anchor.from_json)),
        venues=tuple(_list(item["venues"], Venue.from_json)),
        statuses=_tokens(item["statuses"]),
        status_deltas=_tokens(item.get("status_deltas", {})),
        issuers=tuple(_list(item.get("issuers", []), ForeignIssuer.from_json)),
        chains=tuple(_list(item.get("chains", []), TrustedChain.from_json)),
        witnesses=tuple(_list(item.get("witnesses", []), Witness.from_json)),
        witness_threshold=item.get("witness_threshold", 0),
        seal_makers=tuple(_list(item.get("seal_makers", []), _base64)),
        root_chain=tuple(_list(item.get("root_chain", []), RootDocument.from_json)),
        matters={_text(code): _text(name) for code, name in item.get("matters", {}).items()},
    )
    _check_witnesses(content)
    if not content.status_deltas.keys() <= content.statuses.keys():
        raise MalformedError("wrong_field", "信任包中有状态变动，却没有它所依据的状态列表")
    if content.to_json() != value:
        raise MalformedError("not_canonical", "信任包的字段不是规范形式")
    return content


_CONTENT_KEYS = {
    "format",
    "registry",
    "version",
    "issued_at",
    "expires_at",
    "roots",
    "log",
    "status_kid",
    "keys",
    "departments",
    "scopes",
    "types",
    "heads",
    "venues",
    "statuses",
}
_OPTIONAL_KEYS = frozenset(
    ("issuers", "chains", "witnesses", "witness_threshold", "seal_makers", "matters", "root_chain", "status_deltas")
)


def _check_witnesses(content: TrustContent) -> None:
    """A threshold that can be reached, and no key that would count for two: a cosignature does not bind its name."""
    witnesses, threshold = content.witnesses, content.witness_threshold
    keys = {witness.public for witness in witnesses}
    if type(threshold) is not int or not 0 <= threshold <= len({witness.name for witness in witnesses}):
        raise MalformedError("wrong_field", "信任包的见证门限超过见证方的数目")
    if len(witnesses) > MAX_WITNESSES or len(keys) < len(witnesses) or keys & {key.public for key in content.keys}:
        raise MalformedError("wrong_field", "信任包中两个见证方不能用同一密钥，见证密钥也不能另作他用")


def _wrong() -> MalformedError:
    return MalformedError("wrong_fields", "信任包的字段与格式不符")


def _object(value: Any, keys: set[str], optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    if not isinstance(value, dict) or not keys <= value.keys() <= keys | optional:
        raise _wrong()
    return value


def _list(value: Any, parse: Callable[[Any], _T]) -> list[_T]:
    if not isinstance(value, list):
        raise _wrong()
    return [parse(item) for item in value]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise _wrong()
    return value


def _hex(value: Any) -> bytes:
    return bytes.fromhex(_text(value))


def _base64(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise _wrong() from error


def _tokens(value: dict[str, Any]) -> dict[int, bytes]:
    return {int(number): _base64(token) for number, token in value.items()}


def _tokens_to_json(tokens: Mapping[int, bytes]) -> dict[str, str]:
    return {str(number): base64.b64encode(token).decode() for number, token in tokens.items()}


def _public(item: dict[str, Any]) -> PublicKey:
    return public_key(item["suite"], _hex(item["public"]))


def _end_to_text(at: datetime | None) -> str | None:
    return None if at is None else times.to_text(at)


def _end_from_text(text: Any) -> datetime | None:
    return None if text is None else times.from_text(text)
