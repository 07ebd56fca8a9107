"""How a session begins, up to its first request. Loaded for that."""

import asyncio

from ..core import schedule as reasons
from ..core.session import Session
from ..wire.http_error import HttpError
from .http_client import HttpClient

_MS = "Device.ManagementServer."
CLOCK_WAIT = 20000  # ms


def make_client(runner):
    """Make ready what POSTs to the ACS, with the values of now. False: there is no good URL."""
    agent = runner.agent
    value = runner.management.model.value
    use = (value(_MS + "URL"), value(_MS + "Username"), value(_MS + "Password"))
    if not use[0]:
        return False
    if runner.client is None or use != runner.used:
        acs = agent.site["acs"]
        try:
            runner.client = HttpClient(
                use[0],
                use[1],
                use[2],
                agent.resolver,
                runner.buffer,
                runner.tls_context,
                response_ms=acs["timeout_s"] * 1000,
                body_limit=agent.site["limits"]["body_bytes"],
                allow_basic=acs["allow_basic"],
            )
        except HttpError as error:
            agent.log("E", "session", 'bad-url error="{}"'.format(error))
            return False
        runner.invalidate()
        runner.used = use
    return True


async def start(runner):
    """Give `runner`, a SessionRunner, its next session; return the client for it, or None when
    there is no good URL.
    """
    agent = runner.agent
    management = runner.management
    carried = agent.schedule.started(agent.now())
    events = management.events()
    if carried & reasons.RING:
        events.add("6 CONNECTION REQUEST")
    if carried & reasons.PERIODIC:
        events.add("2 PERIODIC")
    prepared = runner.prepared
    if prepared and not (runner.client and prepared.ready):
        prepared = None
    if not prepared and not make_client(runner):
        return None
    client = runner.client
    runner.client = None
    if client.url[0] and not (agent.sessions_done or agent.sessions_failed):
        await _wait_for_clock(agent)
    runner.session = Session(
        management.model,
        management.events,
        agent.port.unix_time(),
        agent.schedule.retry_count,
        1,
        prepared,
        agent.jobs.requests() if agent.jobs else (),
        runner.accepted,
        agent.log,
    )
    runner.session.jobs = agent.load_jobs
    return client


async def _wait_for_clock(agent):
    # After power-up a board knows no time, and without it no certificate can be checked. The
    # first session gives NTP a moment rather than fail and wait for its retry.
    end = agent.now() + CLOCK_WAIT
    if agent.site["time"]["ntp_server"] and agent.site["acs"]["tls_verify"]:
        while agent.port.unix_time() is None and agent.now() < end:
            await asyncio.sleep_ms(100)
        agent.progress = agent.now()
