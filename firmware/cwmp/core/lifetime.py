"""How long the NAT keeps an idle binding: the discovery of STUN-51 and STUN-53.

Two secondary sockets find it out, so that the primary binding is never at risk. A learns its own
public address, twice with a pause between, for there are NATs that keep a binding longer once
traffic goes both ways; it rests for a while; then B asks the server to answer to that address.
An answer that arrives at A shows that the binding outlived the wait.

A state machine without I/O. It needs no attention but at `deadline()`, when datagrams that came
for A or B go to `datagram()` first and `tick(now)` says what to send. A slice: loaded where the
two periods differ.
"""

import struct

from micropython import const

from ..wire import stun
from .stun_transaction import Transaction

A = const(0)
B = const(1)

# What the server makes of RESPONSE-ADDRESS.
UNKNOWN = const(0)
HONOURED = const(1)
IGNORED = const(2)  # the answer comes back to B
SILENT = const(3)
REFUSED = const(4)  # an error answer

SERVERS = ("unknown", "honours", "ignores", "silent", "refuses")

# Steps: even ones wait, odd ones are transactions.
_REST = const(0)
_LEARN = const(1)
_SETTLE = const(2)
_LEARN_AGAIN = const(3)
_HOLD = const(4)
_PROBE = const(5)

_SETTLE_MS = const(3000)
_AGAIN_MS = const(43200000)  # between two looks at what is known: half a day
_RESUME_MS = const(5000)  # after the server was away
_TROUBLE_MS = const(600000)  # after no answer where there should have been one
_CEILING_S = const(1800)  # where the ACS sets no maximum
_SENDS_MIN = const(5)  # of a probe, for its silence to mean something
_CAUTIOUS = const(14)  # looks until a period at which a binding was lost is tried again


class Lifetime:
    """One search at a time; `follow` keeps it in step with the primary binding.

    random_bytes(n) gives n random bytes, log(level, area, text) writes a line.
    """

    def __init__(self, random_bytes, log):
        self._random = random_bytes
        self._log = log
        self.server = UNKNOWN
        self.error = 0  # code of the error answer of a server that refuses
        self.losses = 0  # bindings lost in spite of what was known
        self.found = False  # the search is over
        self.probes = 0  # of the last search
        self.lifetime = None  # what `NatBinding.use` is told: seconds, None for the minimum
        self.good = None  # longest wait in seconds that was outlived
        self.bad = None  # shortest that was not
        self._cautious = 0
        self._key = None
        self._deadline = None

    def follow(self, binding, now):
        """Search anew when `binding` (NatBinding) has another public address, server or bounds;
        pause while its server does not answer; give it what was found.
        """
        key = binding.terms[:3]
        was = self._key
        if key != was:
            self._key = key
            lost = 0
            if binding.mapped and self.lifetime and was[1:] == key[1:]:
                # Another port of the same NAT: it forgot, in spite of what was found. Another
                # host is the provider's doing.
                if was[0] and was[0][0] == binding.mapped[0]:
                    lost = self.lifetime
                    binding.counts["losses"] += 1
            if key[2]:
                self._start(now, key[2][0], key[2][1], lost)
            else:
                self.lifetime = None
        if binding.mapped is None or binding.failures or not key[2]:
            self._deadline = None
        elif self._deadline is None:
            self._rest(now, _RESUME_MS)
        binding.use(self.lifetime, now)

    def _start(self, now, minimum, maximum, lost):
        self._minimum = minimum
        self._top = _CEILING_S
        if maximum >= 0:
            self._top = maximum + min(10, maximum // 9 + 1)
        self._full = self._top
        if lost:
            self.losses += 1
            self._cautious = _CAUTIOUS
            self._lost = lost
        if self._cautious:
            self._top = max(min(self._top, self._lost * 3 // 4), minimum)
        self.good = self.bad = self.lifetime = None
        self._plan = [0]  # waits that are tried before the search goes on
        self._suspect = None  # a wait without answer, as long as the server may be the reason
        self.found = False
        # The primary binding shows first that it lives from keepalive to keepalive.
        self._rest(now, minimum * 1000 + 5000)

    def deadline(self):
        """When `tick` wants to be called, ms; None: never."""
        return self._deadline

    @property
    def active(self):
        """True while the sockets are needed."""
        return self._deadline is not None and self._step != _REST

    def pause(self, now):
        """Leave off the probe that is under way: the next one comes later."""
        if self.active:
            self._rest(now, _RESUME_MS)

    def tick(self, now):
        """Return (A or B, datagram) when one is to be sent at `now`, else None."""
        if self._deadline is None or now < self._deadline:
            return None
        if not self._step & 1:
            if self._step == _REST:
                self._begin(now)
            else:
                self._ask(now, self._step + 1)
        transaction = self._transaction
        if transaction.over(now):
            self._unanswered(now)
            return None
        packet = transaction.due(now)
        self._deadline = transaction.deadline
        return (B if self._step == _PROBE else A, packet) if packet else None

    def datagram(self, which, buf, size, now):
        """Take `buf[:size]` that came for socket `which`; True when it was an answer."""
        if self._deadline is None or not self._step & 1:
            return False
        if not stun.answers(buf, size, self._transaction.tid):
            return False
        try:
            message = stun.parse(buf, size)
        except stun.StunError:
            return False
        if self._step == _PROBE:
            if which == A:
                self._held(now)
            elif self._waited and message.address == self._address:
                # B was given the port that A had: the server does honour, the NAT forgot.
                self._forgot(self._waited)
                self._next(now)
            elif 500 <= message.error < 600:
                self._rest(now, _TROUBLE_MS)
            else:
                self.error = message.error
                self._cannot(now, REFUSED if message.error else IGNORED)
        elif which == A:
            self._learned(message.address, now)
        else:
            return False
        return True

    # One probe after the other.

    def _ask(self, now, step):
        self._step = step
        tid = stun.transaction_id(self._random(16), True)
        address = None
        if step == _PROBE:
            self._waited = (now - self._since) // 1000
            self.probes += 1
            address = self._address
        self._transaction = Transaction(tid, _request(tid, address), now)
        self._deadline = now

    def _rest(self, now, delay):
        self._step = _REST
        self._deadline = now + delay + delay * self._random(1)[0] // 2550

    def _begin(self, now):
        if self.found:
            # Is it true still? And may it be more by now?
            self.found = False
            self.probes = 0
            self._plan = [self.good or self._minimum]
            if self.bad:
                self._plan.append(self.bad)
            if self._cautious:
                self._cautious -= 1
                if not self._cautious:
                    self._top = self._full
        if self._suspect is not None:
            self._plan.insert(0, self._suspect)
            self._suspect = None
        self._ask(now, _LEARN)

    def _learned(self, address, now):
        if address is None or (self._step == _LEARN_AGAIN and address != self._address):
            # An error, or a NAT with another address for every datagram.
            self._rest(now, _TROUBLE_MS)
            return
        self._address = address
        self._since = now
        if self._suspect is not None:
            # The server answers: it was the NAT that forgot.
            self._forgot(self._suspect)
            self._suspect = None
        if self._step == _LEARN_AGAIN:
            self._step = _HOLD
            self._deadline = now + self._wait * 1000
            return
        wait = self._next_wait()
        if wait is None:
            self._finish(now)
        elif wait == 0:
            self._ask(now, _PROBE)
        else:
            self._wait = wait
            self._step = _SETTLE
            self._deadline = now + _SETTLE_MS

    def _next_wait(self):
        # Seconds, None when enough is known.
        if self._plan:
            return self._plan[0]
        low = self.good or self._minimum
        if self.bad is None:
            if low < self._top:
                return min(low * 2, self._top)
        elif self.bad - low > max(1, self.bad // 20):
            return (low + self.bad) // 2
        # Does it even live from one keepalive to the next?
        return self._minimum if self.good is None and self.bad != self._minimum else None

    def _held(self, now):
        if self.server != HONOURED:
            self.server = HONOURED
            self._log("I", "binding", "lifetime server=honours")
        waited = self._waited
        if waited:
            self._show(waited, 1)
            if waited > (self.good or 0):
                self.good = waited
            if self.bad is not None and self.bad <= waited:
                self.bad = None
        self._next(now)

    def _next(self, now):
        if self._plan:
            self._plan.pop(0)
        self._ask(now, _LEARN)

    def _unanswered(self, now):
        if self._step != _PROBE:
            self._rest(now, _TROUBLE_MS)  # the server is away, or the NAT is: nothing is learned
        elif self._transaction.sends < _SENDS_MIN:
            self._ask(now, _LEARN)  # a session came in between: once more
        elif self._plan and not self._plan[0]:
            self._cannot(now, SILENT)
        else:
            self._suspect = self._waited
            if self.good and self._waited <= self.good:
                self.lifetime = None  # no risk until it is clear
            self._next(now)

    def _forgot(self, waited):
        self._show(waited, 0)
        if self.bad is None or waited < self.bad:
            self.bad = waited
        if self.good is not None and self.good >= self.bad:
            self.good = None
            self._plan = []

    def _show(self, waited, held):
        self._log("D", "binding", "lifetime probe wait_s={} held={}".format(waited, held))

    def _cannot(self, now, server):
        if self.server != server:
            self.server = server
            text = "lifetime server={} error={} effect=minimum-period"
            self._log("W", "binding", text.format(SERVERS[server], self.error))
        self.good = self.bad = self.lifetime = None
        self._plan = [0]
        self._rest(now, _AGAIN_MS)

    def _finish(self, now):
        was, self.lifetime = self.lifetime, self._period()
        self.found = True
        text = "lifetime holds_s={} forgotten_s={} period_s={} probes={}"
        self._log(
            "D" if was == self.lifetime else "I",
            "binding",
            text.format(self.good or 0, self.bad or 0, self.lifetime or 0, self.probes),
        )
        self._rest(now, _AGAIN_MS)

    def _period(self):
        # The found lifetime less 10 s or 10 %, the smaller; and always less than was outlived.
        good = self.good
        if good is None:
            return None
        found = self.bad or good
        return min(found - min(10, found // 10), good - max(1, min(5, good // 20)))


def _request(tid, address):
    # A Binding Request whose answer goes to `address`, (host, port), or to the sender (STUN-53).
    # FreeACS answers no request that has neither CHANGE-REQUEST nor the tag (X9).
    body = b""
    if address:
        host, port = address
        body = struct.pack(">HHHH", stun.RESPONSE_ADDRESS, 8, 1, port)
        body += bytes([int(part) for part in host.split(".")])
    body += struct.pack(">HHI", stun.CHANGE_REQUEST, 4, 0)
    return struct.pack(">HH", stun.REQUEST, len(body)) + tid + body
