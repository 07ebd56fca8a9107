"""The two secondary ports of the lifetime discovery (STUN-53). A slice: loaded when there is a
binding whose period may be longer than the minimum.
"""

import socket

from ..core.lifetime import Lifetime

_SIZE = 548  # of an answer


class LifetimeSockets:
    """Runs a `Lifetime` for the agent's `binding`: `serve` at its `deadline()` and whenever there
    is news of the binding, but not while a session runs.

    Nobody waits for these sockets: answers are looked for when the next send would be due.
    """

    def __init__(self, binding, random_bytes, log):
        self.search = Lifetime(random_bytes, log)
        self.deadline = self.search.deadline
        self._binding = binding
        self._sockets = None

    def serve(self, now):
        """Read what came, send what is due."""
        search = self.search
        search.follow(self._binding, now)
        if self._sockets:
            for which, sock in enumerate(self._sockets):
                self._read(which, sock, now)
        out = search.tick(now)
        search.follow(self._binding, now)
        if not search.active:
            self.close()
        elif out:
            try:
                if not self._sockets:
                    self._open()
                self._sockets[out[0]].sendto(out[1], self._binding.destination)
            except OSError:
                pass  # a loss like any other (B21)

    def _open(self):
        self._sockets = []
        for _ in range(2):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sockets.append(sock)
            sock.bind(socket.getaddrinfo("0.0.0.0", 0)[0][-1])
            sock.setblocking(False)

    def _read(self, which, sock, now):
        try:
            for _ in range(4):
                data = sock.recv(_SIZE)
                self.search.datagram(which, data, len(data), now)
        except OSError:
            pass  # nothing there

    def close(self):
        for sock in self._sockets or ():
            sock.close()
        self._sockets = None
