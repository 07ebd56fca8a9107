"""When the next periodic Inform is due: PeriodicInformTime plus or minus n intervals (CWMP-41)."""


def delay_s(reference, interval, unix):
    """Return seconds from `unix` to the first instant after it that is n intervals from
    `reference`, n any integer.

    Both in Unix seconds; None when one of them is not known: any phase will do then.
    """
    if reference is None or unix is None:
        return None
    return interval - (unix - reference) % interval


class Periodic:
    """Ticks of the periodic Inform on the monotonic clock. `deadline(now)` ms to the next one,
    None when off.
    """

    def __init__(self):
        self._interval = None  # None: off
        self._reference = None
        self._at = None

    def configure(self, enable, interval_s, reference, now, unix, random_fraction):
        """Take the three parameters (`reference`: Unix seconds or None) and the clocks, at boot
        and on a change.

        Call it again when the wall clock was set. Without a reference or a clock the first tick is
        chosen at random within the interval, so that a fleet that boots together does not call
        together.
        """
        self._interval = interval_s if enable else None
        self._reference = reference
        if not enable:
            self._at = None
            return
        wait = delay_s(reference, interval_s, unix)
        if wait is None:
            self._at = now + 1 + int(interval_s * random_fraction) * 1000
        else:
            self._at = now + wait * 1000

    def deadline(self, now):
        return None if self._at is None else max(0, self._at - now)

    def due(self, now):
        return self._at is not None and now >= self._at

    def ticked(self, now, unix):
        """The tick that was due is being served: set the next one."""
        interval = self._interval
        wait = delay_s(self._reference, interval, unix)
        if wait is None:
            # The phase is kept even when the tick came late.
            late = now - self._at
            self._at = now + interval * 1000 - late % (interval * 1000)
            return
        if wait * 2 < interval and now < self._at + wait * 1000:
            # A wall clock that runs a little behind the monotonic one shows the instant that was
            # just served.
            wait += interval
        self._at = now + wait * 1000
