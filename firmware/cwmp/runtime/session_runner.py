"""Runs one CWMP session over HTTP."""

import asyncio

from .. import runtime
from ..core import rpc
from ..core import schedule as reasons
from ..core.session import Session, SessionError
from ..wire.http_error import HttpError
from ..wire.soap import set_root
from .http_client import HttpClient, HttpFailure
from .slices import drop, drop_all

_MS = "Device.ManagementServer."
_BUFFER = 1024
CLOCK_WAIT = 20000  # ms
# What reads an envelope, and is in the way of what answers it.
_READING = "wire.envelope wire.envelope_odd wire.xml wire.xml_odd wire.xml_error"


class SessionRunner:
    """Runs the sessions of `management`, one at a time (CWMP-25). `session`: the last one, with
    what it left to do, None when it did not begin.
    """

    def __init__(self, management):
        self.management = management
        self._agent = management.agent
        self.prepared = None  # PreparedInform, where there is memory for it
        self._buffer = bytearray(_BUFFER)
        self._client = None  # for the next session
        self.used = None  # what it was made of: URL, user name, password
        self.session = None
        set_root(self._agent.site["device"]["root"])
        rpc.unload_with(management.unload if self._agent.saving else None)

    def invalidate(self):
        """Parameters changed: what was prepared may say something else now."""
        if self.prepared:
            self.prepared.invalidate()

    def make_client(self):
        """Make ready what POSTs to the ACS, with the values of now. False: the URL is bad."""
        agent = self._agent
        value = self.management.model.value
        use = (value(_MS + "URL"), value(_MS + "Username"), value(_MS + "Password"))
        if not use[0]:
            return False
        if self._client is None or use != self.used:
            site = agent.site
            try:
                self._client = HttpClient(
                    use[0],
                    use[1],
                    use[2],
                    agent.resolver,
                    self._buffer,
                    self._tls_context,
                    response_ms=site["acs"]["timeout_s"] * 1000,
                    body_limit=site["limits"]["body_bytes"],
                    allow_basic=site["acs"]["allow_basic"],
                )
            except HttpError as error:
                agent.log("E", "session", 'bad-url error="{}"'.format(error))
                return False
            self.invalidate()
            self.used = use
        return True

    async def run(self):
        """Run the session that is due; return "" or why it failed."""
        agent = self._agent
        management = self.management
        carried = agent.schedule.started(agent.now())
        if carried & reasons.RING:
            management.events.add("6 CONNECTION REQUEST")
        if carried & reasons.PERIODIC:
            management.events.add("2 PERIODIC")
        self.session = None
        prepared = self.prepared
        if prepared and not (self._client and prepared.ready):
            prepared = None
        if not prepared and not self.make_client():
            return "the ACS URL cannot be used"
        client = self._client
        self._client = None
        if client.url[0] and not (agent.sessions_done or agent.sessions_failed):
            await self._wait_for_clock()
        session = self.session = Session(
            management.model,
            management.events,
            management.notification,
            agent.port.unix_time(),
            agent.schedule.retry_count,
            1,
            prepared,
            agent.jobs.requests() if agent.jobs else (),
            self._accepted,
            agent.log,
        )
        session.jobs = agent.load_jobs
        if agent.saving:
            session.on_read = _drop_reader
        failure = ""
        try:
            message = session.begin()
            first = prepared.wire if prepared and session.is_prepared else None
            while message is not None:
                status = await client.post(message, session.sink, first)
                first = None
                agent.progress = agent.now()
                message = session.received(status)
        except HttpFailure as error:
            failure = error.reason
            # An hour at most: anybody on the way may have said it.
            agent.schedule.retry_after = min(error.retry_after or 0, 3600)
        except SessionError as error:
            failure = str(error)
        except asyncio.CancelledError:
            failure = "no progress"
        finally:
            await client.close()
            # What it said is history; the next one needs another time and may have other values.
            self.invalidate()
        if failure:
            session.failed()
        else:
            agent.log("I", "session", "done")
        return failure

    async def _wait_for_clock(self):
        # After power-up a board knows no time, and without it no certificate can be checked. The
        # first session gives NTP a moment rather than fail and wait for its retry.
        agent = self._agent
        end = agent.now() + CLOCK_WAIT
        if agent.site["time"]["ntp_server"] and agent.site["acs"]["tls_verify"]:
            while agent.port.unix_time() is None and agent.now() < end:
                await asyncio.sleep_ms(100)
            agent.progress = agent.now()

    def _tls_context(self):
        from . import tls  # noqa: PLC0415 - a slice for those who have https

        agent = self._agent
        try:
            return tls.make_context(agent.site["acs"], agent.port.unix_time(), agent.log)
        finally:
            drop(runtime, "tls")

    def _accepted(self):
        self._agent.schedule.inform_accepted(self._agent.now())
        self.management.save()


def _drop_reader():
    drop_all(_READING.split())
