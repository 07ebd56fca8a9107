"""STUN messages: RFC 3489, Annex G and the RFC 5389 attributes that servers add."""

import hashlib
import hmac
import ipaddress
import struct
from dataclasses import dataclass, field

from host_tools.capture.packets import Address

REQUEST, RESPONSE, ERROR = 0x0001, 0x0101, 0x0111
TYPES = {
    REQUEST: "Binding Request",
    RESPONSE: "Binding Response",
    ERROR: "Binding Error Response",
    0x0002: "Shared Secret Request",
    0x0102: "Shared Secret Response",
    0x0112: "Shared Secret Error Response",
}
COOKIE = bytes.fromhex("2112a442")
BINDING_VALUE = b"dslforum.org/TR-111 "

MAPPED, RESPONSE_ADDRESS, CHANGE_REQUEST = 0x0001, 0x0002, 0x0003
USERNAME, INTEGRITY, ERROR_CODE, UNKNOWN = 0x0006, 0x0008, 0x0009, 0x000A
REFLECTED_FROM = 0x000B
XOR_MAPPED, XOR_MAPPED_DRAFT = 0x0020, 0x8020
CONNECTION_REQUEST_BINDING, BINDING_CHANGE = 0xC001, 0xC002
NAMES = {
    MAPPED: "MAPPED-ADDRESS",
    RESPONSE_ADDRESS: "RESPONSE-ADDRESS",
    CHANGE_REQUEST: "CHANGE-REQUEST",
    0x0004: "SOURCE-ADDRESS",
    0x0005: "CHANGED-ADDRESS",
    USERNAME: "USERNAME",
    0x0007: "PASSWORD",
    INTEGRITY: "MESSAGE-INTEGRITY",
    ERROR_CODE: "ERROR-CODE",
    UNKNOWN: "UNKNOWN-ATTRIBUTES",
    REFLECTED_FROM: "REFLECTED-FROM",
    0x0014: "REALM",
    0x0015: "NONCE",
    XOR_MAPPED: "XOR-MAPPED-ADDRESS",
    XOR_MAPPED_DRAFT: "XOR-MAPPED-ADDRESS (draft)",
    0x8022: "SOFTWARE",
    0x8028: "FINGERPRINT",
    CONNECTION_REQUEST_BINDING: "CONNECTION-REQUEST-BINDING",
    BINDING_CHANGE: "BINDING-CHANGE",
}
_FAKE_INTEGRITY = b"hmac-not-implemented"


@dataclass(slots=True)
class Attribute:
    """One attribute; `at` is the offset of its header in the datagram."""

    kind: int
    value: bytes
    at: int

    @property
    def name(self) -> str:
        return NAMES.get(self.kind, f"0x{self.kind:04X}")


@dataclass(slots=True)
class Message:
    """A STUN message; `problems` says how it breaks the format (empty: well formed)."""

    kind: int
    transaction: bytes
    raw: bytes
    attributes: list[Attribute] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return TYPES[self.kind]

    @property
    def has_cookie(self) -> bool:
        return self.transaction[:4] == COOKIE

    def first(self, kind: int) -> Attribute | None:
        return next((found for found in self.attributes if found.kind == kind), None)

    def has(self, kind: int) -> bool:
        return self.first(kind) is not None

    @property
    def username(self) -> str | None:
        """USERNAME without its padding (STUN-14)."""
        found = self.first(USERNAME)
        return found.value.rstrip(b" \0").decode("utf-8", "replace") if found else None

    @property
    def mapped(self) -> Address | None:
        """The address reported to the client (STUN-21), whichever attribute carries it."""
        for kind, mask in ((MAPPED, b""), (XOR_MAPPED, COOKIE), (XOR_MAPPED_DRAFT, None)):
            found = self.first(kind)
            if found:
                return address(found.value, self.transaction[:4] if mask is None else mask)
        return None

    @property
    def error(self) -> tuple[int, str] | None:
        found = self.first(ERROR_CODE)
        if not found or len(found.value) < 4:
            return None
        code = (found.value[2] & 7) * 100 + found.value[3]
        return code, found.value[4:].rstrip(b" \0").decode("utf-8", "replace")


def address(value: bytes, mask: bytes = b"") -> Address | None:
    """Address of an attribute value, XORed with the 4-byte mask; None if not IPv4."""
    if len(value) != 8 or value[1] != 1:
        return None
    port, host = struct.unpack("!HI", value[2:])
    if mask:
        port ^= int.from_bytes(mask[:2], "big")
        host ^= int.from_bytes(mask, "big")
    return str(ipaddress.IPv4Address(host)), port


def looks_like(payload: bytes) -> bool:
    """Whether a datagram on any port is STUN beyond reasonable doubt."""
    if len(payload) < 20 or int.from_bytes(payload[:2], "big") not in TYPES:
        return False
    size = int.from_bytes(payload[2:4], "big")
    return size + 20 == len(payload) or payload[4:8] == COOKIE or BINDING_VALUE[:19] in payload


def parse(payload: bytes) -> Message | None:
    """A message, however damaged; None when even the header is not there."""
    if len(payload) < 20 or int.from_bytes(payload[:2], "big") not in TYPES:
        return None
    message = Message(int.from_bytes(payload[:2], "big"), payload[4:20], payload)
    size = int.from_bytes(payload[2:4], "big")
    if size + 20 != len(payload):
        message.problems.append(f"header says {size} bytes follow, {len(payload) - 20} do")
    if size % 4:
        message.problems.append(f"length {size} is not a multiple of 4")
    at, end = 20, min(len(payload), size + 20)
    while at + 4 <= end:
        kind, length = struct.unpack_from("!HH", payload, at)
        if at + 4 + length > end:
            message.problems.append(f"attribute 0x{kind:04X} ends outside the message")
            break
        message.attributes.append(Attribute(kind, payload[at + 4 : at + 4 + length], at))
        at += 4 + (length + 3 & ~3)
    mapped = message.first(MAPPED)
    if mapped and address(mapped.value) is None:
        message.problems.append("MAPPED-ADDRESS is not an IPv4 address")
    return message


def integrity(message: Message, password: str) -> str:
    """Which rule MESSAGE-INTEGRITY follows: "padded" (STUN-32), "unpadded" (STUN-33),
    "either", "unpadded, length 0", "not computed by the server" or "wrong"."""
    found = message.first(INTEGRITY)
    if not found:
        return "absent"
    if found.value == _FAKE_INTEGRITY:
        return "not computed by the server"
    text = bytearray(message.raw[: found.at])
    # FINGERPRINT may follow: the length that was hashed ends with this attribute.
    struct.pack_into("!H", text, 2, found.at + 24 - 20)
    padded = bytes(text) + bytes(-len(text) % 64)
    zero_length = bytearray(text)
    struct.pack_into("!H", zero_length, 2, 0)

    def matches(data: bytes) -> bool:
        digest = hmac.new(password.encode(), data, hashlib.sha1).digest()
        return hmac.compare_digest(digest, found.value)

    if matches(padded):
        return "either" if padded == bytes(text) else "padded"
    if matches(bytes(text)):
        return "unpadded"
    return "unpadded, length 0" if matches(bytes(zero_length)) else "wrong"
