"""Classic STUN bytes, against the project's vectors and RFC 5769."""

from support import raises, vectors

from cwmp.wire import stun
from cwmp.wire.hmac_sha1 import HmacSha1
from cwmp.wire.stun_verify import verify

TID = bytes(range(16))


def unhex(text):
    return bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])


def vector(name):
    for entry in vectors("stun_classic")["vectors"]:
        if entry["name"] == name:
            return bytearray(unhex(entry["hex"])), entry["expect"]
    raise KeyError(name)


def text(address):
    return None if address is None else "{}:{}".format(*address)


def attributes(data):
    at, found = 20, []
    while at < len(data):
        length = data[at + 2] << 8 | data[at + 3]
        found.append((data[at] << 8 | data[at + 1], bytes(data[at + 4 : at + 4 + length])))
        at += 4 + length
    return found


def response(*attrs, kind=0x0101, tid=TID):
    body = b""
    for code, value in attrs:
        body += bytes([code >> 8, code & 255, len(value) >> 8, len(value) & 255]) + value
        body += bytes(-len(value) % 4)
    return bytearray(bytes([kind >> 8, kind & 255, len(body) >> 8, len(body) & 255]) + tid + body)


MAPPED = (0x0001, unhex("0001d431cb00712d"))


def test_vectors_of_requests():
    key = HmacSha1(b"s3cret")
    name = "cpe-0001"
    for entry, made in (
        ("binding_request_bare", stun.binding_request(TID, primary=False)),
        ("binding_request_crb", stun.binding_request(TID)),
        ("binding_request_crb_binding_change", stun.binding_request(TID, change=True)),
        ("binding_request_username_crb_change", stun.binding_request(TID, name, change=True)),
        ("binding_request_username_space_padded", stun.binding_request(TID, "cpe-01")),
        (
            "binding_request_integrity_pad64",
            stun.binding_request(TID, name, True, True, key, stun.PADDED),
        ),
        (
            "binding_request_integrity_nopad",
            stun.binding_request(TID, name, True, True, key, stun.UNPADDED),
        ),
    ):
        want, _ = vector(entry)
        assert made == want, (entry, made.hex(), want.hex())


def test_vectors_of_answers():
    for entry in vectors("stun_classic")["vectors"]:
        data, expect = bytearray(unhex(entry["hex"])), entry["expect"]
        if (
            len(data) < 20
            or data[0] != 1
            or "reject" in expect
            or "reject_if_outstanding_tid" in expect
        ):
            continue
        tid = bytes(data[4:20])
        assert stun.answers(data, len(data), tid), entry["name"]
        message = stun.parse(data, len(data))
        if "mapped" in expect:
            assert text(message.mapped) == expect["mapped"], entry["name"]
        if "xor_mapped_0x0020" in expect:
            assert text(message.xor_mapped) == expect["xor_mapped_0x0020"]
        if "xor_mapped_0x8020" in expect:
            assert text(message.xor_mapped_draft) == expect["xor_mapped_0x8020"]
        if "code" in expect:
            assert message.error == (expect["code"] or 420), entry["name"]
        if "variant" in expect:
            assert verify(data, message, HmacSha1(expect["key_ascii"].encode()))


def test_vectors_of_malformed_answers():
    seen = 0
    for entry in vectors("stun_classic")["vectors"]:
        data = bytearray(unhex(entry["hex"]))
        if not entry["name"].startswith("malformed"):
            continue
        seen += 1
        if stun.answers(data, len(data), bytes(data[4:20])):
            raises(stun.StunError, stun.parse, data, len(data))
    assert seen >= 4


def test_vectors_of_rfc_5769():
    document = vectors("stun_rfc5769")
    key = HmacSha1(document["password_ascii"].encode())
    for entry in document["vectors"]:
        data = bytearray(unhex(entry["hex"]))
        if entry["section"] == "2.2":
            message = stun.parse(data, len(data))
            assert text(message.address) == entry["xor_mapped"]
            assert verify(data, message, key)
            data[-10] ^= 1  # inside of the integrity value
            assert not verify(data, message, key)
        if entry["section"] == "2.3":
            raises(stun.StunError, stun.parse, data, len(data))


def test_stun_01_size_must_be_that_of_the_header():
    data = response(MAPPED)
    assert stun.answers(data, len(data), TID)
    for size in list(range(len(data))) + [len(data) + 1]:
        assert not stun.answers(data + b"\x00", size, TID)


def test_stun_02_only_answers_to_binding_requests():
    for kind in (0x0001, 0x0002, 0x0102, 0x0112, 0x0211, 0x1101):
        assert not stun.answers(response(MAPPED, kind=kind), 32, TID), kind
    assert stun.answers(response(MAPPED, kind=0x0111), 32, TID)


def test_stun_03_all_16_bytes_of_the_id():
    data = response(MAPPED)
    for i in range(16):
        other = bytearray(TID)
        other[i] ^= 1
        assert not stun.answers(data, len(data), other)


def test_stun_04_cookie_or_classic_id():
    random = bytes(range(100, 116))
    assert stun.transaction_id(random, False) == random
    assert stun.transaction_id(random, True) == b"\x21\x12\xa4\x42" + random[4:]


def test_stun_05_padding_counted_or_not():
    assert stun.parse(
        response((0x8022, b"abcde"), MAPPED), 44
    ).mapped  # RFC 5389: length without padding
    assert stun.parse(response((0x8022, b"abcde\x00\x00\x00"), MAPPED), 44).mapped  # classic


def test_stun_06_mandatory_and_optional():
    for code in (
        0x0002,
        0x0004,
        0x0005,
        0x0007,
        0x000B,
        0x0014,
        0x0015,
        0x8000,
        0x8022,
        0xC001,
        0xFFFF,
    ):
        assert stun.parse(response((code, b"1234"), MAPPED), 40).mapped, code
    for code in (0x0000, 0x000C, 0x0013, 0x0016, 0x0021, 0x7FFF):
        raises(stun.StunError, stun.parse, response((code, b"1234"), MAPPED), 40)


def test_stun_07_of_equal_attributes_the_first_counts():
    other = unhex("0001d431cb007199")
    for code, name in ((0x0001, "mapped"), (0x0020, "xor_mapped"), (0x8020, "xor_mapped_draft")):
        once = response((code, MAPPED[1]))
        for second in (other, b"\0"):
            twice = response((code, MAPPED[1]), (code, second))
            found = getattr(stun.parse(twice, len(twice)), name)
            assert found == getattr(stun.parse(once, len(once)), name) is not None, name
    twice = response((9, b"\0\0\4\1"), (9, b"\0\0\4\x14"), kind=0x0111)
    assert stun.parse(twice, len(twice)).error == 401


def test_stun_07_b11_malformed_is_an_error_and_nothing_else():
    good = response(MAPPED, (0x0009, b"\x00\x00\x04\x01No"), (0x0008, bytes(20)))
    for i in range(20, len(good)):
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            data = bytearray(good)
            data[i] = value
            try:
                stun.parse(data, len(data))
            except stun.StunError:
                pass
    for family in (0, 2, 255):
        raises(stun.StunError, stun.parse, response((1, bytes([0, family]) + bytes(6))), 32)
    raises(stun.StunError, stun.parse, response((1, bytes(4))), 28)
    raises(stun.StunError, stun.parse, response((8, bytes(16))), 40)
    raises(stun.StunError, stun.parse, response((9, bytes(3) + b"\x64")), 28)


def test_b11_zero_length_attributes_end():
    data = response(*[(0x8000, b"")] * 100)
    assert stun.parse(data, len(data)).address is None


def test_stun_10_x6_tag_is_exactly_20_bytes():
    found = attributes(stun.binding_request(TID))
    assert found == [(0xC001, b"dslforum.org/TR-111 ")] and len(found[0][1]) == 20
    assert attributes(stun.binding_request(TID, primary=False)) == []


def test_stun_11_binding_change_is_empty_and_beside_the_tag():
    assert attributes(stun.binding_request(TID, change=True))[1:] == [(0xC002, b"")]
    assert attributes(stun.binding_request(TID, primary=False, change=True)) == []


def test_stun_14_username_is_padded_with_spaces():
    for length in range(1, 10):
        name = attributes(stun.binding_request(TID, "u" * length))[0][1]
        assert len(name) % 4 == 0 and name.rstrip() == b"u" * length


def test_stun_15_order_and_size():
    made = stun.binding_request(TID, "u" * 60, True, True, HmacSha1(b"k"), stun.PADDED)
    assert [code for code, _ in attributes(made)] == [6, 0xC001, 0xC002, 8]
    assert len(made) <= 200


def test_stun_16_nothing_else_in_normal_requests():
    for change in (False, True):
        assert not {
            code for code, _ in attributes(stun.binding_request(TID, "u", True, change))
        } & {2, 3}


def test_stun_21_mapped_before_xor():
    xor = (0x0020, unhex("0001f523ea12d56f"))
    draft = (0x8020, unhex("0001d430cb02722e"))
    assert stun.parse(response(xor, MAPPED), 44).address == ("203.0.113.45", 54321)
    assert stun.parse(response(xor), 32).address == ("203.0.113.45", 54321)
    # mixed with the first four bytes of the id: 00 01 02 03
    assert stun.parse(response(draft), 32).address == ("203.3.112.45", 54321)


def test_stun_32_33_both_variants():
    key = HmacSha1(b"s3cret")
    padded = stun.binding_request(TID, "user", True, False, key, stun.PADDED)
    plain = stun.binding_request(TID, "user", True, False, key, stun.UNPADDED)
    assert padded[:-20] == plain[:-20] and padded != plain
    size = len(padded) - 24
    assert padded[-20:] == key.digest(padded[:size] + bytes(64 - size % 64))
    assert plain[-20:] == key.digest(plain[:size])
    assert padded[2] << 8 | padded[3] == len(padded) - 20


def test_stun_33_ambiguous_when_the_text_fills_whole_blocks():
    key = HmacSha1(b"k")
    for length in range(1, 64):
        a = stun.binding_request(TID, "u" * length, True, False, key, stun.PADDED)
        b = stun.binding_request(TID, "u" * length, True, False, key, stun.UNPADDED)
        assert (a == b) == stun.is_ambiguous(a)


def test_stun_34_answer_without_integrity_does_not_verify():
    data = response(MAPPED)
    assert not verify(data, stun.parse(data, len(data)), HmacSha1(b"k"))


def test_x7_stund_integrity_literal_does_not_verify():
    data = response(MAPPED, (8, b"hmac-not-implemented"))
    assert not verify(data, stun.parse(data, len(data)), HmacSha1(b"s3cret"))


def test_stun_34_what_stands_behind_the_integrity_is_not_read():
    signature = (8, bytes(20))
    data = response(MAPPED, signature, (0x0020, bytes(8)), (0x7FFF, b""), (8, b""))
    found = stun.parse(data, len(data))
    assert found.address == ("203.0.113.45", 54321) and found.integrity == 32
    data = response(signature, MAPPED)
    assert stun.parse(data, len(data)).address is None


def test_stun_35_error_without_code_counts_as_420():
    assert stun.parse(response((0x000A, unhex("c001c001")), kind=0x0111), 28).error == 420


def test_x11_any_order_unknown_optional_first():
    data = response((0x8020, bytes([0, 1]) + bytes(6)), (0xFFFE, b"vendor"), MAPPED)
    assert stun.parse(data, len(data)).address == ("203.0.113.45", 54321)
