"""SD-JWT (RFC 9901) as we read and write it: what is told, what is refused, what an independent library makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from extract_world import NUMBER, make, occasion, only, shown, trusting
from hypothesis import given, settings
from hypothesis import strategies as st
from jwcrypto.jwk import JWK
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier
from world import DEPARTMENT, FOOD, ISSUED, NOON, ORIGIN, OTHER_DEPARTMENT, fixed_key, make_world

from verifier import Check, State, Verdict, verify
from verifier.errors import MalformedError, VerificationError
from verifier.extract import TYPE, sign_extract
from verifier.extract_verdict import verify_extract
from verifier.jws import decode, encode, jwk_of, key_of, sign_jws
from verifier.key_binding import Challenge, bind
from verifier.sd_jwt import Concealer, assemble, digest_of, disclosure, open_sd_jwt, without_gaps
from verifier.status import Status
from verifier.suites import SoftwareKey, Suite
from verifier.trust_content import Scope

WORLD = make_world()
TRUST = trusting(WORLD)
TEXT = make(WORLD)
PHONE = fixed_key("phone")
ASKED = Challenge(OTHER_DEPARTMENT, "n-1")
SALT = b"s" * 16


def judged(text: str, trust: Any = TRUST, at: Any = NOON, **named: Any) -> tuple[str, str]:
    verdict = verify_extract(text.encode(), trust, at, **named)
    return str(verdict.state), verdict.reason


def result(verdict: Verdict, check: Check) -> tuple[str, str]:
    return next((str(one.outcome), one.reason) for one in verdict.checks if one.check is check)


def test_an_extract_is_valid_and_says_what_was_not_checked() -> None:
    verdict = verify(TEXT.encode(), TRUST, NOON)
    assert (verdict.state, verdict.reason) == (State.VALID, "ok")
    assert result(verdict, Check.COMMITMENT) == ("not_checked", "evidence_not_at_hand")
    assert result(verdict, Check.RECEIVER) == ("not_checked", "receiver_not_asked")
    fields = ["certificate_number", "area_code", "holders.0", "extend_info.business_scope", "extend_info.premises"]
    assert verdict.subject["fields"] == fields
    assert "随证餐饮" not in json.dumps(verdict.to_json(), ensure_ascii=False)


@settings(deadline=None)
@given(st.sets(st.integers(0, 4)))
def test_any_subset_of_disclosures_is_valid_and_tells_exactly_that(places: set[int]) -> None:
    text = only(TEXT, places)
    verdict = verify_extract(text.encode(), TRUST, NOON, receiver=OTHER_DEPARTMENT, evidence=EVIDENCE)
    assert verdict.state is State.VALID, verdict.reason
    told = without_gaps(open_sd_jwt(text.encode(), TYPE).claims)["certificate"]
    whole = shown(WORLD)
    leaves = [("certificate_number",), ("area_code",), ("holders", 0), ("extend_info", "business_scope"),
              ("extend_info", "premises")]  # fmt: skip
    expected = {name: value for name, value in whole.items() if (name,) not in leaves}
    expected |= {"holders": [], "extend_info": {}}
    for name, *rest in [leaves[place] for place in sorted(places)]:
        if name == "holders":
            expected["holders"] = whole["holders"]
        elif rest:
            expected["extend_info"][rest[0]] = whole["extend_info"][rest[0]]
        else:
            expected[name] = whole[name]
    assert told == expected


EVIDENCE = WORLD.bundle(NUMBER).to_bytes()
BOUND = bind(make(WORLD, device=PHONE.public), PHONE, ASKED, NOON)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_flipped_character_is_valid(data: st.DataObject) -> None:
    text, named = data.draw(st.sampled_from([(TEXT, {}), (BOUND, {"challenge": ASKED}), (BOUND, {})]))
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("AZaz09-_.~= \n+/").filter(lambda one: one != text[place]))
    altered = text[:place] + other + text[place + 1 :]
    assert judged(altered, **named)[0] != "valid", (place, other)


def test_every_last_character_of_a_part_is_its_only_form() -> None:
    # The last character of Base64url has bits that say nothing: only zeros are read.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    ends = [place - 1 for place, sign in enumerate(TEXT) if sign in ".~"]
    for place in ends:
        for other in alphabet:
            altered = TEXT[:place] + other + TEXT[place + 1 :]
            assert other == TEXT[place] or judged(altered)[0] != "valid"


def test_the_commitment_is_checked_with_the_evidence_and_only_by_its_own() -> None:
    verdict = verify_extract(TEXT.encode(), TRUST, NOON, evidence=EVIDENCE)
    assert verdict.state is State.VALID
    assert {result(verdict, check) for check in (Check.COMMITMENT, Check.INCLUSION, Check.ANCHOR)} == {("passed", "ok")}
    assert judged(TEXT, evidence=WORLD.bundle(2).to_bytes()) == ("invalid", "other_entry")
    assert judged(TEXT, evidence=b"nothing") == ("invalid", "not_evidence")
    # Signed by the issuer, and still not what was registered.
    for part in ({"area_code": "310106"}, {"extend_info": {"premises": "别处"}}, {"holders": [{"holder_name": "别人"}]},
                 {"holders": []}, {"extend_info": {"unknown": 1}}, {"issue_date": "20261119"}):  # fmt: skip
        told = {**shown(WORLD), **part}
        text = sign_extract(
            told, WORLD.signed_entries[NUMBER], occasion(), ORIGIN, WORLD.department_key, lambda n: b"x" * n
        )
        assert judged(text)[0] == "valid"
        assert judged(text, evidence=EVIDENCE) == ("invalid", "field_differs"), part


def test_it_ends_with_its_time_its_certificate_and_its_status() -> None:
    end = occasion().ends_at
    later = trusting(WORLD, issued_at=end - timedelta(days=1), expires_at=end + timedelta(days=1))
    assert judged(TEXT, later, end - timedelta(seconds=1))[0] == "valid"
    assert judged(TEXT, later, end) == ("not_in_force", "expired")
    assert judged(TEXT, at=occasion().made_at - timedelta(seconds=1)) == ("not_in_force", "not_yet_valid")
    for status in (Status.REVOKED, Status.SUSPENDED, Status.CANCELLED):
        trust = trusting(WORLD, statuses=WORLD.with_status(NUMBER, status).content.statuses)
        assert judged(TEXT, trust) == ("not_in_force", f"status_{status.name.lower()}")
    assert judged(TEXT, trusting(WORLD, statuses={})) == ("undecided", "no_status_list")
    assert judged(TEXT, at=NOON + timedelta(days=8))[0] == "undecided"


def test_it_is_for_its_receiver() -> None:
    assert judged(TEXT, receiver=OTHER_DEPARTMENT) == ("valid", "ok")
    assert judged(TEXT, receiver=DEPARTMENT) == ("invalid", "wrong_receiver")


def test_only_the_issuers_key_within_its_right_at_the_time_of_signing_counts() -> None:
    made = occasion().made_at
    begin = WORLD.content.scopes[0].valid_from
    assert judged(TEXT, WORLD.trust()) == ("invalid", "wrong_purpose_of_key")
    before = (Scope(DEPARTMENT, FOOD, begin, made),)
    assert judged(TEXT, trusting(WORLD, scopes=before)) == ("invalid", "out_of_scope")
    # Suspended when it signed, reinstated since; and the neighbour: suspended since.
    gap = (Scope(DEPARTMENT, FOOD, begin, made - timedelta(days=1)), Scope(DEPARTMENT, FOOD, made + timedelta(hours=1)))
    assert judged(TEXT, trusting(WORLD, scopes=gap)) == ("invalid", "out_of_scope")
    since = (Scope(DEPARTMENT, FOOD, begin, made + timedelta(seconds=1)),)
    assert judged(TEXT, trusting(WORLD, scopes=since)) == ("valid", "ok")
    keys = [replace(key, purposes=("entries", "extract")) for key in WORLD.content.keys[:1]]
    ended = [replace(keys[0], valid_to=made), *WORLD.content.keys[1:]]
    assert judged(TEXT, trusting(WORLD, keys=tuple(ended))) == ("invalid", "key_not_valid_then")
    foreign = [WORLD.content.keys[0], replace(keys[0], owner=OTHER_DEPARTMENT, public=PHONE.public)]
    text = make(WORLD, PHONE)
    assert judged(text) == ("undecided", "unknown_key")
    assert judged(text, trusting(WORLD, keys=(*foreign, *WORLD.content.keys[1:]))) == ("invalid", "key_of_another")


@pytest.mark.parametrize("suite", [Suite.ED25519, Suite.ES256])
def test_both_suites_sign_and_every_signature_of_the_curve_counts(suite: Suite) -> None:
    key = SoftwareKey.generate(suite)
    trust, text = trusting(WORLD, key), make(WORLD, key)
    assert judged(text, trust) == ("valid", "ok")
    header = json.loads(decode(text.split(".")[0]))
    assert header == {"alg": {Suite.ED25519: "Ed25519"}.get(suite, "ES256"), "kid": key.public.kid.hex(), "typ": TYPE}


def test_sm2_has_no_name_in_jose() -> None:
    key = SoftwareKey.generate(Suite.SM2)
    with pytest.raises(MalformedError) as refused:
        make(WORLD, key)
    assert refused.value.reason == "suite_without_jose"


def signed(header: dict[str, Any], claims: dict[str, Any], key: SoftwareKey = WORLD.department_key) -> str:
    text = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{encode(key.sign(text.encode()))}"


HEADER = {"alg": "Ed25519", "typ": TYPE, "kid": WORLD.department_key.public.kid.hex()}
CLAIMS = json.loads(decode(TEXT.split("~")[0].split(".")[1]))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"alg": "none"}, "unknown_suite"),
        ({"alg": "HS256"}, "unknown_suite"),
        ({"alg": "RS256"}, "unknown_suite"),
        ({"alg": ["Ed25519"]}, "unknown_suite"),
        ({"alg": "ES256"}, "wrong_suite"),
        ({"typ": "kb+jwt"}, "wrong_type"),
        ({"typ": "JWT"}, "wrong_type"),
        ({"typ": None}, "wrong_type"),
        ({"kid": None}, "wrong_field"),
        ({"kid": "zz"}, "wrong_field"),
        ({"kid": HEADER["kid"].upper()}, "wrong_field"),
        ({"crit": ["exp"]}, "unknown_extension"),
        ({"b64": False}, "unknown_extension"),
    ],
)
def test_a_header_that_is_not_ours_is_refused(header: dict[str, Any], reason: str) -> None:
    disclosures = TEXT.split("~")[1:]
    assert judged("~".join([signed({**HEADER, **header}, CLAIMS), *disclosures])) == ("invalid", reason)
    assert judged("~".join([signed(HEADER, CLAIMS), *disclosures])) == ("valid", "ok")
    # A key that comes along is not looked at.
    brought = {**HEADER, "jwk": jwk_of(PHONE.public)}
    assert judged("~".join([signed(brought, CLAIMS, PHONE), *disclosures])) == ("invalid", "wrong_signature")
    assert judged("~".join([signed({**HEADER, "alg": "EdDSA"}, CLAIMS), *disclosures])) == ("valid", "ok")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"_sd_alg": "sha-512"}, "unknown_digest"),
        ({"_sd_alg": None}, "unknown_digest"),
        ({"iat": "1"}, "wrong_field"),
        ({"iat": 1.5}, "wrong_field"),
        ({"exp": True}, "wrong_field"),
        ({"exp": 10**15}, "not_a_time"),
        ({"vct": "other"}, "wrong_field"),
        ({"iss": OTHER_DEPARTMENT}, "not_a_certificate"),
        ({"status": {"status_list": {"idx": 2, "uri": f"{ORIGIN}/status/1"}}}, "wrong_field"),
        ({"matter": "x"}, "wrong_field"),
        ({"purpose": ""}, "wrong_field"),
        ({"evidence": {}}, "wrong_field"),
        ({"evidence": {"entry": "AA"}}, "not_signed"),
        ({"certificate": {}}, "unknown_disclosure"),
        ({"extra": 1}, "wrong_fields"),
        ({"cnf": {"kid": "1"}}, "wrong_field"),
        ({"cnf": {"jwk": {"kty": "EC", "crv": "P-256", "x": encode(b"x" * 32), "y": encode(b"y" * 32)}}}, "not_a_key"),
    ],
)
def test_claims_that_do_not_fit_are_refused(changes: dict[str, Any], reason: str) -> None:
    text = "~".join([signed(HEADER, {**CLAIMS, **changes}), *TEXT.split("~")[1:]])
    assert judged(text)[1] == reason


A, B = disclosure(SALT, 1, "a"), disclosure(SALT, 2, "b")
ONE = disclosure(SALT, "x")


def opened(claims: dict[str, Any], *disclosures: str) -> dict[str, Any]:
    return dict(without_gaps(open_sd_jwt(assemble(signed(HEADER, claims), disclosures).encode(), TYPE).claims))


def test_disclosures_go_where_their_digests_stand() -> None:
    nested = disclosure(SALT, {"_sd": [digest_of(A)], "list": [{"...": digest_of(ONE)}, 7]}, "inner")
    claims = {"_sd": [digest_of(nested), digest_of(B), "A" * 43], "kept": [{"...": "B" * 42 + "A"}, {"c": {}}]}
    assert opened(claims) == {"kept": [{"c": {}}]}
    assert opened(claims, nested) == {"kept": [{"c": {}}], "inner": {"list": [7]}}
    assert opened(claims, B, ONE, A, nested) == {"kept": [{"c": {}}], "b": 2, "inner": {"a": 1, "list": ["x", 7]}}


def raw(value: Any) -> str:
    return encode(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("claims", "disclosures", "reason"),
    [
        ({}, [A], "unknown_disclosure"),
        ({"_sd": [digest_of(A)]}, [A, A], "repeated_disclosure"),
        ({"_sd": [digest_of(A), digest_of(A)]}, [A], "repeated_digest"),
        ({"_sd": ["A" * 43, "A" * 43]}, [], "repeated_digest"),
        ({"_sd": [digest_of(A)], "o": {"_sd": [digest_of(A)]}}, [], "repeated_digest"),
        ({"l": [{"...": digest_of(A)}], "_sd": [digest_of(A)]}, [], "repeated_digest"),
        ({"_sd": [digest_of(A)], "a": 0}, [A], "claim_clash"),
        ({"_sd": [digest_of(A), digest_of(raw(["t", "a", 2]))]}, [A, raw(["t", "a", 2])], "claim_clash"),
        ({"_sd": [digest_of(ONE)]}, [ONE], "misplaced_disclosure"),
        ({"l": [{"...": digest_of(A)}]}, [A], "misplaced_disclosure"),
        ({"l": [{"...": digest_of(ONE), "x": 1}]}, [ONE], "misplaced_name"),
        ({"...": digest_of(ONE)}, [], "misplaced_name"),
        ({"o": {"_sd_alg": "sha-256"}}, [], "misplaced_name"),
        ({"_sd": digest_of(A)}, [A], "wrong_field"),
        ({"_sd": [1]}, [], "wrong_field"),
        ({"_sd": ["short"]}, [], "not_base64url"),
        ({"_sd": ["AAAA"]}, [], "wrong_field"),
        ({"l": [{"...": 1}]}, [], "wrong_field"),
        *(({"_sd": [digest_of(one)]}, [one], "wrong_disclosure")
          for one in map(raw, ({}, [], ["s"], [1, 2], ["s", "n", 1, 2], ["s", 1, 2], ["s", "_sd", []], ["s", "...", 1],
                               ["s", "_sd_alg", "sha-256"]))),
        ({"_sd": [digest_of(one := encode(b'["s","n",{"a":1,"a":2}]'))]}, [one], "repeated_name"),
        ({"_sd": [digest_of(one := encode(b'["s","n",NaN]'))]}, [one], "not_json"),
        ({"_sd": [digest_of(one := encode(b'["s","n",1'))]}, [one], "not_json"),
        ({"_sd": [digest_of(one := encode(b'["s","n",' + b"[" * 20 + b"]" * 20 + b"]"))]}, [one], "too_deep"),
        ({"_sd": [digest_of(one := encode(b'["s","n",' + b"[" * 9999 + b"]" * 9999 + b"]"))]}, [one], "too_deep"),
        ({}, ["x=="], "not_base64url"),
        ({}, [""], "not_json"),
    ],
)  # fmt: skip
def test_what_rfc_9901_refuses_is_refused(claims: dict[str, Any], disclosures: list[str], reason: str) -> None:
    with pytest.raises(VerificationError) as refused:
        opened(claims, *disclosures)
    assert refused.value.reason == reason


def test_a_phone_shows_it_to_one_reader_once() -> None:
    plain = make(WORLD, device=PHONE.public)
    assert judged(BOUND, challenge=ASKED) == ("valid", "ok")
    assert judged(plain) == ("valid", "ok")
    assert judged(plain, challenge=ASKED) == ("invalid", "key_binding_missing")
    assert judged(BOUND, challenge=replace(ASKED, nonce="n-2")) == ("invalid", "wrong_nonce")
    assert judged(BOUND, challenge=replace(ASKED, audience=DEPARTMENT)) == ("invalid", "wrong_audience")
    assert judged(bind(plain, fixed_key("other phone"), ASKED, NOON), challenge=ASKED) == ("invalid", "wrong_proof")
    # Fewer fields than were shown; and without a device, or of one that is not asked for.
    binding = BOUND.split("~")[-1]
    assert judged(only(plain, {0, 1}) + binding, challenge=ASKED) == ("invalid", "wrong_sd_hash")
    assert judged(only(plain, {0, 1}) + binding) == ("invalid", "wrong_sd_hash")
    assert judged(bind(only(plain, {0}), PHONE, ASKED, NOON), challenge=ASKED) == ("valid", "ok")
    assert judged(bind(TEXT, PHONE, ASKED, NOON), challenge=ASKED) == ("invalid", "proof_unexpected")
    assert judged(BOUND, at=NOON + timedelta(minutes=7), challenge=ASKED) == ("not_in_force", "proof_expired")
    assert judged(BOUND, at=NOON - timedelta(minutes=2), challenge=ASKED) == ("not_in_force", "proof_from_future")
    # Without a challenge a proof must hold, and is not taken for a fresh one.
    told = verify_extract(BOUND.encode(), TRUST, NOON + timedelta(days=1))
    assert told.state is State.VALID and result(told, Check.POSSESSION) == ("not_checked", "challenge_unknown")


def test_a_jwk_is_read_in_one_form() -> None:
    for suite in (Suite.ED25519, Suite.ES256):
        public = SoftwareKey.generate(suite).public
        assert key_of(jwk_of(public)) == public
        with pytest.raises(MalformedError):
            key_of({**jwk_of(public), "d": "AA"})
    with pytest.raises(MalformedError):
        jwk_of(SoftwareKey.generate(Suite.SM2).public)


# The reference implementation of the working group, by other people over another JOSE library.


def jwk(key: SoftwareKey) -> JWK:
    return JWK.from_pem(key.to_pem())


@pytest.mark.parametrize("suite", [Suite.ED25519, Suite.ES256])
def test_an_independent_library_reads_what_we_write(suite: Suite) -> None:
    key, phone = SoftwareKey.generate(suite), SoftwareKey.generate(Suite.ES256)
    text = make(WORLD, key, phone.public)
    find: Callable[..., JWK] = lambda issuer, header: JWK(**jwk_of(key.public))  # noqa: E731
    told = SDJWTVerifier(text, find).get_verified_payload()
    assert told == without_gaps(open_sd_jwt(text.encode(), TYPE).claims)
    assert told["certificate"] == shown(WORLD)
    part = only(text, {0, 3})
    assert SDJWTVerifier(part, find).get_verified_payload()["certificate"]["extend_info"].keys() == {"business_scope"}
    bound = bind(part, phone, ASKED, NOON)
    assert SDJWTVerifier(bound, find, ASKED.audience, ASKED.nonce).get_verified_payload()["cnf"]
    with pytest.raises(ValueError, match="nonce"):
        SDJWTVerifier(bound, find, ASKED.audience, "n-2")


@pytest.mark.parametrize("suite", [Suite.ED25519, Suite.ES256])
def test_we_read_what_an_independent_library_writes(suite: Suite) -> None:
    key, phone = SoftwareKey.generate(suite), SoftwareKey.generate(Suite.ES256)
    algorithm = {Suite.ED25519: "EdDSA", Suite.ES256: "ES256"}[suite]
    claims = {name: value for name, value in CLAIMS.items() if name not in ("_sd_alg", "certificate")}
    whole = shown(WORLD)
    claims["certificate"] = {
        **{
            SDObj(name) if name in ("certificate_number", "area_code") else name: value for name, value in whole.items()
        },
        "holders": [SDObj(one) for one in whole["holders"]],
        "extend_info": {SDObj(name): value for name, value in whole["extend_info"].items()},
    }
    for decoys in (False, True):
        issued = SDJWTIssuer(
            claims, jwk(key), JWK(**jwk_of(phone.public)), algorithm, add_decoy_claims=decoys,
            extra_header_parameters={"typ": TYPE, "kid": key.public.kid.hex()},
        )  # fmt: skip
        holder = SDJWTHolder(issued.sd_jwt_issuance)
        holder.create_presentation(
            {"certificate": {"area_code": True, "extend_info": {"premises": True}}}, ASKED.nonce, ASKED.audience,
            jwk(phone), "ES256",
        )  # fmt: skip
        text = holder.sd_jwt_presentation
        trust = trusting(WORLD, key, issued_at=ISSUED, expires_at=NOON + timedelta(days=30))
        made_at = json.loads(decode(text.split("~")[-1].split(".")[1]))["iat"]
        verdict = verify_extract(text.encode(), trust, NOON, evidence=EVIDENCE)
        assert (verdict.state, verdict.reason) == (State.VALID, "ok")
        assert set(verdict.subject["fields"]) == {"area_code", "extend_info.premises"}
        assert made_at and judged(text, trust, challenge=replace(ASKED, nonce="n-2")) == ("invalid", "wrong_nonce")


def test_a_published_digest_of_rfc_9901_is_ours() -> None:
    # RFC 9901 4.2.3, of the disclosure in 4.2.1.
    text = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    assert digest_of(text) == "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"
    assert opened({"_sd": [digest_of(text)]}, text) == {"family_name": "Möbius"}


def test_equal_values_have_unequal_digests() -> None:
    signs = iter((b"1", b"2"))
    concealer = Concealer(lambda count: next(signs) * count)
    digests = [one["..."] for one in concealer.elements(["x", "x"])]
    assert len(set(digests)) == 2 and make(WORLD, draw="a") != make(WORLD, draw="b")
    with pytest.raises(MalformedError):
        sign_jws({"a": float("nan")}, WORLD.department_key, TYPE)


@pytest.mark.parametrize("s", [0, 1, 2**256 - 1, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551])
def test_a_signature_that_is_none_of_the_curve_is_refused(s: int) -> None:
    key = SoftwareKey.generate(Suite.ES256)
    jwt, *rest = make(WORLD, key).split("~")
    head, claims, signature = jwt.split(".")
    forged = encode(decode(signature)[:32] + s.to_bytes(32, "big"))
    assert judged("~".join([f"{head}.{claims}.{forged}", *rest]), trusting(WORLD, key))[0] == "invalid"
    assert judged("no separator") == ("invalid", "not_an_sd_jwt")
