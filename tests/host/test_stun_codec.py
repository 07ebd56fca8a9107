"""The lab's STUN codec against the known answers in tests/data."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_tools.lab import stun_codec as codec
from host_tools.lab.stun_codec import AttributeType, Integrity, MessageType, StunError

DATA = Path(__file__).resolve().parent.parent / "data"
CLASSIC = json.loads((DATA / "stun_classic.json").read_text())
RFC5769 = json.loads((DATA / "stun_rfc5769.json").read_text())
TID = bytes.fromhex(CLASSIC["transaction_id_hex"])
VARIANTS = {
    "pad64": Integrity.PADDED,
    "nopad": Integrity.UNPADDED,
    "nopad_len0": Integrity.LENGTH_ZERO,
}
CRB = (AttributeType.CONNECTION_REQUEST_BINDING, codec.CONNECTION_REQUEST_BINDING_VALUE)
CHANGE = (AttributeType.BINDING_CHANGE, b"")


def vector(name: str) -> dict[str, Any]:
    return next(item for item in CLASSIC["vectors"] if item["name"] == name)


def data_of(name: str) -> bytes:
    return bytes.fromhex(vector(name)["hex"])


def named(*keys: str) -> list[Any]:
    """Vectors whose `expect` has one of the keys."""
    return [
        pytest.param(item, id=item["name"])
        for item in CLASSIC["vectors"]
        if any(key in item["expect"] for key in keys) and item["length"] >= 20
    ]


def text_of(address: codec.Address | None) -> str | None:
    if address is None:
        return None
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@pytest.mark.parametrize("item", named("mapped", "source", "changed", "reflected_from"))
def test_stun_21_addresses_of_every_vector(item: dict[str, Any]) -> None:
    message = codec.parse(bytes.fromhex(item["hex"]))
    expect = item["expect"]
    numbers = {
        "mapped": AttributeType.MAPPED_ADDRESS,
        "source": AttributeType.SOURCE_ADDRESS,
        "changed": AttributeType.CHANGED_ADDRESS,
        "reflected_from": AttributeType.REFLECTED_FROM,
    }
    for key, number in numbers.items():
        if key in expect:
            assert text_of(message.address(number)) == expect[key]
    for key in ("xor_mapped_0x0020", "xor_mapped_0x8020"):
        if key in expect:
            assert text_of(message.xor_mapped_address) == expect[key]


def test_stun_21_bare_address_value() -> None:
    item = vector("public_test_mapped_address_value")
    value = bytes.fromhex(item["hex"])
    address = codec.decode_address(value)
    assert text_of(address) == item["expect"]["mapped"]
    assert codec.encode_address(address) == value


@pytest.mark.parametrize("item", named("code"))
def test_stun_35_error_codes(item: dict[str, Any]) -> None:
    message = codec.parse(bytes.fromhex(item["hex"]))
    expect = item["expect"]
    assert message.message_type == MessageType.BINDING_ERROR_RESPONSE
    assert message.error_code == expect["code"]
    if "reason" in expect:
        assert message.error == (expect["code"], expect["reason"])
    if "unknown" in expect:
        assert message.unknown_attributes == [int(n, 16) for n in expect["unknown"]]


def test_stun_35_error_answers_are_built_as_the_vectors_are() -> None:
    for code in (401, 431, 432, 500, 600):
        built = codec.build(0x0111, TID, [(AttributeType.ERROR_CODE, codec.error_value(code))])
        assert built == data_of(f"binding_error_{code}")
    unknown = (AttributeType.UNKNOWN_ATTRIBUTES, codec.unknown_attributes_value([2]))
    error = (AttributeType.ERROR_CODE, codec.error_value(420))
    assert codec.build(0x0111, TID, [error, unknown]) == data_of("binding_error_420_one_attr")
    assert codec.build(0x0111, TID, [unknown]) == data_of("binding_error_unknown_only")


def test_stun_10_and_11_requests_are_built_as_the_vectors_are() -> None:
    user = (AttributeType.USERNAME, codec.username_value("cpe-0001"))
    short = (AttributeType.USERNAME, codec.username_value("cpe-01"))
    assert codec.build(1, TID) == data_of("binding_request_bare")
    assert codec.build(1, TID, [CRB]) == data_of("binding_request_crb")
    assert codec.build(1, TID, [CRB, CHANGE]) == data_of("binding_request_crb_binding_change")
    changed = codec.build(1, TID, [user, CRB, CHANGE])
    assert changed == data_of("binding_request_username_crb_change")
    assert codec.build(1, TID, [short, CRB]) == data_of("binding_request_username_space_padded")
    vector_probe = codec.parse(data_of("binding_request_response_address"))
    address = vector_probe.address(AttributeType.RESPONSE_ADDRESS)
    assert address is not None
    probe = (AttributeType.RESPONSE_ADDRESS, codec.encode_address(address))
    assert codec.build(1, TID, [probe]) == vector_probe.data


@pytest.mark.parametrize("item", named("username"))
def test_stun_14_username_without_its_padding(item: dict[str, Any]) -> None:
    message = codec.parse(bytes.fromhex(item["hex"]))
    assert message.username == item["expect"]["username"]
    nul = codec.username_value(item["expect"]["username"], b"\0")
    padded = codec.build(1, TID, [(AttributeType.USERNAME, nul)])
    assert codec.parse(padded).username == item["expect"]["username"]


@pytest.mark.parametrize("item", named("variant"))
def test_stun_32_and_33_integrity_variants(item: dict[str, Any]) -> None:
    data, expect = bytes.fromhex(item["hex"]), item["expect"]
    key, variant = expect["key_ascii"].encode(), VARIANTS[expect["variant"]]
    message = codec.parse(data)
    assert message.verified(key) == {variant}
    assert message.verified(key + b"x") == frozenset()
    plain = [(a.number, a.value) for a in message.attributes[:-1]]
    assert codec.build(message.message_type, TID, plain, key=key, integrity=variant) == data


def test_stun_33_a_text_of_64_bytes_proves_neither_variant() -> None:
    user = (AttributeType.USERNAME, b"cpe-00000001")
    data = codec.build(1, TID, [user, CRB, CHANGE], key=b"k")
    assert len(data) - 24 == 64
    assert codec.parse(data).verified(b"k") == {Integrity.PADDED, Integrity.UNPADDED}


def test_stun_34_a_flipped_digit_does_not_verify() -> None:
    assert (
        codec.parse(data_of("binding_response_integrity_bad")).verified(b"s3cret") == frozenset()
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("malformed_length_not_multiple_of_4", "the length is not a multiple of 4"),
        ("malformed_truncated", "the length differs from the datagram's"),
        ("malformed_attr_overruns", "an attribute is longer than the message"),
    ],
)
def test_b11_malformed_messages(name: str, text: str) -> None:
    with pytest.raises(StunError, match=text):
        codec.parse(data_of(name))


def test_b11_more_malformed_input() -> None:
    with pytest.raises(StunError, match="shorter than a STUN header"):
        codec.parse(data_of("binding_request_bare")[:19])
    with pytest.raises(StunError, match="first two bits"):
        codec.parse(b"GET " + bytes(16))
    ipv6 = codec.parse(data_of("malformed_family_ipv6_in_mapped"))
    with pytest.raises(StunError, match="family 1"):
        _ = ipv6.mapped_address
    for value, text in ((b"", "shorter"), (b"\0\1\0\1\1", "fit"), (bytes(8), "fit")):
        with pytest.raises(StunError, match=text):
            codec.decode_address(value)
    bad = codec.parse(codec.build(0x0111, TID, [(AttributeType.ERROR_CODE, b"\0\0\4\x7f")]))
    with pytest.raises(StunError, match="ERROR-CODE"):
        _ = bad.error


def test_stun_05_counted_and_uncounted_padding() -> None:
    mapped = (AttributeType.MAPPED_ADDRESS, codec.encode_address(("192.0.2.1", 7)))
    for value in (b"abc\0", b"abc", b"ab", b"a", b""):
        message = codec.parse(codec.build(0x0101, TID, [(0x8022, value), mapped]))
        assert message.get(0x8022) == value
        assert message.mapped_address == ("192.0.2.1", 7)


@given(st.binary(max_size=120))
def test_stun_07_any_bytes_parse_or_raise_stun_error(data: bytes) -> None:
    for candidate in (data, b"\0\1" + len(data).to_bytes(2, "big") + TID + data):
        try:
            message = codec.parse(candidate)
        except StunError:
            continue
        again = codec.build(
            message.message_type,
            message.transaction_id,
            [(a.number, a.value) for a in message.attributes],
        )
        assert len(again) == len(candidate)
        assert codec.parse(again).numbers == message.numbers


@pytest.mark.parametrize("item", RFC5769["vectors"], ids=lambda item: item["section"])
def test_stun_33_rfc_5769(item: dict[str, Any]) -> None:
    message = codec.parse(bytes.fromhex(item["hex"]))
    if item["section"] == "2.4":  # long-term credentials are outside Annex G: only parsed
        assert message.get(AttributeType.REALM) == b"example.org"
        return
    assert message.verified(RFC5769["password_ascii"].encode()) == {Integrity.UNPADDED}
    if "xor_mapped" in item:
        assert text_of(message.xor_mapped_address) == item["xor_mapped"]
    if "username" in item:
        assert message.username == item["username"]
    fingerprint = message.get(AttributeType.FINGERPRINT)
    assert fingerprint is not None and fingerprint.hex() == item["fingerprint_hex"]


def test_stun_21_xor_addresses_both_ways() -> None:
    cookie_id = codec.COOKIE + TID[:12]
    for address in (("203.0.113.45", 54321), ("2001:db8::1", 1)):
        for number, tid, mask in (
            (AttributeType.XOR_MAPPED_ADDRESS, TID, codec.COOKIE + TID[4:]),
            (AttributeType.XOR_MAPPED_ADDRESS_DRAFT, TID, TID),
            (AttributeType.XOR_MAPPED_ADDRESS_DRAFT, cookie_id, cookie_id),
        ):
            data = codec.build(0x0101, tid, [(number, codec.encode_xor_address(address, mask))])
            assert codec.parse(data).xor_mapped_address == address
