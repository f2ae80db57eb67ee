"""What a signature value claims: who signed which digest when. One shape for the four forms that occur in OFD files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from verifier import sm2
from verifier.digests import sm3
from verifier.documents import seals, signed_data
from verifier.documents.certificates import Certificate, load_many
from verifier.documents.seals import Seal
from verifier.errors import CommitmentError, MalformedError, SignatureError, UndecidedError, UntrustedIssuerError


@dataclass
class Claim:
    """form: ses-4, ses-1, signed-data, bare. `check_digest` and `check_signature` raise; see below.

    whole: False if the signature covers only the digest of Signature.xml, so that time and seal are not protected.
    """

    form: str
    signer: Certificate | None
    time: str
    check_digest: Callable[[bytes], None]
    check_signature: Callable[[bytes], None]
    seal: Seal | None = None
    maker: Certificate | None = None
    others: list[Certificate] = field(default_factory=list)
    path: str = ""
    signers: int = 1
    has_timestamp: bool = False
    whole: bool = True


def read_claim(value: bytes, candidates: tuple[Certificate, ...]) -> Claim:
    """The claim in a signature value; one without a certificate may be of a candidate. Raises MalformedError."""
    if signed_data.is_signed_data(value):
        return _from_signed_data(signed_data.parse(value))
    if len(value) <= 80:
        return _bare(value, candidates)
    return _from_seal(seals.parse_signature(value))


def _from_seal(found: seals.SealSignature) -> Claim:
    signer, maker = Certificate.load(found.signer), Certificate.load(found.seal.maker)
    form = "ses-4" if found.version >= seals.VERSION_4 else "ses-1"

    def check_digest(content: bytes) -> None:
        # Some engines digest Z of the signer before the file.
        allowed = [sm3(content)]
        if signer.point is not None:
            allowed.append(sm3(sm2.z_value(signer.point) + content))
        if found.digest not in allowed:
            raise CommitmentError("signature_file_changed", "签章描述文件（Signature.xml）在签章之后被改动")

    def check_signature(_: bytes) -> None:
        try:
            signer.check(found.signature, found.signed)
        except SignatureError:
            if signer.point is None or len(found.digest) != 32:
                raise
            sm2.check_digest(signer.point, sm2.signature_from_der(found.signature), found.digest)
            claim.whole = False
        maker.check(found.seal.signature, found.seal.signed)

    claim = Claim(
        form,
        signer,
        found.time,
        check_digest,
        check_signature,
        found.seal,
        maker,
        load_many(found.seal.certificates),
        found.path,
        has_timestamp=found.has_timestamp,
    )
    return claim


def _from_signed_data(found: signed_data.SignedData) -> Claim:
    certificates = load_many(found.certificates)
    signer = next((one for one in certificates if _is_named(one, found)), None)

    def check_signature(content: bytes) -> None:
        if signer is None:
            raise _no_certificate()
        if found.attributes is not None:
            signer.check(found.signature, found.attributes)
        else:
            # The content that travels inside is the message, even if it is a digest already.
            signer.check(found.signature, content if found.content is None else found.content)

    return Claim(
        "signed-data",
        signer,
        found.time,
        lambda content: _check_stated(found, content),
        check_signature,
        others=certificates,
        signers=found.signers,
    )


def _check_stated(found: signed_data.SignedData, content: bytes) -> None:
    """The digest stands in the signed attributes, or is the content; some put the file itself inside."""
    digest, inside = sm3(content), found.content
    if inside is not None and inside not in (digest, content):
        raise _changed()
    if found.attributes is None:
        return
    if found.digest is None:
        raise MalformedError("wrong_signed_data", "签名属性中没有内容摘要")
    if found.digest not in (digest, None if inside is None else sm3(inside)):
        raise _changed()


def _bare(value: bytes, candidates: tuple[Certificate, ...]) -> Claim:
    signature = _raw(value)

    def check_signature(content: bytes) -> None:
        for candidate in candidates:
            if candidate.point is not None:
                try:
                    sm2.check(candidate.point, signature, content)
                except SignatureError:
                    continue
                claim.signer = candidate
                return
        raise _no_certificate()

    claim = Claim("bare", None, "", lambda _: None, check_signature)
    return claim


def _raw(value: bytes) -> bytes:
    try:
        raw = sm2.signature_from_der(value)
        sm2.signature_to_der(raw)
    except SignatureError as error:
        raise MalformedError("wrong_signature_value", "签名值的格式无法识别") from error
    return raw


def _is_named(certificate: Certificate, found: signed_data.SignedData) -> bool:
    return certificate.parsed.serial_number == found.serial and certificate.parsed.issuer.public_bytes() == found.issuer


def _changed() -> CommitmentError:
    return CommitmentError("signature_file_changed", "签章描述文件（Signature.xml）在签章之后被改动")


def _no_certificate() -> UndecidedError:
    return UntrustedIssuerError("no_certificate", "签名没有带签名人的证书，无法确定是谁签的")
