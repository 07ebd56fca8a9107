"""HMAC-SHA1 with prepared pads, against RFC 2202."""

from support import vectors

from cwmp.wire.hmac_sha1 import HmacSha1, equal, equal_hex


def unhex(text):
    return bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])


def test_vectors_of_rfc_2202():
    for vector in vectors("hmac_sha1")["vectors"]:
        hmac = HmacSha1(unhex(vector["key_hex"]))
        data = unhex(vector["data_hex"])
        for _ in range(2):  # the prepared pads can be used again
            assert hmac.digest(data) == unhex(vector["hmac_sha1_hex"]), vector
        assert hmac.digest(data[:3], data[3:]) == unhex(vector["hmac_sha1_hex"]), vector


def test_ucr_11_hex_of_either_case():
    digest = bytes(range(0x67, 0x67 + 20))
    text = "".join("{:02x}".format(byte) for byte in digest)
    assert equal_hex(digest, text.encode(), 0)
    assert equal_hex(digest, b"xx" + text.upper().encode(), 2)
    for i in range(40):
        for digit in "0123456789abcdef":
            if digit != text[i]:
                assert not equal_hex(digest, (text[:i] + digit + text[i + 1 :]).encode(), 0)


def test_equal_looks_at_every_byte():
    a = bytes(range(20))
    assert equal(a, 0, b"x" + a, 1, 20) and equal(a, 0, a, 0, 0)
    for i in range(20):
        b = bytearray(a)
        b[i] ^= 0x80
        assert not equal(a, 0, b, 0, 20)
