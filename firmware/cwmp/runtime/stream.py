"""One TCP or TLS connection as an asyncio stream; the socket is closed on every path (B21)."""

import asyncio
import errno
import gc
import socket
import sys
from time import ticks_add, ticks_diff, ticks_ms

from .poll import forget, readable, writable

# EISCONN is missing in the errno module: Linux, ESP-IDF (newlib), macOS.
_CONNECTED = (106, 127, 56)


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
            await self._wait(readable(self._sock))

    async def write(self, data):
        """Hand over all of `data`. OSError."""
        count = self._sock.write(data)
        if count == len(data):
            return
        data = memoryview(data)
        sent = count or 0
        while sent < len(data):
            await self._wait(writable(self._sock))
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
            _close(self._sock)
        _close(self._plain)  # a TLS layer whose handshake failed has let go of it without closing

    async def _wait(self, ready):
        left = ticks_diff(self._end, ticks_ms())
        await asyncio.wait_for_ms(ready, max(left, 0))


def _close(sock):
    forget(sock)
    try:
        sock.close()
    except OSError:
        pass


def _connect(sock, address):
    """Start to connect, or ask how it went: True connected, False under way. OSError."""
    try:
        sock.connect(address)
    except OSError as error:
        if error.errno in _CONNECTED:
            return True
        if error.errno in (errno.EINPROGRESS, errno.EALREADY):
            return False
        raise
    return True


async def open_stream(address, timeout_ms, tls=None, server_name=None):
    """Connect to `address`, the last item of a getaddrinfo entry. OSError, asyncio.TimeoutError.

    `tls` is an SSLContext that the caller set up, certificate checks included (B17), or None for
    plain TCP. The TLS handshake happens with the first write, within its time.
    """
    # The unix port has a sockaddr, which begins with the family, others have (host, port, ...).
    six = getattr(socket, "AF_INET6", -1)
    family = six if address[0] == six or ":" in str(address[0]) else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if sys.platform == "linux":
            # TCP_NODELAY: a small last piece must not wait for the peer's delayed acknowledgement.
            sock.setsockopt(6, 1, 1)
        stream = Stream(sock, sock)
        # No getsockopt here: a second connect tells the outcome, on a near network at once.
        if not _connect(sock, address):
            stream.limit(timeout_ms)
            while not _connect(sock, address):
                await stream._wait(writable(sock))
        if tls is not None:
            gc.collect()  # TLS needs tens of KB that the heap may have grown into (B23)
            layer = tls.wrap_socket(
                sock, server_hostname=server_name, do_handshake_on_connect=False
            )
            layer.setblocking(False)
            return Stream(layer, sock)
        return stream
    except BaseException:
        _close(sock)
        raise
