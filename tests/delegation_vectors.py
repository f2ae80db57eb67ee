"""Makes vectors/codes/delegations.json (`python tests/delegation_vectors.py`): a chain taken apart, and its codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from delegation_world import COMPANY, HANDLER, MANAGER, Office, device
from world import NOON

from verifier.delegation import Role, link_to_be_signed
from verifier.suites import PublicKey

FILE = Path(__file__).parent / "vectors" / "codes" / "delegations.json"


def make_delegation_vectors() -> dict[str, Any]:
    """{at, registry, enterprise, links: [{payload, to_be_signed, signature, anchor}], valid, refused: [{fault, text}]}.

    Everything is Ed25519, so that the same bytes are made every time; bytes are in hexadecimal.
    """
    office = Office()
    chain = office.chain(MANAGER, HANDLER)
    links, signer, external = [], office.world.code_key.public, COMPANY.encode()
    for link in chain.links:
        links.append(
            {
                "signer": _key(signer),
                "external_aad": external.hex(),
                "payload": link.payload.hex(),
                "to_be_signed": link_to_be_signed(link.payload, signer, external).hex(),
                "signature": link.signature.hex(),
                "anchor": link.anchor.hex(),
            }
        )
        signer, external = link.claims.key, link.anchor
    return {
        "at": NOON.isoformat(),
        "registry": _key(office.world.code_key.public),
        "enterprise": office.enterprise(),
        "links": links,
        "valid": office.show(chain),
        "refused": [
            {"fault": "the manager's link cut out", "text": office.show(office.of(chain.links[1:]))},
            {"fault": "shown by the manager's device", "text": office.show(chain, device(Role.MANAGER))},
        ],
    }


def _key(public: PublicKey) -> dict[str, Any]:
    return {"suite": int(public.suite), "public": public.raw.hex(), "kid": public.kid.hex()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(make_delegation_vectors(), indent=1) + "\n", encoding="utf-8")
