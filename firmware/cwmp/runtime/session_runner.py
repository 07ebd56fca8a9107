"""Runs one CWMP session over HTTP, and gets ready for the next one while nobody waits."""

import asyncio

from .. import runtime
from ..core import schedule as reasons
from ..core.inform import CONNECTION_REQUEST
from ..core.session import Session, SessionError
from ..wire.http import HttpError
from .http_client import HttpClient, HttpFailure, prepare
from .slices import drop

_MS = "Device.ManagementServer."
_BUFFER = 1024


class Outcome:
    """`failure`: "" or why the session failed; `reboot`: CommandKey or None; `factory_reset`:
    asked for.
    """

    def __init__(self, failure, session):
        self.failure = failure
        self.reboot = session.reboot if session else None
        self.factory_reset = session.factory_reset if session else False


class SessionRunner:
    """One session at a time (CWMP-25). `progress` is when the running one last got anywhere
    (CWMP-24).
    """

    def __init__(self, agent):
        self._agent = agent
        self._buffer = bytearray(_BUFFER)
        self._client = None  # for the next session
        self._wire = None  # its first request as it goes on the wire: head and prepared Inform
        self._used = None  # what both were made of
        self._session = None
        self._reader = None  # of the response under way
        self.progress = 0

    def prepare(self):
        """Make ready what can be known before the bell rings: client, Inform and the bytes of the
        first request.

        Returns True when something had to be made.
        """
        agent = self._agent
        value = agent.model.value
        use = (value(_MS + "URL"), value(_MS + "Username"), value(_MS + "Password"))
        if not use[0]:
            return False
        inform = agent.prepared
        if self._client is None or use != self._used:
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
            inform.invalidate()
            self._used = use
        if inform.ready:
            return False
        if inform.refresh():
            message = inform.message(None)
            self._wire = prepare(use[0], message)
            # Held once: the message, CurrentTime with it, is the end of the request.
            message.buffer = memoryview(self._wire)[len(self._wire) - message.length :]
        return True

    async def run(self):
        """Run the session that is due and return its Outcome."""
        agent = self._agent
        now = agent.now()
        self.progress = now
        carried = agent.schedule.started(now)
        if carried & reasons.RING:
            agent.events.add(CONNECTION_REQUEST)
        if carried & reasons.PERIODIC:
            agent.events.add("2 PERIODIC")
        if self._client is None or not agent.prepared.ready:
            self.prepare()
        client = self._client
        self._client = None
        if client is None:
            return Outcome("the ACS URL cannot be used", None)
        session = self._session = Session(
            agent.model,
            agent.events,
            agent.notification,
            agent.port.unix_time(),
            agent.schedule.retry_count,
            1,
            agent.prepared,
            (),
            self._accepted,
            agent.log,
        )
        failure = ""
        try:
            message = session.begin()
            first = self._wire if session.is_prepared else None
            while message is not None:
                self._reader = None
                status = await client.post(message, self._sink, first)
                first = None
                self.progress = agent.now()
                message = session.received(self._reader, status)
        except HttpFailure as error:
            failure = error.reason
        except SessionError as error:
            failure = str(error)
        except asyncio.CancelledError:
            failure = "no progress"
        finally:
            await client.close()
            self._reader = self._session = None
            # What it said is history; the next one needs another time and may have other values.
            agent.prepared.invalidate()
        if failure:
            session.failed()
        else:
            agent.log("I", "session", "done")
        return Outcome(failure, session)

    def _tls_context(self):
        from . import tls  # noqa: PLC0415 - a slice for those who have https

        agent = self._agent
        try:
            return tls.make_context(agent.site["acs"], agent.port.unix_time(), agent.log)
        finally:
            drop(runtime, "tls")

    def _sink(self):
        self._reader = self._session.reader()
        return self._reader.feed

    def _accepted(self):
        agent = self._agent
        agent.schedule.inform_accepted(agent.now())
        agent.save_events()
