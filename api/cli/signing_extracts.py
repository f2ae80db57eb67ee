"""The extracts of `suizheng sign-entries`: look at what waits, sign what tells the truth, hand it in."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from api.cli.arguments import now
from api.cli.department_client import DepartmentClient
from api.cli.errors import CommandError
from verifier import cose
from verifier.entry import Entry
from verifier.errors import VerificationError
from verifier.evidence import department_key
from verifier.signing_request import ExtractRequest, examine_extract
from verifier.suites import PublicKey, SoftwareKey, Suite
from verifier.trust import TrustBundle

_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class ExtractSigner:
    """What signs, and for whom. trust: knows the keys with which the department signed its certificates before."""

    client: DepartmentClient
    key: SoftwareKey
    department: str
    trust: TrustBundle | None

    def run(self) -> tuple[int, dict[str, str]]:
        """How many were signed, and why others were not, by their ids; of those held back the server tells whoever
        asked for them. Raises CommandError."""
        if self.key.public.suite is Suite.SM2:
            return 0, {}
        count, refused = 0, dict[str, str]()
        while signed := self._round(refused):
            count += signed
        return count, refused

    def _round(self, refused: dict[str, str]) -> int:
        prepared = self.client.post("/signatures/extracts/prepare", {"limit": _AT_ONCE})
        signatures = [
            {"extract_id": one["extract_id"], "signature": signature}
            for one in prepared["extracts"]
            if (signature := self._sign(one, refused)) is not None
        ]
        if not signatures:
            return 0
        body = {"id": prepared["id"], "signatures": signatures}
        done = self.client.post("/signatures/extracts/commit", body)["items"]
        signed = [one for one in done if one["outcome"] in ("signed", "signed_before")]
        refused |= {one["extract_id"]: f"登记处未接受（{one['outcome']}）" for one in done if one not in signed}
        return len(signed)

    def _sign(self, one: dict[str, Any], refused: dict[str, str]) -> str | None:
        request = ExtractRequest(
            one["to_be_signed"].encode(), tuple(one["disclosures"]), _bytes(one["face"]), _bytes(one["salts"])
        )
        try:
            examine_extract(request, self.key.public, self.department, now(), _ours(self.key.public, self.trust))
        except VerificationError as error:
            refused[one["extract_id"]] = error.message
            return None
        return base64.b64encode(self.key.sign(request.to_be_signed)).decode()


def _ours(key: PublicKey, trust: TrustBundle | None) -> Callable[[cose.Sign1, Entry], bool]:
    """Whether the department itself signed an entry: with this key, or with one that the trust bundle knows of it."""

    def is_ours(message: cose.Sign1, entry: Entry) -> bool:
        try:
            known = (
                key
                if message.kid == key.kid
                else None
                if trust is None
                else department_key(trust, message, entry).public
            )
            if known is not None:
                message.check(known)
        except VerificationError:
            return False
        return known is not None

    return is_ours


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise CommandError("服务器的答复中有不是 Base64 的内容") from error
