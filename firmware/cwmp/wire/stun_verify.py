"""MESSAGE-INTEGRITY of an answer. A slice: few servers ask for it."""

import struct

from .hmac_sha1 import equal
from .stun import HEADER, INTEGRITY_SIZE


def verify(buf, message, hmac):
    """True when the MESSAGE-INTEGRITY of `message`, parsed from `buf`, verifies as either variant
    (STUN-34).
    """
    at = message.integrity
    if not at:
        return False
    # The length that was hashed ends with this attribute, whatever an optional one behind it
    # (FINGERPRINT) made of it.
    text = bytearray(buf[:at])
    struct.pack_into(">H", text, 2, at + INTEGRITY_SIZE - HEADER)
    return equal(hmac.digest(text), 0, buf, at + 4, 20) or equal(
        hmac.digest(text, bytes(-at % 64)), 0, buf, at + 4, 20
    )
