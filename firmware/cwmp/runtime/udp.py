"""The primary port: one UDP socket for STUN and for UDP Connection Requests, one task that reads
it (STUN-23, STUN-24).
"""

import errno
import select
import socket
import sys
import time
from asyncio import sleep_ms

from .poll import readable

_BURST = 16  # datagrams taken before anybody else gets a turn
_BROKEN = 200  # ms until a socket that fails is tried again
# There an empty datagram counts as the end of a connection: its socket gives nothing any more.
_DEAFENED = sys.platform == "esp32"


def bound(port):
    """Return a UDP socket for the primary port. OSError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind(socket.getaddrinfo("0.0.0.0", port)[0][-1])
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


class PrimaryPort:
    """Hands each datagram (bytes) of the bound socket `sock` to `on_stun` or `on_request` by its
    first byte.

    `on_request` returns True when a session may have started.

    `size`: longest datagram that is taken; one byte more is read, so that a longer one shows.
    `share` is the percentage of the time that on_request may take when it is kept busy: the rest
    of a flood waits, or is lost, in the network stack (UCR-33).
    """

    def __init__(self, sock, port, on_stun, on_request, share, size):
        self._socket = sock  # None: closed, `run` opens it anew
        self._on_stun = on_stun
        self._on_request = on_request
        self._rest = (100 - share) * 1000 // share  # thousandths of the time used
        self._size = size + 1
        self.unknown = 0  # datagrams that are neither
        self.turns = 0  # of the reader
        self.port = port

    def send(self, data, address):
        """Send one datagram; True when the network stack took it. A failure is a loss like any
        other (B21).
        """
        try:
            if self._socket:
                self._socket.sendto(data, address)
                return True
        except OSError:
            pass
        return False

    def close(self):
        if self._socket:
            self._socket.close()
            self._socket = None

    def waiting(self):
        """Whether a datagram lies there unread."""
        if not self._socket:
            return False
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        return bool(poller.poll(0))

    async def run(self):
        """Read for ever. The only reader of this socket."""
        used = 0  # microseconds that requests took since the socket was last found empty
        while True:
            if not self._socket:
                try:
                    self._socket = bound(self.port)
                except OSError:
                    await sleep_ms(_BROKEN)
                    continue
            sock = self._socket
            await readable(sock)
            self.turns += 1
            try:
                for _ in range(_BURST):
                    # Not readinto: it goes on to the next datagram as long as there is room.
                    data = sock.recv(self._size)
                    first = data[0] if data else 0xFF
                    if first <= 1:
                        self._on_stun(data)
                    elif 65 <= first <= 90 or 97 <= first <= 122:
                        start = time.ticks_us()
                        accepted = self._on_request(data)
                        used += time.ticks_diff(time.ticks_us(), start)
                        if accepted:
                            break  # its session goes first, its copies can wait
                    else:
                        self.unknown += 1
                        if not data and _DEAFENED:
                            self.close()
                            break
            except OSError as error:
                used = 0
                if error.errno != errno.EAGAIN:  # the network is down: no loop at full speed (B21)
                    await sleep_ms(_BROKEN)
            # Kept busy, it rests for as long as the share says; whoever else is ready goes first.
            rest = used * self._rest // 1000000
            if rest:
                used = 0
            await sleep_ms(rest)
