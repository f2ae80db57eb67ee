"""PDF files for tests: plain, signed with PAdES, changed later, encrypted, with attachments and scripts."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias

from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.embed import EmbeddedFileObject, FileSpec, embed_file
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter, copy_into_new_writer
from pyhanko.sign import fields, signers
from pyhanko.sign.timestamps import DummyTimeStamper, TimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from verifier.documents.certificates import Certificate

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)


@dataclass
class Signer:
    """A private key with its certificate."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def trusted(self) -> Certificate:
        """The certificate as trust takes it."""
        return Certificate.load(self.certificate.public_bytes(serialization.Encoding.DER))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make_signer(
    name: str,
    issuer: Signer | None = None,
    begin: datetime = BEGIN,
    end: datetime = END,
    usage: x509.ObjectIdentifier | None = None,
    key: PrivateKey | None = None,
    authority: bool = False,
) -> Signer:
    """A person under the issuer, or an authority that signs itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    authority = authority or issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(name) if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(True, True, False, False, False, authority, authority, False, False), critical=True
        )
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    return Signer(key, builder.sign(key if issuer is None else issuer.key, hashes.SHA256()))


@lru_cache(maxsize=1)
def make_people() -> tuple[Signer, Signer]:
    """A root and a signer under it, the same for a whole run."""
    root = make_signer("PDF 测试根")
    return root, make_signer("PDF 签名人", root)


def make_stamper(at: datetime, issuer: Signer, usage: x509.ObjectIdentifier | None = None) -> TimeStamper:
    """A timestamp authority under the issuer whose clock stands at that time."""
    key = rsa.generate_private_key(65537, 2048)
    who = make_signer("时间戳服务", issuer, usage=usage or ExtendedKeyUsageOID.TIME_STAMPING, key=key)
    store = SimpleCertificateStore()
    store.register(_asn1(issuer.certificate))
    return DummyTimeStamper(_asn1(who.certificate), _private(who), certs_to_embed=store, fixed_dt=at)


def plain(pages: int = 2, text: str = "100", script: bool = False, attached: bytes | None = None) -> bytes:
    """A PDF without signatures."""
    writer = PdfFileWriter()
    for _ in range(pages):
        content = generic.StreamObject(stream_data=f"BT ({text}) Tj ET".encode())
        page = PageObject(contents=writer.add_object(content), media_box=generic.ArrayObject([0, 0, 595, 842]))
        writer.insert_page(page)
    if script:
        action = generic.DictionaryObject(
            {pdf_name("/S"): pdf_name("/JavaScript"), pdf_name("/JS"): generic.pdf_string("app.alert(1)")}
        )
        writer.root["/OpenAction"] = writer.add_object(action)
    if attached is not None:
        file = EmbeddedFileObject.from_file_data(writer, data=attached, mime_type="text/xml")
        embed_file(writer, FileSpec("invoice.xml", file_name="发票.xml", embedded_data=file))
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def sign(
    data: bytes,
    signer: Signer,
    field: str = "Sig1",
    root: Signer | None = None,
    certify: bool = False,
    allowed: fields.MDPPerm = fields.MDPPerm.NO_CHANGES,
    stamper: TimeStamper | None = None,
    room: int | None = None,
) -> bytes:
    """One more signature as an incremental update."""
    store = SimpleCertificateStore()
    if root is not None:
        store.register(_asn1(root.certificate))
    maker = signers.SimpleSigner(
        signing_cert=_asn1(signer.certificate), signing_key=_private(signer), cert_registry=store
    )
    about = signers.PdfSignatureMetadata(
        field_name=field,
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        certify=certify,
        docmdp_permissions=allowed if certify else fields.MDPPerm.FILL_FORMS,
        reason="测试",
    )
    made = io.BytesIO()
    # In a thread of its own: it runs an event loop, and a browser's test leaves one running in this thread.
    with ThreadPoolExecutor(1) as pool:
        writer = IncrementalPdfFileWriter(io.BytesIO(data))
        also = {"signer": maker, "timestamper": stamper, "bytes_reserved": room, "output": made}
        pool.submit(signers.sign_pdf, writer, about, **also).result()
    return made.getvalue()


def stamp_document(data: bytes, stamper: TimeStamper, root: Signer) -> bytes:
    """A document timestamp, with what is needed to check it, as incremental updates."""
    made, context = io.BytesIO(), ValidationContext(trust_roots=[_asn1(root.certificate)])
    with ThreadPoolExecutor(1) as pool:
        writer = IncrementalPdfFileWriter(io.BytesIO(data))
        work = signers.PdfTimeStamper(stamper).timestamp_pdf
        pool.submit(work, writer, "sha256", context, output=made).result()
    return made.getvalue()


def covered(data: bytes) -> bytes:
    """What the only signature of the file covers: all but the hexadecimal value and its brackets."""
    found = _value_in(data)
    return data[: found.start() - 1] + data[found.end() + 1 :]


def with_value(data: bytes, value: bytes) -> bytes:
    """The file with another signature value in the room of its own."""
    found = _value_in(data)
    return data[: found.start()] + value.hex().encode().ljust(len(found[0]), b"0") + data[found.end() :]


def _value_in(data: bytes) -> re.Match[bytes]:
    found = re.search(rb"(?i)(?<=/Contents <)[0-9a-f]+(?=>)", data)
    assert found
    return found


def change_page(data: bytes, text: str = "999") -> bytes:
    """The content of the first page replaced in an incremental update."""
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    page["/Contents"] = writer.add_object(generic.StreamObject(stream_data=f"BT ({text}) Tj ET".encode()))
    writer.update_container(page)
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def form(value: str = "100") -> bytes:
    """A page with one field of text."""
    writer = IncrementalPdfFileWriter(io.BytesIO(plain(1)))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    box = generic.ArrayObject([generic.NumberObject(side) for side in (0, 0, 100, 20)])
    names = {"/FT": "/Tx", "/Type": "/Annot", "/Subtype": "/Widget"}
    field = generic.DictionaryObject({pdf_name(key): pdf_name(name) for key, name in names.items()})
    field |= {
        pdf_name("/T"): generic.pdf_string("金额"),
        pdf_name("/V"): generic.pdf_string(value),
        pdf_name("/Rect"): box,
    }
    placed = writer.add_object(field)
    page["/Annots"] = generic.ArrayObject([placed])
    writer.update_container(page)
    fields_of_form = generic.DictionaryObject({pdf_name("/Fields"): generic.ArrayObject([placed])})
    writer.root["/AcroForm"] = writer.add_object(fields_of_form)
    writer.update_root()
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def fill(data: bytes, value: str = "999") -> bytes:
    """The field of `form` with another value, in an update."""
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    field = writer.root["/AcroForm"]["/Fields"][0].get_object()
    field[pdf_name("/V")] = generic.pdf_string(value)
    writer.update_container(field)
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def store(data: bytes, **held: bytes) -> bytes:
    """An update that adds a store for later validation: `CRLs`, `OCSPs` and `Certs`, one each (PAdES B-LT)."""
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    dss = generic.DictionaryObject({pdf_name("/Type"): pdf_name("/DSS")})
    for key, blob in held.items():
        dss[pdf_name("/" + key)] = generic.ArrayObject([writer.add_object(generic.StreamObject(stream_data=blob))])
    writer.root["/DSS"] = writer.add_object(dss)
    writer.update_root()
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def encrypted(of: bytes | None = None, password: str = "user") -> bytes:
    """A PDF behind a password; with an empty one, behind one for those who want to change it."""
    writer = copy_into_new_writer(PdfFileReader(io.BytesIO(of or plain(1)), strict=False))
    writer.encrypt("owner", password)
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def revisions(data: bytes) -> int:
    """How often the file was written."""
    return int(PdfFileReader(io.BytesIO(data)).total_revisions)


def _private(signer: Signer) -> keys.PrivateKeyInfo:
    der = signer.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return keys.PrivateKeyInfo.load(der)


def _asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
