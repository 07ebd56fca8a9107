"""STUN bytes <-> values: RFC 3489 and the parts of RFC 5389 that a TR-069 agent meets.

The lab's own reading of STUN-01..STUN-35, written apart from the firmware: a second opinion.
Every malformed input raises `StunError` with a fixed text.
"""

import hashlib
import hmac
import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum

Address = tuple[str, int]

COOKIE = bytes.fromhex("2112a442")
HEADER_SIZE = 20
INTEGRITY_SIZE = 20
CONNECTION_REQUEST_BINDING_VALUE = b"dslforum.org/TR-111 "


class StunError(ValueError):
    """Bytes that are not the STUN they claim to be."""


class MessageType(IntEnum):
    BINDING_REQUEST = 0x0001
    BINDING_RESPONSE = 0x0101
    BINDING_ERROR_RESPONSE = 0x0111
    SHARED_SECRET_REQUEST = 0x0002
    SHARED_SECRET_RESPONSE = 0x0102
    SHARED_SECRET_ERROR_RESPONSE = 0x0112


class AttributeType(IntEnum):
    MAPPED_ADDRESS = 0x0001
    RESPONSE_ADDRESS = 0x0002
    CHANGE_REQUEST = 0x0003
    SOURCE_ADDRESS = 0x0004
    CHANGED_ADDRESS = 0x0005
    USERNAME = 0x0006
    PASSWORD = 0x0007
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    REFLECTED_FROM = 0x000B
    REALM = 0x0014
    NONCE = 0x0015
    XOR_MAPPED_ADDRESS = 0x0020
    XOR_MAPPED_ADDRESS_DRAFT = 0x8020
    SOFTWARE = 0x8022
    FINGERPRINT = 0x8028
    RESPONSE_ORIGIN = 0x802B
    OTHER_ADDRESS = 0x802C
    CONNECTION_REQUEST_BINDING = 0xC001
    BINDING_CHANGE = 0xC002


class Integrity(Enum):
    """What the HMAC-SHA1 of MESSAGE-INTEGRITY covers (STUN-32, STUN-33)."""

    PADDED = "padded"  # variant A, RFC 3489: zero bytes up to a multiple of 64
    UNPADDED = "unpadded"  # variant B, RFC 5389
    LENGTH_ZERO = "len0"  # two shipped clients: unpadded, the length field still 0


REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    420: "Unknown Attribute",
    430: "Stale Credentials",
    431: "Integrity Check Failure",
    432: "Missing Username",
    500: "Server Error",
    600: "Global Failure",
}

_KNOWN = frozenset(AttributeType)


def attribute_name(number: int) -> str:
    """The attribute's name as the standards spell it, or its number in hex."""
    if number not in _KNOWN:
        return f"0x{number:04X}"
    return AttributeType(number).name.replace("_", "-")


@dataclass(frozen=True)
class Attribute:
    """One attribute: `offset` is where its type field stands in the datagram."""

    number: int
    value: bytes
    offset: int


@dataclass(frozen=True)
class Message:
    """A datagram whose lengths hold together; attribute values are decoded on demand."""

    message_type: int
    transaction_id: bytes
    attributes: tuple[Attribute, ...]
    data: bytes

    def first(self, number: int) -> Attribute | None:
        """The attribute of this type; of several the first one counts."""
        return next((found for found in self.attributes if found.number == number), None)

    def get(self, number: int) -> bytes | None:
        """Value of the attribute of this type."""
        found = self.first(number)
        return None if found is None else found.value

    def has(self, number: int) -> bool:
        return self.first(number) is not None

    @property
    def numbers(self) -> list[int]:
        return [attribute.number for attribute in self.attributes]

    @property
    def has_cookie(self) -> bool:
        return self.transaction_id[:4] == COOKIE

    def address(self, number: int) -> Address | None:
        """A classic (IPv4, plain) address attribute; None when absent."""
        value = self.get(number)
        if value is None:
            return None
        if len(value) != 8 or value[1] != 1:
            raise StunError("a classic address is 8 bytes of family 1")
        return decode_address(value)

    @property
    def mapped_address(self) -> Address | None:
        return self.address(AttributeType.MAPPED_ADDRESS)

    @property
    def xor_mapped_address(self) -> Address | None:
        """0x0020, else 0x8020, IPv4 or IPv6 (STUN-21)."""
        value = self.get(AttributeType.XOR_MAPPED_ADDRESS)
        if value is not None:
            return decode_xor_address(value, COOKIE + self.transaction_id[4:])
        value = self.get(AttributeType.XOR_MAPPED_ADDRESS_DRAFT)
        return None if value is None else decode_xor_address(value, self.transaction_id)

    @property
    def username(self) -> str | None:
        """USERNAME without the spaces or NULs that pad it (STUN-14)."""
        value = self.get(AttributeType.USERNAME)
        return None if value is None else value.rstrip(b" \0").decode("utf-8", "replace")

    @property
    def change_request(self) -> tuple[bool, bool]:
        """(change IP, change port); (False, False) when absent."""
        value = self.get(AttributeType.CHANGE_REQUEST)
        if value is None:
            return False, False
        if len(value) != 4:
            raise StunError("CHANGE-REQUEST is 4 bytes")
        return bool(value[3] & 4), bool(value[3] & 2)

    @property
    def error_code(self) -> int | None:
        error = self.error
        return None if error is None else error[0]

    @property
    def error(self) -> tuple[int, str] | None:
        """(code, reason) of ERROR-CODE; None when absent."""
        value = self.get(AttributeType.ERROR_CODE)
        if value is None:
            return None
        if len(value) < 4 or value[3] > 99:
            raise StunError("ERROR-CODE is malformed")
        return decode_error(value)

    @property
    def unknown_attributes(self) -> list[int]:
        """UNKNOWN-ATTRIBUTES without the repeated entry that fills an odd list."""
        value = self.get(AttributeType.UNKNOWN_ATTRIBUTES) or b""
        if len(value) % 2:
            raise StunError("UNKNOWN-ATTRIBUTES is a list of 16-bit types")
        return list(dict.fromkeys(struct.unpack(f"!{len(value) // 2}H", value)))

    @property
    def has_connection_request_binding(self) -> bool:
        """0xC001 with exactly the 20 bytes of STUN-10."""
        value = self.get(AttributeType.CONNECTION_REQUEST_BINDING)
        return value == CONNECTION_REQUEST_BINDING_VALUE

    @property
    def has_binding_change(self) -> bool:
        return self.has(AttributeType.BINDING_CHANGE)

    @property
    def has_integrity(self) -> bool:
        return self.has(AttributeType.MESSAGE_INTEGRITY)

    def verified(self, key: bytes) -> frozenset[Integrity]:
        """The variants under which it verifies; two when the text is a multiple of 64."""
        found = self.first(AttributeType.MESSAGE_INTEGRITY)
        if found is None:
            return frozenset()
        text = self.data[: found.offset]
        return frozenset(
            variant
            for variant in Integrity
            if hmac.compare_digest(found.value, message_hmac(text, key, variant))
        )


def parse(data: bytes) -> Message:
    """Read one datagram; accepts counted (RFC 3489) and uncounted (RFC 5389) padding (STUN-05)."""
    if len(data) < HEADER_SIZE:
        raise StunError("shorter than a STUN header")
    message_type, length = struct.unpack_from("!HH", data)
    if message_type & 0xC000:
        raise StunError("the first two bits are not zero")
    if length % 4:
        raise StunError("the length is not a multiple of 4")
    if length + HEADER_SIZE != len(data):
        raise StunError("the length differs from the datagram's")
    attributes, too_long = read_attributes(data, len(data))
    if too_long is not None:
        raise StunError("an attribute is longer than the message")
    return Message(message_type, data[4:HEADER_SIZE], attributes, data)


def read_attributes(data: bytes, end: int) -> tuple[tuple[Attribute, ...], int | None]:
    """The attributes before `end`, and the type of one that reaches beyond it (else None)."""
    attributes: list[Attribute] = []
    offset = HEADER_SIZE
    while offset + 4 <= end:
        number, size = struct.unpack_from("!HH", data, offset)
        start = offset + 4
        if start + size > end:
            return tuple(attributes), number
        attributes.append(Attribute(number, data[start : start + size], offset))
        offset = start + size + -size % 4
    return tuple(attributes), None


def build(
    message_type: int,
    transaction_id: bytes,
    attributes: Iterable[tuple[int, bytes]] = (),
    *,
    key: bytes | None = None,
    integrity: Integrity = Integrity.PADDED,
) -> bytes:
    """Write one message; with a key MESSAGE-INTEGRITY of that variant comes last.

    A value that is no multiple of 4 gets zero bytes that its length does not count: callers who
    want the classic rule pad the value (see `username_value`).
    """
    if len(transaction_id) != 16:
        raise StunError("a transaction id is 16 bytes")
    body = b"".join(
        struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)
        for number, value in attributes
    )
    unsigned = struct.pack("!HH", message_type, len(body)) + transaction_id + body
    if key is None:
        return unsigned
    digest = message_hmac(unsigned, key, integrity)
    header = struct.pack("!HH", message_type, len(body) + 4 + INTEGRITY_SIZE)
    attribute = struct.pack("!HH", AttributeType.MESSAGE_INTEGRITY, INTEGRITY_SIZE) + digest
    return header + unsigned[4:] + attribute


def message_hmac(text: bytes, key: bytes, integrity: Integrity) -> bytes:
    """HMAC-SHA1 over `text` = the message up to, without, MESSAGE-INTEGRITY.

    The length field is the one the message has with MESSAGE-INTEGRITY as its last attribute, so
    that a FINGERPRINT after it does not count.
    """
    length = len(text) - HEADER_SIZE + 4 + INTEGRITY_SIZE
    if integrity is Integrity.LENGTH_ZERO:
        length = 0
    covered = text[:2] + struct.pack("!H", length) + text[4:]
    if integrity is Integrity.PADDED:
        covered += bytes(-len(covered) % 64)
    return hmac.new(key, covered, hashlib.sha1).digest()


def decode_error(value: bytes) -> tuple[int, str]:
    """(code, reason) of an ERROR-CODE of 4 bytes or more, whatever the code."""
    reason = value[4:].decode("utf-8", "replace").rstrip(" \0")
    return (value[2] & 7) * 100 + value[3], reason


def decode_address(value: bytes) -> Address:
    """`00 family port address`, IPv4 or IPv6."""
    if len(value) < 4:
        raise StunError("an address is shorter than 4 bytes")
    family, port = struct.unpack_from("!xBH", value)
    if (family, len(value)) not in ((1, 8), (2, 20)):
        raise StunError("an address family does not fit its length")
    return str(ipaddress.ip_address(value[4:])), port


def encode_address(address: Address) -> bytes:
    host = ipaddress.ip_address(address[0])
    return struct.pack("!xBH", 1 if host.version == 4 else 2, address[1]) + host.packed


def _masked(value: bytes, mask: bytes) -> bytes:
    bits = mask[:2] + mask[: len(value) - 4]
    return value[:2] + bytes(a ^ b for a, b in zip(value[2:], bits, strict=True))


def decode_xor_address(value: bytes, mask: bytes) -> Address:
    """`mask`: cookie + last 12 bytes of the id (0x0020), or the 16 bytes of the id (0x8020)."""
    if len(value) not in (8, 20):
        raise StunError("an address family does not fit its length")
    return decode_address(_masked(value, mask))


def encode_xor_address(address: Address, mask: bytes) -> bytes:
    return _masked(encode_address(address), mask)


def username_value(username: str, padding: bytes = b" ") -> bytes:
    """USERNAME filled to a multiple of 4, the filling counted (STUN-14)."""
    raw = username.encode()
    return raw + padding * (-len(raw) % 4)


def change_request_value(change_ip: bool, change_port: bool) -> bytes:
    return bytes((0, 0, 0, 4 * change_ip + 2 * change_port))


def error_value(code: int, reason: str | None = None) -> bytes:
    """ERROR-CODE with a reason filled by spaces, as classic servers do."""
    text = (REASONS.get(code, "Error") if reason is None else reason).encode()
    return bytes((0, 0, code // 100, code % 100)) + text + b" " * (-len(text) % 4)


def unknown_attributes_value(numbers: Iterable[int]) -> bytes:
    """A 16-bit list; the last entry of an odd list stands twice (RFC 3489 section 11.2.10)."""
    listed = list(numbers)
    if len(listed) % 2:
        listed.append(listed[-1])
    return struct.pack(f"!{len(listed)}H", *listed)
