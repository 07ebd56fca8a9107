"""Memory of the Connection Requests accepted last: replays and old requests are told from new ones
(UCR-20 to 25).
"""

import micropython
from micropython import const

from ..wire.emitter import ptr8, ptr16

FRESH = const(0)
STALE = const(1)  # ts before the last accepted one
DUPLICATE = const(2)  # an id accepted already: a copy, or a replay

# Ids remembered at one ts. Each of them was authenticated and passed the rate limit, so a stranger
# cannot fill it.
IDS = const(8)
DIGITS = const(20)

# The state is one bytearray. It begins with 1 + length of the last ts (0: nothing was accepted
# yet) and its digits, as `wire.udp_request.read` wants them; then the number of ids, the length of
# each, and their digits. No leading zeros.
COUNT = const(21)
LENGTHS = const(22)
ID = const(30)
_SIZE = const(190)


@micropython.viper
def look(buf: ptr8, offsets: ptr16, state: ptr8) -> int:
    """FRESH, STALE or DUPLICATE for the ts and id of a scanned request (UCR-20); remembers
    nothing.
    """
    if state[0] == 0:
        return 0
    count = state[21]
    i = offsets[0]
    end = offsets[1]
    while i < end and buf[i] == 48:
        i += 1
    order = end - i + 1 - state[0]
    k = 1
    while order == 0 and i < end:
        order = buf[i] - state[k]
        i += 1
        k += 1
    if order < 0:
        return 1
    # A newer ts needs an id other than the last one, the same ts an id that is none of those
    # accepted.
    slot = count - 1 if order > 0 else 0
    start = offsets[2]
    end = offsets[3]
    while start < end and buf[start] == 48:
        start += 1
    while slot < count:
        if end - start == state[22 + slot]:
            i = start
            k = 30 + slot * 20
            while i < end and buf[i] == state[k]:
                i += 1
                k += 1
            if i == end:
                return 2
        slot += 1
    # More than anybody sends in one second: what cannot be remembered is not accepted, or it could
    # be replayed.
    return 2 if order == 0 and count == 8 else 0


@micropython.viper
def remember(buf: ptr8, offsets: ptr16, state: ptr8):
    """Take the ts and id of a scanned request that passed every other check (UCR-21)."""
    slot = state[21]
    i = offsets[0]
    end = offsets[1]
    while i < end and buf[i] == 48:
        i += 1
    length = end - i
    same = 1 if length + 1 == state[0] else 0
    k = 0
    while k < length:
        if same and state[1 + k] != buf[i + k]:
            same = 0
        state[1 + k] = buf[i + k]
        k += 1
    if same == 0:
        slot = 0
        state[0] = length + 1
    i = offsets[2]
    end = offsets[3]
    while i < end and buf[i] == 48:
        i += 1
    state[22 + slot] = end - i
    k = 30 + slot * 20
    while i < end:
        state[k] = buf[i]
        i += 1
        k += 1
    state[21] = slot + 1


class Freshness:
    """ts and ids as the digits that were received, in one buffer made once: checking allocates
    nothing.

    No clock is asked, ts = 0 is not special, any number of digits up to 20 is one number (UCR-09,
    UCR-23, UCR-25). `state` is for `read`, `look` and `remember`; who calls the last one sets
    `dirty`. As a record: `freshness_record`.
    """

    def __init__(self):
        self.state = bytearray(_SIZE)
        self.dirty = False  # not on flash yet

    def clear(self):
        """Forget everything: the ACS or its credentials changed (UCR-24)."""
        self.state[0] = 0
        self.dirty = True
