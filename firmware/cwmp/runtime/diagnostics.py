"""The life of a diagnostic test: requested in a session, run after it, told with 8 DIAGNOSTICS
COMPLETE. Loaded when an ACS writes to one.
"""

import asyncio

from ..core.schedule import OTHER
from .slices import borrow

_STATE = "DiagnosticsState"
_ARGUMENTS = "Host NumberOfRepetitions Timeout DataBlockSize DSCP Port InterTransmissionTime"


def changed(agent, name):
    """Obey a write to `name`. Whatever is written ends the object's test that runs; but for a
    request it leaves no result, either.
    """
    state = name[: name.rfind(".") + 1] + _STATE
    if agent.diagnosis and agent.diagnosis[0] == state:
        agent.diagnosis[1].cancel()
        agent.diagnosis = None
    if name != state or agent.volatile[state] == "Canceled":
        agent.volatile[state] = "None"


def start(management):
    """Start the test that was requested, when the session is over."""
    agent = management.agent
    for name, text in agent.volatile.items():
        if text == "Requested" and name.endswith(_STATE) and not agent.diagnosis:
            owner = name[: -len(_STATE)]
            if "UDP" in owner:
                kind, count = borrow("runtime.udp_echo"), 7
            else:
                kind, count = borrow("runtime.ping"), 5
            leaves = _ARGUMENTS.split()[:count]
            arguments = [management.model.value(owner + leaf) for leaf in leaves]
            run = borrow("runtime.echo").run(agent, owner, kind, *arguments)
            agent.diagnosis = (name, asyncio.create_task(run))


def diagnosed(agent, results):
    """Keep the `results` of a test, {name: text}, and tell the ACS."""
    agent.diagnosis = None
    agent.volatile.update(results)
    agent.management().events().add("8 DIAGNOSTICS COMPLETE")
    agent.want(OTHER)
