"""The text of a code: RFC 9285, canonical decoding, and what scanners and input methods make of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codes import payload
from codes.payload import PREFIX, PayloadError, decode, encode, is_code, normalise_scanned

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
FULL_WIDTH = {ord(c): chr(ord(c) + 0xFEE0) for c in ALPHABET if c != " "} | {ord(" "): "\u3000"}

# RFC 9285 sections 4.3 and 4.4.
RFC_EXAMPLES = [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0")]

data_of_codes = st.binary(min_size=1, max_size=payload.MAX_CODE_BYTES)


@pytest.mark.parametrize(("data", "text"), RFC_EXAMPLES)
def test_the_examples_of_the_rfc_are_encoded_and_decoded(data: bytes, text: str) -> None:
    assert encode(data) == PREFIX + text
    assert decode(PREFIX + text) == data


@given(data_of_codes)
def test_bytes_come_back(data: bytes) -> None:
    assert decode(encode(data)) == data


@given(st.text(alphabet=ALPHABET, min_size=1, max_size=40))
def test_a_text_that_decodes_is_the_only_text_of_its_bytes(rest: str) -> None:
    try:
        data = decode(PREFIX + rest)
    except PayloadError:
        return
    assert encode(data) == PREFIX + rest


@given(st.text(max_size=1500) | st.text(alphabet=ALPHABET + "sz1：\n", max_size=1500).map(lambda rest: PREFIX + rest))
def test_noise_raises_only_payload_errors(text: str) -> None:
    try:
        decode(normalise_scanned(text))
    except PayloadError as error:
        assert error.reason and error.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_a_code"),
        ("HC1:BB8", "not_a_code"),
        ("sz1:BB8", "not_a_code"),
        (" SZ1:BB8", "not_a_code"),
        ("SZ1:", "truncated"),
        ("SZ1:B", "truncated"),
        ("SZ1:BB8B", "truncated"),
        ("SZ1:bb8", "foreign_character"),
        ("SZ1:BB８", "foreign_character"),
        ("SZ1:BB\x80", "foreign_character"),
        ("SZ1:GGX", "impossible_group"),  # 65,536 (RFC 9285 section 6)
        ("SZ1:U5", None),  # 255, the largest last byte
        ("SZ1:V5", "impossible_group"),  # 256
        ("SZ1:FGW", None),  # 65,535
        ("SZ1:GGW", "impossible_group"),
        ("SZ1:" + "0" * 1130, None),
        ("SZ1:" + "0" * 1131, "too_long"),
        ("SZ1:" + "0" * 10_000_000, "too_long"),
    ],
)
def test_each_bad_text_is_refused_by_name_and_its_neighbour_is_read(text: str, reason: str | None) -> None:
    if reason is None:
        assert encode(decode(text)) == text
        return
    with pytest.raises(PayloadError) as refused:
        decode(text)
    assert refused.value.reason == reason


def test_the_largest_code_fits_and_one_byte_more_does_not() -> None:
    assert len(encode(bytes(payload.MAX_CODE_BYTES))) == payload.MAX_TEXT_CHARS
    with pytest.raises(PayloadError, match="字节"):
        encode(bytes(payload.MAX_CODE_BYTES + 1))
    with pytest.raises(PayloadError):
        encode(b"")


@given(data_of_codes)
def test_what_a_chinese_input_method_typed_is_read_as_printed(data: bytes) -> None:
    text = encode(data)
    assert normalise_scanned(text) == text
    assert normalise_scanned(f"  {text.translate(FULL_WIDTH)}\r\n") == text
    assert normalise_scanned(text.translate({ord("$"): "￥", ord("."): "。", ord("/"): "、", ord(":"): "："})) == text
    assert normalise_scanned(text.swapcase() + "\n") == text


def test_inner_spaces_are_kept_because_they_are_part_of_the_code() -> None:
    data = b"AB\x06\x78AB"
    text = encode(data)
    assert text == "SZ1:BB8  0BB8"
    assert normalise_scanned(f" {text}\r\n") == text
    assert decode(normalise_scanned(text)) == data


@given(data_of_codes)
def test_a_code_never_ends_in_a_space_so_trimming_is_safe(data: bytes) -> None:
    assert encode(data).rstrip() == encode(data)


def test_other_text_is_only_trimmed_and_made_narrow() -> None:
    assert normalise_scanned("　ｈｔｔｐ：/ /x。￥\r\n") == "http:/ /x。¥"
    assert not is_code(normalise_scanned("随申码"))
    assert is_code("SZ1:anything")


def test_a_line_longer_than_any_code_is_not_worked_on() -> None:
    endless = "SZ1:" + "\ufdfa" * 10_000_000
    assert normalise_scanned(endless) is endless
    with pytest.raises(PayloadError) as refused:
        decode(endless)
    assert refused.value.reason == "too_long"


def test_every_two_bytes_have_the_three_characters_that_the_rfc_computes() -> None:
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
    for first in range(0, 65536, 256):
        data = b"".join([value.to_bytes(2, "big") for value in range(first, first + 256)])
        groups = [alphabet[v % 45] + alphabet[v // 45 % 45] + alphabet[v // 2025] for v in range(first, first + 256)]
        assert encode(data) == PREFIX + "".join(groups)
        assert decode(encode(data)) == data


def test_the_payload_needs_nothing_outside_the_standard_library() -> None:
    program = (
        "import sys; import codes.payload; "
        "print(sorted(m.split('.')[0] for m in sys.modules if getattr(sys.modules[m], '__file__', None) "
        "and 'site-packages' in sys.modules[m].__file__))"
    )
    run = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
