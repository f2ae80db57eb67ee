"""Delegated codes (企业授权码): an enterprise code, the chain of delegation under it, the proof of the last device.

The whole is one COSE_Sign1 of type 65008 under the key of the last delegate's device: its signature is the proof, made
anew whenever the code is shown. Payload: [enterprise code, kid of who signed the first link, [[payload, signature], …],
issued, lasts (seconds)], an array because bytes are few. Which links may follow each other is in verifier.delegation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from codes import payload
from verifier import cbor, cose, times
from verifier.code import CLOCK_SKEW, CODE_POLICY, MAX_CODE_BYTES, CodeClaims, CodeKind, check_status, check_times
from verifier.cose import Type
from verifier.delegation import MAX_LINKS, PURPOSE, ROLE_CHINESE, Link, LinkClaims, Reach, reach_of
from verifier.errors import Check, MalformedError, SignatureError, StatusError, ValidityError
from verifier.freshness import examine_freshness
from verifier.status import CHINESE, Status
from verifier.suites import KID_BYTES, SIGNATURE_BYTES, PublicKey, SigningKey
from verifier.trust import TrustBundle
from verifier.verdict import Examination, Policy, Verdict

KIND_NAME = "企业授权码"
#: How long a proof lasts: shown anew every minute as practised, and never believed for longer than five.
PROOF_LASTS = timedelta(seconds=60)
MAX_PROOF_LASTS = timedelta(minutes=5)
#: What a QR of version 20 holds at level M in alphanumeric mode (ISO/IEC 18004 table 7): whoever grants keeps to it.
MAX_SHOWN_CHARS = 970

_HEAD_CHARS = 48
_TYPE = cbor.encode(cose.TYP) + cbor.encode(int(Type.DELEGATED_CODE))

DELEGATED_POLICY = Policy(CODE_POLICY.required | {Check.DELEGATION})


@dataclass(frozen=True, slots=True)
class Chain:
    """What a delegate's device keeps: the enterprise code, who signed the first link, and the links from the top."""

    enterprise: bytes
    kid: bytes
    links: tuple[Link, ...]

    def show(self, key: SigningKey, at: datetime, lasts: timedelta = PROOF_LASTS) -> str:
        """The text to be shown now, proved by the device's key."""
        carried = [[link.payload, link.signature] for link in self.links]
        body = [self.enterprise, self.kid, carried, int(at.timestamp()), int(lasts.total_seconds())]
        return payload.encode(cose.sign1(cbor.encode(body), key, Type.DELEGATED_CODE))


@dataclass(frozen=True, slots=True)
class DelegatedCode:
    """A parsed delegated code; nothing is verified by parsing."""

    message: cose.Sign1
    issued_at: datetime
    expires_at: datetime
    inner: cose.Sign1
    enterprise: CodeClaims
    kid: bytes
    links: tuple[Link, ...]

    @property
    def claims(self) -> tuple[LinkClaims, ...]:
        """What the links say, from the top."""
        return tuple(link.claims for link in self.links)


def is_delegated(text: str) -> bool:
    """Whether a code's text says it is a delegated code, to choose how to read it. Proves nothing."""
    # The beginning is enough: tag, array, and the protected header, which ends with the type.
    try:
        data = payload.decode_base45(text[len(payload.PREFIX) : len(payload.PREFIX) + _HEAD_CHARS])
    except payload.PayloadError:
        return False
    return payload.is_code(text) and len(data) > 3 and data[3 : 3 + (data[2] & 31)].endswith(_TYPE)


def open_delegated(text: str) -> DelegatedCode:
    """Parse a delegated code's text; nothing is verified yet. Raises MalformedError, KindError."""
    try:
        data = payload.decode(text)
    except payload.PayloadError as error:
        raise MalformedError("not_a_code", str(error)) from error
    message, body = cose.open_typed(data, Type.DELEGATED_CODE, limit=MAX_CODE_BYTES)
    parts = cbor.require_list(cbor.decode(body, limit=MAX_CODE_BYTES), 5, 5)
    issued, lasts = cbor.require_uint(parts[3]), cbor.require_uint(parts[4])
    inner = cose.open1(cbor.require_bytes(parts[0]), limit=MAX_CODE_BYTES)
    enterprise = CodeClaims.from_bytes(CodeKind.ENTERPRISE, cose.require_typed(inner, CodeKind.ENTERPRISE.envelope))
    if enterprise.subject is None:
        raise MalformedError("wrong_field", "企业码没有统一社会信用代码")
    return DelegatedCode(
        message=message,
        issued_at=times.from_seconds(issued),
        expires_at=times.from_seconds(issued + lasts),
        inner=inner,
        enterprise=enterprise,
        kid=cbor.require_bytes(parts[1], KID_BYTES),
        links=tuple(Link.open(item) for item in cbor.require_list(parts[2], MAX_LINKS, 1)),
    )


def verify_delegated(text: str, trust: TrustBundle, at: datetime, policy: Policy = DELEGATED_POLICY) -> Verdict:
    """The verdict on a delegated code's text at a time. Never raises for any text."""
    return examine_delegated(text, trust, at, policy)[0]


def examine_delegated(
    text: str, trust: TrustBundle, at: datetime, policy: Policy = DELEGATED_POLICY
) -> tuple[Verdict, DelegatedCode | None]:
    """`verify_delegated`, and the code where it could be read; believe it only if the verdict is valid.

    The steps: (0) trust fresh, (1) format, (2) kind, (3) the links fit together, (4) keys of the enterprise code and of
    the first link, (5) every signature from the enterprise code down to the device's proof, (6) every period, (7) every
    status: one link out of force puts everything below it out of force.
    """
    exam = Examination(at)
    issued_at = trust.content.issued_at
    examine_freshness(exam, trust, policy.max_trust_age)
    code = exam.run(Check.FORMAT, lambda: open_delegated(text), "码的格式正确")
    if code is None:
        return exam.conclude(policy), None
    exam.run(Check.KIND, lambda: None, f"这是{KIND_NAME}")
    reach = exam.run(Check.DELEGATION, lambda: reach_of(code.claims), "每一级委托都在上一级的范围与期限之内")
    keys = exam.run(Check.ISSUER, lambda: _keys(code, trust), "企业码与首级委托的签发密钥可信", issued_at)
    if keys is not None:
        exam.run(Check.SIGNATURE, lambda: _check_signatures(code, *keys), "企业码、各级委托与设备证明的签名均一致")
    exam.run(Check.VALIDITY, lambda: _check_periods(code, at), "在有效时间内")
    exam.run(Check.STATUS, lambda: _check_statuses(code, trust), "企业码与各级委托均未停用", issued_at)
    return exam.conclude(policy, _describe(code, reach, trust)), code


def _keys(code: DelegatedCode, trust: TrustBundle) -> tuple[PublicKey, PublicKey]:
    enterprise = trust.key(code.inner.kid, CodeKind.ENTERPRISE.purpose, code.enterprise.issued_at)
    return enterprise.public, trust.key(code.kid, PURPOSE, code.links[0].claims.issued_at).public


def _check_signatures(code: DelegatedCode, enterprise: PublicKey, first: PublicKey) -> None:
    code.inner.check(enterprise)
    signer, external = first, (code.enterprise.subject or "").encode()
    for link in code.links:
        link.check(signer, external)
        signer, external = link.claims.key, link.anchor
    if code.message.kid != signer.kid:
        raise SignatureError("proof_not_by_delegate", "出示的设备不是最后一级被委托人的设备")
    try:
        code.message.check(signer)
    except SignatureError as error:
        raise SignatureError("proof_not_by_delegate", "设备证明的签名不符：内容被改动，或不是该设备签的") from error


def _check_periods(code: DelegatedCode, at: datetime) -> None:
    if at < code.issued_at - CLOCK_SKEW:
        raise ValidityError("not_yet_valid", "出示时间晚于核验时间（请检查设备时钟）")
    if code.expires_at - code.issued_at > MAX_PROOF_LASTS:
        raise MalformedError("proof_lasts_too_long", "设备证明的有效时间过长", check=Check.VALIDITY)
    if at >= code.expires_at:
        raise ValidityError("proof_expired", f"出示的码已于 {times.for_people(code.expires_at)} 过期，请重新出示")
    check_times(code.enterprise, at)
    for link in code.claims:
        who = ROLE_CHINESE[link.role]
        if at < link.begins_at:
            raise ValidityError("delegation_not_yet_valid", f"{who}的委托自 {times.for_people(link.begins_at)} 起有效")
        if at >= link.ends_at:
            raise ValidityError("delegation_expired", f"{who}的委托已于 {times.for_people(link.ends_at)} 到期")


def _check_statuses(code: DelegatedCode, trust: TrustBundle) -> None:
    check_status(code.enterprise, trust)
    for link in code.claims:
        status, _ = trust.status(link.status_list, link.status_index)
        if status is not Status.VALID:
            raise StatusError(f"delegation_{status.name.lower()}", f"{ROLE_CHINESE[link.role]}的委托{CHINESE[status]}")


def in_words(
    enterprise: str,
    links: Sequence[LinkClaims],
    reach: Reach,
    matter_name: Callable[[str], str] = str,
    type_name: Callable[[str], str] = str,
    names: Sequence[str | None] = (),
) -> str:
    """The chain as people read it: 某公司 → 证照管理员 → 经办人，限 食品经营许可，至 2026年12月1日 08:00.

    `names`: the delegates' masked names as the registry has them, one for each link; a code says none.
    """
    who = [f"{name or ''} {ROLE_CHINESE[link.role]}".strip() for link, name in zip_longest(links, names)]
    scopes = [
        "、".join(name(code) for code in sorted(scope))
        for scope, name in ((reach.matters, matter_name), (reach.types, type_name))
        if scope is not None
    ]
    limits = "".join(f"，限 {scope}" for scope in scopes) or "，不限事项与证照类型"
    return f"{' → '.join((enterprise, *who))}{limits}，至 {times.for_people(reach.ends_at)}"


def _describe(code: DelegatedCode, reach: Reach | None, trust: TrustBundle) -> dict[str, Any]:
    enterprise = code.enterprise
    types = {kind.code: kind.name for kind in trust.content.types}
    matters: Mapping[str, str] = trust.content.matters
    described: dict[str, Any] = {
        "kind": "delegated",
        "kind_name": KIND_NAME,
        "code_id": enterprise.code_id.hex(),
        "generation": enterprise.generation,
        "name": enterprise.name,
        "subject": enterprise.subject,
        "issued_at": times.to_text(code.issued_at),
        "expires_at": times.to_text(code.expires_at),
        "grants": [],
        "delegation": [_describe_link(link) for link in code.claims],
    }
    if reach is not None:
        described["chain"] = in_words(
            enterprise.name or enterprise.subject or "", code.claims, reach,
            lambda one: matters.get(one, one), lambda one: types.get(one, one),
        )  # fmt: skip
        described["matters"] = None if reach.matters is None else sorted(reach.matters)
        described["types"] = None if reach.types is None else sorted(reach.types)
    return described


def _describe_link(link: LinkClaims) -> dict[str, Any]:
    return {
        "role": link.role.name.lower(),
        "role_name": ROLE_CHINESE[link.role],
        "matters": None if link.matters is None else list(link.matters),
        "types": None if link.types is None else list(link.types),
        "begins_at": times.to_text(link.begins_at),
        "ends_at": times.to_text(link.ends_at),
        "status_list": link.status_list,
        "status_index": link.status_index,
    }


@dataclass(frozen=True, slots=True)
class _Weight:
    """Signs nothing, in as many bytes as a signature has."""

    public: PublicKey

    def sign(self, message: bytes) -> bytes:
        return bytes(SIGNATURE_BYTES)


def shown_length(enterprise: bytes, links: Sequence[LinkClaims]) -> int | None:
    """How many characters a code of these links would have, whoever signs it; None if no code could hold it."""
    unsigned = tuple(Link(link.to_bytes(), bytes(SIGNATURE_BYTES), link) for link in links)
    chain = Chain(enterprise, bytes(KID_BYTES), unsigned)
    try:
        return len(chain.show(_Weight(links[-1].key), links[-1].begins_at))
    except payload.PayloadError:
        return None
