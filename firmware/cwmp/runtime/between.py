"""What a Management does between two sessions. Borrowed for one of these things at a time."""

import sys

from ..core import schedule as reasons
from ..wire.http_error import HttpError
from .management import APPLICATION, BINDING, URL
from .slices import PARTS, borrow, drop


def know_acs(management):
    """Let the agent know what it needs of the ACS URL."""
    agent = management.agent
    url = agent.acs_url = management.model.value(URL)
    try:
        agent.acs = borrow("wire.url").parse_url(url)[1:3]
    except HttpError:
        agent.acs = None
    if agent.held is None and agent.saving and sys.platform == "esp32" and url[:5] == "https":
        agent.held = borrow("port.heap").grow() or True  # once


def binding_changed(management):
    """See `Management.binding_changed`."""
    agent = management.agent
    before = [agent.told.get(name) for name in BINDING]
    for name in BINDING:
        management.model.changed(name)
    told = [agent.told.get(name) for name in BINDING]
    if told != before:
        management.save()  # first what is owed: power may go
        agent.save("told", told, agent.counters)


def meet_acs(management):
    """Tell another ACS 0 BOOTSTRAP, after the session in which its URL was set (CWMP-23)."""
    if management.events().contact(management.model.value(URL)):
        management.agent.want(reasons.OTHER)


def after_session(management):
    """See `Management.after_session`."""
    agent = management.agent
    session = management.runner.session if management.runner else None
    reset = session and session.factory_reset
    if reset:
        borrow("runtime.reset").factory_reset(management)
    else:
        meet_acs(management)
    if session:
        if session.reboot is not None:
            management.events().add("M Reboot", session.reboot)
        if reset or session.reboot is not None:
            agent.reboot_soon()
        management.runner.session = None
    management.save()
    if agent.volatile:
        from .diagnostics import start  # noqa: PLC0415

        start(management)


def close(management):
    """See `Management.close`."""
    agent = management.agent
    management.save()
    events = management.events()
    kept = events.snapshot()
    kept["events"] = events.pending()  # those too that a boot would drop
    agent.kept = kept
    # Some forgotten word may still lead here (`slices._empty`): it shall lead no further.
    management.model = management.owed = management.runner = None
    if agent.site["app"]["folder"]:
        drop(APPLICATION + ".parameters")
    return PARTS + borrow("runtime.slice_names").SLICE
