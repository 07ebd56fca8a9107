"""STUN messages as a capture shows them: the lab's codec, but damage is told, not refused."""

from dataclasses import dataclass, field

from host_tools.capture.packets import Address
from host_tools.lab import stun_codec as codec
from host_tools.lab.stun_codec import (
    CONNECTION_REQUEST_BINDING_VALUE,
    COOKIE,
    HEADER_SIZE,
    AttributeType,
    Integrity,
    MessageType,
    StunError,
)

XOR_MAPPED_DRAFT = AttributeType.XOR_MAPPED_ADDRESS_DRAFT
_TYPES = frozenset(MessageType)
_PLAIN = bytes(4)  # the mask of an address that is not XORed
_FAKE_INTEGRITY = b"hmac-not-implemented"


@dataclass(frozen=True)
class Message(codec.Message):
    """A STUN message; `problems` says how it breaks the format (empty: well formed)."""

    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return MessageType(self.message_type).name.replace("_", " ").title()

    @property
    def transaction(self) -> bytes:
        return self.transaction_id

    @property
    def mapped(self) -> Address | None:
        """The address reported to the client (STUN-21), whichever attribute carries it."""
        for number, mask in (
            (AttributeType.MAPPED_ADDRESS, _PLAIN),
            (AttributeType.XOR_MAPPED_ADDRESS, COOKIE),
            (XOR_MAPPED_DRAFT, self.transaction[:4]),
        ):
            value = self.get(number)
            if value is not None:
                return address(value, mask)
        return None

    @property
    def error(self) -> tuple[int, str] | None:
        """(code, reason), the code also where no server should send it; None if too short."""
        value = self.get(AttributeType.ERROR_CODE)
        return None if value is None or len(value) < 4 else codec.decode_error(value)


def address(value: bytes, mask: bytes = _PLAIN) -> Address | None:
    """Address of an attribute value, XORed with the 4-byte mask; None if not IPv4."""
    try:
        return codec.decode_xor_address(value, mask) if len(value) == 8 else None
    except StunError:
        return None


def looks_like(payload: bytes) -> bool:
    """Whether a datagram on any port is STUN beyond reasonable doubt."""
    if len(payload) < HEADER_SIZE or int.from_bytes(payload[:2], "big") not in _TYPES:
        return False
    size = int.from_bytes(payload[2:4], "big")
    fits = size + HEADER_SIZE == len(payload) or payload[4:8] == COOKIE
    return fits or CONNECTION_REQUEST_BINDING_VALUE[:19] in payload


def parse(payload: bytes) -> Message | None:
    """A message, however damaged; None when even the header is not there."""
    message_type = int.from_bytes(payload[:2], "big")
    if len(payload) < HEADER_SIZE or message_type not in _TYPES:
        return None
    problems = []
    size, follow = int.from_bytes(payload[2:4], "big"), len(payload) - HEADER_SIZE
    if size != follow:
        problems.append(f"header says {size} bytes follow, {follow} do")
    if size % 4:
        problems.append(f"length {size} is not a multiple of 4")
    attributes, too_long = codec.read_attributes(payload, HEADER_SIZE + min(size, follow))
    if too_long is not None:
        problems.append(f"attribute 0x{too_long:04X} ends outside the message")
    message = Message(message_type, payload[4:HEADER_SIZE], attributes, payload, problems)
    mapped = message.get(AttributeType.MAPPED_ADDRESS)
    if mapped is not None and address(mapped) is None:
        problems.append("MAPPED-ADDRESS is not an IPv4 address")
    return message


def integrity(message: Message, password: str) -> str:
    """Which rule MESSAGE-INTEGRITY follows: "padded" (STUN-32), "unpadded" (STUN-33),
    "either", "unpadded, length 0", "not computed by the server" or "wrong"."""
    value = message.get(AttributeType.MESSAGE_INTEGRITY)
    if value is None:
        return "absent"
    if value == _FAKE_INTEGRITY:
        return "not computed by the server"
    fits = message.verified(password.encode())
    if Integrity.PADDED in fits:
        return "either" if Integrity.UNPADDED in fits else "padded"
    if Integrity.UNPADDED in fits:
        return "unpadded"
    return "unpadded, length 0" if Integrity.LENGTH_ZERO in fits else "wrong"
