"""Memory of the Connection Requests accepted last: replays and old requests are told from new ones (UCR-20 to 25)."""

from array import array

import micropython
from micropython import const


# Outside the viper emitter a pointer is the buffer itself.
def ptr8(buffer):
    return buffer


ptr16 = ptr8


FRESH = const(0)
STALE = const(1)  # ts before the last accepted one
DUPLICATE = const(2)  # an id accepted already: a copy, or a replay

# Ids remembered at one ts. Each of them was authenticated and passed the rate limit, so a stranger cannot fill it.
_IDS = const(8)
_DIGITS = const(20)

# The state is one bytearray: number of ids, length of ts, length of each id, then the digits of ts and of each id
# without leading zeros. No id: nothing was accepted yet.
_TS = const(10)
_ID = const(30)
_SIZE = const(190)


@micropython.viper
def is_older(buf: ptr8, size: int, state: ptr8) -> bool:
    """True when the query of `buf[:size]` begins with a ts before the last accepted one.

    The cheapest check of all, for the shape that every known ACS sends. Whatever else such a datagram holds, it is
    stale or malformed.
    """
    if state[0] == 0 or size < 16 or buf[0] != 71:  # G
        return False
    i = 11
    while i < size and buf[i] != 63:  # the first ? starts the query
        i += 1
    if i + 4 > size or buf[i + 1] != 116 or buf[i + 2] != 115 or buf[i + 3] != 61:  # ts=
        return False
    i += 4
    while i < size and buf[i] == 48:
        i += 1
    start = i
    order = 0
    while i < size and buf[i] != 38:
        if buf[i] < 48 or buf[i] > 57 or i - start == 20:
            return False
        if order == 0:
            order = buf[i] - state[10 + i - start]
        i += 1
    if i - start != state[1]:
        return i - start < state[1] and i < size
    return order < 0 and i < size


@micropython.viper
def look(buf: ptr8, offsets: ptr16, state: ptr8) -> int:
    """FRESH, STALE or DUPLICATE for the ts and id of a scanned request (UCR-20); remembers nothing."""
    count = state[0]
    if count == 0:
        return 0
    i = offsets[0]
    end = offsets[1]
    while i < end and buf[i] == 48:
        i += 1
    order = end - i - state[1]
    k = 10
    while order == 0 and i < end:
        order = buf[i] - state[k]
        i += 1
        k += 1
    if order < 0:
        return 1
    # A newer ts needs an id other than the last one, the same ts an id that is none of those accepted.
    slot = count - 1 if order > 0 else 0
    start = offsets[2]
    end = offsets[3]
    while start < end and buf[start] == 48:
        start += 1
    while slot < count:
        if end - start == state[2 + slot]:
            i = start
            k = 30 + slot * 20
            while i < end and buf[i] == state[k]:
                i += 1
                k += 1
            if i == end:
                return 2
        slot += 1
    # More than anybody sends in one second: what cannot be remembered is not accepted, or it could be replayed.
    return 2 if order == 0 and count == 8 else 0


@micropython.viper
def remember(buf: ptr8, offsets: ptr16, state: ptr8):
    """Take the ts and id of a scanned request that passed every other check (UCR-21)."""
    slot = state[0]
    i = offsets[0]
    end = offsets[1]
    while i < end and buf[i] == 48:
        i += 1
    length = end - i
    same = 1 if slot and length == state[1] else 0
    k = 0
    while k < length:
        if same and state[10 + k] != buf[i + k]:
            same = 0
        state[10 + k] = buf[i + k]
        k += 1
    if same == 0:
        slot = 0
        state[1] = length
    i = offsets[2]
    end = offsets[3]
    while i < end and buf[i] == 48:
        i += 1
    state[2 + slot] = end - i
    k = 30 + slot * 20
    while i < end:
        state[k] = buf[i]
        i += 1
        k += 1
    state[0] = slot + 1


class Freshness:
    """ts and ids as the digits that were received, in one buffer made once: checking allocates nothing.

    No clock is asked, ts = 0 is not special, any number of digits up to 20 is one number (UCR-09, UCR-23, UCR-25).
    `state` is for `is_older`, `look` and `remember`; who calls the last one sets `dirty`.
    """

    def __init__(self):
        self.state = bytearray(_SIZE)
        self.dirty = False  # not on flash yet

    def clear(self):
        """Forget everything: the ACS or its credentials changed (UCR-24)."""
        self.state[0] = 0
        self.dirty = True

    def snapshot(self):
        """Return what is kept on flash: {"ts": digits, "ids": [digits, ...]}, the last id at the end."""
        state = self.state
        ids = []
        for slot in range(state[0]):
            at = _ID + slot * _DIGITS
            ids.append(state[at : at + state[2 + slot]].decode() or "0")
        return {"ts": (state[_TS : _TS + state[1]].decode() or "0") if ids else "", "ids": ids}

    def restore(self, record):
        """Take back a snapshot; anything that is none leaves the memory empty."""
        self.clear()
        try:
            ts = record["ts"].encode()
            for digits in record["ids"][-_IDS:]:
                digits = digits.encode()
                if (
                    (ts + digits).isdigit()
                    and 0 < len(ts) <= _DIGITS
                    and 0 < len(digits) <= _DIGITS
                ):
                    remember(
                        ts + digits,
                        array("H", (0, len(ts), len(ts), len(ts) + len(digits))),
                        self.state,
                    )
        except (TypeError, KeyError, AttributeError):
            self.clear()
        self.dirty = False
