"""Explain a capture: from a file to the story of bindings, Connection Requests and sessions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from host_tools.capture import read, request_story, session_story, stun_story
from host_tools.capture.filters import Filters
from host_tools.capture.request_story import Credentials
from host_tools.capture.story import Cpe, Session, Step, Story, Wake
from host_tools.capture.streams import connections
from host_tools.capture.udp_request import Check

_LONGEST_WAKE_NS = 60_000_000_000
_SESSION_DUE_NS = 30_000_000_000  # TCR-20
_CONNECTION_REQUEST = "6 CONNECTION REQUEST"


def story(
    path: str | Path,
    password: str | None = None,
    *,
    username: str | None = None,
    stun_password: str | None = None,
) -> Story:
    """The story of a capture file.

    `password`, `username`: ConnectionRequestPassword and -Username; without them signatures
    stay unchecked. UserError: the file cannot be read, is empty, or is no capture.
    """
    capture = read.read(path)
    told = Story(
        str(path),
        capture.frames,
        capture.first_ns,
        capture.last_ns,
        capture.interfaces,
        capture.notes,
    )
    filters = Filters(capture.datagrams, capture.segments)
    in_time = sorted(capture.datagrams, key=lambda datagram: (datagram.time_ns, datagram.frame))
    used = stun_story.tell(told, in_time, filters, stun_password)
    others = [datagram for datagram in in_time if datagram.frame not in used]
    request_story.tell(told, others, filters, Credentials(password, username))
    session_story.tell(told, connections(capture.segments), filters, password)
    _wakes(told)
    told.steps.sort(key=lambda step: (step.time_ns, step.frames[:1]))
    return told


@dataclass(frozen=True, slots=True)
class _Ring:
    time_ns: int  # first datagram, even if the NAT lost it
    accepted_ns: int
    way: Literal["UDP", "TCP"]
    cpe: str
    hosts: set[str]


def _wakes(told: Story) -> None:
    """Pair Connection Requests with the session that answers each: the first Inform with
    6 CONNECTION REQUEST after it. Requests that fold into one session share it (UCR-34)."""
    informed = [entry for entry in told.sessions if _CONNECTION_REQUEST in entry.events]
    informed.sort(key=lambda entry: entry.time_ns)
    answered: dict[int, str] = {}  # index in informed -> CPE
    for ring in _rings(told):
        index = _answering(informed, ring, answered, alone=len(told.cpes) == 1)
        if index is None or index in answered:
            continue
        answered[index] = name = ring.cpe
        session = informed[index]
        time_ns, way = ring.time_ns, ring.way
        wake = Wake(name, way, time_ns, session.time_ns)
        told.wakes.append(wake)
        checks = []
        if session.time_ns - time_ns > _SESSION_DUE_NS:
            checks.append(Check("TCR-20", "wrong", "later than 30 s"))
        text = (
            f"wake of {name} by {way}: {wake.milliseconds:.1f} ms from the first datagram to "
            f"the first byte of the Inform"
        )
        if way == "TCP":
            text = text.replace("first datagram", "accepted request")
        told.steps.append(Step(session.time_ns, "wake", "wrong" if checks else "ok", text, checks))


def _rings(told: Story) -> list[_Ring]:
    """Requests that a CPE should have followed, in order, each with its first datagram."""
    rings = []
    first: dict[tuple[str, int | None, int | None], int] = {}
    for request in told.requests:
        key = request.cpe, request.ts, request.id
        if request.verdict in ("accepted", "unverified", "lost"):
            first.setdefault(key, request.time_ns)
        if request.verdict in ("accepted", "unverified"):
            hosts = _hosts(told.cpes, request.cpe) | {request.target[0]}
            if request.inside_target:
                hosts.add(request.inside_target[0])
            rings.append(_Ring(first[key], request.time_ns, "UDP", request.cpe, hosts))
    for call in told.tcp_requests:
        if call.status in (200, 204) and call.authorized:
            near = [cpe.name for cpe in told.cpes if call.server[0] in cpe.hosts()]
            name = near[0] if len(near) == 1 else call.server[0]
            hosts = _hosts(told.cpes, name) | {call.server[0]}
            rings.append(_Ring(call.time_ns, call.time_ns, "TCP", name, hosts))
    return sorted(rings, key=lambda ring: ring.accepted_ns)


def _hosts(cpes: list[Cpe], name: str) -> set[str]:
    return next((cpe.hosts() for cpe in cpes if cpe.name == name), set())


def _answering(
    informed: list[Session], ring: _Ring, answered: dict[int, str], alone: bool
) -> int | None:
    """Index of the first session that this request can have caused."""
    for index, session in enumerate(informed):
        if not 0 <= session.time_ns - ring.accepted_ns <= _LONGEST_WAKE_NS:
            continue
        # One CPE in the file: its session may come from any address (a second interface).
        near = session.client[0] in ring.hosts or alone
        if near and answered.get(index, ring.cpe) == ring.cpe:
            return index
    return None
