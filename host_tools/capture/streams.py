"""TCP reassembly: segments of a capture to connections with readable byte runs."""

from bisect import bisect_right
from dataclasses import dataclass, field

from host_tools.capture.packets import ACK, FIN, RST, SYN, Address
from host_tools.capture.read import Segment

_METHODS = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"CONNECT ", b"DELETE ")
_WRAP = 1 << 32


@dataclass(slots=True)
class Run:
    """Bytes without a hole. `starts`, `frames`, `times`: one entry per piece, rising offsets."""

    start: int  # offset in the direction's stream; the first byte after SYN is 0
    data: bytearray = field(default_factory=bytearray)
    starts: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    after_gap: int = 0  # bytes missing in front of it

    def time_at(self, offset: int) -> int:
        """When the byte at this offset of `data` was seen."""
        return self.times[max(0, bisect_right(self.starts, offset) - 1)]


@dataclass(slots=True)
class Direction:
    """One direction of a connection."""

    src: Address
    dst: Address
    segments: list[Segment] = field(default_factory=list)
    base: int | None = None  # sequence number of stream offset 0
    synced: bool = False  # base comes from a SYN: nothing real lies before it
    retransmitted: int = 0
    out_of_order: int = 0
    missing: int = 0
    runs: list[Run] = field(default_factory=list)

    def offset(self, segment: Segment) -> int:
        """Stream offset of a segment's first byte (may be negative for a stray one)."""
        seq = segment.seq + (1 if segment.flags & SYN else 0)
        distance = (seq - (self.base or 0)) % _WRAP
        return distance - _WRAP if distance >= _WRAP // 2 else distance

    def frames(self, start: int, end: int) -> list[int]:
        """Frames whose first payload byte lies in [start, end), retransmissions included; if
        there is none, the frames that hold any of these bytes."""
        placed = [(self.offset(segment), segment) for segment in self.segments if segment.length]
        starting = [segment.frame for at, segment in placed if start <= at < end]
        if starting:
            return sorted(starting)
        return sorted(
            segment.frame for at, segment in placed if at < end and start < at + segment.length
        )

    def assemble(self) -> None:
        if self.base is None:
            data = [segment for segment in self.segments if segment.length]
            self.base = data[0].seq if data else 0
        highest: int | None = None
        pieces: list[tuple[int, int, Segment]] = []
        seen: set[tuple[int, int]] = set()
        for index, segment in enumerate(self.segments):
            if not segment.length:
                continue
            offset = self.offset(segment)
            if highest is not None and offset < highest:
                repeated = (offset, segment.length) in seen
                self.retransmitted += repeated
                self.out_of_order += not repeated
            highest = max(highest or 0, offset + segment.length)
            seen.add((offset, segment.length))
            pieces.append((offset, index, segment))
        for offset, _, segment in sorted(pieces, key=lambda piece: piece[:2]):
            self._add(offset, segment)

    def _add(self, offset: int, segment: Segment) -> None:
        run = self.runs[-1] if self.runs else None
        end = run.start + len(run.data) if run else offset
        payload = segment.payload
        if offset < 0 and self.synced:  # a keepalive probe before the first byte
            payload = payload[-offset:]
            offset = end = max(0, end)
            if not payload:
                return
        if run is None or offset > end:
            gap = offset - end if run else max(0, offset)
            self.missing += gap
            run = Run(offset, after_gap=gap)
            self.runs.append(run)
        else:
            payload = payload[end - offset :]  # what is already there came first
        if payload:
            run.starts.append(len(run.data))
            run.times.append(segment.time_ns)
            run.data += payload


@dataclass(slots=True)
class Connection:
    """One TCP connection as far as the file shows it."""

    index: int
    client: Address
    server: Address
    interface: str | None
    to_server: Direction
    to_client: Direction
    handshake: bool = False
    ends: list[tuple[str, int, str]] = field(default_factory=list)  # FIN/RST, ns, who

    @property
    def segments(self) -> list[Segment]:
        both = self.to_server.segments + self.to_client.segments
        return sorted(both, key=lambda segment: segment.frame)

    @property
    def opened_ns(self) -> int:
        return min(segment.time_ns for segment in self.segments)

    @property
    def reset(self) -> bool:
        return any(kind == "RST" for kind, _, _ in self.ends)


def connections(segments: list[Segment]) -> list[Connection]:
    """Sort segments into connections and put their bytes in order."""
    open_now: dict[frozenset[Address], Connection] = {}
    found: list[Connection] = []
    for segment in segments:
        key = frozenset((segment.src, segment.dst))
        connection = open_now.get(key)
        opening = segment.flags & SYN and not segment.flags & ACK
        if connection is None or (opening and _is_new(connection, segment)):
            connection = Connection(
                len(found),
                segment.src,
                segment.dst,
                segment.interface,
                Direction(segment.src, segment.dst),
                Direction(segment.dst, segment.src),
                bool(opening),
            )
            found.append(connection)
            open_now[key] = connection
        _take(connection, segment)
    for connection in found:
        _orient(connection)
        connection.to_server.assemble()
        connection.to_client.assemble()
    return found


def _is_new(connection: Connection, segment: Segment) -> bool:
    """A SYN opens a new connection of the same addresses unless it is a repeated one."""
    direction = connection.to_server
    if segment.src != direction.src:
        direction = connection.to_client
    return direction.base is None or direction.base != (segment.seq + 1) % _WRAP


def _take(connection: Connection, segment: Segment) -> None:
    forward = segment.src == connection.to_server.src
    direction = connection.to_server if forward else connection.to_client
    direction.segments.append(segment)
    if segment.flags & SYN:
        direction.base = (segment.seq + 1) % _WRAP
        direction.synced = True
    for flag, name in ((FIN, "FIN"), (RST, "RST")):
        if segment.flags & flag:
            connection.ends.append((name, segment.time_ns, segment.src[0]))


def _orient(connection: Connection) -> None:
    """Without a handshake, the side that asks is the client; without that, the higher port."""
    if connection.handshake:
        return
    first = connection.segments[0]
    if first.flags & SYN:  # a SYN-ACK: its sender is the server
        swap = first.src == connection.to_server.src
    elif any(_asks(segment) for segment in connection.to_client.segments):
        swap = True
    elif any(_asks(segment) for segment in connection.to_server.segments):
        swap = False
    else:
        swap = connection.client[1] < connection.server[1]
    if swap:
        connection.client, connection.server = connection.server, connection.client
        connection.to_server, connection.to_client = connection.to_client, connection.to_server


def _asks(segment: Segment) -> bool:
    return any(segment.payload.startswith(method) for method in _METHODS)
