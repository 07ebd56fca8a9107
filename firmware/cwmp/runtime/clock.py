"""Sets the clock from an NTP server, now and then. Loaded only where the site names one; the
exchange itself is a slice of its own.
"""

import asyncio

from .slices import drop_all

_RETRY = 15  # s, doubled up to an hour
_RETRY_MAX = 3600
_AGAIN = 6 * 3600  # s: a crystal is off by less than a second in that time


enabled = True
server = ""  # "host" or "host:port"; "": the site's
_synchronised = None  # whether the last question was answered
_changed = asyncio.Event()


def status():
    """Return Device.Time.Status."""
    if not enabled:
        return "Disabled"
    if _synchronised is None:
        return "Unsynchronized"
    return "Synchronized" if _synchronised else "Error_FailedToSynchronize"


def enable(value):
    """Ask, or ask no more."""
    global enabled
    enabled = value
    _changed.set()


def ask(name):
    """Ask another server from now on."""
    global server, _synchronised
    server = name
    _synchronised = None
    _changed.set()


async def keep(agent):
    """Ask the server for ever; whatever fails is one line and a new try."""
    global _synchronised
    wait = _RETRY
    while True:
        while agent.udp is None:  # no network yet
            await asyncio.sleep(1)
        name = server or agent.site["time"]["ntp_server"]
        host, _, port = name.partition(":")
        _changed.clear()
        pause = _AGAIN
        try:
            if enabled:
                if port and not port.isdigit():
                    raise ValueError("bad port in " + name)
                await _set(agent, host, int(port or 123))
                _synchronised = True
                wait = _RETRY
        except (OSError, ValueError, MemoryError) as error:
            _synchronised = False
            agent.resolver.forget(host)
            pause, wait = wait, min(2 * wait, _RETRY_MAX)
            agent.log(
                "W",
                "time",
                'no-answer server={} reason="{}" retry_s={}'.format(name, error, pause),
            )
        try:
            await asyncio.wait_for(_changed.wait(), pause)
            wait = _RETRY
        except asyncio.TimeoutError:
            pass


async def _set(agent, host, port):
    from . import ntp  # noqa: PLC0415 - needed for a moment every few hours

    try:
        seconds = await ntp.ask(agent.resolver.lookup(host, port))
    finally:
        drop_all("runtime.ntp")
    before = agent.port.unix_time()
    agent.port.set_unix_time(seconds)
    off = "never-set" if before is None else seconds - before
    agent.log("I", "time", "set unix={} off_s={}".format(seconds, off))
    agent.clock_set()
