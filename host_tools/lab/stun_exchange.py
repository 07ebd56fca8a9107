"""What the parts of the lab STUN server hand each other: request, answer, binding."""

from dataclasses import dataclass, field

from host_tools.lab import stun_codec as codec
from host_tools.lab.stun_codec import Address, AttributeType, Integrity, Message, MessageType


@dataclass(frozen=True)
class Endpoints:
    """The server's addresses: one, or the four of RFC 3489 when there is an alternate one."""

    primary: Address
    alternate: Address | None = None

    @property
    def all(self) -> list[Address]:
        if self.alternate is None:
            return [self.primary]
        (host, port), (other_host, other_port) = self.primary, self.alternate
        return [(h, p) for h in (host, other_host) for p in (port, other_port)]

    def changed(self, local: Address, change_ip: bool, change_port: bool) -> Address | None:
        """`local` with its host or port swapped for the other; None when there is none."""
        if self.alternate is None:
            return None if change_ip or change_port else local
        host, port = local
        if change_ip:
            host = self.alternate[0] if host == self.primary[0] else self.primary[0]
        if change_port:
            port = self.alternate[1] if port == self.primary[1] else self.primary[1]
        return host, port


@dataclass
class Request:
    """One datagram that reached the server; `message` is None when it is no well-formed STUN.

    `received_at` is the event loop's clock (seconds); `outcome` says in a word what became of it.
    `verified` holds the integrity variants that fit the user's password.
    """

    number: int
    data: bytes
    source: Address
    local: Address
    received_at: float
    message: Message | None = None
    verified: frozenset[Integrity] = frozenset()
    key: bytes | None = None
    outcome: str = "dropped"

    @property
    def is_keepalive(self) -> bool:
        """A Binding Request of the primary port that announces no change."""
        message = self.message
        return (
            message is not None
            and message.has_connection_request_binding
            and not message.has_binding_change
        )

    @property
    def is_change(self) -> bool:
        return self.message is not None and self.message.has_binding_change

    @property
    def is_probe(self) -> bool:
        """A lifetime probe: it carries RESPONSE-ADDRESS (STUN-53)."""
        return self.message is not None and self.message.has(AttributeType.RESPONSE_ADDRESS)

    @property
    def is_signed(self) -> bool:
        return self.message is not None and self.message.has_integrity


@dataclass
class Answer:
    """An answer in the making, which faults may still bend.

    One datagram leaves per entry of `delays` (seconds). `reached` False: the request counts as
    lost on its way, so it teaches the server nothing.
    """

    transaction_id: bytes
    destination: Address
    local: Address
    message_type: int = MessageType.BINDING_RESPONSE
    attributes: list[tuple[int, bytes]] = field(default_factory=list)
    key: bytes | None = None
    integrity: Integrity = Integrity.PADDED
    delays: list[float] = field(default_factory=lambda: [0.0])
    reached: bool = True

    @property
    def is_success(self) -> bool:
        return self.message_type == MessageType.BINDING_RESPONSE

    def add(self, number: int, value: bytes) -> None:
        self.attributes.append((number, value))

    def replace(self, number: int, value: bytes) -> None:
        """Change the value in place where the attribute is present."""
        self.attributes = [(n, value if n == number else v) for n, v in self.attributes]

    def remove(self, *numbers: int) -> None:
        self.attributes = [(n, v) for n, v in self.attributes if n not in numbers]

    def set_mapped(self, address: Address) -> None:
        """Claim another mapped address in whichever forms the answer has."""
        draft = codec.encode_xor_address(address, self.transaction_id)
        final = codec.encode_xor_address(address, codec.COOKIE + self.transaction_id[4:])
        self.replace(AttributeType.MAPPED_ADDRESS, codec.encode_address(address))
        self.replace(AttributeType.XOR_MAPPED_ADDRESS, final)
        self.replace(AttributeType.XOR_MAPPED_ADDRESS_DRAFT, draft)

    def fail(
        self, code: int | None, reason: str | None = None, unknown: tuple[int, ...] = ()
    ) -> None:
        """Become a Binding Error Response; code None leaves ERROR-CODE out."""
        self.message_type = MessageType.BINDING_ERROR_RESPONSE
        self.attributes = []
        self.key = None
        if code is not None:
            self.add(AttributeType.ERROR_CODE, codec.error_value(code, reason))
        if unknown:
            value = codec.unknown_attributes_value(unknown)
            self.add(AttributeType.UNKNOWN_ATTRIBUTES, value)

    def encode(self) -> bytes:
        return codec.build(
            self.message_type,
            self.transaction_id,
            self.attributes,
            key=self.key,
            integrity=self.integrity,
        )


@dataclass
class Binding:
    """Where a CPE can be reached, as its requests from the primary port show it.

    Times are the event loop's (seconds); `change_seen` is when BINDING-CHANGE was last seen;
    `local` is the server address that the CPE keeps open in its NAT.
    """

    key: str | Address
    username: str | None
    mapped: Address
    local: Address
    first_seen: float
    last_seen: float
    change_seen: float | None = None
    count: int = 1
