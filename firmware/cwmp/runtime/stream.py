"""One TCP or TLS connection as an asyncio stream; the socket is closed on every path (B21)."""

import asyncio
from time import ticks_add, ticks_diff, ticks_ms

from .poll import forget, readable, writable


class Stream:
    """Waits end with asyncio.TimeoutError when the time of the last `limit` is over."""

    def __init__(self, sock, plain):
        self._sock = sock  # what is read and written: the TLS layer or the plain socket itself
        self._plain = plain
        self._end = ticks_ms()

    def limit(self, ms):
        """All waits from now on have `ms` milliseconds together."""
        self._end = ticks_add(ticks_ms(), ms)

    async def readinto(self, buf):
        """Wait for bytes; return how many there are, 0 when the peer has closed. OSError."""
        while True:
            count = self._sock.readinto(buf)
            if count is not None:
                return count
            await self.wait(readable(self._sock))

    async def write(self, data):
        """Hand over all of `data`. OSError."""
        count = self._sock.write(data)
        if count == len(data):
            return
        data = memoryview(data)
        sent = count or 0
        while sent < len(data):
            await self.wait(writable(self._sock))
            sent += self._sock.write(data[sent:]) or 0

    def idle(self, scratch):
        """Whether it is open with nothing to read, as it must be between two messages."""
        try:
            return self._sock.readinto(scratch) is None
        except OSError:
            return False

    def close(self):
        """Close at once; may be called again."""
        if self._sock is not self._plain:
            close_socket(self._sock)
        # A TLS layer whose handshake failed has let go of it without closing.
        close_socket(self._plain)

    async def wait(self, ready):
        """Wait until `ready`, of `poll`, is so."""
        left = ticks_diff(self._end, ticks_ms())
        await asyncio.wait_for_ms(ready, max(left, 0))


def close_socket(sock):
    """Close `sock` and forget what waits for it."""
    forget(sock)
    try:
        sock.close()
    except OSError:
        pass
