"""Memory of the Connection Requests accepted last: replays and old requests are told from new ones (UCR-20 to 25)."""

from micropython import const

from ..wire.udp_request import MAX_DIGITS, compare, copy

FRESH = const(0)
STALE = const(1)  # ts before the last accepted one
DUPLICATE = const(2)  # an id accepted already: a copy, or a replay

# Ids remembered at one ts. Each of them was authenticated and passed the rate limit, so a stranger cannot fill it.
_IDS = const(8)


class Freshness:
    """ts and ids as the digits that were received, in buffers made once: checking allocates nothing.

    No clock is asked, ts = 0 is not special, any number of digits up to 20 is one number (UCR-09, UCR-23, UCR-25).
    """

    def __init__(self):
        self._ts = bytearray(MAX_DIGITS)
        self._ids = bytearray(_IDS * MAX_DIGITS)
        self._lengths = bytearray(_IDS)
        self.clear()

    def clear(self):
        """Forget everything: the ACS or its credentials changed (UCR-24)."""
        self._ts_length = 0  # 0: nothing was accepted yet
        self._count = 0
        self._last = 0
        self.dirty = True  # not on flash yet

    def check(self, buf, ts_start, ts_end, id_start, id_end):
        """Return FRESH, STALE or DUPLICATE for the digits in `buf`; remembers nothing (UCR-20)."""
        if not self._ts_length:
            return FRESH
        order = compare(buf, ts_start, ts_end, self._ts, 0, self._ts_length)
        if order < 0:
            return STALE
        if order > 0:
            return DUPLICATE if self._is(self._last, buf, id_start, id_end) else FRESH
        for slot in range(self._count):
            if self._is(slot, buf, id_start, id_end):
                return DUPLICATE
        # More than anybody sends in one second: what cannot be remembered is not accepted, or it could be replayed.
        return FRESH if self._count < _IDS else DUPLICATE

    def _is(self, slot, buf, start, end):
        return compare(buf, start, end, self._ids, slot * MAX_DIGITS, self._lengths[slot]) == 0

    def accept(self, buf, ts_start, ts_end, id_start, id_end):
        """Remember a request that passed every other check (UCR-21)."""
        if not self._ts_length or compare(buf, ts_start, ts_end, self._ts, 0, self._ts_length):
            self._ts_length = ts_end - ts_start
            copy(buf, ts_start, ts_end, self._ts, 0, 0)
            self._count = 0
        slot = self._count
        copy(buf, id_start, id_end, self._ids, slot * MAX_DIGITS, 0)
        self._lengths[slot] = id_end - id_start
        self._last = slot
        self._count = slot + 1
        self.dirty = True

    def snapshot(self):
        """Return what is kept on flash: {"ts": digits, "ids": [digits, ...]}, the last id at the end."""
        ids = []
        for slot in range(self._count):
            start = slot * MAX_DIGITS
            ids.append(self._ids[start : start + self._lengths[slot]].decode())
        return {"ts": self._ts[: self._ts_length].decode(), "ids": ids}

    def restore(self, record):
        """Take back a snapshot; anything that is none leaves the memory empty."""
        self.clear()
        try:
            ts = record["ts"].encode()
            for digits in record["ids"][-_IDS:]:
                digits = digits.encode()
                both = ts + digits
                if 0 < len(ts) <= MAX_DIGITS and 0 < len(digits) <= MAX_DIGITS and both.isdigit():
                    self.accept(both, 0, len(ts), len(ts), len(both))
        except (TypeError, KeyError, AttributeError):
            self.clear()
        self.dirty = False

