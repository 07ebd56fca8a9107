"""STUN messages against the lab's own codec: well-formed, damaged, and any bytes at all."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from cwmp.wire import stun
from cwmp.wire.hmac_sha1 import HmacSha1
from cwmp.wire.stun_verify import verify
from host_tools.lab import stun_codec as codec
from host_tools.lab.stun_codec import AttributeType, Integrity, MessageType

KEY = b"stun-pass"
TID = bytes(range(1, 17))
COOKIE_TID = codec.COOKIE + TID[4:]
# Mandatory attributes that a CPE of Annex G has to know (STUN-06).
MANDATORY = {*range(0x0001, 0x000C), 0x0014, 0x0015, 0x0020}


def lab_reading(data: bytes, tid: bytes) -> tuple | str | None:
    """What an answer says, by the lab's codec.

    None when it answers nothing of ours, a text when it is malformed.
    """
    if len(data) < 20 or struct.unpack_from("!H", data, 2)[0] + 20 != len(data):
        return None
    if data[:2] not in (b"\x01\x01", b"\x01\x11") or data[4:20] != tid:
        return None
    try:
        message = codec.parse(data)
        numbers = message.numbers
        signed = AttributeType.MESSAGE_INTEGRITY in numbers
        # What stands behind MESSAGE-INTEGRITY is not protected by it, and does not count.
        kept = message.attributes[
            : numbers.index(AttributeType.MESSAGE_INTEGRITY) + 1 if signed else None
        ]
        if any(item.number < 0x8000 and item.number not in MANDATORY for item in kept):
            raise codec.StunError("unknown mandatory attribute")
        if signed and len(kept[-1].value) != 20:
            raise codec.StunError("MESSAGE-INTEGRITY is not 20 bytes")
        message = codec.Message(message.message_type, message.transaction_id, kept, data)
        addresses = [message.mapped_address]
        for number, mask in (
            (AttributeType.XOR_MAPPED_ADDRESS, codec.COOKIE + tid[4:]),
            (AttributeType.XOR_MAPPED_ADDRESS_DRAFT, tid),
        ):
            value = message.get(number)
            addresses.append(None if value is None else codec.decode_xor_address(value, mask))
            if value is not None and len(value) != 8:
                raise codec.StunError("IPv6")
        code = message.error_code
        if code is None:
            code = 420 if message.message_type == MessageType.BINDING_ERROR_RESPONSE else 0
        verified = bool(message.verified(KEY) & {Integrity.PADDED, Integrity.UNPADDED})
    except codec.StunError as error:
        return str(error)
    return (
        int(message.message_type),
        *addresses,
        code,
        kept[-1].offset if signed else 0,
        verified,
    )


def firmware_reading(data: bytes, tid: bytes) -> tuple | str | None:
    # A longer buffer: what lies behind the datagram must not be read.
    buf = bytearray(data + b"\x00\x01\x00\x08\x00\x01\x11\x11\x7f\x00\x00\x01")
    if not stun.answers(buf, len(data), tid):
        return None
    try:
        found = stun.parse(buf, len(data))
    except stun.StunError as error:
        return str(error)
    verified = verify(buf, found, HmacSha1(KEY))
    return (
        found.kind,
        found.mapped,
        found.xor_mapped,
        found.xor_mapped_draft,
        found.error,
        found.integrity,
        verified,
    )


def agree(data: bytes, tid: bytes) -> tuple | str | None:
    ours, theirs = firmware_reading(data, tid), lab_reading(data, tid)
    # Both refuse with words of their own.
    assert isinstance(ours, str) == isinstance(theirs, str), (data, ours, theirs)
    if not isinstance(ours, str):
        assert ours == theirs, data
    return ours


ADDRESSES = st.tuples(st.ip_addresses(v=4).map(str), st.integers(0, 65535))
NUMBERS = st.one_of(
    st.sampled_from([*MANDATORY, 0x8020, 0x8022, 0x8028, 0xC001, 0xC002]),
    st.integers(0, 0xFFFF),
)
ADDRESS_VALUES = ADDRESSES.map(codec.encode_address)
ATTRIBUTES = st.one_of(
    st.tuples(st.sampled_from([1, 2, 4, 5, 11]), ADDRESS_VALUES),
    st.tuples(st.sampled_from([0x20, 0x8020]), ADDRESS_VALUES),
    st.tuples(
        st.just(9),
        st.tuples(st.integers(0, 7), st.integers(0, 110), st.binary(max_size=9)).map(
            lambda e: bytes((0, 0, e[0], e[1])) + e[2]
        ),
    ),
    st.tuples(
        st.just(10),
        st.lists(st.integers(0, 0xFFFF), max_size=12).map(codec.unknown_attributes_value),
    ).filter(lambda a: a[1]),
    st.tuples(
        st.sampled_from([0x20, 0x8020, 1]),
        st.sampled_from(
            [codec.encode_address(("2001:db8::1", 7)), b"", bytes(8), b"\0\1" + bytes(7)]
        ),
    ),
    st.tuples(NUMBERS, st.binary(max_size=24)),
)
KINDS = st.sampled_from([0x0101, 0x0101, 0x0111, 0x0111, 0x0001, 0x0112, 0x0102])
TIDS = st.sampled_from([TID, COOKIE_TID])


@st.composite
def messages(draw: st.DrawFn, tid: bytes) -> bytes:
    """A well-formed message: lengths hold together, MESSAGE-INTEGRITY is right by some variant."""
    key = draw(st.sampled_from([None, KEY, b"other"]))
    data = codec.build(
        draw(KINDS),
        tid,
        draw(st.lists(ATTRIBUTES, max_size=5)),
        key=key,
        integrity=draw(st.sampled_from(Integrity)),
    )
    if draw(st.booleans()):
        behind = codec.build(0, tid, draw(st.lists(ATTRIBUTES, max_size=2)))[20:]
        data = data[:2] + struct.pack("!H", len(data) + len(behind) - 20) + data[4:] + behind
    return data


CASES = TIDS.flatmap(lambda tid: st.tuples(st.just(tid), messages(tid)))
DAMAGE = st.lists(
    st.tuples(st.integers(0, 2**11), st.integers(0, 24), st.binary(max_size=4), st.booleans()),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, damage: list, mend_length: bool) -> bytes:
    out = bytearray(data)
    for place, length, replacement, keep_size in damage:
        at = place % (len(out) + 1)
        if keep_size:
            out[at : at + len(replacement)] = replacement
        else:
            out[at : at + length] = replacement
    if mend_length and len(out) >= 20:
        struct.pack_into("!H", out, 2, len(out) - 20)
    return bytes(out)


@given(CASES)
@settings(max_examples=300, deadline=None)
def test_stun_07_well_formed_messages_say_the_same_to_the_lab(case) -> None:
    tid, data = case
    agree(data, tid)


@given(CASES, DAMAGE, st.booleans())
@settings(max_examples=500, deadline=None)
def test_stun_07_b11_damage_raises_nothing_but_stun_error(case, damage, mend: bool) -> None:
    tid, data = case
    agree(damaged(data, damage, mend), tid)


@given(
    st.binary(max_size=80),
    st.sampled_from(
        [b"", b"\x01\x01", b"\x01\x11", b"\x01\x01\x00\x1c" + TID, b"\x01\x11\x00\x14" + TID]
    ),
)
@settings(max_examples=300, deadline=None)
def test_stun_07_any_bytes_raise_nothing_but_stun_error(data: bytes, head: bytes) -> None:
    agree(head + data, TID)


@given(CASES, st.integers(0, 2**16), st.integers(0, 7))
@settings(max_examples=300, deadline=None)
def test_stun_34_no_flipped_bit_before_the_integrity_verifies(case, place: int, bit: int) -> None:
    tid, data = case
    before = agree(data, tid)
    if not isinstance(before, tuple) or not before[-1]:
        return
    end = before[-2] + 24
    flipped = bytearray(data)
    flipped[place % end] ^= 1 << bit
    after = agree(bytes(flipped), tid)
    # The length was hashed as the one that ends with this attribute.
    assert not isinstance(after, tuple) or not after[-1]


@given(
    st.text(max_size=40),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, stun.PADDED, stun.UNPADDED]),
)
@settings(max_examples=200, deadline=None)
def test_stun_10_to_16_requests_are_what_the_lab_reads(
    username: str, primary: bool, change: bool, variant
) -> None:
    hmac = HmacSha1(KEY) if variant else None
    data = stun.binding_request(TID, username, primary, change, hmac, variant or stun.PADDED)
    message = codec.parse(data)
    assert message.message_type == MessageType.BINDING_REQUEST and message.transaction_id == TID
    assert message.username == (username.rstrip(" \0") if username else None)
    assert message.has_connection_request_binding == primary
    assert message.has_binding_change == (primary and change)
    assert all(len(item.value) % 4 == 0 for item in message.attributes)
    if variant:
        wanted = Integrity.PADDED if variant == stun.PADDED else Integrity.UNPADDED
        assert (
            wanted in message.verified(KEY)
            and message.numbers[-1] == AttributeType.MESSAGE_INTEGRITY
        )
        both = {Integrity.PADDED, Integrity.UNPADDED} <= message.verified(KEY)
        assert both == stun.is_ambiguous(data)
    else:
        assert not message.has_integrity
