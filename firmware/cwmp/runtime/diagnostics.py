"""The life of a diagnostic test: requested in a session, run after it, told with 8 DIAGNOSTICS
COMPLETE. Loaded when an ACS writes to one.
"""

import asyncio

from .. import runtime
from ..core.schedule import OTHER
from .slices import drop

_STATE = "DiagnosticsState"
_ARGUMENTS = "Host NumberOfRepetitions Timeout DataBlockSize DSCP"


def changed(agent, name):
    """Obey a write to `name`. Whatever is written ends a test that runs; but for a request it
    leaves no result, either.
    """
    state = name[: name.rfind(".") + 1] + _STATE
    if agent.diagnosis:
        agent.diagnosis.cancel()
        agent.diagnosis = None
    if name != state or agent.volatile[state] == "Canceled":
        agent.volatile[state] = "None"


def start(management):
    """Start the test that was requested, when the session is over."""
    agent = management.agent
    for name, text in agent.volatile.items():
        if text == "Requested" and name.endswith(_STATE) and not agent.diagnosis:
            from .ping import run  # noqa: PLC0415 - a slice

            owner = name[: -len(_STATE)]
            arguments = [management.model.value(owner + leaf) for leaf in _ARGUMENTS.split()]
            agent.diagnosis = asyncio.create_task(run(agent, owner, *arguments))


def diagnosed(agent, results):
    """Keep the `results` of a test, {name: text}, and tell the ACS."""
    agent.diagnosis = None
    agent.volatile.update(results)
    agent.management().events.add("8 DIAGNOSTICS COMPLETE")
    agent.want(OTHER)
    if agent.saving:
        drop(runtime, "ping")
