"""RSA signatures of application bundles, against openssl's."""

from hashlib import sha256

from support import vectors

from cwmp.wire.rsa_sha256 import verify


def known():
    made = vectors("rsa_sha256")
    return made["modulus"], sha256(made["text"].encode()).digest(), made["signature"]


def test_cwmp_64_a_good_signature():
    modulus, digest, signature = known()
    assert verify(modulus, digest, signature)
    assert verify(modulus.lower(), digest, signature.upper())


def test_cwmp_64_each_part_counts():
    modulus, digest, signature = known()
    for at in range(0, len(signature), 32):
        digit = "1" if signature[at] == "0" else "0"
        assert not verify(modulus, digest, signature[:at] + digit + signature[at + 1 :])
    assert not verify(modulus, sha256(b"another").digest(), signature)
    other = modulus[:100] + ("1" if modulus[100] == "0" else "0") + modulus[101:]
    assert not verify(other, digest, signature)


def test_cwmp_64_what_is_no_signature():
    modulus, digest, signature = known()
    value = int(signature, 16) + int(modulus, 16)
    for text in ("", "00", signature[:-2], signature + "00", "zz" * 256, "0" * 512, "f" * 512):
        assert not verify(modulus, digest, text)
    # The same number modulo n, written larger than n, is another text: none of that.
    assert not verify(modulus, digest, "{:x}".format(value))
    assert not verify("03", digest, "01")
    assert not verify("", digest, "")
    # 1 to any power is 1: no padding, no digest.
    assert not verify(modulus, digest, "0" * 511 + "1")
