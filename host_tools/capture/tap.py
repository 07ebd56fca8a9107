"""TcpTap: a TCP relay in front of a server that records both directions and can be cut."""

import asyncio
import socket
import struct
from types import TracebackType

from host_tools.capture.packets import Address
from host_tools.capture.recorder import Recorder, TcpRecord

_LINGER_RESET = struct.pack("ii", 1, 0)


class TcpTap:
    """Relays `listen` to `target`; every byte is recorded before it is passed on.

    `address` is where it listens once started (port 0 in `listen`: any free one).
    `connections` counts those accepted so far.
    """

    def __init__(
        self,
        listen: Address,
        target: Address,
        recorder: Recorder | None = None,
        interface: str = "acs",
    ) -> None:
        self.target = target
        self.address = listen
        self.connections = 0
        self.relayed = 0  # bytes, both directions
        self._recorder = recorder
        self._interface = interface
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._budget: int | None = None

    async def start(self) -> Address:
        """Listen; OSError when the address is taken. Returns the address."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Side(self, None), *self.address)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = (host, port)
        return self.address

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server:
            self._server.close()
            self._server = None
        self.cut()
        await asyncio.sleep(0)

    async def __aenter__(self) -> "TcpTap":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def cut(self) -> int:
        """Break every open connection with a reset; returns how many."""
        pairs = list(self._pairs)
        for pair in pairs:
            pair.cut()
        return len(pairs)

    def cut_after(self, count: int) -> None:
        """Pass on `count` more bytes (both directions together), then break the connection
        that carried the last of them. Happens once."""
        self._budget = count

    def _take(self, pair: "_Pair", data: bytes) -> tuple[bytes, bool]:
        """The part of data that may pass, and whether the connection is to be cut then."""
        if self._budget is None:
            return data, False
        passing = data[: self._budget]
        self._budget -= len(passing)
        if self._budget > 0:
            return passing, False
        self._budget = None
        return passing, True


class _Pair:
    """The two sides of one relayed connection."""

    def __init__(self, tap: TcpTap, client: "_Side") -> None:
        self.tap = tap
        self.client = client
        self.server: _Side | None = None
        self.ended = False
        self.half_closed: list[_Side] = []
        self.record: TcpRecord | None = None
        self._early = b""  # what came before the pause below was in force (CPython 3.11.2)
        tap.connections += 1
        tap._pairs.add(self)
        assert client.transport is not None
        client.transport.pause_reading()  # until there is somebody to pass it on to
        if tap._recorder:
            peer = client.transport.get_extra_info("peername")[:2]
            here = client.transport.get_extra_info("sockname")[:2]
            self.record = tap._recorder.tcp(peer, here, tap._interface)
        self.task = asyncio.get_running_loop().create_task(self.connect())

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: _Side(self.tap, self), *self.tap.target)
        except OSError:
            self.cut()  # nobody there: the client sees a reset, as from a closed port

    def joined(self, server: "_Side") -> None:
        self.server = server
        if self.ended or self.client.transport is None:
            server.abort()
            return
        early, self._early = self._early, b""
        if early:
            self.relay(self.client, early)
        if self.client not in self.half_closed:
            self.client.transport.resume_reading()
        elif server.transport and not self.ended:
            server.transport.write_eof()

    def relay(self, source: "_Side", data: bytes) -> None:
        if self.ended:
            return
        if self.server is None:
            self._early += data
            return
        from_client = source is self.client
        passing, cut = self.tap._take(self, data)
        self.tap.relayed += len(passing)
        if self.record:
            self.record.data(from_client, passing)
        other = self.server if from_client else self.client
        if passing and other.transport:
            other.transport.write(passing)
        if cut:
            self.cut()

    def eof(self, source: "_Side") -> None:
        """One side has said all; the connection ends when both have."""
        self.half_closed.append(source)
        other = self.server if source is self.client else self.client
        if other and other.transport and not other.transport.is_closing():
            other.transport.write_eof()
        if len(self.half_closed) == 2 and not self.ended:
            self.finish()
            if self.record:
                self.record.close(self.half_closed[0] is self.client)
            for side in (self.client, self.server):
                if side and side.transport:
                    side.transport.close()

    def lost(self, source: "_Side", error: Exception | None) -> None:
        """One side is gone; the other one goes as well."""
        if self.ended:
            return
        self.finish()
        from_client = source is self.client
        other = self.server if from_client else self.client
        if self.record:
            if error:
                self.record.reset(from_client)
            else:
                self.record.close(from_client)
        if other:
            if error:
                other.abort()
            elif other.transport:
                other.transport.close()

    def cut(self) -> None:
        if self.ended:
            return
        self.finish()
        if self.record:
            self.record.reset(False, "cut by the tap")
        for side in (self.client, self.server):
            if side:
                side.abort()

    def finish(self) -> None:
        self.ended = True
        self.tap._pairs.discard(self)
        if self.server is None and self.task is not asyncio.current_task():
            self.task.cancel()


class _Side(asyncio.Protocol):
    """One socket; back-pressure pauses reading on the other one."""

    def __init__(self, tap: TcpTap, pair: _Pair | None) -> None:
        self.tap = tap
        self.pair = pair
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        plain = transport.get_extra_info("socket")
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.pair is None:
            self.pair = _Pair(self.tap, self)
        else:
            self.pair.joined(self)

    def data_received(self, data: bytes) -> None:
        if self.pair:
            self.pair.relay(self, data)

    def eof_received(self) -> bool:
        if self.pair:
            self.pair.eof(self)
        return True  # stay open for what the other direction still has to say

    def connection_lost(self, exc: Exception | None) -> None:
        if self.pair:
            self.pair.lost(self, exc)

    def pause_writing(self) -> None:
        other = self._other()
        if other and other.transport and not other.transport.is_closing():
            other.transport.pause_reading()

    def resume_writing(self) -> None:
        other = self._other()
        if other and other.transport and not other.transport.is_closing():
            other.transport.resume_reading()

    def abort(self) -> None:
        """Close at once; the peer sees a reset."""
        if self.transport is None or self.transport.is_closing():
            return
        plain = self.transport.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self.transport.abort()

    def _other(self) -> "_Side | None":
        if self.pair is None:
            return None
        return self.pair.server if self is self.pair.client else self.pair.client
