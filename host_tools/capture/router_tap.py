"""RouterTap: what crosses a router of this machine, seen on both its sides, into a `Recorder`."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType

from host_tools.capture.recorder import Recorder

_ETH_P_ALL = 0x0003  # with any other number a socket hears only what comes in
_ETH_P_IP = 0x0800
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_BUFFER = 4 << 20  # bytes; the loop may be busy with something else for a while
_LONGEST = 65535


class RouterTap:
    """`home` is entered where the router is (`Namespace.entered`); needs the right to see packets.

    `udp` and `tcp`: network device -> interface of the recorder, for packets of either kind; what
    is in neither is not recorded. One socket hears all devices, so their packets are in order.
    """

    def __init__(
        self,
        home: AbstractContextManager[None],
        recorder: Recorder,
        *,
        udp: Mapping[str, str],
        tcp: Mapping[str, str],
    ) -> None:
        self._recorder = recorder
        self._names = {socket.IPPROTO_UDP: udp, socket.IPPROTO_TCP: tcp}
        with home:
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL)
            )
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        with contextlib.suppress(OSError):  # without the right to it the usual size has to do
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)

    async def __aenter__(self) -> "RouterTap":
        asyncio.get_running_loop().add_reader(self._socket, self._readable)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        while self._readable():
            pass
        self._socket.close()

    def _readable(self) -> bool:
        """Record what has come; False when nothing had."""
        for count in range(64):
            try:
                data, more, _, address = self._socket.recvmsg(_LONGEST, 64)
            except (BlockingIOError, InterruptedError):
                return count > 0
            device, kind = address[:2]
            if kind == _ETH_P_IP and len(data) >= 20 and device in self._names.get(data[9], {}):
                self._recorder.packet(data, _time_ns(more), self._names[data[9]][device])
        return True


def _time_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """When the kernel had the packet, in nanoseconds since 1970."""
    ((_, _, stamp),) = ancillary
    seconds, nanoseconds = struct.unpack("@ll", stamp)
    return int(seconds * 1_000_000_000 + nanoseconds)
