"""Faults of the lab STUN server: small named objects, switched on at run time and combined (X12).

`server.faults.add(Silence(next=3))` loses the next three requests. Faults act in the order in
which they were added; each bends the `Answer` (`shape`) or the finished bytes (`damage`).
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from host_tools.lab import stun_codec as codec
from host_tools.lab.stun_codec import Address, AttributeType, Integrity
from host_tools.lab.stun_exchange import Answer, Request
from host_tools.lab.stun_personality import HMAC_NOT_IMPLEMENTED

Condition = Callable[[Request], bool]

CONDITIONS: dict[str, Condition] = {
    "change": lambda request: request.is_change,
    "keepalive": lambda request: request.is_keepalive,
    "probe": lambda request: request.is_probe,
    "signed": lambda request: request.is_signed,
    "unsigned": lambda request: not request.is_signed,
}


@dataclass(kw_only=True, eq=False)
class Fault:
    """`next`: how many requests it spoils (None: until removed); `skip`: how many pass first;
    `when`: which requests it is about, a condition or the name of one in CONDITIONS.
    """

    name: ClassVar[str] = ""
    next: int | None = None
    skip: int = 0
    when: Condition | str | None = None
    used: int = dataclasses.field(default=0, init=False)  # requests spoiled so far

    def __post_init__(self) -> None:
        if isinstance(self.when, str) and self.when not in CONDITIONS:
            raise ValueError(f"no condition {self.when!r}; there are {', '.join(CONDITIONS)}")

    @property
    def is_spent(self) -> bool:
        return self.next is not None and self.used >= self.next

    def matches(self, request: Request) -> bool:
        condition = CONDITIONS[self.when] if isinstance(self.when, str) else self.when
        return (condition is None or condition(request)) and self.concerns(request)

    def concerns(self, request: Request) -> bool:
        """Which requests this kind of fault can spoil at all."""
        return True

    def shape(self, request: Request, answer: Answer) -> None:
        """Bend the answer."""

    def damage(self, data: bytes) -> bytes:
        """Bend its bytes."""
        return data


@dataclass(kw_only=True, eq=False)
class Silence(Fault):
    """The request is lost on its way: no answer, and the server learns nothing from it."""

    name = "silence"

    def shape(self, request: Request, answer: Answer) -> None:
        answer.delays = []
        answer.reached = False


@dataclass(kw_only=True, eq=False)
class LostAnswer(Fault):
    """The server hears the request, its answer is lost."""

    name = "lost-answer"

    def shape(self, request: Request, answer: Answer) -> None:
        answer.delays = []


@dataclass(kw_only=True, eq=False)
class Delay(Fault):
    name = "delay"
    seconds: float = 1.0

    def shape(self, request: Request, answer: Answer) -> None:
        answer.delays = [delay + self.seconds for delay in answer.delays]


@dataclass(kw_only=True, eq=False)
class Duplicate(Fault):
    name = "duplicate"
    copies: int = 2

    def shape(self, request: Request, answer: Answer) -> None:
        answer.delays = answer.delays * self.copies


@dataclass(kw_only=True, eq=False)
class WrongTransactionId(Fault):
    name = "wrong-id"

    def shape(self, request: Request, answer: Answer) -> None:
        last = answer.transaction_id[-1] ^ 0xFF
        answer.transaction_id = answer.transaction_id[:-1] + bytes((last,))


@dataclass(kw_only=True, eq=False)
class Reordered(Fault):
    """Attributes back to front, unknown optional ones first, one of an uncounted length (X11)."""

    name = "reordered"

    def shape(self, request: Request, answer: Answer) -> None:
        unknown = [(0xFF01, b"\xde\xad\xbe\xef"), (0x8030, b"abc"), (0xFFFF, b"")]
        answer.attributes = unknown + answer.attributes[::-1]


@dataclass(kw_only=True, eq=False)
class UnknownMandatory(Fault):
    """An attribute of 0x7FFF or below that nobody knows (STUN-06)."""

    name = "unknown-mandatory"
    number: int = 0x7F01

    def shape(self, request: Request, answer: Answer) -> None:
        answer.attributes.insert(0, (self.number, b"\0\0\0\1"))


@dataclass(kw_only=True, eq=False)
class DemandIntegrity(Fault):
    """401 to every unsigned request (STUN-30); signed ones are verified as usual."""

    name = "demand-integrity"

    def concerns(self, request: Request) -> bool:
        return not request.is_signed

    def shape(self, request: Request, answer: Answer) -> None:
        answer.fail(401)


@dataclass(kw_only=True, eq=False)
class DemandIntegrityOnChange(DemandIntegrity):
    """The same, but plain keepalives are answered freely (STUN-31)."""

    name = "demand-integrity-on-change"

    def concerns(self, request: Request) -> bool:
        return request.is_change and super().concerns(request)


@dataclass(kw_only=True, eq=False)
class _OnlyVariant(Fault):
    """Accepts one integrity variant; answers others with `code`, and signs as it verifies (X8)."""

    variant: ClassVar[Integrity]
    code: int = 431

    def concerns(self, request: Request) -> bool:
        return request.is_signed and request.key is not None

    def shape(self, request: Request, answer: Answer) -> None:
        if self.variant not in request.verified:
            answer.fail(self.code)
        elif answer.is_success:
            answer.remove(AttributeType.MESSAGE_INTEGRITY)
            answer.key, answer.integrity = request.key, self.variant


@dataclass(kw_only=True, eq=False)
class PaddedOnly(_OnlyVariant):
    name = "padded-only"
    variant = Integrity.PADDED


@dataclass(kw_only=True, eq=False)
class UnpaddedOnly(_OnlyVariant):
    name = "unpadded-only"
    variant = Integrity.UNPADDED


@dataclass(kw_only=True, eq=False)
class WrongResponseIntegrity(Fault):
    """The answer to a signed request is signed with another key (STUN-34)."""

    name = "wrong-response-integrity"

    def concerns(self, request: Request) -> bool:
        return request.is_signed

    def shape(self, request: Request, answer: Answer) -> None:
        answer.key = b"not the password"


@dataclass(kw_only=True, eq=False)
class MissingResponseIntegrity(Fault):
    """The answer to a signed request is not signed (STUN-34)."""

    name = "missing-response-integrity"

    def concerns(self, request: Request) -> bool:
        return request.is_signed

    def shape(self, request: Request, answer: Answer) -> None:
        answer.key = None
        answer.remove(AttributeType.MESSAGE_INTEGRITY)


@dataclass(kw_only=True, eq=False)
class HmacNotImplemented(MissingResponseIntegrity):
    """stund's literal text where the HMAC should be (X7)."""

    name = "hmac-not-implemented"

    def shape(self, request: Request, answer: Answer) -> None:
        super().shape(request, answer)
        answer.add(AttributeType.MESSAGE_INTEGRITY, HMAC_NOT_IMPLEMENTED)


@dataclass(kw_only=True, eq=False)
class ErrorAnswer(Fault):
    """A Binding Error Response of any code (STUN-35); `attribute` is listed as unknown."""

    name = "error"
    code: int = 500
    reason: str | None = None
    attribute: int | None = None

    def shape(self, request: Request, answer: Answer) -> None:
        unknown = () if self.attribute is None else (self.attribute,)
        answer.fail(self.code, self.reason, unknown)


@dataclass(kw_only=True, eq=False)
class ErrorWithoutCode(Fault):
    """0x0111 with UNKNOWN-ATTRIBUTES alone, as FreeACS sends it."""

    name = "error-without-code"
    attribute: int = AttributeType.RESPONSE_ADDRESS

    def shape(self, request: Request, answer: Answer) -> None:
        answer.fail(None, unknown=(self.attribute,))


@dataclass(kw_only=True, eq=False)
class Truncated(Fault):
    """Only the first `length` bytes leave; below 0: so many fewer than there were."""

    name = "truncated"
    length: int = -3

    def damage(self, data: bytes) -> bytes:
        return data[: self.length]


@dataclass(kw_only=True, eq=False)
class AttributeOverrun(Fault):
    """The first attribute claims more bytes than the datagram has (B11)."""

    name = "overrun"

    def damage(self, data: bytes) -> bytes:
        return data[:22] + (0xFFFC).to_bytes(2, "big") + data[24:]


@dataclass(kw_only=True, eq=False)
class OddLength(Fault):
    """Length not a multiple of 4, in the header and of the datagram (B11)."""

    name = "odd-length"

    def damage(self, data: bytes) -> bytes:
        return data[:2] + (len(data) - 20 + 3).to_bytes(2, "big") + data[4:] + b"\0\0\0"


@dataclass(kw_only=True, eq=False)
class EmptyAttributes(Fault):
    """Every attribute keeps its type and loses its value (B11)."""

    name = "empty-attributes"

    def shape(self, request: Request, answer: Answer) -> None:
        answer.attributes = [(number, b"") for number, _ in answer.attributes]


@dataclass(kw_only=True, eq=False)
class Ipv6Family(Fault):
    """The mapped address is an IPv6 one, in every form the answer has."""

    name = "ipv6"
    host: str = "2001:db8::1"

    def shape(self, request: Request, answer: Answer) -> None:
        answer.set_mapped((self.host, request.source[1]))


@dataclass(kw_only=True, eq=False)
class Garbage(Fault):
    """Bytes that only begin like STUN, in place of the answer."""

    name = "garbage"
    length: int = 48

    def damage(self, data: bytes) -> bytes:
        return (b"\1\1" + bytes((7 * i + 13) % 256 for i in range(self.length)))[: self.length]


@dataclass(kw_only=True, eq=False)
class FromElsewhere(Fault):
    """The answer leaves from another address or port than the one that was asked."""

    name = "from-elsewhere"
    host: str | None = None
    port: int = 0

    def shape(self, request: Request, answer: Answer) -> None:
        answer.local = (self.host or answer.local[0], self.port)


@dataclass(kw_only=True, eq=False)
class Rebound(Fault):
    """Another mapped address than the true one, as after a NAT reboot; default: the next port."""

    name = "rebound"
    host: str | None = None
    port: int | None = None

    def shape(self, request: Request, answer: Answer) -> None:
        host, port = request.source
        mapped: Address = (self.host or host, port % 65535 + 1 if self.port is None else self.port)
        answer.set_mapped(mapped)


@dataclass(kw_only=True, eq=False)
class WithoutSourceAndChanged(Fault):
    name = "without-source-and-changed"

    def shape(self, request: Request, answer: Answer) -> None:
        answer.remove(
            AttributeType.SOURCE_ADDRESS,
            AttributeType.CHANGED_ADDRESS,
            AttributeType.RESPONSE_ORIGIN,
            AttributeType.OTHER_ADDRESS,
        )


@dataclass(kw_only=True, eq=False)
class XorOnly(Fault):
    """No MAPPED-ADDRESS, only the XOR form `number` (STUN-21)."""

    name = "xor-only"
    number: int = AttributeType.XOR_MAPPED_ADDRESS

    def shape(self, request: Request, answer: Answer) -> None:
        draft = self.number == AttributeType.XOR_MAPPED_ADDRESS_DRAFT
        final_mask = codec.COOKIE + answer.transaction_id[4:]
        mask = answer.transaction_id if draft else final_mask
        answer.remove(AttributeType.MAPPED_ADDRESS, self.number)
        answer.add(self.number, codec.encode_xor_address(request.source, mask))


@dataclass(kw_only=True, eq=False)
class IgnoreResponseAddress(Fault):
    """The answer to a probe goes back to its sender (X9)."""

    name = "ignore-response-address"

    def concerns(self, request: Request) -> bool:
        return request.is_probe

    def shape(self, request: Request, answer: Answer) -> None:
        answer.destination = request.source


def _concrete(kind: type[Fault]) -> Iterator[type[Fault]]:
    for child in kind.__subclasses__():
        if child.name:
            yield child
        yield from _concrete(child)


FAULTS: dict[str, type[Fault]] = {kind.name: kind for kind in _concrete(Fault)}


class Faults:
    """The faults that are switched on, in order."""

    def __init__(self) -> None:
        self._active: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._active)

    def add(self, *faults: Fault) -> None:
        self._active.extend(faults)

    def remove(self, fault: Fault) -> None:
        """Switch one off; no error when it has spent itself already."""
        self._active = [other for other in self._active if other is not fault]

    def clear(self) -> None:
        self._active.clear()

    def take(self, request: Request) -> list[Fault]:
        """The faults that this request meets; each counts it, and leaves when it is spent."""
        met = []
        for fault in self._active:
            if not fault.matches(request):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if not fault.is_spent:
                fault.used += 1
                met.append(fault)
        self._active = [fault for fault in self._active if not fault.is_spent]
        return met
