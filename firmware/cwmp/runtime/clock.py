"""Sets the clock from an NTP server, now and then. Loaded only where the site names one; the
exchange itself is a slice of its own.
"""

import asyncio

from .. import runtime
from .slices import drop

_RETRY = 15  # s, doubled up to an hour
_RETRY_MAX = 3600
_AGAIN = 6 * 3600  # s: a crystal is off by less than a second in that time


async def keep(agent, server):
    """Ask `server` ("host" or "host:port") for ever; whatever fails is one line and a new try."""
    host, _, port = server.partition(":")
    wait = _RETRY
    while True:
        while agent.udp is None:  # no network yet
            await asyncio.sleep(1)
        try:
            if port and not port.isdigit():
                raise ValueError("bad port in " + server)
            await _set(agent, host, int(port or 123))
            pause, wait = _AGAIN, _RETRY
        except (OSError, ValueError, MemoryError) as error:
            agent.resolver.forget(host)
            pause, wait = wait, min(2 * wait, _RETRY_MAX)
            agent.log(
                "W",
                "time",
                'no-answer server={} reason="{}" retry_s={}'.format(server, error, pause),
            )
        await asyncio.sleep(pause)


async def _set(agent, host, port):
    from . import ntp  # noqa: PLC0415 - needed for a moment every few hours

    try:
        seconds = await ntp.ask(agent.resolver.lookup(host, port))
    finally:
        drop(runtime, "ntp")
    before = agent.port.unix_time()
    agent.port.set_unix_time(seconds)
    off = "never-set" if before is None else seconds - before
    agent.log("I", "time", "set unix={} off_s={}".format(seconds, off))
    agent.clock_set()
