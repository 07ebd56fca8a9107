"""HMAC-SHA1 (RFC 2104) with the two padded key blocks prepared once, and a constant-time
comparison.
"""

import hashlib

import micropython
from micropython import const

from .emitter import ptr8

_BLOCK = const(64)

_sha1 = hashlib.sha1


class HmacSha1:
    """One key. `digest` allocates nothing but the two hash objects and their results."""

    def __init__(self, key):
        if len(key) > _BLOCK:
            key = _sha1(key).digest()
        key = key + bytes(_BLOCK - len(key))
        self._inner = bytearray(key)
        self._outer = bytearray(key)
        for i in range(_BLOCK):
            self._inner[i] ^= 0x36
            self._outer[i] ^= 0x5C

    def digest(self, text, more=None):
        """Return the 20 bytes of HMAC-SHA1 over `text` followed by `more`."""
        inner = _sha1(self._inner)
        inner.update(text)
        if more is not None:
            inner.update(more)
        return self.end(inner)

    def begin(self):
        """Return a hash object: update it with the text, piece by piece, and hand it to `end`."""
        return _sha1(self._inner)

    def end(self, inner):
        """Return the 20 bytes for what `begin` gave."""
        outer = _sha1(self._outer)
        outer.update(inner.digest())
        return outer.digest()


@micropython.viper
def equal(a: ptr8, a_start: int, b: ptr8, b_start: int, length: int) -> bool:
    """Compare `length` bytes of two buffers in a time that does not depend on what they hold."""
    difference = 0
    i = 0
    while i < length:
        difference |= a[a_start + i] ^ b[b_start + i]
        i += 1
    return difference == 0


@micropython.viper
def equal_hex(digest: ptr8, buf: ptr8, start: int) -> bool:
    """Compare 20 bytes with 40 hex digits of either case at `buf[start]`, in constant time
    (UCR-11).

    The 40 bytes must be hex digits already: others compare as some digit or none.
    """
    difference = 0
    i = 0
    while i < 40:
        digit = buf[start + i]
        # '0'-'9' keep their low nibble, letters of either case add 9: no branch on the value.
        value = (digit & 15) + (digit >> 6) * 9
        difference |= value ^ ((digest[i >> 1] >> (4 - ((i & 1) << 2))) & 15)
        i += 1
    return difference == 0
