"""Delegations on the stage of `world`: an enterprise, its manager and its handler, with the devices of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from world import FOOD, NOON, World, fixed_key, make_world

from codes import payload
from verifier import CodeKind, Verdict, verify
from verifier.delegated_code import PROOF_LASTS, Chain
from verifier.delegation import Link, LinkClaims, Role, sign_link
from verifier.status import Status, StatusList
from verifier.suites import SoftwareKey
from verifier.trust import TrustBundle
from verifier.trust_content import TrustedKey

COMPANY, OTHER_COMPANY = "91310105MA1FWT014B", "91310105MA1FWT0226"
RENEWAL, CHANGE = "310105-SPJY-YX", "310105-SPJY-BG"
LICENCE = "11100000MB0341032Y001"
SLOTS = {Role.REPRESENTATIVE: 910, Role.MANAGER: 911, Role.HANDLER: 912}
BEGINS, ENDS = NOON - timedelta(days=30), NOON + timedelta(days=300)


def device(who: Role | str) -> SoftwareKey:
    """The key in somebody's device."""
    return fixed_key(f"device of {who}")


def claims(role: Role, **changes: Any) -> LinkClaims:
    """What a link to this role says unless told otherwise."""
    facts = LinkClaims(
        role=role, key=device(role).public, matters=None, types=None, issued_at=BEGINS,
        begins_at=BEGINS, ends_at=ENDS, status_list=1, status_index=SLOTS[role],
    )  # fmt: skip
    return replace(facts, **changes)


MANAGER = claims(Role.MANAGER, matters=(RENEWAL, CHANGE), types=(LICENCE, FOOD))
HANDLER = claims(
    Role.HANDLER, matters=(RENEWAL,), issued_at=BEGINS + timedelta(days=1), begins_at=BEGINS + timedelta(days=1),
    ends_at=NOON + timedelta(days=30),
)  # fmt: skip


@dataclass
class Office:
    """Who signs what; a story changes parts of it."""

    world: World = field(default_factory=lambda: make_world(1))
    out_of_force: dict[int, Status] = field(default_factory=dict)

    def keys(self) -> tuple[TrustedKey, ...]:
        """The trusted keys; the one that signs codes signs first links too."""
        code_key = self.world.code_key.public
        return tuple(
            replace(key, purposes=(*key.purposes, "delegation")) if key.public == code_key else key
            for key in self.world.content.keys
        )

    def trust(self) -> TrustBundle:
        """The trust bundle with the states of this story."""
        states = StatusList()
        for slot, status in self.out_of_force.items():
            states.set(slot, status)
        return self.world.trust(
            keys=self.keys(), statuses={1: self.world.status_token(states)}, matters={RENEWAL: "食品经营许可延续"}
        )

    def enterprise(self, **changes: Any) -> str:
        """The enterprise's own code, which lasts for years."""
        lasting = {"issued_at": NOON - timedelta(days=90), "expires_at": NOON + timedelta(days=3650)}
        return self.world.code(CodeKind.ENTERPRISE, **{**lasting, **changes})

    def links(self, *chain: LinkClaims, company: str = COMPANY, first: SoftwareKey | None = None) -> tuple[Link, ...]:
        """The links, each signed by the device of the one before."""
        signed: list[Link] = []
        signer, external = first or self.world.code_key, company.encode()
        for link in chain:
            signed.append(sign_link(link, signer, external))
            signer, external = device(link.role), signed[-1].anchor
        return tuple(signed)

    def chain(self, *links: LinkClaims) -> Chain:
        """What the last delegate's device keeps."""
        return self.of(self.links(*links))

    def of(self, links: tuple[Link, ...], enterprise: str | None = None) -> Chain:
        """A chain of these very links."""
        inner = payload.decode(enterprise or self.enterprise())
        return Chain(inner, self.world.code_key.public.kid, links)

    def show(
        self,
        chain: Chain,
        key: SoftwareKey | None = None,
        at: datetime = NOON - timedelta(seconds=5),
        lasts: timedelta = PROOF_LASTS,
    ) -> str:
        """The text shown by the last delegate's device, or by another one."""
        return chain.show(key or device(chain.links[-1].claims.role), at, lasts)

    def judge(self, text: str, at: datetime = NOON) -> Verdict:
        """The verdict, offline."""
        return verify(text.encode(), self.trust(), at)
