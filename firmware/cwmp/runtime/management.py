"""What the agent does with its ACS: the data model, what is still to be told, and sessions.

A slice of the agent: it may be dropped between two sessions (`runtime/slices.py`). All that it has
to know again is on flash or in `agent.kept` and `agent.told`. How it begins is in `parts`, what
happens outside of sessions in `between`.
"""

from .. import VERSION
from ..core import schedule as reasons
from .slices import borrow

_MS = "Device.ManagementServer."
URL = _MS + "URL"
BINDING = (_MS + "UDPConnectionRequestAddress", _MS + "NATDetected")
APPLICATION = "app"  # the package of the site's own
_CONNECTION_REQUEST_URL = _MS + "ConnectionRequestURL"


class Management:
    """Data model, events and sessions of `agent`. `runner` exists once a session was wanted;
    `owed` is what `core.notification` keeps.
    """

    def __init__(self, agent):
        self.agent = agent
        self.owed = self.runner = None
        parts = borrow("runtime.parts")
        self.model = parts.model(self)
        parts.begin(self)

    # What is to be told

    def events(self):
        """Return the EventQueue, for one use: where memory is scarce its module does not stay."""
        from ..core.events import EventQueue  # noqa: PLC0415 - a slice
        from ..core.notification import Notification  # noqa: PLC0415

        return EventQueue(Notification(self.model, self.owed), self.agent.log)

    def save(self):
        """Put undelivered events and changes on flash if they are not there yet."""
        if self.owed["dirty"]:
            self.agent.save("events", self.events().snapshot())
            self.owed["dirty"] = False

    # Parameters and those who use them

    def persist(self, record):
        """Put the record of the model on flash. OSError."""
        self.agent.store.save("params", record)

    def value(self, key):
        """Return a dynamic value of the firmware's own."""
        if key == "software_version":  # of which each record tells
            return VERSION
        from .values import value  # noqa: PLC0415 - a slice

        return value(self, key)

    def changed(self, name, by_acs):
        """The value of a parameter has changed."""
        agent = self.agent
        if "Diagnostics." in name:
            from .diagnostics import changed  # noqa: PLC0415

            changed(agent, name)
        # A session that writes has little memory left.
        if by_acs and name not in self.owed["changes"]:
            pass
        elif self.events().notification.changed(name, by_acs):
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
        borrow("runtime.between").binding_changed(self)

    def url_changed(self):
        """Tell of the ConnectionRequestURL, be it empty now."""
        self.agent.told[_CONNECTION_REQUEST_URL] = None
        self.model.changed(_CONNECTION_REQUEST_URL)

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
                self.events().failed()
        return failure

    def after_session(self):
        """See to what the session left to do, once `agent` knows how it ended."""
        borrow("runtime.between").after_session(self)

    # Memory

    def close(self):
        """Save, leave with the agent what the next Management has to know and no flash keeps, and
        return the modules that go.
        """
        return borrow("runtime.between").close(self)
