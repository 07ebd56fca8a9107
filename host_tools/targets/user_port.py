"""The serial port that a board shows: a PTY which anyone may open, close and open again.

What the board says before the first visitor comes waits for them, as in the buffer of a USB
adapter; later, what nobody is there to read is gone, as on a wire.
"""

import contextlib
import fcntl
import os
import pty
import struct
import termios

from host_tools.targets.unix_wires import SerialLog, Visitors, set_user_side

BACKLOG = 256 * 1024  # bytes a slow reader may lag behind before the oldest are dropped
NO_FLUSH = 0.3  # seconds after which a visitor who has not flushed the port will not do so
_FLUSHED = 1  # TIOCPKT_FLUSHREAD


class UserPort:
    """`name`: the path to open; `fd`: where keys come from. Its owner calls `update`, selects on
    what `waits` returns, then calls `read` or `feed`.
    """

    def __init__(self, log: SerialLog) -> None:
        self._log = log
        self.fd, self._slave = pty.openpty()
        set_user_side(self._slave)
        # Packet mode tells when a visitor flushes.
        fcntl.ioctl(self.fd, termios.TIOCPKT, struct.pack("i", 1))
        os.set_blocking(self.fd, False)
        self.name = os.ttyname(self._slave)
        self._visitors = Visitors(self.name)
        self._unread = bytearray()
        self._dropped = 0
        self._deliver_at = 0.0

    def close(self) -> None:
        for fd in (self.fd, self._slave, self._visitors.fd):
            if fd >= 0:
                os.close(fd)

    def keep(self) -> None:
        """Keep what is said from now on for the next visitor, as after the first power-up."""
        self._unread.clear()
        if self._visitors.fd >= 0 and not self._visitors.count:
            self._visitors.ever = False

    def say(self, data: bytes) -> None:
        """Pass on what the board said; when too much waits to be read the oldest is dropped."""
        self._unread += data
        extra = len(self._unread) - BACKLOG
        if extra > 0:
            del self._unread[:extra]
            self._dropped += extra

    def update(self, now: float) -> None:
        """Take in who came and went.

        Who comes gets nothing before the flush that pyserial does last when it opens a port.
        """
        before = self._visitors.count
        left = self._visitors.update()
        if before == 0 and self._visitors.count:
            self._deliver_at = now + NO_FLUSH
        if left:
            termios.tcflush(self._slave, termios.TCIFLUSH)
        if self._visitors.ever and not self._visitors.count:
            self._unread.clear()

    def waits(self, now: float) -> tuple[list[int], list[int], list[float]]:
        """Return descriptors to read from, descriptors to write to, and times to look again."""
        readable = [self.fd, *([self._visitors.fd] if self._visitors.fd >= 0 else [])]
        if not self._unread or not self._visitors.count:
            return readable, [], []
        if now >= self._deliver_at:
            return readable, [self.fd], []
        return readable, [], [self._deliver_at]

    def visited(self, readable: list[int]) -> bool:
        """Tell whether somebody came or went: who is there comes before what they say."""
        return self._visitors.fd in readable

    def read(self) -> bytes:
        """Return the keys that were typed; in packet mode a byte that says what it is is first."""
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            return b""
        if data[0] & _FLUSHED:
            self._deliver_at = 0.0
        return b"" if data[0] else data[1:]

    def feed(self) -> None:
        """Write what the board said."""
        with contextlib.suppress(BlockingIOError, OSError):
            written = os.write(self.fd, bytes(self._unread[:4096]))
            del self._unread[:written]
        if self._dropped and not self._unread:
            self._log.note(f"the reader was too slow, {self._dropped} bytes dropped")
            self._dropped = 0
