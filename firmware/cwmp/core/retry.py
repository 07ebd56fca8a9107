"""How long to wait before a session: after a failed one (CWMP-70 to 72), for active notification
alone (CWMP-62).
"""

from micropython import const

_LAST = const(10)  # later retries wait as long as this one


def window(n, m, k):
    """Return the (shortest, longest) wait in ms before retry `n` = 1, 2, ...

    m: CWMPRetryMinimumWaitInterval in seconds, k: CWMPRetryIntervalMultiplier in thousandths.
    Whole numbers only: the floats of a board have 24 bits.
    """
    n = min(max(n, 1), _LAST)
    low = m * 1000 * k ** (n - 1)
    scale = 1000 ** (n - 1)
    # Both ends are rounded into the window.
    return (low + scale - 1) // scale, low * k // (scale * 1000)


def delay_ms(n, m, k, random_fraction):
    """Return a wait in ms, uniform over the window; `random_fraction` is a fresh float in [0, 1)
    (CWMP-72).
    """
    low, high = window(n, m, k)
    # The fraction as 30 bits: a product of floats would lose the low digits of the long waits.
    return low + ((high - low + 1) * min(int(random_fraction * 1073741824), 1073741823) >> 30)


def throttle_wait(now, last_success, throttle_s):
    """Return ms until a session solely for active notification may start (CWMP-62; STUN-63 on
    Device:2).

    `last_success`: when the last successful session ended, None when there was none since boot.
    """
    if last_success is None:
        return 0
    return max(0, last_success + throttle_s * 1000 - now)
