"""One STUN transaction: when its sends are due and when it has failed (STUN-40, STUN-41)."""

from micropython import const

# Times of the sends and of the failure, in ms since the first.
_SENDS = (0, 100, 300, 700, 1500, 3100, 4700, 6300, 7900)
_FAILED = const(9500)


class Transaction:
    """`deadline`: when to call `due` next, or to look at `over`; `sends`: datagrams handed out."""

    def __init__(self, tid, packet, now):
        self.tid = tid
        self.packet = packet
        self.started = self.deadline = now
        self.sends = 0
        self._next = 0

    def over(self, now):
        """True when nobody has answered in time."""
        return now - self.started >= _FAILED

    def due(self, now):
        """Return the datagram to send at `now`, or None."""
        # A late call skips sends but the transaction is not extended (STUN-41).
        elapsed = now - self.started
        at = self._next
        while at < len(_SENDS) and _SENDS[at] <= elapsed:
            at += 1
        self.deadline = self.started + (_SENDS[at] if at < len(_SENDS) else _FAILED)
        if at == self._next:
            return None
        self._next = at
        self.sends += 1
        return self.packet
