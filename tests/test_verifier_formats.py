"""The formats alone: canonical JSON, deterministic CBOR, the tree, notes, receipts, status lists, numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from world import NOON, ORIGIN, fixed_draw, fixed_key, food_face

from verifier import cbor, cose
from verifier.canonical import canonicalise, parse_canonical
from verifier.commitment import reseal, seal
from verifier.digests import DoubleHasher, double_digest, sm3
from verifier.entry import Entry, Kind
from verifier.errors import (
    CommitmentError,
    InclusionError,
    KindError,
    MalformedError,
    SchemaError,
    SignatureError,
    UnknownStatusError,
    VerificationError,
)
from verifier.identifiers import (
    IdentifierError,
    check_citizen_number,
    check_holder_number,
    check_identifier,
    check_uscc,
    make_identifier,
    mask_name,
    mask_number,
)
from verifier.merkle import (
    Frontier,
    check_consistency,
    check_inclusion,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_of,
)
from verifier.note import Checkpoint, open_checkpoint, sign_checkpoint
from verifier.receipt import build_receipt, check_receipt, sign_root
from verifier.schema import FaceSchema
from verifier.status import CAPACITY, Status, StatusList
from verifier.suites import SoftwareKey, Suite

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=5),
    max_leaves=20,
)

# RFC 8785 section 3.2.2 and 3.2.3: sorting by UTF-16 units, literals, ECMAScript numbers.
RFC_SAMPLES = [
    (
        {"numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27]},
        b'{"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}',
    ),
    ({"literals": [None, True, False]}, b'{"literals":[null,true,false]}'),
    ({"string": '€$\x0f\nA\'B"\\\\"/'}, '{"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'.encode()),
    (
        {
            "\u20ac": "Euro",
            "\r": "CR",
            "\ufb33": "Dalet",
            "1": "One",
            "\U0001f600": "Smiley",
            "\u0080": "C",
            "\u00f6": "o",
        },
        '{"\\r":"CR","1":"One","\u0080":"C","ö":"o","€":"Euro","😀":"Smiley","\ufb33":"Dalet"}'.encode(),
    ),
    (1.0, b"1"),
    (-0.0, b"0"),
    ("plain", b'"plain"'),
]


@pytest.mark.parametrize(("value", "expected"), RFC_SAMPLES)
def test_the_samples_of_rfc_8785_come_out_byte_for_byte(value: object, expected: bytes) -> None:
    assert canonicalise(value) == expected
    assert parse_canonical(expected) == value


@given(JSON_VALUES)
def test_the_fast_serialiser_agrees_with_the_reference_on_everything(value: object) -> None:
    assert canonicalise(value) == rfc8785.dumps(value)


def test_ten_thousand_random_certificates_are_byte_equal_to_the_reference() -> None:
    random_source = random.Random(8785)
    for number in range(10_000):
        extra = {
            "金额" if number % 7 == 0 else "amount": random_source.choice(
                [number, number / 7, -number, f"{number}.0", None]
            ),
            "days": [random_source.randrange(1000), random_source.random()][: number % 3],
            "holder": random_source.choice(["𠮷野", "欧阳·娜", "张三（个体）", "08:00,12:30"]),
        }
        face = food_face(number, extend_info=extra)
        assert canonicalise(face) == rfc8785.dumps(face)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, {1: "a"}, {"a": object()}, "\ud800", {"a": b"x"}])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        canonicalise(value)


@pytest.mark.parametrize("data", [b'{"b":1,"a":2}', b'{"a": 1}', b'{"a":1,"a":1}', b"1.0", b"", b"{", b"\xff"])
def test_json_in_another_form_is_not_read_as_canonical(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_canonical(data)


def test_sm3_gives_the_values_of_the_standard() -> None:
    # GB/T 32905-2016 Annex A.
    assert sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert sm3(b"abcd" * 16).hex() == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
    hasher = DoubleHasher()
    hasher.update(b"ab")
    hasher.update(b"c")
    assert hasher.finish() == double_digest(b"abc")


def test_every_field_and_every_salt_is_committed_to() -> None:
    face = food_face(1)
    sealed = seal(face, fixed_draw("a"))
    assert reseal(sealed.canonical, sealed.salts) == sealed
    assert seal(face, fixed_draw("b")).digest != sealed.digest
    for name in face:
        changed = seal({**face, name: "另一个值"}, lambda _: sealed.salts)
        assert changed.digest.sha256 != sealed.digest.sha256
        assert changed.digest.sm3 != sealed.digest.sm3
    with pytest.raises(CommitmentError):
        reseal(sealed.canonical, sealed.salts[:-16])
    with pytest.raises(MalformedError):
        reseal(sealed.canonical.replace(b'":', b'": ', 1), sealed.salts)


@given(st.binary(max_size=200))
def test_noise_raises_only_our_errors_from_every_parser(data: bytes) -> None:
    for parse in (
        lambda: cbor.decode(data, limit=1000),
        lambda: Entry.from_bytes(data),
        lambda: cose.open1(b"\xd2" + data, limit=1000),
        lambda: parse_canonical(data),
        lambda: reseal(data, b""),
        lambda: open_checkpoint(data.decode("latin1"), ORIGIN, fixed_key("log").public),
        lambda: check_receipt(data, b"\0" * 32, ORIGIN, fixed_key("log").public),
        lambda: StatusList.from_token(data, "x", fixed_key("status").public),
        lambda: SoftwareKey.from_pem(data),
    ):
        with pytest.raises(VerificationError):
            parse()
            raise MalformedError("read", "a parser that reads noise as something is judged by the tests of that format")


@pytest.mark.parametrize(
    "data", [b"\x18\x01", b"\x5f\x41a\xff", b"\xa2\x02\x00\x01\x00", b"\x01\x01", b"\xf9\x7e\x01", b"\x81" * 2000]
)
def test_cbor_in_another_encoding_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        cbor.decode(data, limit=10_000)


def _entry(**changes: object) -> Entry:
    fields: dict[str, object] = {
        "kind": Kind.CERTIFICATE,
        "item": b"i" * 16,
        "department": "11310105MB9T00011M",
        "recorded_at": NOON + timedelta(milliseconds=7),
        "digest": double_digest(b"x"),
        "facts": {"type": "t", "n": 1, "b": b"x"},
        "previous": b"p" * 32,
    }
    return Entry(**{**fields, **changes})  # type: ignore[arg-type]


@given(
    st.dictionaries(st.text(max_size=40), st.integers(0, 2**63 - 1) | st.text(max_size=300) | st.binary(max_size=300)),
    st.none() | st.binary(min_size=32, max_size=32),
)
def test_an_entrys_bytes_are_those_of_the_general_encoder(
    facts: dict[str, int | str | bytes], previous: bytes | None
) -> None:
    entry = _entry(facts=facts, previous=previous)
    value: dict[int, object] = {
        1: 1, 2: int(entry.kind), 3: entry.item, 4: entry.department,
        5: (entry.recorded_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1),
        6: entry.digest.sha256, 7: entry.digest.sm3, 8: facts,
    }  # fmt: skip
    if previous is not None:
        value[9] = previous
    assert entry.to_bytes() == cbor.encode(value)


def test_an_entry_comes_back_from_its_bytes() -> None:
    for entry in (_entry(), _entry(previous=None, facts={})):
        assert Entry.from_bytes(entry.to_bytes()) == entry
    for wrong in (_entry(item=b"short"), _entry(facts={"x": 1.5}), _entry(previous=b"p"), _entry(kind=99)):
        with pytest.raises(MalformedError):
            Entry.from_bytes(wrong.to_bytes())


def test_an_entry_in_another_encoding_is_refused() -> None:
    data = _entry(facts={"a": 1, "b": 2}).to_bytes()
    entry = cbor.decode(data, limit=4096)
    others = {
        "a longer integer": data.replace(b"\x01\x01", b"\x01\x18\x01", 1),
        "an integer as a bignum": data.replace(b"\x61a\x01", b"\x61a\xc2\x41\x01", 1),
        "a map of open length": b"\xbf" + data[1:] + b"\xff",
        "facts in another order": data.replace(b"\x61a\x01\x61b\x02", b"\x61b\x02\x61a\x01", 1),
        "a key twice": b"\xa9" + data[1:] + b"\x01\x01",
        "truth for one": data.replace(b"\x01\x01", b"\x01\xf5", 1),
        "a byte behind": data + b"\x00",
    }
    for how, other in others.items():
        assert other != data, how
        with pytest.raises(MalformedError):
            Entry.from_bytes(other)
    beyond = cbor.encode(entry | {8: {"a": 2**64}})
    with pytest.raises(MalformedError, match="64"):
        Entry.from_bytes(beyond)
    for fact in (2**64 - 1, -(2**64)):
        assert Entry.from_bytes(cbor.encode(entry | {8: {"a": fact}})).facts == {"a": fact}


@pytest.mark.parametrize("suite", list(Suite))
def test_a_signature_holds_for_its_message_key_and_type_only(suite: Suite) -> None:
    key, other = SoftwareKey.generate(suite), SoftwareKey.generate(suite)
    data = cose.sign1(b"payload", key, cose.Type.ENTRY)
    message, payload = cose.open_typed(data, cose.Type.ENTRY, limit=1000)
    message.check(key.public)
    assert payload == b"payload"
    assert message.kid == key.public.kid
    with pytest.raises(SignatureError):
        message.check(other.public)
    with pytest.raises(KindError):
        cose.open_typed(data, cose.Type.PERSON_CODE, limit=1000)
    assert SoftwareKey.from_pem(key.to_pem()).public == key.public


def test_the_high_form_of_an_ecdsa_signature_is_refused() -> None:
    key = SoftwareKey.generate(Suite.ES256)
    signature = key.sign(b"m")
    key.public.check(signature, b"m")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    high = signature[:32] + (order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    with pytest.raises(SignatureError) as refused:
        key.public.check(high, b"m")
    assert refused.value.reason == "not_canonical"


def test_a_cose_message_is_read_by_an_independent_library() -> None:
    import cwt

    for suite, algorithm in ((Suite.ED25519, "Ed25519"), (Suite.ES256, "ESP256")):
        key = SoftwareKey.generate(suite)
        pem = key._key.public_key().public_bytes(  # the library takes PEM
            __import__("cryptography").hazmat.primitives.serialization.Encoding.PEM,
            __import__("cryptography").hazmat.primitives.serialization.PublicFormat.SubjectPublicKeyInfo,
        )
        theirs = cwt.COSEKey.from_pem(pem, kid=key.public.kid, alg=algorithm)
        data = cose.sign1(b"payload", key, cose.Type.ENTRY)
        assert cwt.COSE.new().decode(data, keys=[theirs]) == b"payload"


def _tree(leaves: list[bytes]) -> tuple[bytes, dict[tuple[int, int], bytes]]:
    nodes: dict[tuple[int, int], bytes] = {}
    frontier = Frontier().append_many(leaves, lambda level, index, node: nodes.__setitem__((level, index), node))
    return frontier.root(), nodes


def _at(nodes: dict[tuple[int, int], bytes]) -> Callable[[int, int], bytes]:
    return lambda level, index: nodes[level, index]


def _reference_root(leaves: list[bytes]) -> bytes:
    """MTH as the RFC writes it, recursively."""
    import hashlib

    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _reference_root(leaves[:half]) + _reference_root(leaves[half:])).digest()


LEAVES = [leaf_hash(bytes([number])) for number in range(70)]


def test_every_leaf_of_every_tree_up_to_70_is_proved_at_its_place_and_nowhere_else() -> None:
    for size in range(1, 71):
        root, nodes = _tree(LEAVES[:size])
        assert root == _reference_root(LEAVES[:size])
        for index in range(size):
            path = inclusion_path(index, size, _at(nodes))
            check_inclusion(LEAVES[index], index, size, path, root)
            for elsewhere in range(size):
                if elsewhere != index:
                    with pytest.raises(InclusionError):
                        check_inclusion(LEAVES[index], elsewhere, size, path, root)


def test_every_pair_of_heads_up_to_40_is_consistent_and_no_other_old_head_is() -> None:
    for new in range(1, 41):
        new_root, nodes = _tree(LEAVES[:new])
        for old in range(1, new + 1):
            old_root = root_of(LEAVES[:old])
            path = consistency_path(old, new, _at(nodes))
            check_consistency(old, new, old_root, new_root, path)
            forged = root_of([*LEAVES[: old - 1], leaf_hash(b"forged")])
            with pytest.raises(InclusionError):
                check_consistency(old, new, forged, new_root, path)


@given(st.integers(1, 300), st.data())
@settings(max_examples=60)
def test_a_changed_bit_in_a_proof_is_refused(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(number.to_bytes(2, "big")) for number in range(size)]
    root, nodes = _tree(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(index, size, _at(nodes))
    if not path:
        return
    place, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
    path[place] = (int.from_bytes(path[place], "big") ^ 1 << bit).to_bytes(32, "big")
    with pytest.raises(InclusionError):
        check_inclusion(leaves[index], index, size, path, root)


def test_a_frontier_comes_back_from_its_bytes_and_grows_the_same_in_any_steps() -> None:
    at_once = Frontier().append_many(LEAVES)
    stepwise = Frontier()
    for start in range(0, 70, 9):
        stepwise = Frontier.from_bytes(stepwise.size, stepwise.to_bytes()).append_many(LEAVES[start : start + 9])
    assert stepwise == at_once
    with pytest.raises(InclusionError):
        Frontier.from_bytes(3, b"\0" * 32)


def test_a_checkpoint_is_signed_for_one_log_by_one_key() -> None:
    key = fixed_key("log")
    checkpoint = Checkpoint(ORIGIN, 5, b"r" * 32)
    note = sign_checkpoint(checkpoint, key)
    assert open_checkpoint(note, ORIGIN, key.public) == checkpoint
    witnessed = note + "— witness.example AAAAAAAA\n"
    assert open_checkpoint(witnessed, ORIGIN, key.public) == checkpoint
    for line in ("\x00", "", "— witness.example AAAA", "— witness.example", "witness.example AAAAAAAA"):
        with pytest.raises(MalformedError):
            open_checkpoint(f"{note}{line}\n", ORIGIN, key.public)
    with pytest.raises(SignatureError):
        open_checkpoint(note, "another.example/log", key.public)
    with pytest.raises(SignatureError):
        open_checkpoint(note, ORIGIN, fixed_key("other").public)
    with pytest.raises(SignatureError):
        open_checkpoint(note.replace("\n5\n", "\n6\n"), ORIGIN, key.public)


def test_a_receipt_proves_one_leaf_under_one_root() -> None:
    key = fixed_key("log")
    root, nodes = _tree(LEAVES[:37])
    signature = sign_root(root, ORIGIN, key)
    path = inclusion_path(11, 37, _at(nodes))
    receipt = build_receipt(origin=ORIGIN, key=key.public, root_signature=signature, size=37, index=11, path=path)
    facts = check_receipt(receipt, LEAVES[11], ORIGIN, key.public)
    assert (facts.size, facts.index, facts.root) == (37, 11, root)
    for leaf, origin, public in (
        (LEAVES[12], ORIGIN, key.public),
        (LEAVES[11], "another", key.public),
        (LEAVES[11], ORIGIN, fixed_key("other").public),
    ):
        with pytest.raises(VerificationError):
            check_receipt(receipt, leaf, origin, public)


def test_a_status_list_keeps_each_state_at_its_index() -> None:
    key = fixed_key("status")
    states = StatusList()
    for index, status in enumerate(Status):
        states.set(index * 1001, status)
    states.set(1001, Status.SUSPENDED)
    token = states.to_token(key, "list/1", NOON, NOON + timedelta(days=1))
    read = StatusList.from_token(token, "list/1", key.public)
    assert read.get(1001) is Status.SUSPENDED
    assert [read.get(index * 1001) for index in range(2, len(Status))] == list(Status)[2:]
    assert read.get(CAPACITY - 1) is Status.VALID
    assert (read.issued_at, len(token) < 2000) == (NOON, True)
    with pytest.raises(UnknownStatusError):
        read.get(CAPACITY)
    with pytest.raises(MalformedError):
        StatusList.from_token(token, "list/2", key.public)
    with pytest.raises(SignatureError):
        StatusList.from_token(token, "list/1", fixed_key("other").public)


def test_a_status_list_that_inflates_beyond_its_capacity_is_refused() -> None:
    import zlib

    key = fixed_key("status")
    bomb = {2: "l", 4: 2_000_000_000, 6: 1, 65533: {"bits": 4, "lst": zlib.compress(b"\0" * 50_000_000)}}
    token = cose.sign1(cbor.encode(bomb), key, "application/statuslist+cwt")
    with pytest.raises(MalformedError) as refused:
        StatusList.from_token(token, "l", key.public)
    assert refused.value.reason == "wrong_length"


# Values found in public material; the last one is fictional.
IDENTIFIERS = [
    ("11100000000013338W009", "11330105002500287C", "2025052201", 2, "0"),
    ("11100000000013338W011", "11430000006122244L", "20230000403", 1, "U"),
    ("11100000000013338W032", "11220000013544541J", "2430599", 1, "F"),
    ("11100000MB0341032Y001", "11310105MB9T00011M", "20230000001", 1, "T"),
]


@pytest.mark.parametrize(("type_code", "issuer", "serial", "version", "check"), IDENTIFIERS)
def test_identifiers_carry_the_iso_7064_character(
    type_code: str, issuer: str, serial: str, version: int, check: str
) -> None:
    identifier = make_identifier(type_code, issuer, serial, version)
    assert identifier.endswith(f".{version:03d}.{check}")
    assert check_identifier(identifier) == (type_code, issuer, serial, version)
    with pytest.raises(IdentifierError) as refused:
        check_identifier(identifier[:-1] + ("A" if check != "A" else "B"))
    assert refused.value.reason == "wrong_check_character"


def test_public_credit_codes_and_citizen_numbers_are_judged_by_their_check_character() -> None:
    for code in (
        "91110108551385082Q",
        "91350100M000100Y43",
        "11100000000013338W",
        "91310105MA1FW00290",
        "52310105MJ9T00029N",
    ):
        check_uscc(code)
        wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
        with pytest.raises(IdentifierError):
            check_uscc(wrong)
    for number in ("11010519491231002X", "310105200802290019", "31010518991231999X"):
        check_citizen_number(number)
    for number in ("110105194912310021", "310105200702290019", "31010518991231999x", "１10105194912310027", ""):
        with pytest.raises(IdentifierError):
            check_citizen_number(number)
    check_holder_number("414", "E12345678")
    with pytest.raises(IdentifierError):
        check_holder_number("414", "护照号")
    with pytest.raises(IdentifierError):
        check_holder_number("000", "E12345678")


@given(st.text(max_size=40))
def test_numbers_of_any_text_raise_only_identifier_errors(text: str) -> None:
    for check in (check_uscc, check_citizen_number, check_identifier):
        with pytest.raises(IdentifierError):
            check(text)
            raise IdentifierError("", "", "a text that happens to be right")


def test_masks_hide_at_least_half() -> None:
    assert [mask_name(name) for name in ("张", "张三", "张小三", "欧阳娜娜")] == ["*", "张*", "张*三", "欧**娜"]
    assert mask_number("310105189901010006") == "3101**********0006"
    assert mask_number("12345") == "1***5"
    assert mask_number("123") == "***"


def test_a_schema_names_every_wrong_field_in_chinese() -> None:
    schema = FaceSchema(
        {
            "type": "object",
            "required": ["a", "b"],
            "additionalProperties": False,
            "properties": {
                "a": {"type": "string", "title": "经营项目", "maxLength": 2},
                "b": {"type": "integer", "title": "数量"},
            },
        }
    )
    schema.check({"a": "x", "b": 1})
    with pytest.raises(SchemaError) as refused:
        schema.check({"a": "三个字", "c": 1})
    assert [path for path, _ in refused.value.errors] == ["c", "a", "b"] or {
        path for path, _ in refused.value.errors
    } == {"a", "b", "c"}
    assert any("经营项目" in message and "2" in message for _, message in refused.value.errors)
    for wrong in ({"type": 3}, {"$ref": "http://127.0.0.1/x"}, {"type": "string", "pattern": "("}):
        with pytest.raises(MalformedError):
            FaceSchema(wrong)
