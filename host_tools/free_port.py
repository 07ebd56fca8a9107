"""Ports that nobody uses, for the boards and servers of benchmarks and tests."""

import socket


def free_port() -> int:
    """Return a port that is free just now, for UDP and for TCP, on every address."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("0.0.0.0", 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
