"""One connection to the doorbell: its requests are read, judged and answered (TCR-01 to TCR-22).
A slice, loaded when somebody connects.
"""

import asyncio
import time

from micropython import const

from ..core.tcp_request import STALE, challenge, check, new_state
from ..wire.http_request import AUTHORIZATION, BODY, END, KEEP_ALIVE, METHOD, TARGET, read_head
from .poll import readable, writable

_VISITS_MAX = const(2)  # TCR-16
_READ_MS = const(5000)  # for a whole request (TCR-16)
_BUSY_MS = const(20)
_DRAIN_MS = const(200)  # of silence
_LONGEST = const(2048)  # of a head (TCR-02), and of a body that is skipped (TCR-04)
_PIECE = const(512)
_REQUESTS = const(8)  # per connection
_SHOWN_MS = const(10000)  # least time between two lines about one kind of refusal
_STATUSES = b"""200 OK
400 Bad Request
401 Unauthorized
404 Not Found
405 Method Not Allowed
431 Request Header Fields Too Large
503 Service Unavailable
"""

# Who gives way first when a third one comes: who is done, then who has asked nothing yet, last
# who was challenged and has still to answer. The one that came first goes first.
_DONE = const(0)
_SILENT = const(1)
_CHALLENGED = const(2)


def admit(bell, sock):
    """Start the visit of whoever is at the other end of `sock`."""
    if len(bell.visits) == _VISITS_MAX:
        bell.end(min(bell.visits, key=_importance))
    visit = Visit(bell, sock)
    visit.task = asyncio.create_task(bell.serve(visit))
    bell.visits.append(visit)


def _importance(visit):
    return visit.importance, visit.since


class Visit:
    """`task` runs `run`, which ends when the connection is to be closed, at `until` at last."""

    def __init__(self, bell, sock):
        self.bell = bell
        self.sock = sock
        self.task = None
        self.since = bell.agent.now()
        self.importance = _SILENT
        self._data = bytearray()
        self.until = self.since + _READ_MS
        if bell.state is None:
            bell.state = new_state(bell.agent.port.random_bytes(16))

    async def run(self):
        """Answer requests until there are no more. OSError: the peer is gone."""
        bell = self.bell
        agent = bell.agent
        for left in range(_REQUESTS - 1, -1, -1):
            self.until = agent.now() + _READ_MS
            head = None
            status = 0
            while not head and not status:
                if not self._data and not await self._more():
                    return
                start = time.ticks_us()
                try:
                    head = read_head(self._data)
                    if head and head[END] > _LONGEST:
                        head = None
                except ValueError:
                    status = 400
                    self._note("malformed")
                bell.used += time.ticks_diff(time.ticks_us(), start)
                if not head and not status:
                    if len(self._data) >= _LONGEST:
                        status = 431
                        self._note("too-long")
                    elif not await self._more():
                        return
            start = time.ticks_us()
            more = b""
            if head:
                status, more = self._judge(head)
                if self not in bell.visits:
                    return  # what was set in the session before has closed the port
            # A 503 carries no Retry-After (TCR-16).
            keep = left and head and head[KEEP_ALIVE] and 0 <= head[BODY] <= _LONGEST
            if status == 200 and agent.saving:
                keep = False  # the session needs the memory
            self.importance = _CHALLENGED if status == 401 and keep else _DONE
            at = _STATUSES.find(b"%d" % status)
            parts = (
                b"HTTP/1.1 ",
                _STATUSES[at : _STATUSES.find(b"\n", at)],
                b"\r\nContent-Length: 0\r\n",
                more,
                b"\r\n" if keep else b"Connection: close\r\n\r\n",
            )
            answer = b"".join(parts)
            while answer:
                # A chip's network may have no memory for it at the moment, and takes nothing.
                sent = self.sock.write(answer)
                if sent is None:
                    await writable(self.sock)
                    await asyncio.sleep_ms(_BUSY_MS)
                else:
                    answer = answer[sent:]
            if status == 200:
                agent.rung(" via=tcp")  # only now: the answer goes first (TCR-13)
            bell.used += time.ticks_diff(time.ticks_us(), start)
            if not keep:
                break
            self._data = self._data[head[END] :]
            while len(self._data) < head[BODY]:
                if not await self._more():
                    return
            self._data = self._data[head[BODY] :]
        if head and not head[BODY]:
            return
        # A peer that is still sending would have the answer destroyed by a reset.
        for _ in range(2 * _LONGEST // _PIECE):
            self.until = agent.now() + _DRAIN_MS
            self._data = bytearray()
            if not await self._more():
                break

    def expire(self):
        """Close the connection: `until` has passed."""
        if self._data:
            self._note("timeout")
        self.bell.end(self)

    async def _more(self):
        # Wait for bytes; False when there will be none.
        # No wait_for: each one allocates, and garbage must not be collected between a ring and its
        # Inform.
        await readable(self.sock)
        data = self.sock.recv(_PIECE)
        self._data += data
        return len(data) > 0

    def _judge(self, head):
        # -> status, header lines.
        if head[METHOD] != b"GET":
            self._note("method")
            return 405, b"Allow: GET\r\n"
        bell = self.bell
        agent = bell.agent
        now = agent.now()
        agent.settle(now)
        target = head[TARGET]
        path = target
        if not target.startswith(b"/"):
            path = target[target.find(b"/", target.find(b"//") + 2) :]
        if path != b"/" + agent.path.encode():
            self._note("not-found")
            return 404, b""
        wrong = "challenged"
        if head[AUTHORIZATION] is not None:
            name, word, _ = agent.credentials
            wrong = check(bell.state, now, name, word, target, head[AUTHORIZATION])
        if wrong:
            self._note(wrong)
            text = challenge(bell.state, now, agent.port.random_bytes(8), wrong == STALE)
            return 401, b"WWW-Authenticate: %s\r\n" % text
        if not agent.schedule.allowed(now):
            agent.schedule.limited += 1
            self._note("limited")
            return 503, b""
        agent.gate.effect = agent.schedule.ring(now)
        self._note("accepted")
        return 200, b""

    def _note(self, what):
        # A stranger cannot fill the log (B13).
        bell = self.bell
        count = bell.counts.setdefault(what, [0, 0, None])
        count[0] += 1
        now = bell.agent.now()
        if what != "accepted" and (count[2] is None or now - count[2] >= _SHOWN_MS):
            count[2] = now
            level = "D" if what in ("challenged", STALE) else "W"
            text = "refused via=tcp reason={} count={}".format(what, count[0] - count[1])
            count[1] = count[0]
            bell.agent.log(level, "cr", text)
