"""Found by pyserial by its name: the scheme `socket`."""

import array
import fcntl
import socket
import termios

from serial.urlhandler import protocol_socket


class Serial(protocol_socket.Serial):
    """See `serial.urlhandler.protocol_socket.Serial`."""

    def open(self) -> None:
        super().open()
        # The raw REPL is a dialogue of short words: waiting for more costs 40 ms each.
        self._socket.setsockopt(  # type: ignore[attr-defined]
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read now; 1 at the end of the connection, so that `read` says so."""
        ready = int(super().in_waiting)
        if not ready:
            return 0
        waiting = array.array("i", [0])
        fcntl.ioctl(self.fileno(), termios.FIONREAD, waiting)
        return waiting[0] or 1
