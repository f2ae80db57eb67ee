"""Sealed OFD files for tests, made with fresh SM2 keys: every form of seal and every fault that tests need."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

import der_maker as der

from verifier import sm2
from verifier.digests import sm3
from verifier.documents.certificates import Certificate

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
SIGNED = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
SIGNED_DATA, DATA = "1.2.156.10197.6.1.4.2.2", "1.2.156.10197.6.1.4.2.1"
SIGNATURES, SIGNATURE = "Doc_0/Signs/Signatures.xml", "Doc_0/Signs/Sign_{}/Signature.xml"
VALUE = "Doc_0/Signs/Sign_{}/SignedValue.dat"

Files = dict[str, bytes]


@dataclass
class Person:
    """A private key and its certificate."""

    key: sm2.PrivateKey
    certificate: bytes

    @property
    def trusted(self) -> Certificate:
        """The certificate as trust takes it."""
        return Certificate.load(self.certificate)


def _name(text: str) -> bytes:
    return der.sequence(
        der.set_of(der.sequence(der.oid("2.5.4.6"), der.utf8("CN"))),
        der.set_of(der.sequence(der.oid("2.5.4.3"), der.utf8(text))),
    )


def make_person(
    name: str,
    issuer: Person | None = None,
    issuer_name: str = "",
    begin: datetime = BEGIN,
    end: datetime = END,
    authority: bool = False,
) -> Person:
    """A person with a certificate signed by the issuer, or by itself."""
    key = sm2.PrivateKey.generate()
    algorithm = der.sequence(der.oid(der.SM2_WITH_SM3))
    x, y = sm2.affine(key.point)
    point = b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")
    basic = der.sequence(der.tlv(1, b"\xff")) if authority else der.sequence()
    usage = der.tlv(3, b"\x01\x06" if authority else b"\x06\xc0")
    extensions = der.sequence(
        der.sequence(der.oid("2.5.29.19"), der.tlv(1, b"\xff"), der.octets(basic)),
        der.sequence(der.oid("2.5.29.15"), der.tlv(1, b"\xff"), der.octets(usage)),
    )
    body = der.sequence(
        der.tlv(0xA0, der.integer(2)),
        der.integer(int.from_bytes(key.point[1:9], "big")),
        algorithm,
        _name(issuer_name or name),
        der.sequence(der.utc_time(begin), der.utc_time(end)),
        _name(name),
        der.sequence(der.sequence(der.oid(der.EC_KEY), der.oid(der.SM2_CURVE)), der.bits(point)),
        der.tlv(0xA3, extensions),
    )
    signature = sm2.signature_to_der((issuer.key if issuer else key).sign(body))
    return Person(key, der.sequence(body, algorithm, der.bits(signature)))


@dataclass
class Cast:
    """A root, a seal maker and a signer under it."""

    root: Person
    maker: Person
    signer: Person


@lru_cache(maxsize=1)
def make_cast() -> Cast:
    """The same people for all tests of a run."""
    root = make_person("测试根", authority=True)
    maker = make_person("测试制章系统", root, "测试根")
    return Cast(root, maker, make_person("测试局电子印章证书", root, "测试根"))


def make_seal(
    maker: Person,
    listed: list[bytes],
    version: int = 4,
    by_digest: bool = False,
    begin: datetime = BEGIN,
    end: datetime = END,
) -> bytes:
    """An e-seal of version 4 (GB/T 38540) or 1 (GM/T 0031) for the listed signers' certificates."""
    old = version < 4
    time = der.utc_time if old else der.general_time
    items = [der.sequence(der.ia5("SM3"), der.octets(sm3(one))) if by_digest else der.octets(one) for one in listed]
    kinds = [] if old else [der.integer(2 if by_digest else 1)]
    properties = der.sequence(
        der.integer(1), der.utf8("测试专用章"), *kinds, der.sequence(*items), time(begin), time(begin), time(end)
    )
    info = der.sequence(
        der.sequence(der.ia5("ES"), der.integer(version), der.ia5("TEST")),
        der.ia5("31010500000001"),
        properties,
        der.sequence(der.ia5("png"), der.octets(b"\x89PNG picture"), der.integer(40), der.integer(40)),
    )
    certificate, algorithm = der.octets(maker.certificate), der.oid(der.SM2_WITH_SM3)
    covered = der.sequence(info, certificate, algorithm) if old else info
    signature = der.bits(sm2.signature_to_der(maker.key.sign(covered)))
    made = der.sequence(certificate, algorithm, signature) if old else b"".join((certificate, algorithm, signature))
    return der.sequence(info, made)


def sign_sealed(
    signer: Person,
    seal: bytes,
    digest: bytes,
    version: int = 4,
    at: datetime = SIGNED,
    raw: bool = False,
    digest_only: bool = False,
) -> bytes:
    """A SES_Signature over the digest of Signature.xml."""
    stamp = der.bits(der.utc_time(at)) if version < 4 else der.general_time(at)
    parts = [der.integer(version), seal, stamp, der.bits(digest), der.ia5("/" + SIGNATURE.format(0))]
    certificate, algorithm = der.octets(signer.certificate), der.oid(der.SM2_WITH_SM3)
    body = der.sequence(*parts, *([certificate, algorithm] if version < 4 else []))
    signature = _sign_digest(signer.key, digest) if digest_only else signer.key.sign(body)
    value = der.bits(signature if raw else sm2.signature_to_der(signature))
    return der.sequence(body, value) if version < 4 else der.sequence(body, certificate, algorithm, value)


def _sign_digest(key: sm2.PrivateKey, digest: bytes) -> bytes:
    """A signature with e = digest: r = e + x1, s = (k - r d) / (1 + d), with k = 1, so that x1 is the base point's."""
    pkcs8 = key.to_pkcs8()
    at = pkcs8.index(b"\x02\x01\x01\x04\x20") + 5
    d, x1 = int.from_bytes(pkcs8[at : at + 32], "big"), int(BASE_X, 16)
    r = (int.from_bytes(digest, "big") + x1) % sm2.ORDER
    s = pow(1 + d, -1, sm2.ORDER) * (1 - r * d) % sm2.ORDER
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


BASE_X = "32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7"


def sign_data(
    signer: Person,
    content: bytes,
    *,
    attributes: bool = True,
    inside: bytes | None = None,
    issuer_name: str = "测试根",
    issuer: bytes = b"",
    at: datetime = SIGNED,
) -> bytes:
    """A SignedData over the content, with signed attributes in an unsorted order or over what travels inside."""
    certificate = Certificate.load(signer.certificate)
    held = [] if inside is None else [der.tlv(0xA0, der.octets(inside))]
    digest = sm3(content if inside is None else inside)
    listed = b"".join(
        (
            der.sequence(der.oid("1.2.840.113549.1.9.5"), der.set_of(der.utc_time(at))),
            der.sequence(der.oid("1.2.840.113549.1.9.4"), der.set_of(der.octets(digest))),
            der.sequence(der.oid("1.2.840.113549.1.9.3"), der.set_of(der.oid(DATA))),
        )
    )
    signed = der.tlv(0x31, listed) if attributes else (content if inside is None else inside)
    signature = sm2.signature_to_der(signer.key.sign(signed))
    info = der.sequence(
        der.integer(1),
        der.sequence(issuer or _name(issuer_name), der.integer(certificate.parsed.serial_number)),
        der.sequence(der.oid(der.SM3)),
        *([der.tlv(0xA0, listed)] if attributes else []),
        der.sequence(der.oid("1.2.156.10197.1.301.1")),
        der.octets(signature),
    )
    body = der.sequence(
        der.integer(1),
        der.set_of(der.sequence(der.oid(der.SM3))),
        der.sequence(der.oid(DATA), *held),
        der.tlv(0xA0, signer.certificate, der.sequence(der.utf8("junk"))),
        der.set_of(info),
    )
    return der.sequence(der.oid(SIGNED_DATA), der.tlv(0xA0, body))


NAMESPACE = "http://www.ofdspec.org/2016"


def plain_files(namespace: str = NAMESPACE, attached: Mapping[str, bytes] | None = None, custom: str = "") -> Files:
    """A document of two pages with a template, resources and attachments, without seals."""
    attached = attached or {"note.xml": b"<note/>"}
    listing = "".join(
        f'<ofd:Attachment ID="{at}" Name="{name.split(".")[0]}"><ofd:FileLoc>{name}</ofd:FileLoc></ofd:Attachment>'
        for at, name in enumerate(attached)
    )
    xml = {
        "OFD.xml": "<ofd:OFD {}><ofd:DocBody><ofd:DocInfo><ofd:DocID>1</ofd:DocID><ofd:CustomDatas>"
        + custom
        + "</ofd:CustomDatas></ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot>"
        "<ofd:Signatures>Doc_0/Signs/Signatures.xml</ofd:Signatures></ofd:DocBody></ofd:OFD>",
        "Doc_0/Document.xml": "<ofd:Document {}><ofd:CommonData><ofd:PublicRes>PublicRes.xml</ofd:PublicRes>"
        '<ofd:TemplatePage ID="9" BaseLoc="Tpls/Tpl_0/Content.xml"/>'
        "<ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea></ofd:CommonData><ofd:Pages>"
        '<ofd:Page ID="1" BaseLoc="Pages/Page_0/Content.xml"/><ofd:Page ID="2" BaseLoc="Pages/Page_1/Content.xml"/>'
        "</ofd:Pages><ofd:Attachments>Attachs/Attachments.xml</ofd:Attachments></ofd:Document>",
        "Doc_0/PublicRes.xml": '<ofd:Res {} BaseLoc="Res"><ofd:Fonts><ofd:Font ID="3"><ofd:FontFile>font.ttf'
        "</ofd:FontFile></ofd:Font></ofd:Fonts></ofd:Res>",
        "Doc_0/Pages/Page_0/Content.xml": "<ofd:Page {}><ofd:Content>应缴 100 元</ofd:Content></ofd:Page>",
        "Doc_0/Pages/Page_1/Content.xml": "<ofd:Page {}><ofd:Content>第二页</ofd:Content></ofd:Page>",
        "Doc_0/Tpls/Tpl_0/Content.xml": "<ofd:Page {}><ofd:Content>模板</ofd:Content></ofd:Page>",
        "Doc_0/Attachs/Attachments.xml": "<ofd:Attachments {}>" + listing + "</ofd:Attachments>",
    }
    declared = f'xmlns:ofd="{namespace}"'
    files = {name: text.replace("{}", declared).encode() for name, text in xml.items()}
    files["Doc_0/Res/font.ttf"] = b"a font"
    return files | {f"Doc_0/Attachs/{name}": data for name, data in attached.items()}


def unsealed_files(**changes: object) -> Files:
    """`plain_files` that say nothing of signatures."""
    files = plain_files(**changes)  # type: ignore[arg-type]
    declared = b"<ofd:Signatures>Doc_0/Signs/Signatures.xml</ofd:Signatures>"
    return files | {"OFD.xml": files["OFD.xml"].replace(declared, b"")}


@dataclass
class Maker:
    """Puts seals on files one after another. `sign` makes the signature value from Signature.xml."""

    files: Files = field(default_factory=plain_files)
    count: int = 0

    def add(
        self,
        sign: Callable[[bytes], bytes],
        *,
        leave_out: tuple[str, ...] = (),
        also: tuple[str, ...] = (),
        kind: str = "Seal",
        method: str = "1.2.156.10197.1.401",
        prefix: bytes = b"",
        stated: str = "2026-11-20 09:00:00",
        without_digests: bool = False,
        value_location: str = "SignedValue.dat",
    ) -> Maker:
        """Sign every file that is there but those left out, and list the signature."""
        number, self.count = self.count, self.count + 1
        entries = [name for name in self.files if not name.startswith("Doc_0/Signs/") and name not in leave_out]
        listed = "".join(
            f'<ofd:Signature ID="s{at}" Type="{kind}" BaseLoc="/{SIGNATURE.format(at)}"/>' for at in range(self.count)
        )
        self.files[SIGNATURES] = f'<ofd:Signatures xmlns:ofd="{NAMESPACE}">{listed}</ofd:Signatures>'.encode()
        references = "".join(
            f'<ofd:Reference FileRef="/{name}"><ofd:CheckValue>'
            + ("" if without_digests else base64.b64encode(sm3(prefix + self.files[name])).decode())
            + "</ofd:CheckValue></ofd:Reference>"
            for name in (*entries, *also)
        )
        paper = (
            f'<ofd:Signature xmlns:ofd="{NAMESPACE}"><ofd:SignedInfo>'
            '<ofd:Provider ProviderName="test" Company="test" Version="1"/>'
            f"<ofd:SignatureDateTime>{stated}</ofd:SignatureDateTime>"
            f'<ofd:References CheckMethod="{method}">{references}</ofd:References></ofd:SignedInfo>'
            f"<ofd:SignedValue>{value_location}</ofd:SignedValue></ofd:Signature>"
        ).encode()
        self.files[SIGNATURE.format(number)] = paper
        self.files[VALUE.format(number)] = sign(paper)
        return self

    def packed(self) -> bytes:
        """The OFD file."""
        return pack(self.files)


def sealer(cast: Cast, version: int = 4, **changes: object) -> Callable[[bytes], bytes]:
    """Seals Signature.xml with a fresh seal of the cast."""
    seal = make_seal(cast.maker, [cast.signer.certificate], version)
    return lambda paper: sign_sealed(cast.signer, seal, sm3(paper), version, **changes)  # type: ignore[arg-type]


def pack(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of the files in their order."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def unpack(data: bytes) -> Files:
    """The files of a ZIP in their order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
