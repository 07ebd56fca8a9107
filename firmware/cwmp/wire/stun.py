"""Classic STUN (RFC 3489 section 11) as Annex G uses it: Binding Requests out, answers in. IPv4
only.
"""

import struct

from micropython import const

from .hmac_sha1 import equal

REQUEST = const(0x0001)
RESPONSE = const(0x0101)
ERROR = const(0x0111)

MAPPED_ADDRESS = const(0x0001)
RESPONSE_ADDRESS = const(0x0002)
CHANGE_REQUEST = const(0x0003)
USERNAME = const(0x0006)
MESSAGE_INTEGRITY = const(0x0008)
ERROR_CODE = const(0x0009)
XOR_MAPPED_ADDRESS = const(0x0020)
XOR_MAPPED_ADDRESS_DRAFT = const(0x8020)
CONNECTION_REQUEST_BINDING = const(0xC001)
BINDING_CHANGE = const(0xC002)

COOKIE = b"\x21\x12\xa4\x42"
HEADER = const(20)
_TAG = b"dslforum.org/TR-111 "  # exactly 20 bytes with the final space (STUN-10, X6)
INTEGRITY_SIZE = const(24)  # the attribute with its header

# Mandatory attributes that an answer may carry: 0x0001 to 0x000B, REALM, NONCE, XOR-MAPPED-ADDRESS
# (STUN-06).
_KNOWN = const(0x0014)

# What the text of MESSAGE-INTEGRITY is (STUN-33).
PADDED = "A"  # RFC 3489 11.2.8: zeros up to a multiple of 64
UNPADDED = "B"  # RFC 5389 15.4


class StunError(ValueError):
    """The datagram is no well-formed STUN answer."""


class Message:
    """What one answer says. Addresses are (host, port) or None, `error` is 0 or the code, 420 when
    it had none.
    """

    def __init__(self, kind):
        self.kind = kind
        self.mapped = None
        self.xor_mapped = None
        self.xor_mapped_draft = None
        self.error = 0
        self.integrity = 0  # offset of MESSAGE-INTEGRITY, 0 when there is none

    @property
    def address(self):
        """The public address by STUN-21: MAPPED-ADDRESS, else either XOR form."""
        return self.mapped or self.xor_mapped or self.xor_mapped_draft

    def read(self, buf, size):
        """Take the attributes of `buf[:size]`, of equal ones the first; StunError."""
        coded = False
        at = HEADER
        while at < size:
            kind = buf[at] << 8 | buf[at + 1]
            length = buf[at + 2] << 8 | buf[at + 3]
            start = at + 4
            at = start + (length + 3 & ~3)
            if at > size:
                raise StunError("attribute longer than the message")
            if self.integrity:
                continue  # what stands behind MESSAGE-INTEGRITY is not protected by it
            if kind == MAPPED_ADDRESS:
                self.mapped = self.mapped or _read_address(buf, start, length, 0)
            elif kind == XOR_MAPPED_ADDRESS:
                self.xor_mapped = self.xor_mapped or _read_address(buf, start, length, COOKIE)
            elif kind == XOR_MAPPED_ADDRESS_DRAFT:
                # servers of that draft mixed in the id, which is the cookie when we sent one
                self.xor_mapped_draft = self.xor_mapped_draft or _read_address(
                    buf, start, length, bytes(buf[4:8])
                )
            elif kind == MESSAGE_INTEGRITY:
                if length != 20:
                    raise StunError("MESSAGE-INTEGRITY is not 20 bytes")
                self.integrity = start - 4
            elif kind == ERROR_CODE:
                if coded:
                    continue
                if length < 4 or buf[start + 3] > 99:
                    raise StunError("bad ERROR-CODE")
                self.error = (buf[start + 2] & 7) * 100 + buf[start + 3]
                coded = True
            elif kind < 0x8000 and not (
                1 <= kind <= 0x000B or kind == _KNOWN or kind == _KNOWN + 1
            ):
                raise StunError("unknown mandatory attribute")
        if self.kind == ERROR and not coded:
            # FreeACS lists the attributes that it did not like and says no more (STUN-35).
            self.error = 420


def transaction_id(random16, cookie):
    """Return a transaction id from 16 random bytes, with the RFC 5389 cookie in front when asked
    (STUN-04).
    """
    return COOKIE + random16[4:] if cookie else random16


def _attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value


def binding_request(tid, username="", primary=True, change=False, hmac=None, variant=PADDED):
    """Return the bytes of a Binding Request.

    tid: 16 bytes. primary: it leaves from the primary port and so carries
    CONNECTION-REQUEST-BINDING (STUN-10); change: BINDING-CHANGE (STUN-11). hmac: HmacSha1 of
    STUNPassword adds MESSAGE-INTEGRITY as `variant` (STUN-32, STUN-33).
    """
    body = b""
    if username:
        name = username.encode()
        body += _attribute(USERNAME, name + b" " * (-len(name) % 4))
    if primary:
        body += _attribute(CONNECTION_REQUEST_BINDING, _TAG)
        if change:
            body += _attribute(BINDING_CHANGE, b"")
    size = len(body) + (INTEGRITY_SIZE if hmac else 0)
    message = struct.pack(">HH", REQUEST, size) + tid + body
    if hmac:
        padding = bytes(-len(message) % 64) if variant == PADDED else None
        message += _attribute(MESSAGE_INTEGRITY, hmac.digest(message, padding))
    return message


def is_ambiguous(request):
    """True when both integrity variants of this request are the same bytes: success proves neither
    (STUN-33).
    """
    return (len(request) - INTEGRITY_SIZE) % 64 == 0


def answers(buf, size, tid):
    """True when `buf[:size]` is as long as its header says and carries this transaction id
    (STUN-01, STUN-03).
    """
    return (
        size >= HEADER
        and buf[0] == 1
        and (buf[1] == 0x01 or buf[1] == 0x11)
        and (buf[2] << 8 | buf[3]) == size - HEADER
        and equal(buf, 4, tid, 0, 16)
    )


def parse(buf, size):
    """Return the Message in `buf[:size]`, an answer that `answers()` took; StunError when it is
    malformed.

    Attributes may stand in any order, optional ones are skipped, lengths may or may not count
    their padding (STUN-05, STUN-06, X11).
    """
    if size & 3:
        raise StunError("length is not a multiple of 4")
    message = Message(buf[0] << 8 | buf[1])
    message.read(buf, size)
    return message


def _read_address(buf, start, length, mask):
    if length != 8 or buf[start + 1] != 1:
        raise StunError("address is not IPv4")
    port = buf[start + 2] << 8 | buf[start + 3]
    host = buf[start + 4 : start + 8]
    if mask:
        port ^= mask[0] << 8 | mask[1]
        host = bytes([host[i] ^ mask[i] for i in range(4)])
    return "{}.{}.{}.{}".format(host[0], host[1], host[2], host[3]), port
