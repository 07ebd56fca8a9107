"""Read a capture: UDP datagrams, TCP segments and remarks on what could not be read."""

import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import dpkt

from host_tools.capture import link
from host_tools.capture.container import CaptureFile, Frame
from host_tools.capture.packets import Address

_TCP, _UDP = 6, 17
_SAME_PACKET_NS = 50_000_000  # one packet seen on two interfaces of one machine
_MAX_REASSEMBLIES = 1024


@dataclass(slots=True)
class Datagram:
    """One UDP datagram; `also` lists frames that show the same packet on another interface."""

    frame: int
    time_ns: int
    interface: str | None
    src: Address
    dst: Address
    payload: bytes
    cut: bool = False  # the capture holds only the start of it
    comment: str | None = None
    also: list[int] = field(default_factory=list)
    seen_on: set[str | None] = field(default_factory=set)

    @property
    def frames(self) -> list[int]:
        return sorted([self.frame, *self.also])


@dataclass(slots=True)
class Segment:
    """One TCP segment; `length` counts payload on the wire, cut or not."""

    frame: int
    time_ns: int
    interface: str | None
    src: Address
    dst: Address
    seq: int
    ack: int
    flags: int
    payload: bytes
    length: int


@dataclass(slots=True)
class Capture:
    """What a file holds, in file order."""

    path: Path
    frames: int = 0
    first_ns: int = 0
    last_ns: int = 0
    interfaces: list[str] = field(default_factory=list)
    datagrams: list[Datagram] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(path: str | Path) -> Capture:
    """Read a pcap or pcapng file. UserError: unreadable, empty, no capture."""
    return _Reader(Path(path)).run()


class _Reader:
    def __init__(self, path: Path) -> None:
        self.capture = Capture(path)
        self.skipped: Counter[str] = Counter()
        self.cut_frames: list[int] = []
        self.fragments: dict[tuple[bytes, bytes, int, int], list[tuple[int, bytes, bool]]] = {}
        self.reassembled = 0
        self.twice = 0
        self.recent: dict[tuple[Address, Address, int, bytes], list[Datagram]] = {}

    def run(self) -> Capture:
        file = CaptureFile(self.capture.path)
        times: list[int] = []
        names: dict[str, None] = {}
        for frame in file:
            self.capture.frames += 1
            if frame.time_ns:
                times.append(frame.time_ns)
            if frame.interface:
                names[frame.interface] = None
            try:
                packet, interface = link.ipv4(frame)
            except link.Unreadable as reason:
                self.skipped[str(reason)] += 1
                continue
            self._packet(frame, interface, packet)
        self.capture.interfaces = list(names)
        self.capture.first_ns = min(times, default=0)
        self.capture.last_ns = max(times, default=0)
        self.capture.notes = file.notes + self._notes()
        return self.capture

    def _packet(self, frame: Frame, interface: str | None, packet: bytes) -> None:
        if len(packet) < 20 or packet[0] >> 4 != 4:
            self.skipped["damaged IPv4 header"] += 1
            return
        if packet[9] not in (_TCP, _UDP):
            self.skipped["neither UDP nor TCP"] += 1
            return
        try:
            ip = dpkt.ip.IP(packet)
        except (dpkt.UnpackError, ValueError):
            self.skipped["damaged IPv4 header"] += 1
            return
        start = ip.hl * 4
        length = ip.len or len(packet)  # 0: segmentation was left to the network card
        body = packet[start:length]
        missing = max(0, length - len(packet))
        if missing:
            self.cut_frames.append(frame.number)
        if ip.mf or ip.offset:
            if missing:
                self.skipped["fragment cut by the capture"] += 1
                return
            whole = self._defragment(frame.number, ip, body)
            if whole is None:
                return
            body = whole
        ends = str(ipaddress.IPv4Address(ip.src)), str(ipaddress.IPv4Address(ip.dst))
        try:
            if ip.p == _UDP:
                self._udp(frame, interface, ends, body, ip.id, missing)
            else:
                self._tcp(frame, interface, ends, body, missing)
        except (dpkt.UnpackError, ValueError):
            self.skipped["damaged UDP or TCP header"] += 1

    def _udp(
        self,
        frame: Frame,
        interface: str | None,
        ends: tuple[str, str],
        body: bytes,
        identification: int,
        missing: int,
    ) -> None:
        udp = dpkt.udp.UDP(body)
        payload = bytes(udp.data)
        if udp.ulen >= 8:
            payload = payload[: udp.ulen - 8]
        src, dst = (ends[0], udp.sport), (ends[1], udp.dport)
        datagram = Datagram(
            frame.number,
            frame.time_ns,
            interface,
            src,
            dst,
            payload,
            bool(missing),
            frame.comment,
            seen_on={interface},
        )
        key = src, dst, identification, payload
        known = [
            other
            for other in self.recent.get(key, ())
            if abs(frame.time_ns - other.time_ns) < _SAME_PACKET_NS
        ]
        for other in known:
            same_interface = interface in other.seen_on
            if not same_interface or (identification and frame.linktype == 113):
                other.also.append(frame.number)
                other.seen_on.add(interface)
                self.twice += 1
                return
        self.recent[key] = [*known, datagram]
        self.capture.datagrams.append(datagram)

    def _tcp(
        self,
        frame: Frame,
        interface: str | None,
        ends: tuple[str, str],
        body: bytes,
        missing: int,
    ) -> None:
        tcp = dpkt.tcp.TCP(body)
        payload = bytes(tcp.data)
        self.capture.segments.append(
            Segment(
                frame.number,
                frame.time_ns,
                interface,
                (ends[0], tcp.sport),
                (ends[1], tcp.dport),
                tcp.seq,
                tcp.ack,
                tcp.flags,
                payload,
                len(payload) + missing,
            )
        )

    def _defragment(self, number: int, ip: dpkt.ip.IP, body: bytes) -> bytes | None:
        """The whole IP payload once every fragment is there, else None."""
        key = (ip.src, ip.dst, ip.id, ip.p)
        if key not in self.fragments and len(self.fragments) >= _MAX_REASSEMBLIES:
            self.skipped["fragment (too many at once)"] += 1
            return None
        parts = self.fragments.setdefault(key, [])
        parts.append((ip.offset * 8, body, bool(ip.mf)))
        whole = bytearray()
        for offset, part, more in sorted(parts, key=lambda entry: entry[0]):
            if offset > len(whole):
                return None
            whole[offset : offset + len(part)] = part
            if not more:
                del self.fragments[key]
                self.reassembled += 1
                return bytes(whole)
        return None

    def _notes(self) -> list[str]:
        notes = []
        if self.capture.frames == 0:
            notes.append("the file holds no packets")
        if self.reassembled:
            notes.append(f"{self.reassembled} fragmented IPv4 packets were put together")
        for (src, dst, identification, protocol), parts in list(self.fragments.items())[:10]:
            ends = f"{ipaddress.IPv4Address(src)} to {ipaddress.IPv4Address(dst)}"
            kind = "UDP" if protocol == _UDP else "TCP"
            notes.append(
                f"an IPv4 packet in fragments is incomplete ({kind}, {ends}, "
                f"id 0x{identification:04x}, {len(parts)} seen): not explained"
            )
        if self.cut_frames:
            notes.append(
                f"{len(self.cut_frames)} packets were cut by the capture's snap length "
                f"(first: frame {self.cut_frames[0]}): capture again with -s 0"
            )
        if self.twice:
            notes.append(f"{self.twice} datagrams were seen on two interfaces: counted once")
        for reason, count in sorted(self.skipped.items()):
            notes.append(f"{count} packets skipped: {reason}")
        return notes
