"""Two TCP connections joined to one: bytes, half-closes and resets pass from each to the other."""

import socket
import struct

LIMIT = 65536  # bytes that wait for a slow reader before the writer is held up


class _Way:
    """One direction."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.waiting = bytearray()
        self.ended = False  # the source has said its last
        self.done = False  # and the sink was told so

    def pull(self) -> None:
        data = self.source.recv(LIMIT)
        self.waiting += data
        self.ended = not data
        self.push()

    def push(self) -> None:
        if self.waiting:
            try:
                del self.waiting[: self.sink.send(self.waiting)]
            except BlockingIOError:
                pass
        if self.ended and not self.waiting and not self.done:
            self.done = True
            self.sink.shutdown(socket.SHUT_WR)


class Splice:
    """Takes over two connected sockets that do not block; `done`: both were closed."""

    def __init__(self, one: socket.socket, other: socket.socket) -> None:
        self.done = False
        self._sockets = (one, other)
        self._ways = (_Way(one, other), _Way(other, one))
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def readable(self) -> list[int]:
        return [
            way.source.fileno() for way in self._ways if not way.ended and len(way.waiting) < LIMIT
        ]

    def writable(self) -> list[int]:
        return [way.sink.fileno() for way in self._ways if way.waiting]

    def serve(self, readable: set[int], writable: set[int]) -> None:
        try:
            for way in self._ways:
                if way.source.fileno() in readable and not way.ended:
                    way.pull()
                elif way.sink.fileno() in writable:
                    way.push()
        except BlockingIOError:
            pass
        except OSError:
            self.abort()
            return
        if all(way.done for way in self._ways):
            self._close()

    def abort(self) -> None:
        """Reset both sides, as when one of them did."""
        for each in self._sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._close()

    def _close(self) -> None:
        for each in self._sockets:
            each.close()
        self.done = True
