"""Found by pyserial by its name: the scheme `socket`."""

import array
import fcntl
import termios

from serial.urlhandler import protocol_socket


class Serial(protocol_socket.Serial):
    """See `serial.urlhandler.protocol_socket.Serial`."""

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read now; 1 at the end of the connection, so that `read` says so."""
        ready = int(super().in_waiting)
        if not ready:
            return 0
        waiting = array.array("i", [0])
        fcntl.ioctl(self.fileno(), termios.FIONREAD, waiting)
        return waiting[0] or 1
