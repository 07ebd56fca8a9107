"""How a board in QEMU is on the network: PPP over its UART2, or Wi-Fi.

A `Line` takes IPv4 packets for the board and gives those that it sends. What it reads and waits
for its owner selects on; it knows no clock but the one it is given.
"""

import contextlib
import os
import pty
import select
import socket
import termios
import tty
from abc import ABC, abstractmethod
from collections import deque

from host_tools.lab.ether import EtherPeer
from host_tools.lab.ppp import PppPeer

LINE_LIMIT = 65536  # bytes that wait for a UART nobody reads; what comes then is lost
FRAME = 2048  # more than a frame has
BURST = 64  # frames that are read at once, and frames that wait
WIFI = "esp32_wifi"  # QEMU's device


class Uart:
    """One UART: `fd` is our end of a PTY, QEMU opens `path`."""

    def __init__(self) -> None:
        self.fd, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        os.set_blocking(self.fd, False)
        self.waiting = bytearray()

    def read(self) -> bytes:
        try:
            return os.read(self.fd, 65536)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        if len(self.waiting) < LINE_LIMIT:
            self.waiting += data
        self.feed()

    def feed(self) -> None:
        if self.waiting:
            with contextlib.suppress(BlockingIOError):
                del self.waiting[: os.write(self.fd, self.waiting[:4096])]

    def clear(self) -> None:
        """Forget what is under way, both ways."""
        self.waiting.clear()
        termios.tcflush(self._slave, termios.TCIOFLUSH)
        termios.tcflush(self.fd, termios.TCIOFLUSH)


class Line(ABC):
    """`fd`: to be read when there is something, by `receive`."""

    fd: int
    state: str  # for people

    @property
    @abstractmethod
    def words(self) -> list[str]:
        """Options for QEMU; descriptors of `inherited` are in them by their numbers."""

    inherited: tuple[int, ...] = ()
    deadline: float | None = None

    @property
    def full(self) -> bool:
        """Whether something waits until `fd` can be written: then `tick`."""
        return False

    @abstractmethod
    def begin(self) -> None:
        """The board is powered up: nothing is left of before."""

    @abstractmethod
    def receive(self, now: float) -> list[bytes]:
        """Return the packets that the board sent."""

    @abstractmethod
    def send(self, packet: bytes) -> None:
        """Let the board have a packet; lost where a network would lose it."""

    def tick(self, now: float) -> None:  # noqa: B027 - most lines have no clock
        """Do what is due."""

    def connect(self, up: bool, now: float) -> None:
        """Somebody pulled the plug, or put it back."""
        raise OSError("this line has no plug")


class PppLine(Line):
    """A modem in data mode at UART2."""

    def __init__(self, ours: str, theirs: str, dns: str | None) -> None:
        self._uart = Uart()
        self.fd = self._uart.fd
        self._ends = ours, theirs, dns
        self._peer = self._new_peer()
        self._linked = True

    def _new_peer(self) -> PppPeer:
        ours, theirs, dns = self._ends
        return PppPeer(ours, theirs, dns=dns)

    @property
    def words(self) -> list[str]:
        return ["-chardev", f"serial,id=uart2,path={self._uart.path}", "-serial", "chardev:uart2"]

    @property
    def state(self) -> str:  # type: ignore[override]
        return self._peer.state

    @property
    def deadline(self) -> float | None:  # type: ignore[override]
        return self._peer.deadline

    @property
    def full(self) -> bool:
        return bool(self._uart.waiting)

    def begin(self) -> None:
        self._uart.clear()
        self._peer = self._new_peer()

    def receive(self, now: float) -> list[bytes]:
        data = self._uart.read()
        return self._peer.receive(data, now) if self._linked else []

    def send(self, packet: bytes) -> None:
        self._peer.send(packet)

    def tick(self, now: float) -> None:
        self._peer.tick(now)
        self._uart.write(self._peer.take())

    def connect(self, up: bool, now: float) -> None:
        if up:
            self._peer = self._new_peer()
        else:  # a modem that hangs up, and does not answer any more
            self._peer.close(now)
        self._linked = up


class WlanLine(Line):
    """An access point: QEMU's part of it, joined to a neighbour who is the whole network."""

    def __init__(self, ours: str, theirs: str, dns: str | None) -> None:
        self._ends = ours, theirs, dns
        self._here, self._there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._here.setblocking(False)
        self._there.setblocking(False)
        self.fd = self._here.fileno()
        self.inherited = (self._there.fileno(),)
        self._waiting: deque[bytes] = deque(maxlen=BURST)
        self.begin()

    @property
    def words(self) -> list[str]:
        air = f"dgram,id=air,local.type=fd,local.str={self.inherited[0]}"
        return ["-netdev", air, "-net", f"nic,model={WIFI},netdev=air"]

    @property
    def state(self) -> str:  # type: ignore[override]
        return self._peer.state

    @property
    def full(self) -> bool:
        return bool(self._waiting)

    def begin(self) -> None:
        ours, theirs, dns = self._ends
        self._peer = EtherPeer(ours, theirs, dns=dns)
        self._waiting.clear()
        for end in (self._here, self._there):
            while select.select([end], [], [], 0)[0]:
                end.recv(FRAME)

    def receive(self, now: float) -> list[bytes]:
        packets = []
        for _ in range(BURST):
            try:
                packet = self._peer.receive(self._here.recv(FRAME))
            except BlockingIOError:
                break
            if packet:
                packets.append(packet)
        return packets

    def send(self, packet: bytes) -> None:
        self._peer.send(packet)

    def tick(self, now: float) -> None:
        self._waiting.extend(self._peer.take())
        with contextlib.suppress(BlockingIOError):
            while self._waiting:
                self._here.send(self._waiting[0])
                self._waiting.popleft()


LINES: dict[str, type[PppLine] | type[WlanLine]] = {"ppp": PppLine, "wlan": WlanLine}
