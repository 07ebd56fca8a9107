"""The story of a capture as plain data: what the report prints and what tests ask."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from host_tools.capture.packets import Address
from host_tools.capture.udp_request import Check, Mark

Area = Literal["stun", "binding", "request", "http", "cwmp", "tcp", "wake"]
Verdict = Literal["accepted", "unverified", "duplicate", "stale", "forged", "malformed", "lost"]


@dataclass(slots=True)
class Step:
    """One line of the timeline. `filter` is a Wireshark display filter that selects exactly
    `frames`; steps with the same `fold` may be shown as one when they follow each other."""

    time_ns: int
    area: Area
    mark: Mark
    text: str
    checks: list[Check] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    filter: str | None = None
    fold: str | None = None


@dataclass(slots=True)
class Cpe:
    """A CPE as its STUN traffic shows it: one primary port."""

    name: str
    username: str | None = None
    local: Address | None = None  # behind the NAT, if that side is in the file
    sources: list[Address] = field(default_factory=list)  # every address it was seen with
    server: Address | None = None
    server_outside: Address | None = None  # the same server beyond a NAT that renames it
    mapped: list[tuple[int, Address]] = field(default_factory=list)  # time, public address
    both_sides: bool = False  # inside and outside of its NAT are in the file

    def hosts(self) -> set[str]:
        return {host for host, _ in self.sources} | {public[0] for _, public in self.mapped}

    def known_as(self, address: Address) -> Address:
        """How this CPE knows a server: a user-space NAT has an address of its own for each."""
        return self.server if self.server and address == self.server_outside else address

    def mapped_at(self, time_ns: int) -> Address | None:
        """The public address that the CPE had learned by then."""
        return next((public for at, public in reversed(self.mapped) if at <= time_ns), None)


@dataclass(slots=True)
class Binding:
    """The NAT binding of a CPE became known or changed."""

    cpe: str
    time_ns: int
    local: Address | None
    mapped: Address
    previous: Address | None
    natted: bool  # the public address differs from the one it was sent from
    announced_ns: int | None = None  # when BINDING-CHANGE told the ACS (STUN-12)


@dataclass(slots=True)
class StunExchange:
    """One STUN transaction: sends, the answer, what it says."""

    transaction: str
    time_ns: int
    client: Address
    outside: Address | None
    server: Address
    cpe: str | None
    sends: int
    primary: bool  # carries CONNECTION-REQUEST-BINDING
    binding_change: bool
    username: str | None
    integrity: str  # "absent", "unchecked" or a rule of stun.integrity
    outcome: str  # "mapped", "error", "no answer", "unusable answer"
    mapped: Address | None = None
    error: int | None = None
    answered_ns: int | None = None
    answer_integrity: str = "absent"
    frames: list[int] = field(default_factory=list)


@dataclass(slots=True)
class UdpRequest:
    """One arrival of a UDP Connection Request, with its verdict by UCR-01 ... UCR-20."""

    time_ns: int
    cpe: str
    source: Address
    target: Address
    inside_target: Address | None
    verdict: Verdict
    reason: str
    ts: int | None
    id: int | None
    username: str | None
    copy: int  # 1 for the first arrival of this datagram
    checks: list[Check]
    frames: list[int]


@dataclass(slots=True)
class TcpRequest:
    """One HTTP request to a ConnectionRequestURL and how it was answered."""

    time_ns: int
    client: Address
    server: Address
    path: str
    status: int | None
    authorized: bool
    digest: str  # "absent", "unchecked", "right", "wrong"
    frames: list[int]


@dataclass(slots=True)
class Session:
    """One CWMP session."""

    time_ns: int  # first byte of the first Inform, or of what is in the file
    client: Address
    server: Address
    device: str
    events: list[str]
    retry_count: int | None
    started: bool  # its Inform is in the file
    inform_accepted: bool = False
    rpcs: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    values: list[tuple[str, str]] = field(default_factory=list)
    end: str = "not in the file"
    end_ns: int | None = None
    attempts: int = 0  # POSTs of the Inform (an answered challenge makes 2)
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Wake:
    """A Connection Request and the Inform it caused."""

    cpe: str
    way: Literal["UDP", "TCP"]
    request_ns: int
    inform_ns: int

    @property
    def milliseconds(self) -> float:
        return (self.inform_ns - self.request_ns) / 1e6


@dataclass(slots=True)
class Story:
    """Everything found in one capture file; times are nanoseconds since 1970."""

    path: str
    frames: int
    first_ns: int
    last_ns: int
    interfaces: list[str]
    notes: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    cpes: list[Cpe] = field(default_factory=list)
    stun: list[StunExchange] = field(default_factory=list)
    bindings: list[Binding] = field(default_factory=list)
    requests: list[UdpRequest] = field(default_factory=list)
    tcp_requests: list[TcpRequest] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    wakes: list[Wake] = field(default_factory=list)

    def verdicts(self) -> dict[str, int]:
        """Number of UDP Connection Requests by verdict."""
        counts: dict[str, int] = {}
        for request in self.requests:
            counts[request.verdict] = counts.get(request.verdict, 0) + 1
        return counts

    def as_dict(self) -> dict[str, Any]:
        """For JSON: addresses as "host:port", everything else as it is."""
        plain = cast(dict[str, Any], _plain(dataclasses.asdict(self)))
        plain["verdicts"] = self.verdicts()
        for wake, entry in zip(self.wakes, plain["wakes"], strict=True):
            entry["milliseconds"] = wake.milliseconds
        return plain


def shown(address: Address | None) -> str:
    """host:port"""
    return f"{address[0]}:{address[1]}" if address else "?"


def worst(checks: list[Check]) -> Mark:
    """The most serious mark among checks."""
    order: tuple[Mark, ...] = ("wrong", "unchecked", "lenient", "note", "ok")
    found = {check.mark for check in checks}
    for mark in order:
        if mark in found:
            return mark
    return "ok"


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple) and [type(entry) for entry in value] == [str, int]:
        return f"{value[0]}:{value[1]}"
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
