"""Opens the TCP port of the doorbell. Borrowed for that one moment."""

import socket

from micropython import const

_BACKLOG = const(5)  # who comes with four others must not wait for a second SYN


def listen(port):
    """Return a socket that listens on `port`: one for both where the board has IPv6, for IPv4
    where it has none, or only a part of it. OSError: the port is taken.
    """
    for family, host in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):
        sock = None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            sock.bind(address[0][-1])
            sock.listen(_BACKLOG)
            sock.setblocking(False)
            return sock
        except (OSError, TypeError):  # an ESP32 has None for an IPv6 address
            if sock:
                sock.close()
            if family == socket.AF_INET:
                raise
