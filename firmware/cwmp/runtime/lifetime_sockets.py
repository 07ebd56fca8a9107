"""The two secondary ports of the lifetime discovery (STUN-53), which find out about the NAT, too.
A slice: loaded for a binding whose period may be longer than the minimum, and for one look at the
NAT where it may not.
"""

import socket

from micropython import const

from ..core.lifetime import UNKNOWN, A, Lifetime
from .slices import drop_all

_SIZE = const(548)  # of an answer
_LONG_MS = const(60000)
_NEVER = 1 << 46
_MODULES = "runtime.lifetime_sockets core.lifetime core.nat_kind"


class LifetimeSockets:
    """Runs a `Lifetime` for the agent's `binding`: `serve` at its `deadline()` and whenever there
    is news of the binding, but not while a session runs.

    `kept`: what another one left of itself, see there. Nobody waits for these sockets: answers are
    looked for when the next send would be due.
    """

    def __init__(self, binding, random_bytes, log, kept=None):
        self.search = Lifetime(random_bytes, log)
        self.nat = None  # (mapping, filtering, hairpin) of core/nat_kind.py, once examined
        self._examined = None  # which binding that was
        self._kind = None  # the examination while it goes on
        self._binding = binding
        self._random = random_bytes
        self._sockets = None
        if kept:
            self.nat, self._examined = kept[3]
            for name, value in kept[4].items():
                setattr(self.search, name, value)

    def kept(self, now):
        """Return (own modules, when `serve` is wanted, terms of the binding, ...) when there is
        nothing to do for long, else None.
        """
        search = self.search
        at = search.deadline() if self._binding.bounds else now + _NEVER
        if self.nat is None or search.active or at is None or at - now < _LONG_MS:
            return None
        return self._kept(at)

    def pause(self, now):
        """Leave off what is under way, and return the same as `kept` in any case."""
        search = self.search
        search.pause(now)
        if self._kind:
            self._kind = self._examined = None
        self.close()
        return self._kept(search.deadline() or now)

    def _kept(self, at):
        found = (self.nat, self._examined)
        return _MODULES, at, self._binding.terms, found, dict(self.search.__dict__)

    def kinds(self):
        """Return `nat` if it is of the present binding, else three unknowns."""
        binding = self._binding
        if self.nat and self._examined == (binding.mapped, binding.destination):
            return self.nat
        return 0, 0, 0

    def deadline(self):
        """When `serve` wants to be called, ms; None: never."""
        return (self._kind or self.search).deadline()

    def serve(self, now):
        """Read what came, send what is due."""
        search = self.search
        if self._sockets:
            for which, sock in enumerate(self._sockets):
                self._read(which, sock, now)
        search.follow(self._binding, now)
        if not self._examine(now):
            out = search.tick(now)
            search.follow(self._binding, now)
            if not search.active:
                self.close()
            elif out:
                self._send(out[0], out[1], self._binding.destination)

    def _examine(self, now):
        # What is behind a new binding, once the search has come to rest; True while it goes on.
        binding, search = self._binding, self.search
        key = (binding.mapped, binding.destination)
        if key != self._examined:
            self.nat = self._kind = None
            if binding.failures or (
                binding.bounds
                and (search.active or search.server == UNKNOWN or search.deadline() is None)
            ):
                return False
            self._examined = key
            from ..core.nat_kind import NatKind  # noqa: PLC0415 - a slice

            self._kind = NatKind(self._random, binding.destination, now)
        kind = self._kind
        if kind is None:
            return False
        out = kind.tick(now)
        if out:
            self._send(A, out[0], out[1])
        if kind.done:
            self.nat = kind.mapping, kind.filtering, kind.hairpin
            self._kind = kind = None
            drop_all("core.nat_kind")
            self.close()
        return True

    def _send(self, which, packet, to):
        try:
            if not self._sockets:
                self._open()
            if to != self._binding.destination:
                to = socket.getaddrinfo(to[0], to[1])[0][-1]
            self._sockets[which].sendto(packet, to)
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
                (self._kind or self.search).datagram(which, data, len(data), now)
        except OSError:
            pass  # nothing there

    def close(self):
        for sock in self._sockets or ():
            sock.close()
        self._sockets = None
