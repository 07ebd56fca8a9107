"""The NAT binding of the primary port: discovery, keepalive, announcement of changes (Annex G.2.1,
STUN-20 to 63).

A state machine without I/O. The runtime asks `deadline()`, calls `tick(now)` when it has come and
sends what that returns; hands in datagrams with `datagram()` and resolved addresses with
`resolved()`. What an error answer means is in a module of its own, `binding_error`, which uses
`random`, `username`, `hmac`, `period_min`, `least`, `announcing` and `failures`.
"""

from micropython import const

from ..wire import stun
from ..wire.hmac_sha1 import HmacSha1
from .stun_transaction import Transaction

_RETRY_MIN = const(30000)  # after a failure (STUN-45)
_PERIOD_MIN = const(5)  # seconds (STUN-52)
_PERIOD_DEFAULT = const(30)
_IMMEDIATE = const(2)  # resends at once after errors (STUN-36), and announcements at once in a row
_HISTORY = const(8)  # events and round trips kept

# States.
OFF = const(0)
RESOLVING = const(1)
ASKING = const(2)  # a transaction is under way
WAITING = const(3)  # until the next keepalive or the next attempt


def keepalive_period(minimum, maximum, lifetime=None):
    """Return the keepalive period in seconds for the two TR-181 parameters (STUN-50 to 52).

    `lifetime` is the longest period known to hold the binding, None as long as none was
    discovered.
    """
    period = minimum
    if minimum == 0 and maximum == -1:
        period = _PERIOD_DEFAULT
    if lifetime is not None and lifetime > period:
        period = lifetime
    if maximum >= 0 and period > maximum:
        period = maximum
    return max(period, _PERIOD_MIN)


class NatBinding:
    """One primary port. `changed()` is called when `reported` may be another one than before
    (STUN-12, STUN-62).

    random_bytes(n) gives n random bytes, log(level, area, text) writes a line. Addresses are
    (host, port).
    """

    def __init__(self, random_bytes, changed, log):
        self.random = random_bytes
        self._changed = changed
        self._log = log
        self.state = OFF
        self.local = None
        self.server = None  # (host, port) as configured; the host may be a name
        self.mapped = None  # the public address of the last answer
        self.failure = ""  # why the last attempt failed, "" when it did not
        self.failures = 0  # in a row
        self.answered = None  # when the last answer came
        self.round_trips = []  # of the last answered transactions, ms
        self.history = []  # the last events: (when, what, detail)
        self.counts = {
            "requests": 0,
            "answers": 0,
            "errors": 0,
            "dropped": 0,
            "failures": 0,
            "changes": 0,
            "losses": 0,  # of bindings whose lifetime was known
        }
        self._wanted = None  # the parameters in use
        self._forget()

    def _forget(self):
        self.mapped = None
        self.lifetime = None  # seconds, see `use`
        self._variant = None  # the integrity variant that worked
        self._transaction = None
        self._deadline = None
        self._sent_at = None  # first send of the last transaction that was no BINDING-CHANGE
        self._announce = False  # a change that the server has not confirmed yet
        self._announced = 0  # announcements at once in a row
        self.destination = None  # where datagrams of `tick` go: what `resolved` was given

    def configure(
        self,
        now,
        enable,
        server,
        local,
        username="",
        password="",
        period=(30, -1),
        options=(True, True),
    ):
        """Take the parameters and start anew when one of them changed (STUN-20); return True when
        it did.

        server: (host, port), port 0 stands for 3478 (STUN-22). local: address of the primary port.
        period: (minimum, maximum) in seconds. options: (send USERNAME always (STUN-13), cookie in
        the id (STUN-04)).
        """
        wanted = (enable, server, local, username, password, period, options)
        if wanted == self._wanted:
            return False
        self._wanted = wanted
        self.server, self.local = server, local
        self.username = username
        self.hmac = HmacSha1(password.encode()) if password else None
        self.period_min, self._maximum = period
        self.least = keepalive_period(*period)
        self._send_username, self._cookie = options
        self._forget()
        self.failure, self.failures = "", 0
        self.state = RESOLVING if enable else OFF
        self._deadline = now if enable else None
        if not enable:
            # The local address is true at once; that there is no public one is news only when the
            # server did not answer, or every new setting would be reported twice.
            self._changed()
        return True

    # What is reported (STUN-60, STUN-61).

    @property
    def nat_detected(self):
        """NATDetected: both addresses are known and differ; False while off."""
        known = self.state != OFF and self.mapped is not None
        return known and self.local not in (None, self.mapped)

    @property
    def reported(self):
        """UDPConnectionRequestAddress and NATDetected; the address is "" while none is known
        (B10).
        """
        address = self.local if self.state == OFF else self.mapped
        return ("{}:{}".format(*address) if address else "", self.nat_detected)

    @property
    def period(self):
        """The keepalive period in use, seconds."""
        return keepalive_period(self.period_min, self._maximum, self.lifetime)

    @property
    def bounds(self):
        """The safest and the longest period that the ACS allows, seconds, the latter -1 when
        anything goes; None when it leaves no choice (STUN-51, STUN-52).
        """
        least = self.least
        return (least, self._maximum) if self._maximum < 0 or self._maximum > least else None

    @property
    def terms(self):
        """What the discovery has to begin anew for when it changes, and the period it gave."""
        return self.mapped, self.destination, self.bounds, self.lifetime

    def use(self, lifetime, now):
        """Take the longest period in seconds that is known to hold the binding, None: the minimum
        it is; the next keepalive moves with it (STUN-53).
        """
        if lifetime != self.lifetime:
            self.lifetime = lifetime
            self._note(now, "period", self.period)
            if self.state == WAITING and not self.failures:
                self._wait_for_keepalive(now)

    def _note(self, now, what, detail):
        self.history.append((now, what, detail))
        if len(self.history) > _HISTORY:
            self.history.pop(0)

    # Time.

    def deadline(self):
        """When `tick` wants to be called, in ms of the monotonic clock; None: never."""
        return self._deadline

    @property
    def wants_address(self):
        """True when the runtime must look the server up and call `resolved` before the next
        `tick`.
        """
        return self.state == RESOLVING

    def resolved(self, address, now):
        """Take the address of the server ((host, port) or what the sockets of this port take),
        None: not found.
        """
        if self.state != RESOLVING:
            return
        if address is None:
            self._fail("no IPv4 address for the STUN server", now)
            return
        self.destination = address
        self._begin(now, self._announce)

    def moved(self, now):
        """The path to the server was lost and is back (link down and up): ask again at once."""
        if self.state != OFF:
            self.state = RESOLVING
            self._deadline = now

    def tick(self, now):
        """Return the datagram that is due at `now`, or None. It goes to `destination` from the
        primary port.
        """
        if self._deadline is None or now < self._deadline:
            return None
        if self.state == WAITING:
            if self.failures:
                # A name may mean another server by now (STUN-22, B12).
                self.state = RESOLVING
                return None
            self._begin(now, self._announce)
        if self.state != ASKING:
            return None
        if self._transaction.over(now):
            self._fail("timeout", now)
            return None
        packet = self._transaction.due(now)
        self._deadline = self._transaction.deadline
        if packet:
            self.counts["requests"] += 1
        return packet

    # Transactions.

    def _begin(self, now, change, signed=None):
        # signed: the integrity variant to use; None as long as the server did not ask for it
        # (STUN-30).
        tid = stun.transaction_id(self.random(16), self._cookie)
        username = self.username if self._send_username or signed else ""
        hmac = self.hmac if signed else None
        packet = stun.binding_request(tid, username, True, change, hmac, signed or stun.PADDED)
        if len(packet) > 200 and self.failures == 0:
            self._log("W", "binding", "request-long bytes={}".format(len(packet)))
        if signed is None:
            self._resends = 0
        self._signed = signed
        self.announcing = change
        self._transaction = Transaction(tid, packet, now)
        self._deadline = now
        self.state = ASKING
        if not change:
            self._sent_at = now

    def _wait(self, now, delay):
        self._transaction = None
        self.state = WAITING
        self._deadline = now + delay

    def _fail(self, reason, now, delay=None):
        # Socket, port and what is reported stay as they are: the last answer still stands
        # (STUN-45).
        self.failure = reason
        if not self.failures:
            self._note(now, "failed", reason)
        self.failures += 1
        self.counts["failures"] += 1
        if self.mapped is None:
            self._changed()
        if delay is None:
            # The sends of this transaction have kept the binding; an ACS can still ring. Patience
            # grows as far as the binding is known to hold without them.
            delay = max(self.least * 1000, _RETRY_MIN)
            delay = max(delay, min(delay << min(self.failures, 8) - 1, self.period * 900))
            delay += delay * self.random(1)[0] // 2550
        self._log(
            "W",
            "binding",
            'failed reason="{}" failures={} retry_ms={}'.format(reason, self.failures, delay),
        )
        self._wait(now, delay)

    def datagram(self, buf, size, now):
        """Take `buf[:size]`; return True when it was the answer to the outstanding request."""
        if self.state != ASKING or not stun.answers(buf, size, self._transaction.tid):
            self.counts["dropped"] += 1
            return False
        try:
            message = stun.parse(buf, size)
        except stun.StunError as error:
            return self._drop(str(error))
        if self._signed:
            from ..wire.stun_verify import verify  # noqa: PLC0415 - a slice

            # An error answer to a wrong signature cannot carry a right one (STUN-33); a success
            # must (STUN-34).
            if not verify(buf, message, self.hmac) and (
                message.kind == stun.RESPONSE or message.integrity
            ):
                return self._drop("integrity of the answer does not verify")
        if message.kind == stun.ERROR:
            self.counts["errors"] += 1
            self._error(message, now)
        elif message.address is None:
            return self._drop("answer without an address")
        else:
            self.counts["answers"] += 1
            self._success(message.address, now)
        return True

    def _drop(self, reason):
        self.counts["dropped"] += 1
        self._log("D", "binding", 'dropped reason="{}"'.format(reason))
        return False

    def _success(self, address, now):
        if self._signed and not stun.is_ambiguous(self._transaction.packet):
            self._variant = self._signed
        self.answered = now
        self.round_trips.append(now - self._transaction.started)
        if len(self.round_trips) > _HISTORY:
            self.round_trips.pop(0)
        recovered = self.failures
        self.failure, self.failures = "", 0
        if self.announcing:
            self._announce = False
        if address != self.mapped:
            was, self.mapped = self.mapped, address
            self._announce = True
            self.lifetime = None  # it was found for another binding
            self.counts["changes"] += 1
            self._note(now, "changed" if was else "bound", address)
            self._log(
                "I",
                "binding",
                "{} mapped={}:{} nat={} period_s={}{}".format(
                    "changed" if was else "bound",
                    address[0],
                    address[1],
                    1 if self.nat_detected else 0,
                    self.period,
                    " was={}:{}".format(was[0], was[1]) if was else "",
                ),
            )
            self._changed()
            # At once (STUN-12); a NAT that maps every datagram anew must not make us a flood
            # (STUN-36).
            if self._announced < _IMMEDIATE:
                self._announced += 1
                self._begin(now, True)
                return
        else:
            self._announced = 0
            if recovered:
                self._note(now, "answered", recovered)
                self._log("I", "binding", "answered after_failures={}".format(recovered))
        if self.announcing:
            self._log("I", "binding", "announced mapped={}:{}".format(*self.mapped))
        self._wait_for_keepalive(now)

    def _wait_for_keepalive(self, now):
        # The NAT counts from any datagram, the minimum only from requests without BINDING-CHANGE:
        # the earlier of both times is safe and allowed (STUN-50). A period above the minimum is
        # jittered downward (STUN-54).
        period = self.period * 1000
        spare = period - max(self.period_min, _PERIOD_MIN) * 1000
        if spare > 0:
            period -= min(spare, period // 32) * self.random(1)[0] // 256
        since = now if self._announce or self._sent_at is None else self._sent_at
        self._wait(now, max(since + period - now, 0))

    def _error(self, message, now):
        code = message.error
        self._log(
            "W",
            "binding",
            "error code={} change={} signed={}".format(
                code, int(self.announcing), self._signed or 0
            ),
        )
        if code in (401, 430, 431, 432):
            variant = self._next_variant(code)
            if variant and self._resends < _IMMEDIATE:
                self._resends += 1
                self._begin(now, self.announcing, variant)
                return
        from .binding_error import outcome  # noqa: PLC0415 - a slice

        reason, delay = outcome(self, code)
        self._fail(reason, now, delay)

    def _next_variant(self, code):
        # Which integrity variant to resend with, None when there is none left (STUN-30, STUN-33).
        if not (self.username and self.hmac):
            return None
        if not self._signed:
            return self._variant or (stun.UNPADDED if self._cookie else stun.PADDED)
        if code in (401, 431):
            return stun.PADDED if self._signed == stun.UNPADDED else stun.UNPADDED
        return self._signed
