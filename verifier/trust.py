"""The trust bundle (信任包): signed, versioned, expiring; everything an offline decision rests on.

A file of canonical JSON: {"signed": {…}, "signatures": [{"kid", "signature"}, …]}, held by a threshold of the keys it
names. With root documents (verifier.root) these are the publishers that offline root keys have named, and a successor
is believed if its root documents lead on from those here; without, if a threshold of the old keys holds it too. A
successor has a higher version and the same registry. Which first bundle to believe is for whoever hands the file over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from verifier import canonical, multisigned, times
from verifier.anchor import Anchor
from verifier.errors import (
    AnchorContradictionError,
    MalformedError,
    ScopeError,
    SignatureError,
    StaleTrustError,
    UnanchoredError,
    UnknownStatusError,
    UnknownTypeError,
    UntrustedIssuerError,
)
from verifier.root import RootDocument, check_chain, follow
from verifier.schema import FaceSchema
from verifier.status import Status, StatusList
from verifier.status_delta import apply_delta
from verifier.suites import PublicKey, SigningKey
from verifier.trust_content import Scope, TrustContent, TrustedKey, TrustedType
from verifier.trusted_chain import TrustedChain
from verifier.venue import Venue

MAX_BUNDLE_BYTES = 64 * 1024 * 1024
#: What the clocks of doors and windows are off by.
CLOCKS_DIFFER = timedelta(hours=1)
REGISTRY = "registry"

_CONTEXT = b"suizheng/trust/1\x00"
_WHAT = "信任包"


@dataclass(frozen=True)
class TrustBundle:
    """A checked trust bundle with its look-ups. Made by `open`; the raw bytes are kept in `data`."""

    content: TrustContent
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        content = self.content
        put = object.__setattr__
        put(self, "_keys", {key.public.kid: key for key in content.keys})
        put(self, "_types", {(kind.code, kind.version): kind for kind in content.types})
        put(self, "_venues", {venue.id: venue for venue in content.venues})
        scopes: dict[tuple[str, str], list[Scope]] = {}
        for scope in content.scopes:
            scopes.setdefault((scope.department, scope.type_code), []).append(scope)
        put(self, "_scopes", scopes)
        heads: dict[int, list[Anchor]] = {}
        for head in content.heads:
            heads.setdefault(head.size, []).append(head)
        put(self, "_heads", heads)
        put(self, "_log_keys", tuple(key.public for key in content.keys if "log" in key.purposes))
        put(self, "_schemas", {})
        put(self, "_statuses", self._open_statuses())

    _keys: dict[bytes, TrustedKey] = field(init=False, repr=False)
    _types: dict[tuple[str, int], TrustedType] = field(init=False, repr=False)
    _venues: dict[str, Venue] = field(init=False, repr=False)
    _scopes: dict[tuple[str, str], list[Scope]] = field(init=False, repr=False)
    _heads: dict[int, list[Anchor]] = field(init=False, repr=False)
    _log_keys: tuple[PublicKey, ...] = field(init=False, repr=False)
    _schemas: dict[tuple[str, int], FaceSchema] = field(init=False, repr=False)
    _statuses: dict[int, StatusList] = field(init=False, repr=False)

    @classmethod
    def open(cls, data: bytes) -> TrustBundle:
        """The bundle of bytes held by a threshold of its own root keys. Raises MalformedError, SignatureError."""
        content, signed, signatures = _parse(data)
        _check_root(content)
        _check_threshold(content, signed, signatures)
        return cls(content, data)

    @property
    def root(self) -> RootDocument | None:
        """The newest root document; None where the bundle's keys vouch for themselves."""
        return self.content.root_chain[-1] if self.content.root_chain else None

    def accept(self, data: bytes) -> TrustBundle:
        """The successor in `data`: one that this bundle's root documents lead to, or held also by its own keys.

        Raises MalformedError, SignatureError; StaleTrustError for an older version (rollback) or another content under
        the same version.
        """
        content, signed, signatures = _parse(data)
        if content.registry != self.content.registry:
            raise SignatureError("wrong_registry", "信任包属于另一个登记机构")
        _check_root(content)
        if self.root is None:
            _check_threshold(self.content, signed, signatures)
        elif not content.root_chain:
            raise SignatureError("root_missing", "信任包没有根文件，而现有的信任包有")
        else:
            follow(self.root, content.root_chain)
        _check_threshold(content, signed, signatures)
        if content.version < self.content.version:
            raise StaleTrustError("rolled_back", f"信任包版本 {content.version} 旧于现有版本 {self.content.version}")
        if content.version == self.content.version and data != self.data:
            raise SignatureError("same_version", "同一版本号的信任包内容不同")
        return TrustBundle(content, data)

    def key(self, kid: bytes, purpose: str, at: datetime) -> TrustedKey:
        """The key named `kid`, if it may serve `purpose` at that time. Raises UntrustedIssuerError, ScopeError."""
        key = self._keys.get(kid)
        if key is None:
            raise UntrustedIssuerError("unknown_key", "签名密钥不在信任包中", evidence={"kid": kid.hex()})
        if purpose not in key.purposes:
            raise ScopeError("wrong_purpose_of_key", "签名密钥不得用于此类内容", evidence=_of_key(key))
        if at < key.valid_from or (key.valid_to is not None and at >= key.valid_to):
            raise ScopeError("key_not_valid_then", "签名密钥在签署时间无效", evidence=_of_key(key))
        return key

    def log_key(self, kid: bytes) -> PublicKey:
        """The log's key of this id, past ones too: receipts bear no date, and their heads are judged by the anchors.

        Raises UntrustedIssuerError, ScopeError.
        """
        key = self._keys.get(kid)
        if key is None:
            raise UntrustedIssuerError("unknown_log_key", "日志的签名密钥不在信任包中", evidence={"kid": kid.hex()})
        if "log" not in key.purposes:
            raise ScopeError("wrong_purpose_of_key", "签名密钥不是日志的密钥", evidence={"kid": kid.hex()})
        return key.public

    def log_keys(self) -> tuple[PublicKey, ...]:
        """Every key of the log, past ones too."""
        return self._log_keys

    def check_scope(self, department: str, type_code: str, at: datetime) -> None:
        """Raises ScopeError unless the department could issue the type at that time."""
        for scope in self._scopes.get((department, type_code), ()):
            if scope.valid_from <= at and (scope.valid_to is None or at < scope.valid_to):
                return
        raise ScopeError(
            "out_of_scope",
            "发证单位在签署时间无权颁发此类证照",
            evidence={"department": department, "type_code": type_code},
        )

    def check_anchored(self, size: int, root: bytes) -> Anchor:
        """The anchor of this head. Raises UnanchoredError if unknown, AnchorContradictionError for another root."""
        known = self._heads.get(size)
        if not known:
            raise UnanchoredError(
                "head_unknown",
                "信任包中没有这个日志头的链上锚定，可能要用更新的信任包",
                evidence={"size": size, "trust_as_of": times.to_text(self.content.issued_at)},
            )
        self.check_not_contradicted(size, root)
        return next(anchor for anchor in known if anchor.root == root)

    def check_not_contradicted(self, size: int, root: bytes) -> None:
        """Raises AnchorContradictionError if another root is listed at this size."""
        known = self._heads.get(size, ())
        if known and all(anchor.root != root for anchor in known):
            raise AnchorContradictionError("head_contradicted", "链上锚定的是另一个日志根", evidence={"size": size})

    def check_as_listed(self, anchor: Anchor) -> bool:
        """Whether this anchor is listed. Raises AnchorContradictionError if another root, or another record is."""
        self.check_not_contradicted(anchor.size, anchor.root)
        place = (anchor.chain_id, anchor.contract)
        listed = [known for known in self._heads.get(anchor.size, ()) if (known.chain_id, known.contract) == place]
        if listed and anchor not in listed:
            raise AnchorContradictionError("anchor_differs", "证据包写的锚定记录与信任包不一致")
        return bool(listed)

    def chain(self, anchor: Anchor) -> TrustedChain:
        """What is trusted of the chain and contract that an anchor names. Raises UnanchoredError."""
        for chain in self.content.chains:
            if (chain.chain_id, chain.contract, chain.log_id) == (anchor.chain_id, anchor.contract, anchor.log_id):
                return chain
        evidence = {"chain_id": anchor.chain_id, "trust_as_of": times.to_text(self.content.issued_at)}
        raise UnanchoredError("chain_unknown", "信任包中没有这条链上的合约，可能要用更新的信任包", evidence=evidence)

    def anchors(self, size: int, root: bytes) -> list[Anchor]:
        """Every anchor of exactly this head."""
        return [anchor for anchor in self._heads.get(size, ()) if anchor.root == root]

    def status(self, number: int, index: int) -> tuple[Status, datetime]:
        """An item's state and the time of the list. Raises UnknownStatusError."""
        states = self._statuses.get(number)
        if states is None or states.issued_at is None:
            raise UnknownStatusError("no_status_list", "信任包中没有该状态列表", evidence={"list": number})
        return states.get(index), states.issued_at

    def type(self, code: str, version: int) -> TrustedType:
        """A certificate type at a version. Raises UnknownTypeError."""
        found = self._types.get((code, version))
        if found is None:
            raise UnknownTypeError("unknown_type", "信任包中没有该证照类型的这一版本", evidence={"type_code": code})
        return found

    def schema(self, code: str, version: int) -> FaceSchema:
        """The compiled schema of a type's own face data. Raises UnknownTypeError."""
        known = self._schemas.get((code, version))
        if known is None:
            known = self._schemas[code, version] = FaceSchema(self.type(code, version).schema)
        return known

    def venue(self, venue_id: str) -> Venue:
        """A venue by its id. Raises UntrustedIssuerError."""
        found = self._venues.get(venue_id)
        if found is None:
            raise UntrustedIssuerError("unknown_venue", "信任包中没有该场所", evidence={"venue": venue_id})
        return found

    def check_fresh(self, at: datetime, max_age: timedelta) -> None:
        """Raises StaleTrustError past the bundle's own end or its root's, or past the age that is accepted."""
        issued_at, expires_at = self.content.issued_at, self.content.expires_at
        root = self.root
        evidence = {"issued_at": times.to_text(issued_at), "expires_at": times.to_text(expires_at)}
        if root is not None and at >= root.content.expires_at:
            ended = times.for_people(root.content.expires_at)
            raise StaleTrustError("root_expired", f"根文件已于 {ended} 到期，请更新信任包", evidence=evidence)
        if at < expires_at and at - issued_at <= max_age:
            return
        if at >= expires_at:
            ended = times.for_people(expires_at)
            raise StaleTrustError("trust_expired", f"信任包已于 {ended} 到期，请更新", evidence=evidence)
        begun = times.for_people(issued_at)
        raise StaleTrustError("trust_too_old", f"信任包签发于 {begun}，已超过允许的时长，请更新", evidence=evidence)

    def check_begun(self, now: datetime) -> None:
        """For whoever takes a bundle in, by the clock: one from the future would stay fresh too long. An hour passes.

        Raises StaleTrustError.
        """
        issued_at = self.content.issued_at
        if issued_at > now + CLOCKS_DIFFER:
            begins = times.for_people(issued_at)
            message = f"信任包的签发时间（{begins}）晚于现在，请核对本机的时钟；时钟无误时不得使用这份信任包"
            evidence = {"issued_at": times.to_text(issued_at), "now": times.to_text(now)}
            raise StaleTrustError("issued_in_future", message, evidence=evidence)

    def late_since(self, at: datetime) -> datetime | None:
        """Since when a newer bundle should be here: a registry makes one by half of a bundle's life; None before."""
        due_at = self.content.issued_at + (self.content.expires_at - self.content.issued_at) / 2
        return due_at if at > due_at else None

    def _open_statuses(self) -> dict[int, StatusList]:
        opened: dict[int, StatusList] = {}
        for number, token in self.content.statuses.items():
            signer = self._keys.get(self.content.status_kid)
            if signer is None or "status" not in signer.purposes:
                raise MalformedError("no_status_key", "信任包中没有状态列表的签名密钥")
            subject, delta = status_subject(self.content.origin, number), self.content.status_deltas.get(number)
            states = StatusList.from_token(token, subject, signer.public)
            opened[number] = states if delta is None else apply_delta(states, delta, subject, signer.public)
        return opened


def _of_key(key: TrustedKey) -> dict[str, str]:
    return {"kid": key.public.kid.hex(), "owner": key.owner}


def status_subject(origin: str, number: int) -> str:
    """The name that a status list's token is signed for."""
    return f"{origin}/status/{number}"


def sign_trust(content: TrustContent, keys: Sequence[SigningKey]) -> bytes:
    """The bundle's bytes: canonical content under the signatures of root keys, in order of their ids."""
    signed = content.to_json()
    message = _CONTEXT + canonical.canonicalise(signed)
    return _assemble(signed, {key.public.kid: key.sign(message) for key in keys})


def cosign_trust(data: bytes, key: SigningKey) -> bytes:
    """The bundle's bytes with one more root signature; what others signed stays. Raises MalformedError, SignatureError.

    The bundle may still be below its threshold: so the holders of root keys sign one after the other.
    """
    content, message, signatures = _parse(data)
    if key.public not in content.root_keys:
        raise SignatureError("not_a_root_key", "这个密钥不是该信任包的根密钥")
    return _assemble(content.to_json(), dict(signatures) | {key.public.kid: key.sign(message)})


def _assemble(signed: dict[str, Any], signatures: Mapping[bytes, bytes]) -> bytes:
    return canonical.canonicalise(multisigned.assemble(signed, signatures))


def _parse(data: bytes) -> tuple[TrustContent, bytes, list[tuple[bytes, bytes]]]:
    if len(data) > MAX_BUNDLE_BYTES:
        raise MalformedError("too_long", f"信任包超过上限 {MAX_BUNDLE_BYTES} 字节")
    signed, signatures = multisigned.take_apart(canonical.parse_canonical(data), _WHAT)
    return TrustContent.from_json(signed), _CONTEXT + canonical.canonicalise(signed), signatures


def _check_threshold(holder: TrustContent, message: bytes, signatures: Iterable[tuple[bytes, bytes]]) -> None:
    multisigned.check_threshold(holder.root_keys, holder.root_threshold, message, signatures, _WHAT)


def _check_root(content: TrustContent) -> None:
    """Raises SignatureError unless the root documents hold and name exactly those who hold the bundle."""
    if not content.root_chain:
        return
    newest = check_chain(content.root_chain).content
    named = (newest.registry, newest.publisher_threshold, newest.publishers)
    if named != (content.registry, content.root_threshold, content.root_keys):
        raise SignatureError("not_the_publishers", "签署信任包的密钥不是根文件指定的发布密钥")
