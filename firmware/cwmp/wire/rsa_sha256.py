"""RSA signatures over SHA-256 (RSASSA-PKCS1-v1_5, RFC 8017, 8.2.2) with the exponent 65537."""

from binascii import unhexlify

_SHA256 = b"\x00\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"


def verify(modulus, digest, signature):
    """True when `signature` (hex text) is one of `digest` (32 bytes) by the owner of the key with
    `modulus` (hex text, of 2048 bits or more).
    """
    try:
        size = len(unhexlify(modulus))
        given = unhexlify(signature)
        if size < 256 or len(given) != size:
            return False
        number = int(modulus, 16)
        value = int.from_bytes(given, "big")
        if value >= number:
            return False
        # The whole is compared, padding and all: nothing in it is read, nothing can be hidden.
        padding = b"\x00\x01" + b"\xff" * (size - 2 - len(_SHA256) - 32)
        return pow(value, 65537, number).to_bytes(size, "big") == padding + _SHA256 + digest
    except ValueError:
        return False
