"""Runs one CWMP session over HTTP."""

import asyncio

from ..core.session import SessionError
from ..wire.soap import set_root
from .http_client import HttpFailure
from .slices import PARTS, borrow, drop_all

_BUFFER = 1024
# What may be loaded for one step of a session, and is in the way of the next one. Whatever stays
# imports it where it is used.
_RECORDS = " runtime.store port.nvs core.freshness_record"
_BEGUN = "core.notification core.events runtime.values" + _RECORDS  # the Inform is made
# Nothing of it is in use before a request is sent, and when its answer is to come.
_MESSAGE = (
    "core.answer runtime.http_send wire.request_head runtime.http_receive wire.http wire.http_head"
)
_STEPS = """core.inform core.inform_parameters core.answered core.rpc_fault core.fault_text
core.notification core.events runtime.values
core.model_checks core.model_values core.model_record core.model_attributes core.cwmp_parse
wire.http_head
wire.envelope wire.envelope_odd wire.xml wire.xml_odd wire.xml_error
"""


class SessionRunner:
    """Runs the sessions of `management`, one at a time (CWMP-25). `session`: the last one, with
    what it left to do, None when it did not begin.
    """

    def __init__(self, management):
        self.management = management
        self.agent = management.agent
        self.prepared = None  # PreparedInform, where there is memory for it
        self.buffer = bytearray(_BUFFER)
        self.client = None  # for the next session
        self.used = None  # what it was made of: URL, user name, password
        self.session = None
        set_root(self.agent.site["device"]["root"])

    def invalidate(self):
        """Parameters changed: what was prepared may say something else now."""
        if self.prepared:
            self.prepared.invalidate()

    async def run(self):
        """Run the session that is due; return "" or why it failed."""
        agent = self.agent
        self.session = None
        client = await borrow("runtime.session_start").start(self)
        session = self.session
        if client is None or session is None:
            return "the ACS URL cannot be used"
        if agent.saving:
            session.unload = _unload
            client.unload = _unload_message
        failure = ""
        try:
            message = session.begin()
            if agent.saving:
                drop_all(_BEGUN)
            prepared = session.prepared
            first = prepared.wire if prepared and session.is_prepared else None
            while message is not None:
                status = await client.post(message, session.sink, first)
                agent.progress = agent.now()
                message = first = None  # they are not in use any more
                if agent.saving:
                    client.unload()
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
            client.drop()
            # What it said is history; the next one needs another time and may have other values.
            self.invalidate()
        session.reader = None  # of a response that broke off
        if not failure:
            agent.log("I", "session", "done")
        return failure

    def tls_context(self):
        """Return the SSLContext for the ACS. ValueError says why there is none."""
        agent = self.agent
        context = agent.tls or borrow("runtime.tls").make_context(agent)
        if agent.saving:  # 1.6 KB in one piece, which may not be there the next time
            agent.tls = context
        return context

    def accepted(self):
        """The ACS has taken the Inform."""
        self.agent.schedule.inform_accepted(self.agent.now())
        self.management.save()


def _unload_message():
    drop_all(_MESSAGE)


def _unload(served=False):
    drop_all(_STEPS + _RECORDS + (PARTS if served else ""))
