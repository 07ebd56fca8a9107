"""The agent: wires the rules to sockets, flash and time. One task reads the primary port, one
keeps the time. What talks to the ACS is a slice of its own: `runtime/management.py`.
"""

import asyncio
import gc
import socket
import sys

from micropython import const

from ..core import connection_request as gate
from ..core import schedule as reasons
from ..core.connection_request import ConnectionRequestGate
from ..core.nat_binding import NatBinding
from ..core.periodic import Periodic
from ..core.schedule import Schedule
from .discovery import Discovery
from .resolver import Resolver
from .slices import PARTS, borrow, drop_all, scarce

_DROPS_SHOWN_MS = const(10000)  # least time between two lines about one kind of dropped datagram
LONGEST_SLEEP = 60000  # ms
_WATCH = const(1000)  # while a session runs: its guard is this exact
_CONSOLE = "cwmp.runtime.commands"
_RECORDS = "runtime.store port.nvs core.freshness_record"
_LINGER = const(3000)  # ms that what was loaded stays, for what comes next: a binding after a boot


class Agent:
    """All parts of the CPE. The console and the boot code use its attributes and the methods
    without underscore.
    """

    def __init__(self, port, site, clock, log):
        self.port = port
        self.site = site
        self.log = log
        self.now = clock.now
        self.tasks = ()  # (name, task) that must not end
        self.beat = 0  # when the task that keeps the time last came round
        limits = site["connection_request"]
        self.schedule = Schedule(limits["limit_count"], limits["limit_period_s"])
        self.periodic = Periodic()
        self.gate = ConnectionRequestGate(
            self.schedule.ring, limits["lenient"], site["limits"]["datagram_bytes"]
        )
        self.binding = NatBinding(port.random_bytes, self._binding_changed, log)
        self.discovery = Discovery(self)
        self.resolver = Resolver(socket.getaddrinfo)
        self.udp = None
        self.doorbell = None  # for TCP Connection Requests, where they are wanted
        self.network_error = ""
        self.local_ip = site["network"]["local_ip"]
        self.sessions_done = self.sessions_failed = 0
        self.last_failure = ""
        # What `Management` found in the data model, and needs to know again.
        self.acs_url = ""
        self.acs = None  # (host, port)
        self.path = ""  # of the ConnectionRequestURL
        self.credentials = self.phase = self.kept = self.http_enabled = None
        self.told = {}
        self.volatile = {}  # what `DataModel` keeps until the next boot
        self.diagnosis = None  # a diagnostic test: (name of its state, task)
        self._management = None
        self._used = 0  # when it was last asked for
        self.jobs = None  # Jobs, while the ACS wants something done later
        self.progress = 0  # when the running session last got anywhere (CWMP-24)
        memory = site["limits"]["memory"]
        # Whether it drops what it does not need at the moment.
        self.saving = scarce() if memory == "auto" else memory == "save"
        self._wake = asyncio.Event()
        self._stale = True  # parameters changed: their users have not been told
        self._clock_known = False
        self._session = None
        self._rebooting = False
        self.tls = None  # the SSLContext that is kept
        self.held = None  # by port/heap.py
        self._fresh_saved = None
        self._shown = [None] * gate.VERDICTS  # when a drop of each kind was last logged
        self._counted = [0] * gate.VERDICTS

    def load_jobs(self):
        """Return the Jobs, loaded if need be."""
        if self.jobs is None:
            from .jobs import Jobs  # noqa: PLC0415 - a slice

            self.jobs = Jobs(self)
        return self.jobs

    def _serve_jobs(self, now):
        if self.jobs.task:
            self._used = now  # what it uses is not to be dropped
            return
        try:
            names = self.jobs.serve(now)
        except Exception as error:
            self.internal("transfer", error)
            names = "runtime.jobs"  # it is tried again at the next boot
        if names:
            self.jobs = None
            drop_all(names)

    def management(self):
        """Return the Management, loaded if need be. Where memory is scarce it is dropped soon
        after: keep no reference to it, nor to anything of it.
        """
        self._used = self.now()
        if self._management is None:
            gc.collect()
            from .management import Management  # noqa: PLC0415 - a slice

            self._management = Management(self)
        return self._management

    def _drop_slices(self):
        if self._management:
            names = self._management.close()
            self._management = None
            drop_all(names)

    # Records. What puts them on flash is a slice: keep no reference to either.

    @property
    def store(self):
        """The records on flash."""
        from .store import Store  # noqa: PLC0415 - a slice

        return Store(self.port.folder, self.log)

    @property
    def counters(self):
        """Those that change often."""
        return self.port.counters(self.store)

    def save_freshness(self, at_once=False):
        """Put the memory of Connection Requests on flash, at most every `limits.freshness_write_s`
        (UCR-24).
        """
        freshness = self.gate.freshness
        now = self.now()
        if not freshness.dirty or self._fresh_rest(now) and not at_once:
            return
        freshness.dirty = False
        self._fresh_saved = now
        try:
            from ..core.freshness_record import snapshot  # noqa: PLC0415 - a slice

            self.save("fresh", snapshot(freshness), self.counters)
        except Exception as error:  # no memory to load it into: the next request tries again
            self.internal("store", error)
        if self._management is None:  # which would take it along
            drop_all(_RECORDS)

    def _fresh_rest(self, now):
        if self._fresh_saved is None:
            return 0
        return max(0, self._fresh_saved + self.site["limits"]["freshness_write_s"] * 1000 - now)

    def save(self, name, value, store=None):
        """Put a record on flash; a failure is logged."""
        try:
            (store or self.store).save(name, value)
        except OSError as error:
            self.log("E", "store", 'failed what={} error="{}"'.format(name, error))

    # Parameters

    def refresh(self):
        """Parameters changed: their users are told soon."""
        self._stale = True
        self._wake.set()

    def changed(self, name):
        """For an application: a parameter that its getter gives has another value now."""
        self.management().model.changed(name)

    def _apply(self, now):
        self._stale = False
        self._clock_known = self.port.unix_time() is not None
        self.management().apply(now)

    def _binding_changed(self):
        self.management().binding_changed()

    def fraction(self):
        """Return a random float in [0, 1)."""
        return int.from_bytes(self.port.random_bytes(3), "big") / 16777216

    def find_local_ip(self):
        """Ask the board for the local address towards the ACS; a new one is told to everybody
        concerned (STUN-20).
        """
        if self.site["network"]["local_ip"] or not self.acs:
            return
        try:
            found = self.port.local_ip(self.resolver.lookup(self.acs[0], self.acs[1], 0))
        except OSError:
            return
        if found and found != self.local_ip:
            self.log("I", "net", "address local={}".format(found))
            known, self.local_ip = self.local_ip, found
            if known:  # at boot the first Inform carries it anyway
                self.management().url_changed()
            self._stale = True

    # Life

    async def run(self):
        """Run for ever. OSError: the primary port cannot be opened."""
        self.udp = await borrow("runtime.start").begin(self)
        self.want(reasons.BOOT)
        while True:
            self.log.release()
            now = self.beat = self.now()
            self._wake.clear()
            if self._session is None:
                if self._rebooting:
                    borrow("runtime.start").reboot(self)
                if self.jobs:
                    self._serve_jobs(now)
                self._housekeeping(now)
                self.discovery.serve(now, not (self.saving and self._management))
            elif now - self.progress > self.site["limits"]["session_guard_s"] * 1000:
                self._session.cancel()
            if self._session is None or not self.saving:  # what it takes to apply must fit, too
                if self._stale or (not self._clock_known and self.port.unix_time() is not None):
                    self._apply(now)
            self._serve_binding(now)
            if self.periodic.due(now):
                self.periodic.ticked(now, self.port.unix_time())
                self.schedule.want(reasons.PERIODIC, now)
            self.start_session()
            wait = self._next(self.now())
            if wait:
                try:
                    await asyncio.wait_for_ms(self._wake.wait(), wait)
                except asyncio.TimeoutError:
                    pass
            else:
                await asyncio.sleep_ms(0)

    def network_back(self):
        """Names may lead elsewhere now, and the NAT has forgotten us (B20, STUN-20)."""
        self.resolver.forget(None)
        self.find_local_ip()
        self.binding.moved(self.now())
        self._wake.set()

    def clock_set(self):
        """The board knows the time of day now, or knows it better."""
        self._wake.set()

    async def read(self):
        """Read the primary port for ever."""
        while True:
            try:
                await self.udp.run()
            except Exception as error:
                # A defect of ours, or no memory: a stranger must not make the device deaf with it.
                self.internal("net", error)
                await asyncio.sleep_ms(0)

    def internal(self, area, error):
        """Log a defect of ours."""
        sys.print_exception(error)
        self.log("E", area, 'internal error="{}"'.format(repr(error)))
        gc.collect()

    def close(self):
        self.discovery.close()
        if self.doorbell:
            self.doorbell.open(False)
        if self.udp:
            self.udp.close()
            self.udp = None

    def want(self, reason):
        """Ask for a session for one of the reasons of `core.schedule`."""
        self.schedule.want(reason, self.now())
        self._wake.set()

    def reboot_soon(self):
        """Restart the board after the present step, or after the session that runs."""
        self._rebooting = True
        self._wake.set()

    def _next(self, now):
        wait = LONGEST_SLEEP if self._session is None else _WATCH
        for source in (
            self.binding,
            self.discovery if self._session is None else None,  # no probes during a session
            self.jobs if self._session is None else None,
        ):
            deadline = source.deadline() if source else None
            if deadline is not None:
                wait = min(wait, max(deadline - now, 0))
        for left in (
            self.schedule.deadline(now) if self._may_start() else None,
            self.periodic.deadline(now),
        ):
            if left is not None:
                wait = min(wait, left)
        if self._session is None:
            if self.gate.freshness.dirty:
                wait = min(wait, self._fresh_rest(now))
            if self.saving and self._management:
                wait = min(wait, max(0, self._used + _LINGER - now))
        return wait

    def _housekeeping(self, now):
        # What need not be done while somebody waits for a session.
        self.save_freshness()
        if self._management is not None:
            self._management.save()
            if not self.saving:
                if self._management.prepare():
                    gc.collect()  # now, not between a ring and its Inform
            elif now - self._used >= _LINGER and not self._due(now):
                self._drop_slices()
        for verdict, count in enumerate(self.gate.counts):
            if count != self._counted[verdict] and verdict != gate.ACCEPTED:
                self._show_drops(verdict, now)

    # Sessions

    @property
    def in_session(self):
        return self._session is not None

    def _may_start(self):
        return (
            self._session is None
            and not self._rebooting
            and not (self.saving and self.jobs and self.jobs.task)  # both together do not fit
            and self.gate.enabled
            and self.acs_url != ""
        )

    def _due(self, now):
        return self._may_start() and self.schedule.due(now)

    def start_session(self):
        """Start a session if one is due."""
        if self._due(self.now()):
            self.progress = self.now()
            self._session = asyncio.create_task(self._run_session())

    def make_room(self, typed=False):
        """Drop what does not fit beside a session, or beside the console's commands when something
        was `typed`; where memory is scarce.
        """
        console = _CONSOLE in sys.modules
        if not self.saving or (typed and (console or self._session)):
            return
        self.discovery.pause(self.now())
        if self.doorbell:
            self.doorbell.rest(True)
        # What a change of the binding has loaded is of use to a session, some of it.
        if console or (typed and not (self.jobs and self.jobs.task)):
            self._drop_slices()
        elif self._management:
            drop_all(PARTS)

    async def _run_session(self):
        try:
            self.make_room()
            failure = await self.management().run_session()
        except Exception as error:
            # Ours, not the ACS's: the device must stay reachable, so it is a failed session and
            # not the end.
            self.internal("session", error)
            failure = "internal {}".format(repr(error))
        self._session = None
        self._used = now = self.now()
        self._wake.set()
        self._ended(failure, now)
        self.management().after_session()

    def _ended(self, failure, now):
        self.last_failure = failure
        self.schedule.ended(not failure, now, self.fraction())
        if not failure:
            self.sessions_done += 1
            if self.sessions_done == 1:
                # This boot was a good one, and with it what was on trial in it.
                self.port.set_failed_boots(0)
                borrow("runtime.trial").accept(self.port)
            return
        self.sessions_failed += 1
        wait = self.schedule.deadline(now)
        self.log(
            "W",
            "session",
            'failed reason="{}" retry={} wait_s={}'.format(
                failure, self.schedule.retry_count, -1 if wait is None else (wait + 999) // 1000
            ),
        )
        self.find_local_ip()

    # Datagrams

    def on_stun(self, data):
        """Take a datagram that may be an answer of the STUN server."""
        now = self.now()
        if self.binding.datagram(data, len(data), now):
            self._serve_binding(now)
            self._wake.set()

    def _serve_binding(self, now):
        # Sends what is due; looking up the server blocks, and happens only for a new one or after
        # a failure (B20).
        binding = self.binding
        if binding.wants_address:
            host, port = binding.server
            if binding.failures:
                self.resolver.forget(host)
                self.find_local_ip()
            try:
                binding.resolved(self.resolver.lookup(host, port) if host else None, now)
            except OSError:
                binding.resolved(None, now)
        packet = binding.tick(now)
        if packet and not self.udp.send(packet, binding.destination):
            self.log("D", "net", "send-failed")

    def on_request(self, data):
        """Take a Connection Request; True when a session may have started."""
        now = self.now()
        self.settle(now)
        verdict = self.gate.handle(data, len(data), now)
        if verdict == gate.ACCEPTED:
            self._counted[verdict] += 1
            self.rung("")
            return True
        self._show_drops(verdict, now)
        return False

    def settle(self, now):
        """Parameters that changed are told to their users. Before a request is judged: the session
        that has just ended may have set what it is checked with.
        """
        if self._stale:
            self._apply(now)

    def rung(self, via):
        """A Connection Request was accepted, with `gate.effect`; start its session."""
        # Until the Inform is on its way: the session's task runs before that of the time.
        self.log.hold()
        self.start_session()
        text = "accepted effect={}{}".format(reasons.VERDICTS.split()[self.gate.effect], via)
        self.log("I", "cr", text)
        self._wake.set()

    def _show_drops(self, verdict, now):
        # A stranger cannot fill the log: one line for each kind in a while, with how many there
        # were (B13).
        shown = self._shown[verdict]
        if shown is not None and now - shown < _DROPS_SHOWN_MS:
            return
        self._shown[verdict] = now
        count = self.gate.counts[verdict] - self._counted[verdict]
        self._counted[verdict] += count
        detail = ""
        if verdict == gate.MALFORMED:
            words = borrow("wire.udp_request_error").words(self.gate.detail)
            detail = ' detail="{}"'.format(words)
        # Copies against loss are no news (UCR-22).
        level = "D" if verdict == gate.DUPLICATE else "W"
        self.log(
            level, "cr", "dropped reason={} count={}{}".format(gate.name(verdict), count, detail)
        )
