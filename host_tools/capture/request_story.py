"""The UDP Connection Requests of a capture: judged one by one, as a CPE should judge them."""

from collections import deque
from dataclasses import dataclass, field

from host_tools.capture import udp_request
from host_tools.capture.filters import Filters
from host_tools.capture.packets import Address
from host_tools.capture.read import Datagram
from host_tools.capture.story import Cpe, Step, Story, UdpRequest, Verdict, shown, worst
from host_tools.capture.udp_request import Check, Parsed

_THROUGH_NAT_NS = 1_000_000_000
_CLOCK_SKEW_NS = 5_000_000  # a capture of two interfaces may swap neighbours
_REPLY_NS = 2_000_000_000
_MULTICAST = tuple(f"{first}." for first in range(224, 256))


@dataclass(slots=True)
class Credentials:
    """What the user told about the CPE; None: not told."""

    password: str | None = None
    username: str | None = None
    stun_password: str | None = None


@dataclass(slots=True)
class _Fresh:
    """UCR-20: what a CPE remembers of the last request it accepted."""

    ts: int
    id: int
    ids_at_ts: set[int]
    frame: int


@dataclass(slots=True)
class _Arrival:
    """One datagram, seen outside of the NAT, inside of it, or both."""

    first: Datagram
    inside: Datagram | None = None

    @property
    def frames(self) -> list[int]:
        inside = self.inside.frames if self.inside else []
        return sorted({*self.first.frames, *inside})


@dataclass(slots=True)
class _Group:
    """All arrivals with one payload."""

    parsed: Parsed
    arrivals: list[_Arrival] = field(default_factory=list)
    # Seen on one side of a NAT so far, by source, CPE and whether it was inside.
    waiting: dict[tuple[Address, str, bool], deque[_Arrival]] = field(default_factory=dict)

    @property
    def frames(self) -> list[int]:
        return sorted({number for arrival in self.arrivals for number in arrival.frames})


def tell(
    story: Story,
    datagrams: list[Datagram],
    filters: Filters,
    given: Credentials,
) -> None:
    """Add one step and one UdpRequest per arrival. `datagrams`: those that are not STUN."""
    owners = _Owners(story.cpes)
    candidates = [datagram for datagram in datagrams if _concerns(owners, datagram)]
    groups: dict[bytes, _Group] = {}
    arrivals: list[tuple[_Arrival, _Group]] = []
    for datagram in candidates:
        group = groups.get(datagram.payload)
        if group is None:
            parsed = udp_request.parse(datagram.payload, datagram.cut)
            if given.password is not None:
                udp_request.signature(parsed, given.password, given.username)
            else:
                parsed.add("UCR-11", "unchecked", "signature not checked: give --password")
            group = groups[datagram.payload] = _Group(parsed)
        known = len(group.arrivals)
        _arrive(owners, group, datagram)
        arrivals += [(arrival, group) for arrival in group.arrivals[known:]]
    judge = _Judge(story, owners, filters, given, datagrams)
    for arrival, group in arrivals:
        judge.arrival(arrival, group)


class _Owners:
    """Which CPE an address belongs to, at a time: NATs give a port to one after another."""

    def __init__(self, cpes: list[Cpe]) -> None:
        self._cpes: dict[Address, list[Cpe]] = {}
        for cpe in cpes:
            for address in {*cpe.sources, *(public for _, public in cpe.mapped)}:
                self._cpes.setdefault(address, []).append(cpe)

    def of(self, address: Address, time_ns: int) -> Cpe | None:
        known = self._cpes.get(address, [])
        current = (cpe for cpe in known if cpe.mapped_at(time_ns) == address)
        return next(current, known[0] if known else None)


def _concerns(owners: _Owners, datagram: Datagram) -> bool:
    """A Connection Request on any port, or any text sent to a CPE's primary port."""
    if datagram.dst[0].startswith(_MULTICAST):
        return False
    to_cpe = owners.of(datagram.dst, datagram.time_ns) is not None
    return to_cpe or udp_request.looks_like(datagram.payload)


def _arrive(owners: _Owners, group: _Group, datagram: Datagram) -> None:
    """Take a datagram as a new arrival, or as the other side's view of a known one."""
    cpe = owners.of(datagram.dst, datagram.time_ns)
    inside = bool(cpe and cpe.local == datagram.dst)
    name = cpe.name if cpe else ""
    source = cpe.known_as(datagram.src) if cpe else datagram.src
    other_side = group.waiting.get((source, name, not inside), deque())
    longest = _THROUGH_NAT_NS if inside else _CLOCK_SKEW_NS
    while other_side and datagram.time_ns - other_side[0].first.time_ns >= longest:
        other_side.popleft()
    if cpe and other_side:
        arrival = other_side.popleft()
        if inside:
            arrival.inside = datagram
        else:
            arrival.first, arrival.inside = datagram, arrival.first
        return
    arrival = _Arrival(datagram)
    group.arrivals.append(arrival)
    if cpe:
        group.waiting.setdefault((source, name, inside), deque()).append(arrival)


class _Judge:
    def __init__(
        self,
        story: Story,
        owners: _Owners,
        filters: Filters,
        given: Credentials,
        datagrams: list[Datagram],
    ) -> None:
        self.story = story
        self.owners = owners
        self.filters = filters
        self.given = given
        self.fresh: dict[str, _Fresh] = {}
        self.copies: dict[tuple[str, bytes], int] = {}
        self.sent: dict[tuple[Address, Address], list[Datagram]] = {}
        for datagram in datagrams:
            self.sent.setdefault((datagram.src, datagram.dst), []).append(datagram)

    def arrival(self, arrival: _Arrival, group: _Group) -> None:
        datagram = arrival.first
        cpe = self.owners.of(datagram.dst, datagram.time_ns)
        name = cpe.name if cpe else shown(datagram.dst)
        key = name, datagram.payload
        self.copies[key] = self.copies.get(key, 0) + 1
        checks = [*group.parsed.checks, *self._path_checks(arrival, cpe)]
        lost = bool(cpe and cpe.both_sides and not arrival.inside and datagram.dst != cpe.local)
        verdict, reason = self._verdict(name, group.parsed, datagram.frame, lost)
        if verdict in ("stale", "duplicate"):
            checks.append(Check("UCR-20", "note", reason))
        request = UdpRequest(
            datagram.time_ns,
            name,
            datagram.src,
            datagram.dst,
            arrival.inside.dst if arrival.inside else None,
            verdict,
            reason,
            group.parsed.number("ts"),
            group.parsed.number("id"),
            _username(group.parsed),
            self.copies[key],
            sorted(checks, key=lambda check: check.id),
            arrival.frames,
        )
        self.story.requests.append(request)
        self._step(request, group)

    def _verdict(self, cpe: str, parsed: Parsed, frame: int, lost: bool) -> tuple[Verdict, str]:
        wrong = [check for check in parsed.checks if check.mark == "wrong"]
        forged = [check for check in wrong if check.id in ("UCR-11", "UCR-14", "UCR-15")]
        if len(wrong) > len(forged):
            shape = next(check for check in wrong if check not in forged)
            return "malformed", f"{shape.text} ({shape.id})"
        if lost:
            return "lost", "seen outside the NAT, never inside: no binding there, or filtered"
        ts, number = parsed.number("ts"), parsed.number("id")
        if forged:
            return "forged", f"{forged[0].text} ({forged[0].id})"
        if ts is None or number is None:
            return "malformed", "no ts or id (UCR-03)"
        known = self.fresh.get(cpe)
        unsure = "" if self.given.password is not None else ", if that one was genuine"
        if known is None or (ts > known.ts and number != known.id):
            self.fresh[cpe] = _Fresh(ts, number, {number}, frame)
        elif ts == known.ts and number in known.ids_at_ts:
            return "duplicate", f"ts and id as in frame {known.frame} (UCR-20, UCR-22){unsure}"
        elif ts == known.ts:
            known.ids_at_ts.add(number)
            known.id, known.frame = number, frame
        elif ts < known.ts:
            return "stale", f"ts {ts} is older than {known.ts} of frame {known.frame}{unsure}"
        else:
            return "stale", f"id {number} equals that of frame {known.frame}{unsure}"
        if self.given.password is None:
            return "unverified", "well formed and fresh; signature not checked"
        if self.given.username is None:
            return "accepted", "signature right and fresh; un not compared"
        return "accepted", "every check passed"

    def _path_checks(self, arrival: _Arrival, cpe: Cpe | None) -> list[Check]:
        """Where it came from, where it went, and that nothing answered it (UCR-10)."""
        datagram = arrival.first
        checks = []
        if cpe and cpe.server and cpe.known_as(datagram.src) != cpe.server:
            text = f"not from the STUN server {shown(cpe.server)}: a filtering NAT drops it"
            checks.append(Check("UCR-31", "note", text))
        if cpe and not arrival.inside:
            current = cpe.mapped_at(datagram.time_ns)
            if current and datagram.dst not in (current, cpe.local):
                text = f"sent to {shown(datagram.dst)}, but the binding is {shown(current)}"
                checks.append(Check("STUN-12", "note", text))
        for target in [datagram] + ([arrival.inside] if arrival.inside else []):
            if self._answered(target):
                checks.append(Check("UCR-10", "wrong", "somebody answered it by UDP"))
                break
        return checks

    def _answered(self, datagram: Datagram) -> bool:
        replies = self.sent.get((datagram.dst, datagram.src), [])
        return any(0 < reply.time_ns - datagram.time_ns < _REPLY_NS for reply in replies)

    def _step(self, request: UdpRequest, group: _Group) -> None:
        copy = f", copy {request.copy}" if request.copy > 1 else ""
        inside = f" (inside {shown(request.inside_target)})" if request.inside_target else ""
        text = (
            f"UDP Connection Request {shown(request.source)} to {shown(request.target)}{inside}"
            f"{copy}: {request.verdict}: {request.reason}"
        )
        first = request.copy == 1
        mark = worst(request.checks) if request.verdict in ("accepted", "unverified") else "note"
        if request.verdict in ("forged", "malformed", "lost"):
            mark = "wrong"
        elif mark == "lenient":
            mark = "ok"
        # The first arrival's filter selects all copies; the others only name their frames.
        checks = request.checks if first else [c for c in request.checks if c.id == "UCR-20"]
        frames = group.frames if first else request.frames
        where = self.filters.datagram(group.parsed.raw, frames) if first else None
        fold = f"{request.verdict} {request.source} {request.target} {request.reason}"
        repeats = request.verdict in ("duplicate", "forged", "malformed")
        self.story.steps.append(
            Step(
                request.time_ns,
                "request",
                mark,
                text,
                checks,
                frames,
                where,
                fold if repeats else None,
            )
        )


def _username(parsed: Parsed) -> str | None:
    value = parsed.fields.get("un")
    return None if value is None else value.decode("utf-8", "replace")
