"""Makes the published vectors (`python tests/make_vectors.py`) from fixed keys and times."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from chain_vectors import make_chain_vectors
from witness_world import trusting, witness_vectors
from world import NOON, ORIGIN, World, fixed_draw, fixed_key, food_face, make_world

from verifier import CodeKind, State, verify
from verifier.commitment import seal
from verifier.status import Status, StatusList
from verifier.status_delta import sign_delta
from verifier.times import to_text
from verifier.trust import TrustBundle, status_subject

VECTORS = Path(__file__).parent / "vectors"
SUSPENDED, LOST_CODE, LOST_SINCE = 3, 902, 903


def make_vectors(folder: Path) -> None:
    """Write the trust bundles, the presented files and verdicts.json into the folder."""
    world = make_world()
    states = StatusList()
    states.set(SUSPENDED, Status.SUSPENDED)
    states.set(LOST_CODE, Status.LOST)
    trust = world.trust(statuses={1: world.status_token(states)})
    (folder / "trust.json").write_bytes(trust.data)
    witnessed = trusting(world)
    (folder / "trust-witnesses.json").write_bytes(witnessed.data)
    changed = _changed_since(world, states)
    (folder / "trust-deltas.json").write_bytes(changed.data)
    presented = {name: (data, at, trust) for name, (data, at) in _presented(world).items()}
    presented |= {name: (data, at, witnessed) for name, (data, at) in witness_vectors(world).items()}
    presented["valid-evidence-given-back.szb"] = (world.bundle(SUSPENDED).to_bytes(), NOON, changed)
    presented["valid-code-found-again.txt"] = (world.code(status_index=LOST_CODE).encode(), NOON, changed)
    presented["code-lost-since.txt"] = (world.code(status_index=LOST_SINCE).encode(), NOON, changed)
    names = {id(witnessed): "trust-witnesses.json", id(changed): "trust-deltas.json"}
    verdicts = {}
    for name, (data, at, believed) in sorted(presented.items()):
        (folder / name).write_bytes(data)
        verdict = verify(data, believed, at)
        verdicts[name] = {"at": to_text(at), "state": verdict.state.value, "reason": verdict.reason}
        if believed is not trust:
            verdicts[name]["trust"] = names[id(believed)]
        expected_valid = name.startswith("valid-")
        if (verdict.state is State.VALID) != expected_valid:
            raise ValueError(f"{name}: {verdict.state} {verdict.reason}")
    _write_json(folder / "verdicts.json", verdicts)
    sealed = seal(food_face(1), fixed_draw("commitment vector"))
    _write_json(
        folder / "commitment.json",
        {
            "fields": food_face(1),
            "canonical_hex": sealed.canonical.hex(),
            "salts_hex": sealed.salts.hex(),
            "sha256": sealed.digest.sha256.hex(),
            "sm3": sealed.digest.sm3.hex(),
        },
    )


def _changed_since(world: World, states: StatusList) -> TrustBundle:
    """A bundle with the same token, on which a delta gives two items back and declares a third one lost."""
    changes = [(SUSPENDED, Status.VALID), (LOST_CODE, Status.VALID), (LOST_SINCE, Status.LOST)]
    issued, ends = NOON, NOON + timedelta(days=7)
    delta = sign_delta(states, changes, world.status_key, status_subject(ORIGIN, 1), issued, ends)
    return world.trust(version=4, statuses={1: world.status_token(states)}, status_deltas={1: delta})


def _presented(world: World) -> dict[str, tuple[bytes, datetime]]:
    good, with_file = world.bundle(1), world.bundle(0)
    flipped = bytearray(good.face)
    flipped[flipped.index(b"JY1310105") + 8] ^= 1
    stranger = replace(world, code_key=fixed_key("stranger"))
    department = replace(world, code_key=world.department_key)
    years_later = NOON + timedelta(days=365 * 6)
    files: dict[str, tuple[bytes, datetime]] = {
        "valid-evidence.szb": (good.to_bytes(), NOON),
        "valid-evidence-with-file.szb": (with_file.to_bytes(), NOON),
        "tampered-face.szb": (replace(good, face=bytes(flipped)).to_bytes(), NOON),
        "tampered-file.szb": (replace(with_file, files=(b"another file",)).to_bytes(), NOON),
        "truncated.szb": (good.to_bytes()[:-1], NOON),
        "receipt-of-another.szb": (replace(good, receipt=world.bundle(2).receipt).to_bytes(), NOON),
        "entry-of-another.szb": (replace(good, signed_entry=world.bundle(2).signed_entry).to_bytes(), NOON),
        "anchor-differs.szb": (replace(good, anchor=replace(good.anchor, block_number=8)).to_bytes(), NOON),
        "suspended.szb": (world.bundle(SUSPENDED).to_bytes(), NOON),
        "trust-expired.szb": (good.to_bytes(), years_later),
        "code-wrong-key.txt": (stranger.code().encode(), NOON),
        "code-key-of-department.txt": (department.code().encode(), NOON),
        "code-expired.txt": (world.code().encode(), NOON + timedelta(hours=1)),
        "code-lost.txt": (world.code(status_index=LOST_CODE).encode(), NOON),
        "code-of-something-else.txt": (b"https://example.invalid/menu", NOON),
    }
    for kind in CodeKind:
        files[f"valid-code-{kind.name.lower()}.txt"] = (world.code(kind).encode(), NOON)
    files["valid-code-venue-named.txt"] = (world.code(CodeKind.VENUE, name="随证体育馆").encode(), NOON)
    files["code-of-unknown-venue.txt"] = (world.code(CodeKind.VENUE, subject="0" * 26).encode(), NOON)
    files["code-printed-revoked.txt"] = (world.code(CodeKind.PRINTED, status_index=LOST_CODE).encode(), NOON)
    return files


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    VECTORS.mkdir(exist_ok=True)
    make_vectors(VECTORS)
    (VECTORS / "chain").mkdir(exist_ok=True)
    make_chain_vectors(VECTORS / "chain")
