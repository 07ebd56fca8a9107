"""The way from a board that speaks IP to this machine's network, by ordinary sockets.

The kernel in a `Room` speaks the board's TCP and UDP; this side joins each flow to a socket of the
host, as QEMU's own user networking does. It needs no rights in the host's network and leaves
nothing there.

The board finds this machine's loopback at LOOPBACK_ALIAS: 198.18.x.y is 127.0.x.y. Its datagrams
leave from the port that they left the board from, if that is free, so that the host sees the
board at 127.0.0.1 and the port it listens on, and reaches it there. Any other address is itself.
"""

import errno
import os
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol, TypeVar

from host_tools.lab.splice import Splice

LOOPBACK_ALIAS = "198.18.0.1"  # 198.18.0.0/15 is for benchmarks: nobody's network
BOARD = "198.18.127.2"
FLOWS = 256  # sockets of a kind that are kept; the one unused longest goes
_TCP, _UDP = 6, 17
_SYN, _ACK = 0x02, 0x10

Address = tuple[str, int]
K = TypeVar("K")


def real(address: str) -> str:
    """What the board calls `address`, as the host knows it."""
    return "127.0." + address[7:] if address.startswith("198.18.") else address


def alias(address: str) -> str:
    """The reverse: loopback addresses as the board may call them."""
    if not address.startswith("127."):
        return address
    return "198.18." + address[6:] if address.startswith("127.0.") else LOOPBACK_ALIAS


class Rooms(Protocol):
    """What a `tun.Room` is to this module."""

    tun: int

    def socket(self, kind: str, host: str, port: int) -> socket.socket: ...


class SocketNat:
    """`send`: takes the packets for the board. Its owner selects on `readable` and `writable`
    and calls `serve`; `packet` takes what the board sent.
    """

    def __init__(self, room: Rooms, send: Callable[[bytes], object]) -> None:
        self._room = room
        self._send = send
        # Inside: one socket for each address that the board talks to. Outside: one for each port
        # of the board, towards loopback or the rest of the world.
        self._inside: OrderedDict[Address, socket.socket] = OrderedDict()
        self._outside: OrderedDict[tuple[int, bool], socket.socket] = OrderedDict()
        self._calling: dict[tuple[int, Address], tuple[socket.socket, bytes]] = {}
        self._called: dict[tuple[int, Address], socket.socket] = {}
        self._listening: dict[Address, socket.socket] = {}
        self._spliced: list[Splice] = []

    def close(self) -> None:
        """Forget every flow, as when the board loses its power."""
        for group in (self._inside, self._outside, self._called, self._listening):
            for one in group.values():
                one.close()
            group.clear()
        for caller, _ in self._calling.values():
            caller.close()
        self._calling.clear()
        for splice in self._spliced:
            splice.abort()
        self._spliced.clear()

    # --- from the board

    def packet(self, packet: bytes) -> None:
        """Open the doors that the packet needs, then hand it to the kernel in the room."""
        head = _flow(packet)
        if head is not None:
            protocol, port, to, flags = head
            try:
                if protocol == _UDP:
                    self._open_udp(port, to)
                elif flags & (_SYN | _ACK) == _SYN and not self._call(port, to, packet):
                    return  # it waits for the host's answer
            except OSError:
                return  # as if lost
        self._inject(packet)

    def _inject(self, packet: bytes) -> None:
        try:
            os.write(self._room.tun, packet)
        except OSError:
            pass  # not a packet that the kernel takes: lost

    def _open_udp(self, port: int, to: Address) -> None:
        self._inner(to)
        local = real(to[0]).startswith("127.")
        if (port, local) not in self._outside:
            outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            outside.setblocking(False)
            host = "127.0.0.1" if local else ""
            try:
                outside.bind((host, port))
            except OSError:
                outside.bind((host, 0))
            _keep(self._outside, (port, local), outside)
        self._outside.move_to_end((port, local))

    def _inner(self, to: Address) -> socket.socket:
        if to not in self._inside:
            _keep(self._inside, to, self._room.socket("udp", *to))
        self._inside.move_to_end(to)
        return self._inside[to]

    def _call(self, port: int, to: Address, packet: bytes) -> bool:
        """A SYN: call the host first, so that the board is refused when the host refuses. Return
        whether the SYN may pass now.
        """
        key = (port, to)
        if key in self._calling:
            return False  # sent again
        if key in self._called:
            return True
        caller = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        caller.setblocking(False)
        error = caller.connect_ex((real(to[0]), to[1]))
        if error not in (0, errno.EINPROGRESS):
            caller.close()
            return error == errno.ECONNREFUSED
        self._calling[key] = (caller, packet)
        return False

    # --- from the host, and from the kernel in the room

    def readable(self) -> list[int]:
        sockets = [*self._inside.values(), *self._outside.values(), *self._listening.values()]
        wanted = [self._room.tun, *(one.fileno() for one in sockets)]
        for splice in self._spliced:
            wanted += splice.readable()
        return wanted

    def writable(self) -> list[int]:
        wanted = [caller.fileno() for caller, _ in self._calling.values()]
        for splice in self._spliced:
            wanted += splice.writable()
        return wanted

    def serve(self, readable: set[int], writable: set[int]) -> None:
        """Do what the descriptors found ready allow."""
        for splice in self._spliced:
            splice.serve(readable, writable)
        self._spliced = [splice for splice in self._spliced if not splice.done]
        for to, listener in list(self._listening.items()):
            if listener.fileno() in readable:
                self._accept(to, listener)
        for key, (caller, syn) in list(self._calling.items()):
            if caller.fileno() in writable:
                self._answered(key, caller, syn)
        for to, inside in list(self._inside.items()):
            if inside.fileno() in readable:
                self._outwards(to, inside)
        for (port, _), outside in list(self._outside.items()):
            if outside.fileno() in readable:
                self._inwards(port, outside)
        if self._room.tun in readable:
            self._from_kernel()

    def _from_kernel(self) -> None:
        try:
            for _ in range(32):
                self._send(os.read(self._room.tun, 65536))
        except BlockingIOError:
            pass

    def _outwards(self, to: Address, inside: socket.socket) -> None:
        try:
            data, (_, port) = inside.recvfrom(65536)
            outside = self._outside.get((port, real(to[0]).startswith("127.")))
            if outside is not None:
                outside.sendto(data, (real(to[0]), to[1]))
        except OSError:
            pass  # as a network loses things

    def _inwards(self, port: int, outside: socket.socket) -> None:
        try:
            data, (host, source) = outside.recvfrom(65536)
            self._inner((alias(host), source)).sendto(data, (BOARD, port))
        except OSError:
            pass

    def _answered(self, key: tuple[int, Address], caller: socket.socket, syn: bytes) -> None:
        del self._calling[key]
        error = caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            caller.close()
            if error == errno.ECONNREFUSED:
                self._inject(syn)  # nobody listens in the room either: the kernel says so
            return
        to = key[1]
        try:
            if to not in self._listening:
                self._listening[to] = self._room.socket("tcp", *to)
        except OSError:
            caller.close()
            return
        self._called[key] = caller
        self._inject(syn)

    def _accept(self, to: Address, listener: socket.socket) -> None:
        try:
            inside, (_, port) = listener.accept()
        except OSError:
            return
        outside = self._called.pop((port, to), None)
        if not any(other == to for _, other in self._called):
            self._listening.pop(to).close()
        if outside is None:
            inside.close()
            return
        inside.setblocking(False)
        self._spliced.append(Splice(inside, outside))


def _keep(kept: "OrderedDict[K, socket.socket]", key: K, one: socket.socket) -> None:
    kept[key] = one
    if len(kept) > FLOWS:
        kept.popitem(last=False)[1].close()


def _flow(packet: bytes) -> tuple[int, int, Address, int] | None:
    """Protocol, source port, destination and TCP flags; None when it is neither TCP nor UDP, or a
    later fragment.
    """
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return None
    at = (packet[0] & 15) * 4
    protocol = packet[9]
    if struct.unpack_from("!H", packet, 6)[0] & 0x1FFF or protocol not in (_TCP, _UDP):
        return None
    if at < 20 or len(packet) < at + (20 if protocol == _TCP else 8):
        return None
    source, port = struct.unpack_from("!HH", packet, at)
    flags = packet[at + 13] if protocol == _TCP else 0
    return protocol, source, (socket.inet_ntoa(packet[16:20]), port), flags
