"""What an error answer of the STUN server means for the NAT binding (STUN-35). A slice: few
servers ever send one.
"""

from micropython import const

_SERVER_BUSY = const(5000)  # after a 500
_REFUSED = const(3600000)  # after a 420, of which patience is no cure


def outcome(binding, code):
    """Return (reason, ms until the next attempt; None: as after any other failure) for an answer
    that no other request follows at once.
    """
    if code == 420:
        # It refuses the same attributes until one of us is configured anew: we know of ourselves,
        # of the server only by asking.
        delay = _REFUSED + binding.random(1)[0] * 1000
        return "the STUN server refuses our attributes (420)", delay
    reason = "error {}".format(code)
    if code in (401, 430, 431, 432) and not (binding.username and binding.hmac):
        reason += ": the STUN server wants STUNUsername and STUNPassword"
    delay = None
    if 500 <= code < 600 and binding.failures < 3:
        # The minimum binds a request that announces no change even here (STUN-50).
        least = min(binding.period_min, binding.least)  # a maximum below it counts (STUN-52)
        delay = _SERVER_BUSY if binding.announcing else max(_SERVER_BUSY, least * 1000)
    return reason, delay
