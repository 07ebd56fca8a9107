"""When to look for the lifetime of the binding and at the kind of NAT. Those who look are a slice:
`runtime/lifetime_sockets.py`.
"""

from micropython import const

from .slices import drop_all

_QUIET = const(60000)  # ms without news of the binding, before a look that nobody waits for


class Discovery:
    """`sockets`: the LifetimeSockets of `agent`, while there is something to discover."""

    def __init__(self, agent):
        self._agent = agent
        self.sockets = None
        self._found = None  # what they leave where they are dropped
        self._failed = False

    def get(self):
        """Return the LifetimeSockets, loaded again if they were dropped; None as long as there was
        nothing to discover.
        """
        if self.sockets is None and self._found:
            self._load()
        return self.sockets

    def deadline(self):
        """When `serve` is to be called next, None: nothing asks for it."""
        return self.sockets.deadline() if self.sockets else None

    def close(self):
        if self.sockets:
            self.sockets.close()

    def pause(self, now):
        """Make room for a session; what is under way begins again afterwards."""
        if self.sockets:
            self._leave(self.sockets.pause(now))

    def _leave(self, kept):
        self._found = kept
        self.sockets = None
        drop_all(kept[0])

    def serve(self, now, room):
        """Go on with it; `room`: there is memory for one more slice."""
        agent = self._agent
        binding = agent.binding
        try:
            fixed = not binding.bounds  # then one look at the NAT is all, in a quiet minute
            if self.sockets is None:
                if binding.mapped is None or self._failed:
                    return
                if fixed and now - binding.history[-1][0] < _QUIET:
                    return
                if not room or self._is_found(now):
                    return
                self._load()
            self.sockets.serve(now)
            if agent.saving or fixed:
                kept = self.sockets.kept(now)
                if kept:
                    self._leave(kept)
        except Exception as error:
            # The minimum period will do: nothing here is worth losing the device for.
            agent.internal("binding", error)
            self.close()
            self.sockets = self._found = None
            self._failed = True
            binding.use(None, now)

    def _load(self):
        # Many a device has a fixed period, or no STUN at all.
        from .lifetime_sockets import LifetimeSockets  # noqa: PLC0415 - a slice

        agent = self._agent
        self.sockets = LifetimeSockets(
            agent.binding, agent.port.random_bytes, agent.log, self._found
        )

    def _is_found(self, now):
        kept = self._found
        return kept and now < kept[1] and kept[2] == self._agent.binding.terms
