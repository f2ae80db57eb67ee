"""What the fuzz driver throws things at: every reader of what strangers present, with its seeds and its law."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import extract_world
import fuzz_documents
import test_foreign
from code_vectors import FILE as CODES
from cryptography.hazmat.primitives.asymmetric import ec
from delegation_vectors import FILE as DELEGATIONS
from delegation_world import Office
from fuzz_mutations import Target, mutate
from make_vectors import VECTORS
from world import NOON, ORIGIN, make_world

from codes import payload, picture
from verifier import CodeKind, State, cbor, cose, verify
from verifier.entry import Entry
from verifier.errors import MalformedError
from verifier.evidence import EvidenceBundle
from verifier.foreign.profile import ForeignIssuer
from verifier.note import Checkpoint, open_checkpoint, sign_checkpoint
from verifier.receipt import ReceiptFacts, check_receipt
from verifier.root import RootDocument
from verifier.status import StatusList
from verifier.status_delta import apply_delta
from verifier.suites import public_key
from verifier.trust import TrustBundle, sign_trust, status_subject
from verifier.trust_content import TrustedKey
from verifier.trust_update import restore, shorten


def _code_target(name: str, weight: int, texts: list[str], trust: TrustBundle, at: datetime) -> Target:
    """Codes altered below their Base45, which hides nothing from their readers, and now and then as a text."""

    def alter(chance: random.Random, seed: bytes) -> bytes:
        if chance.randrange(8) == 0:
            return mutate(chance, seed, seeds)
        below = mutate(chance, payload.decode(seed.decode()), raw)[: payload.MAX_CODE_BYTES]
        return payload.encode(below).encode() if below else b"SZ1:"

    def same(altered: bytes, seed: bytes) -> bool:
        try:
            return payload.normalise_scanned(altered.decode()).encode() in known
        except UnicodeDecodeError:
            return False

    seeds = [text.encode() for text in texts]
    raw, known = [payload.decode(text) for text in texts], set(seeds)
    return Target(name, weight, seeds, lambda data: verify(data, trust, at).state is State.VALID, same, alter=alter)


def _text_target(name: str, weight: int, texts: list[str], trust: TrustBundle, at: datetime) -> Target:
    seeds = [text.encode() for text in texts]

    def same(altered: bytes, seed: bytes) -> bool:
        # Foreign codes are compressed: other bytes may unpack to the same signed content. Caps Lock is undone.
        try:
            text = payload.normalise_scanned(altered.decode())
            return (text.upper() if text.isascii() else text).encode() in seeds
        except UnicodeDecodeError:
            return False

    return Target(name, weight, seeds, lambda data: verify(data, trust, at).state is State.VALID, same)


def _evidence_target(name: str, weight: int, folder: Path, trust: TrustBundle, at: datetime) -> Target:
    seeds = [path.read_bytes() for path in sorted(folder.glob("*.szb"))]

    def core(data: bytes) -> tuple[object, ...] | None:
        try:
            bundle = EvidenceBundle.from_bytes(data)
        except MalformedError:
            return None
        return bundle.face, bundle.salts, bundle.signed_entry, bundle.receipt, bundle.files

    known = {core(seed) for seed in seeds}

    def same(altered: bytes, seed: bytes) -> bool:
        # Cosignatures of whom nobody asks for, and the hash of the anchor's transaction, are not judged: what is
        # accepted must be the certificate of a vector to the byte.
        return core(altered) in known

    return Target(name, weight, seeds, lambda data: verify(data, trust, at).state is State.VALID, same)


def _extract_target(name: str, weight: int) -> Target:
    world = make_world()
    trust, good = extract_world.trusting(world), extract_world.make(world)

    def same(altered: bytes, seed: bytes) -> bool:
        # Whoever hands an extract on may leave disclosures out.
        jwt, *told = altered.decode().split("~")
        whole, *every = seed.decode().split("~")
        return jwt == whole and set(told) <= set(every) and len(told) == len({*told})

    return Target(name, weight, [good.encode()], lambda data: verify(data, trust, NOON).state is State.VALID, same)


def _reads(read: Callable[[bytes], object]) -> Callable[[bytes], bool]:
    """A reader of something that is not signed: reading it is no acceptance."""

    def accepts(data: bytes) -> bool:
        read(data)
        return False

    return accepts


def _opens(read: Callable[[bytes], object]) -> Callable[[bytes], bool]:
    """A reader that checks a signature: whatever it gives back it has accepted."""

    def accepts(data: bytes) -> bool:
        read(data)
        return True

    return accepts


def targets() -> list[Target]:
    """Every kind of input with its seeds."""
    world, office = make_world(), Office()
    vectors = json.loads(CODES.read_text("utf-8"))
    delegations = json.loads(DELEGATIONS.read_text("utf-8"))
    believed = _trusting(vectors)
    at = datetime.fromisoformat(vectors["at"])
    codes = [one["text"] for part in ("valid", "refused") for one in vectors[part]]
    presented = [one["text"] for one in vectors["presented"]]
    texts = [path.read_text("utf-8") for path in sorted(VECTORS.glob("*code*.txt"))]
    texts = [text for text in texts if text.startswith("SZ1:")]
    chain = [delegations["valid"], *(one["text"] for one in delegations["refused"])]
    opened = TrustBundle.open((VECTORS / "trust.json").read_bytes())
    witnessed = TrustBundle.open((VECTORS / "trust-witnesses.json").read_bytes())
    chains = json.loads((VECTORS / "chain" / "verdicts.json").read_text("utf-8"))
    later = max(datetime.fromisoformat(one["at"]) for one in chains.values())
    chained = TrustBundle.open((VECTORS / "chain" / "trust.json").read_bytes())
    bundles = [path.read_bytes() for path in sorted(VECTORS.glob("trust*.json"))]
    bundles += [path.read_bytes() for path in sorted((VECTORS / "roots").glob("trust-*.json"))]
    changed = TrustBundle.open((VECTORS / "trust-deltas.json").read_bytes())
    token, status_key = world.content.statuses[1], world.status_key.public
    unchanged = StatusList.from_token(changed.content.statuses[1], status_subject(ORIGIN, 1), status_key)
    bundle = world.bundle(1)
    foreign, issuers = _foreign()
    root_contents = [RootDocument.from_bytes(p.read_bytes()).content for p in (VECTORS / "roots").glob("root-*.json")]
    leaf, log_key = world.leaves[1], world.log_key.public
    head = Checkpoint(ORIGIN, 5, bytes(32))
    note = sign_checkpoint(head, world.log_key)

    def status(data: bytes) -> object:
        return StatusList.from_token(data, status_subject(ORIGIN, 1), status_key)

    def delta(data: bytes) -> object:
        return apply_delta(unchanged, data, status_subject(ORIGIN, 1), status_key)

    def checkpoint(data: bytes) -> object:
        return open_checkpoint(data.decode(errors="replace"), ORIGIN, log_key)

    def receipt(data: bytes) -> ReceiptFacts:
        return check_receipt(data, leaf, ORIGIN, log_key)

    def base45(data: bytes) -> bool:
        text = data.decode("latin-1")
        return payload.encode(payload.decode(text)) != text

    return [
        _code_target("code", 30, codes, believed, at),
        _code_target("code of the registry", 12, texts, opened, NOON),
        _code_target("presentation", 12, presented, believed, at),
        _code_target("delegated code", 16, chain, office.trust(), NOON),
        _text_target("foreign code", 3, foreign, issuers, test_foreign.SIGNED_AT),
        _evidence_target("evidence", 6, VECTORS, opened, NOON),
        _evidence_target("cosigned evidence", 3, VECTORS, witnessed, NOON),
        _evidence_target("evidence with a chain's proof", 3, VECTORS / "chain", chained, later),
        Target("trust bundle", 4, bundles, _opens(TrustBundle.open)),
        Target("root document", 3, [path.read_bytes() for path in sorted((VECTORS / "roots").glob("root-*.json"))],
               _opens(lambda data: RootDocument.from_bytes(data).check(None)),
               # Signatures by keys of no concern here are passed over: what is signed must not change.
               lambda one, _: RootDocument.from_bytes(one).content in root_contents),
        Target("status token", 2, [token], _opens(status)),
        Target("status delta", 2, [changed.content.status_deltas[1]], _opens(delta)),
        _extract_target("extract", 6),
        # What comes out of an update is believed only as a bundle of its own.
        Target("update of a trust bundle", 3, [shorten(opened.data, changed.data)],
               _opens(lambda data: opened.accept(restore(opened.data, data)))),
        Target("entry", 8, [Entry.from_bytes(cose.open1(bundle.signed_entry, limit=4096).payload or b"").to_bytes()],
               _reads(Entry.from_bytes)),
        # RFC 9942 signs the root alone: the size beside it is judged with the anchor.
        Target("receipt", 6, [bundle.receipt], _opens(receipt),
               lambda one, seed: receipt(one).root == receipt(seed).root),
        # Lines of other signers may follow; the head is what must not change.
        Target("checkpoint", 3, [note.encode()], _opens(checkpoint), lambda one, _: checkpoint(one) == head),
        Target("cbor", 8, [bundle.signed_entry[1:], bundle.receipt[1:]],
               _reads(lambda one: cbor.decode(one, limit=4096))),
        Target("base45", 10, [codes[0].encode()], base45, ours=(payload.PayloadError,)),
        Target("picture of a code", 1, fuzz_documents.code_pictures(codes[0]), _reads(picture.read),
               ours=(picture.PictureError,)),
        *fuzz_documents.documents(),
    ]  # fmt: skip


def _trusting(vectors: dict[str, Any]) -> TrustBundle:
    """A trust bundle in which the keys of these vectors may sign every kind."""
    world, since = make_world(1), NOON - timedelta(days=365)
    kinds = tuple(kind.purpose for kind in CodeKind)
    publics = {
        public_key(one["suite"], bytes.fromhex(one["public"]))
        for part in vectors.values()
        if isinstance(part, list)
        for one in part
    }
    keys = tuple(TrustedKey(public, "registry", kinds, since) for public in sorted(publics, key=lambda key: key.kid))
    return TrustBundle.open(sign_trust(replace(world.content, keys=(*world.content.keys, *keys)), [world.root_key]))


def _foreign() -> tuple[list[str], TrustBundle]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = test_foreign.make_certificate(key)
    issuer = ForeignIssuer("eu-dcc", "示例", certificate)
    trust = test_foreign.trusting(issuer)
    at = test_foreign.SIGNED_AT
    fresh = replace(trust.content, issued_at=at - timedelta(days=1), expires_at=at + timedelta(days=5))
    return [test_foreign.make_code(key, certificate)], TrustBundle.open(sign_trust(fresh, [make_world(1).root_key]))
