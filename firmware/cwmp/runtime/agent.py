"""The agent: wires the rules to sockets, flash and time. One task reads the primary port, one
keeps the time.
"""

import asyncio
import gc
import socket
import sys
from binascii import hexlify

from .. import VERSION
from ..core import connection_request as gate
from ..core import schedule as reasons
from ..core.connection_request import ConnectionRequestGate
from ..core.cwmp_types import iso_to_unix
from ..core.data_model import DataModel
from ..core.device2 import DEVICE2
from ..core.events import EventQueue
from ..core.inform import PreparedInform
from ..core.nat_binding import NatBinding
from ..core.notification import Notification
from ..core.periodic import Periodic
from ..core.schedule import Schedule
from ..wire.http import HttpError, parse_url
from ..wire.udp_request import REASONS
from .resolver import Resolver
from .session_runner import Outcome, SessionRunner
from .store import Store
from .udp import PrimaryPort

_MS = "Device.ManagementServer."
_DROPS_SHOWN_MS = 10000  # least time between two lines about the same kind of dropped datagram
LONGEST_SLEEP = 60000  # ms
_WATCH = 1000  # while a session runs: its guard is this exact


class Agent:
    """All parts of the CPE. The console and the boot code use its attributes and the methods
    without underscore.
    """

    def __init__(self, port, site, clock, log):
        self.port = port
        self.site = site
        self.log = log
        self.now = clock.now
        self.store = Store(port.folder, log)
        self.counters = port.counters(self.store)
        self.tasks = ()  # (name, task) that must not end
        self.beat = 0  # when the task that keeps the time last came round
        self.model = DataModel(DEVICE2, site, self._getters(), log)
        self.notification = Notification(self.model)
        self.events = EventQueue(self.notification, log)
        limits = site["connection_request"]
        self.schedule = Schedule(limits["limit_count"], limits["limit_period_s"])
        self.periodic = Periodic()
        self.gate = ConnectionRequestGate(
            self.schedule.ring, limits["lenient"], site["limits"]["datagram_bytes"]
        )
        self.binding = NatBinding(port.random_bytes, self._binding_changed, log)
        self.lifetime = None  # LifetimeSockets, once there is something to discover
        self.resolver = Resolver(socket.getaddrinfo)
        self.prepared = PreparedInform(self.model)
        self.runner = SessionRunner(self)
        self.udp = None
        self.network_error = ""
        self.local_ip = site["network"]["local_ip"]
        self.sessions_done = self.sessions_failed = 0
        self.last_failure = ""
        self._wake = asyncio.Event()
        self._stale = True  # parameters changed: their users have not been told
        self._credentials = None
        self._phase = None
        self._clock_known = False
        self._session = None
        self._rebooting = False
        self._fresh_saved = None
        self._shown = [None] * len(gate.NAMES)  # when a drop of each kind was last logged
        self._counted = [0] * len(gate.NAMES)
        self._restore()

    # Dynamic values

    def _getters(self):
        return {
            "software_version": lambda: VERSION,
            "up_time": lambda: self.now() // 1000,
            "connection_request_url": self._connection_request_url,
            "udp_connection_request_address": lambda: self.binding.reported[0],
            "nat_detected": lambda: self.binding.nat_detected,
        }

    def _connection_request_url(self):
        # GenieACS will not even ring by UDP when this is no URL (UCR-35).
        return "http://{}:{}/{}".format(
            self.local_ip or "0.0.0.0", self.site["connection_request"]["port"], self._path
        )

    # Records

    def _restore(self):
        device = self.store.load("device")
        path = device.get("path") if isinstance(device, dict) else None
        self._path = path if path and isinstance(path, str) else ""
        if not self._path:
            self._path = hexlify(self.port.random_bytes(8)).decode()
            self._save("device", {"path": self._path})
        updated = self.model.restore(self.store.load("params"))
        self.model.attach(lambda record: self.store.save("params", record), self._changed)
        self.events.restore(self.store.load("events"))
        self.gate.freshness.restore(self.counters.load("fresh"))
        self.events.after_boot(self._url() or None)
        for name in updated:
            self.model.changed(name)
        self.save_events()

    def save_events(self):
        """Put undelivered events and changes on flash if they are not there yet."""
        if self.events.dirty:
            self._save("events", self.events.snapshot())
            self.events.dirty = False

    def save_freshness(self):
        """Put the memory of Connection Requests on flash, at most every `limits.freshness_write_s`
        (UCR-24).
        """
        freshness = self.gate.freshness
        now = self.now()
        rest = self._fresh_rest(now)
        if freshness.dirty and not rest:
            self._save("fresh", freshness.snapshot(), self.counters)
            freshness.dirty = False
            self._fresh_saved = now

    def _fresh_rest(self, now):
        if self._fresh_saved is None:
            return 0
        return max(0, self._fresh_saved + self.site["limits"]["freshness_write_s"] * 1000 - now)

    def _save(self, name, value, store=None):
        try:
            (store or self.store).save(name, value)
        except OSError as error:
            self.log("E", "store", 'failed what={} error="{}"'.format(name, error))

    # Parameters and those who use them

    def _url(self):
        return self.model.value(_MS + "URL")

    def _changed(self, name, by_acs):
        if self.notification.changed(name, by_acs):
            self.want(reasons.ACTIVE_CHANGE)
        self.prepared.invalidate()
        self._stale = True
        self._wake.set()

    def _binding_changed(self):
        self.model.changed(_MS + "UDPConnectionRequestAddress")
        self.model.changed(_MS + "NATDetected")

    def _apply(self, now):
        # Every user of a parameter takes the present value; each of them notices by itself whether
        # it is new.
        self._stale = False
        value = self.model.value
        self.schedule.configure(
            value(_MS + "CWMPRetryMinimumWaitInterval"),
            value(_MS + "CWMPRetryIntervalMultiplier"),
            value(_MS + "DefaultActiveNotificationThrottle"),
        )
        self.gate.enabled = value(_MS + "EnableCWMP")
        credentials = (
            value(_MS + "ConnectionRequestUsername"),
            value(_MS + "ConnectionRequestPassword"),
            self._url(),
        )
        if credentials != self._credentials:
            if self._credentials is not None:
                self.gate.forget()
                self._meet_acs()
            self._credentials = credentials
            self.gate.set_credentials(credentials[0], credentials[1])
        phase = (
            value(_MS + "PeriodicInformEnable"),
            value(_MS + "PeriodicInformInterval"),
            iso_to_unix(self.model.get(_MS + "PeriodicInformTime")[0]),
        )
        clock_known = self.port.unix_time() is not None
        if phase != self._phase or clock_known != self._clock_known:
            self._phase = phase
            self._clock_known = clock_known
            self.periodic.configure(*phase, now, self.port.unix_time(), self._fraction())
        stun = self.site["stun"]
        self.binding.configure(
            now,
            value(_MS + "STUNEnable"),
            (
                value(_MS + "STUNServerAddress") or self._acs_host(),
                value(_MS + "STUNServerPort") or 3478,
            ),
            (self.local_ip, self.site["connection_request"]["port"]) if self.local_ip else None,
            value(_MS + "STUNUsername"),
            value(_MS + "STUNPassword"),
            (value(_MS + "STUNMinimumKeepAlivePeriod"), value(_MS + "STUNMaximumKeepAlivePeriod")),
            (stun["send_username"], stun["transaction_id"] == "cookie"),
        )

    def _meet_acs(self):
        # Another ACS is told 0 BOOTSTRAP, after the session in which its URL was set (CWMP-23).
        if self._session is None and self.events.contact(self._url()):
            self.want(reasons.OTHER)

    def _acs_host(self):
        try:
            return parse_url(self._url())[1]
        except HttpError:
            return ""

    def _fraction(self):
        return int.from_bytes(self.port.random_bytes(3), "big") / 16777216

    def find_local_ip(self):
        """Ask the board for the local address towards the ACS; a new one is told to everybody
        concerned (STUN-20).
        """
        if self.site["network"]["local_ip"]:
            return
        try:
            tls, host, port, _ = parse_url(self._url())
            found = self.port.local_ip(self.resolver.lookup(host, port))
        except (HttpError, OSError):
            return
        if found and found != self.local_ip:
            self.log("I", "net", "address local={}".format(found))
            known, self.local_ip = self.local_ip, found
            if known:  # at boot the first Inform carries it anyway
                self.model.changed(_MS + "ConnectionRequestURL")
            self._stale = True

    # Life

    async def run(self):
        """Run for ever. OSError: the primary port cannot be opened."""
        await self.port.start_network(self.site, self.log, self._network_back)
        self.beat = self.now()
        self.open()
        self.want(reasons.BOOT)
        reader = asyncio.create_task(self._read())
        self.tasks = (("reader", reader),)
        try:
            await self._keep_time()
        finally:
            reader.cancel()

    def _network_back(self):
        # Names may lead elsewhere now, and the NAT has forgotten us (B20, STUN-20).
        self.resolver.forget(None)
        self.find_local_ip()
        self.binding.moved(self.now())
        self._wake.set()

    def clock_set(self):
        """The board knows the time of day now, or knows it better."""
        self._wake.set()

    async def _read(self):
        while True:
            try:
                await self.udp.run()
            except Exception as error:
                # A defect of ours, or no memory: a stranger must not make the device deaf with it.
                self._internal("net", error)
                await asyncio.sleep_ms(0)

    def _internal(self, area, error):
        sys.print_exception(error)
        self.log("E", area, 'internal error="{}"'.format(repr(error)))
        gc.collect()

    def open(self):
        """Open the primary port and bring everybody up to date."""
        wanted = self.site["connection_request"]
        try:
            self.udp = PrimaryPort(
                wanted["port"],
                self._on_stun,
                self._on_request,
                wanted["cpu_share_percent"],
                self.site["limits"]["datagram_bytes"],
            )
        except OSError as error:
            self.network_error = "UDP port {} cannot be opened ({}): is it in use?".format(
                wanted["port"], error
            )
            raise OSError(self.network_error)
        self.log("I", "net", "listening udp={}".format(self.udp.port))
        self.find_local_ip()
        self._apply(self.now())

    def close(self):
        if self.lifetime:
            self.lifetime.close()
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

    def factory_reset(self):
        """Forget all records but identity; the next boot is a first contact (DM-04)."""
        self.model.factory_reset()
        self.gate.freshness.clear()
        self.counters.remove("fresh")
        self.store.remove("device")
        self.events.bootstrap()
        self.save_events()

    async def _keep_time(self):
        while True:
            self.log.release()
            now = self.beat = self.now()
            self._wake.clear()
            if self._session is None:
                if self._rebooting:
                    self._reboot()
                self._housekeeping(now)
                self._discover_lifetime(now)
            elif now - self.runner.progress > self.site["limits"]["session_guard_s"] * 1000:
                self._session.cancel()
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

    def _next(self, now):
        wait = LONGEST_SLEEP if self._session is None else _WATCH
        for source in (
            self.binding,
            self.lifetime if self._session is None else None,  # no probes during a session
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
        if self.gate.freshness.dirty and self._session is None:
            wait = min(wait, self._fresh_rest(now))
        return wait

    def _housekeeping(self, now):
        # What need not be done while somebody waits for a session.
        self.save_events()
        self.save_freshness()
        if self.runner.prepare():
            gc.collect()  # now, not between a ring and its Inform
        for verdict, count in enumerate(self.gate.counts):
            if count != self._counted[verdict] and verdict != gate.ACCEPTED:
                self._show_drops(verdict, now)

    def _reboot(self):
        self.save_events()
        if self.gate.freshness.dirty:
            self._save("fresh", self.gate.freshness.snapshot(), self.counters)
        self.log("I", "boot", "reboot")
        self.close()
        self.port.set_failed_boots(0)
        self.port.reset()

    # Sessions

    @property
    def in_session(self):
        return self._session is not None

    def _may_start(self):
        return (
            self._session is None
            and not self._rebooting
            and self.gate.enabled
            and self._url() != ""
        )

    def start_session(self):
        """Start a session if one is due."""
        if self._may_start() and self.schedule.due(self.now()):
            self._session = asyncio.create_task(self._run_session())

    async def _run_session(self):
        try:
            done = await self.runner.run()
        except Exception as error:
            # Ours, not the ACS's: the device must stay reachable, so it is a failed session and
            # not the end.
            self._internal("session", error)
            done = Outcome("internal {}".format(repr(error)), None)
        self._session = None
        self._wake.set()
        now = self.now()
        if done.failure:
            self.sessions_failed += 1
            self.events.failed()
        else:
            self.sessions_done += 1
            if self.sessions_done == 1:
                self.port.set_failed_boots(0)  # this boot was a good one
        self.last_failure = done.failure
        self.schedule.ended(not done.failure, now, self._fraction())
        if done.failure:
            wait = self.schedule.deadline(now)
            self.log(
                "W",
                "session",
                'failed reason="{}" retry={} wait_s={}'.format(
                    done.failure,
                    self.schedule.retry_count,
                    -1 if wait is None else (wait + 999) // 1000,
                ),
            )
            self.find_local_ip()
        if done.factory_reset:
            self.factory_reset()
            self.reboot_soon()
        else:
            self._meet_acs()
        if done.reboot is not None:
            self.events.add("M Reboot", done.reboot)
            self.reboot_soon()
        self.save_events()

    # Datagrams

    def _on_stun(self, data):
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

    def _discover_lifetime(self, now):
        binding = self.binding
        if self.lifetime is None:
            if binding.mapped is None or not binding.has_range:
                return
            # A slice: many a device has a fixed period, or no STUN at all.
            from .lifetime_sockets import LifetimeSockets  # noqa: PLC0415

            self.lifetime = LifetimeSockets(binding, self.port.random_bytes, self.log)
        self.lifetime.serve(now)

    def _on_request(self, data):
        now = self.now()
        if self._stale:  # the session that has just ended may have set what this is checked with
            self._apply(now)
        verdict = self.gate.handle(data, len(data), now)
        if verdict == gate.ACCEPTED:
            # Until the Inform is on its way: the session's task runs before that of the time.
            self.log.hold()
            self.start_session()
            self._counted[verdict] += 1
            self.log("I", "cr", "accepted effect={}".format(reasons.VERDICTS[self.gate.effect]))
            self._wake.set()
            return True
        self._show_drops(verdict, now)
        return False

    def _show_drops(self, verdict, now):
        # A stranger cannot fill the log: one line for each kind in a while, with how many there
        # were (B13).
        shown = self._shown[verdict]
        if shown is not None and now - shown < _DROPS_SHOWN_MS:
            return
        self._shown[verdict] = now
        count = self.gate.counts[verdict] - self._counted[verdict]
        self._counted[verdict] += count
        detail = (
            ' detail="{}"'.format(REASONS[self.gate.detail]) if verdict == gate.MALFORMED else ""
        )
        # Copies against loss are no news (UCR-22).
        level = "D" if verdict == gate.DUPLICATE else "W"
        self.log(
            level, "cr", "dropped reason={} count={}{}".format(gate.NAMES[verdict], count, detail)
        )
