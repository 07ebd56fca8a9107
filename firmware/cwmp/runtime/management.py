"""What the agent does with its ACS: the data model, what is still to be told, and sessions.

A slice of the agent: it may be dropped between two sessions (`runtime/slices.py`). All that it has
to know again is on flash or in `agent.kept` and `agent.told`.
"""

import sys

from .. import VERSION
from ..core import schedule as reasons
from ..core.data_model import DataModel
from ..core.events import EventQueue
from ..core.notification import Notification
from ..wire.http_error import HttpError
from .slices import borrow, drop, drop_all

_MS = "Device.ManagementServer."
_URL = _MS + "ConnectionRequestURL"
BINDING = (_MS + "UDPConnectionRequestAddress", _MS + "NATDetected")
APPLICATION = "app"  # the package of the site's own


def later(name, agent, which):
    """Return a getter that loads the module `name` only when somebody asks. It stands here since
    one of `parts` would keep all of that module, which is borrowed.
    """
    return lambda: borrow(name).value(agent, which)


class Management:
    """Data model, events and sessions of `agent`. `runner` exists once a session was wanted."""

    def __init__(self, agent):
        self.agent = agent
        getters, setters = self._getters(), {}
        objects = borrow("runtime.parts").add(agent, getters, setters)
        known = agent.kept is not None
        self.model = DataModel(objects, agent.site, getters, agent.log, agent.told, known, setters)
        self.model.volatile = agent.volatile
        self.notification = Notification(self.model)
        self.events = EventQueue(self.notification, agent.log)
        self.runner = None
        self.model.persist = lambda record: agent.store.save("params", record)
        self.model.on_change = self._changed
        if known:
            self.model.recall(agent.store.load("params"))
            self.know_acs()
            self.events.restore(agent.kept)
        else:
            borrow("runtime.first").begin(self)
            if agent.saving:
                self.unload()

    # Dynamic values

    def _getters(self):
        agent = self.agent
        return {
            "software_version": lambda: VERSION,
            "up_time": lambda: agent.now() // 1000,
            "connection_request_url": self._connection_request_url,
            "udp_connection_request_address": lambda: agent.binding.reported[0],
            "nat_detected": lambda: agent.binding.nat_detected,
        }

    def _connection_request_url(self):
        # GenieACS will not even ring by UDP when this is no URL (UCR-35).
        agent = self.agent
        if not self.model.value(_MS + "HTTPConnectionRequestEnable"):
            return ""  # TCR-25
        site = agent.site["connection_request"]
        host = site["http_host"] or agent.local_ip or "0.0.0.0"
        return ("http://[{}]:{}/{}" if ":" in host else "http://{}:{}/{}").format(
            host, site["port"], agent.path
        )

    # Records

    def save(self):
        """Put undelivered events and changes on flash if they are not there yet."""
        if self.events.dirty:
            self.agent.save("events", self.events.snapshot())
            self.events.dirty = False

    def close(self):
        """Save, leave with the agent what the next Management has to know and no flash keeps, and
        return the modules that go.
        """
        self.save()
        kept = self.events.snapshot()
        kept["events"] = self.events.pending()  # those too that a boot would drop
        self.agent.kept = kept
        # Some forgotten word may still lead here (`slices._empty`): it shall lead no further.
        self.model = self.notification = self.events = self.runner = None
        if self.agent.site["app"]["folder"]:
            drop(APPLICATION + ".parameters")
        names = borrow("runtime.slice_names")
        return names.PARTS + names.SLICE

    def unload(self):
        """Drop what only one method of the ACS needs, or the boot. Nothing of it may be in use."""
        drop_all(borrow("runtime.slice_names").PARTS)

    # Parameters and those who use them

    def _url(self):
        return self.model.value(_MS + "URL")

    def know_acs(self):
        """Let the agent know what it needs of the ACS URL."""
        agent = self.agent
        url = agent.acs_url = self._url()
        try:
            agent.acs = borrow("wire.url").parse_url(url)[1:3]
        except HttpError:
            agent.acs = None
        if agent.held is None and agent.saving and sys.platform == "esp32" and url[:5] == "https":
            agent.held = borrow("port.heap").grow() or True  # once

    def _changed(self, name, by_acs):
        agent = self.agent
        if "Diagnostics." in name:
            from .diagnostics import changed  # noqa: PLC0415

            changed(agent, name)
        if self.notification.changed(name, by_acs):
            agent.want(reasons.ACTIVE_CHANGE)
        if self.runner:
            self.runner.invalidate()
        agent.refresh()

    def apply(self, now):
        """Give every user of a parameter its present value; each of them notices by itself whether
        it is new.
        """
        from .provisioning import apply  # noqa: PLC0415 - most sessions change nothing

        apply(self, now)

    def binding_changed(self):
        """Tell of the public address (STUN-62)."""
        agent = self.agent
        before = [agent.told.get(name) for name in BINDING]
        for name in BINDING:
            self.model.changed(name)
        told = [agent.told.get(name) for name in BINDING]
        if told != before:
            self.save()  # first what is owed: power may go
            agent.save("told", told, agent.counters)

    def url_changed(self):
        """Tell of the ConnectionRequestURL, be it empty now."""
        self.agent.told[_URL] = None
        self.model.changed(_URL)

    def meet_acs(self):
        """Tell another ACS 0 BOOTSTRAP, after the session in which its URL was set (CWMP-23)."""
        if self.events.contact(self._url()):
            self.agent.want(reasons.OTHER)

    # Sessions

    def _runner(self):
        if self.runner is None:
            # A change of address needs a Management, too, and nothing of HTTP and SOAP.
            from .session_runner import SessionRunner  # noqa: PLC0415

            self.runner = SessionRunner(self)
        return self.runner

    def prepare(self):
        """Make ready what can be known before the bell rings; True when something was made."""
        from .prepared import prepare  # noqa: PLC0415 - where there is memory for it

        return prepare(self._runner())

    async def run_session(self):
        """Run the session that is due; return "" or why it failed."""
        try:
            failure = "internal"
            failure = await self._runner().run()
        finally:
            if failure:
                self.events.failed()
        return failure

    def after_session(self):
        """See to what the session left to do, once `agent` knows how it ended."""
        agent = self.agent
        session = self.runner.session if self.runner else None
        reset = session and session.factory_reset
        if reset:
            borrow("runtime.reset").factory_reset(self)
        else:
            self.meet_acs()
        if session:
            if session.reboot is not None:
                self.events.add("M Reboot", session.reboot)
            if reset or session.reboot is not None:
                agent.reboot_soon()
            self.runner.session = None
        self.save()
        if agent.volatile:
            from .diagnostics import start  # noqa: PLC0415

            start(self)
