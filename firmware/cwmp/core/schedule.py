"""When a session starts, and which reasons it folds together (UCR-32 to 34, TCR-20 to 24, CWMP-41,
62, 70 to 73).
"""

from micropython import const

from .retry import delay_ms, throttle_wait

# Reasons for a session, as bits: `started` returns those that the session carries.
BOOT = const(1)
RING = const(2)  # an authenticated Connection Request: the Inform lists 6 CONNECTION REQUEST
PERIODIC = const(4)  # the Inform lists 2 PERIODIC
ACTIVE_CHANGE = const(8)  # active notification, and nothing but that
SCHEDULED = const(16)
TRANSFER = const(32)
OTHER = const(64)  # the console, a new ACS URL, ...
# A session failed after its Inform was answered: no event is left, the ACS may have work.
RETRY = const(128)

# Verdicts of `ring`. LIMITED is false: the gate then remembers nothing of the datagram (UCR-33).
LIMITED = const(0)
START = const(1)
FOLDED = const(2)
AFTER = const(3)
VERDICTS = "limited start folded after"

# Reasons that do not cut a retry wait short: a periodic tick merges into it.
_PATIENT = const(PERIODIC | RETRY)
_EARLY_GAP = const(5000)  # between two attempts that cut a retry wait short (CWMP-73)
_LONGEST = const(3600000)  # `deadline` never says more, so that a board's timer can take it

_IDLE = const(0)
_STARTED = const(1)  # Inform on its way
_ACCEPTED = const(2)  # InformResponse arrived


class Schedule:
    """One session at a time; every authenticated Connection Request is followed by a session or
    folded into one.

    The runtime keeps `minimum_wait_s`, `multiplier`, `throttle_s` as the data model has them.
    """

    def __init__(
        self, limit_count=5, limit_period_s=60, minimum_wait_s=5, multiplier=2000, throttle_s=0
    ):
        self.limit_count = limit_count
        self.limit_period = limit_period_s * 1000
        self.minimum_wait_s = minimum_wait_s
        self.multiplier = multiplier
        self.throttle_s = throttle_s
        self.retry_count = 0  # for the next Inform (CWMP-34)
        self.retry_after = 0  # s, at least until the next retry: the ACS asked for it (CWMP-08)
        self.limited = 0  # Connection Requests over the limit since boot
        self._session = _IDLE
        self._carried = 0  # reasons of the running session
        self._wanted = 0  # reasons since the last attempt began
        self._held = 0  # reasons of failed attempts, which wait for the retry
        self._failures = 0  # since a session succeeded (CWMP-71): n of the next wait
        self._retry_at = None
        self._early_at = None  # of the last early attempt
        self._success_at = None  # end of the last successful session
        self._window_at = None  # start of the limiter's window
        self._granted = 0  # in this window
        self._owed = False  # someone rang over the limit

    def configure(self, minimum_wait_s, multiplier, throttle_s):
        """Take the three parameters as they are now."""
        self.minimum_wait_s = minimum_wait_s
        self.multiplier = multiplier
        self.throttle_s = throttle_s

    # Connection Requests

    def allowed(self, now):
        """True while the limit lets one more Connection Request pass; changes nothing."""
        at = self._window_at
        return at is None or self._granted < self.limit_count or now - at >= self.limit_period

    def ring(self, now):
        """Take an authenticated, fresh Connection Request; return LIMITED, START, FOLDED or AFTER.

        LIMITED (0): its freshness must not be remembered; one session follows when the window
        opens.
        """
        at = self._window_at
        if at is None or now - at >= self.limit_period:
            # A fixed window: requests that are turned down do not move it, a steady stream cannot
            # starve (B9).
            self._window_at = now
            self._granted = 0
        elif self._granted >= self.limit_count:
            self._owed = True
            self.limited += 1
            return LIMITED
        self._granted += 1
        if self._session == _STARTED and self._carried & RING:
            return FOLDED
        self._owed = False  # the session that is yet to start serves the one turned down as well
        if self._wanted & RING:
            return FOLDED
        self._wanted |= RING
        return AFTER if self._session else START

    # Other reasons

    def want(self, reason, now):
        """Ask for a session for `reason` (bits); it starts when `due` says so.

        PERIODIC during a session is served by that session if it succeeds (CWMP-41).
        """
        self._wanted |= reason

    # The session's course

    def started(self, now):
        """A session starts: call it in the step that composes the Inform. Returns the reasons it
        carries.

        RING and PERIODIC among them are events that the Inform has to list: they are queued now,
        not before.
        """
        if self._session:
            raise RuntimeError("session is running")
        if self._owed and self.allowed(now):
            self._serve_owed(now)
        if self._retry_at is not None and now < self._retry_at:
            self._early_at = now
        self._session = _STARTED
        self._carried = self._wanted | self._held
        self._wanted = 0
        self._held = 0
        self._retry_at = None
        return self._carried

    def inform_accepted(self, now):
        """The InformResponse arrived: what the Inform carried is delivered, later requests need
        another session.
        """
        if self._session == _STARTED:
            self._session = _ACCEPTED
            self._carried = 0
            self.retry_count = 0

    def ended(self, ok, now, random_fraction):
        """The session is over; after a failure the retry wait is drawn with `random_fraction` in
        [0, 1).
        """
        if ok:
            self._wanted &= ~PERIODIC
            self.retry_count = 0
            self._failures = 0
            self._success_at = now
        else:
            self.retry_count += 1
            self._failures += 1
            # A Connection Request is not tried again by itself (TCR-24).
            self._held = RETRY if self._session == _ACCEPTED else self._carried & ~RING
            if self._held:
                wait = delay_ms(
                    self._failures, self.minimum_wait_s, self.multiplier, random_fraction
                )
                self._retry_at = now + max(wait, self.retry_after * 1000)
        self.retry_after = 0
        self._session = _IDLE
        self._carried = 0

    # What the runtime asks

    @property
    def running(self):
        """True from `started` to `ended`."""
        return self._session != _IDLE

    def due(self, now):
        """True when a session has to start now."""
        return self.deadline(now) == 0

    def deadline(self, now):
        """Return ms until a session has to start (0: now, at most an hour), None when nothing asks
        for one.
        """
        if self._session:
            return None
        wait = self._reason_wait(now)
        if self._owed:
            opens = max(0, self._window_at + self.limit_period - now)
            if self._retry_at is not None:
                opens = max(opens, self._early_wait(now))
            if wait is None or opens < wait:
                wait = opens
        return None if wait is None else min(wait, _LONGEST)

    def _reason_wait(self, now):
        wanted = self._wanted
        wait = None
        if self._retry_at is not None:
            wait = max(0, self._retry_at - now)
            wanted &= ~_PATIENT
        if not wanted:
            return wait
        begin = 0
        if wanted == ACTIVE_CHANGE:
            begin = throttle_wait(now, self._success_at, self.throttle_s)
        if wait is None:
            return begin
        return min(wait, max(begin, self._early_wait(now)))

    def _early_wait(self, now):
        # ms until a retry wait may be cut short.
        return 0 if self._early_at is None else max(0, self._early_at + _EARLY_GAP - now)

    def _serve_owed(self, now):
        if now - self._window_at >= self.limit_period:
            self._window_at = now
            self._granted = 0
        self._granted += 1
        self._owed = False
        self._wanted |= RING
