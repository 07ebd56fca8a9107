"""From power-up to a running agent, and what happens when it ends."""

import asyncio
import gc
import sys

from .log import Clock, Log
from .slices import borrow

if sys.platform == "esp32":
    from ..port.esp32 import Esp32Port as BoardPort
else:
    from ..port.unix import UnixPort as BoardPort

FAILED_BOOTS = 5  # in a row: then comes safe mode


def main():
    """Run until Ctrl-C, a reboot, or what cannot work; the MicroPython prompt follows."""
    port = BoardPort()
    port.prompt_after_exit()
    clock = Clock()
    log = Log(clock)
    agent = None
    start = borrow("runtime.start")
    site = start.site(port, log)
    if site is None:
        return
    failed = start.count_boot(port)
    start = None
    try:
        log.set_level(site["log"]["level"])
        if failed >= FAILED_BOOTS:
            asyncio.run(borrow("runtime.start").safe_mode(port, log, failed))
        from .agent import Agent  # noqa: PLC0415 - a boot that fails in it must have been counted

        agent = Agent(port, site, clock, log)
        asyncio.run(agent.run())
    except (KeyboardInterrupt, Exception) as error:
        try:
            if agent is not None:
                agent.close()
                agent = None
            # A second run at the prompt must not meet the tasks of the first.
            asyncio.new_event_loop()
            gc.collect()
            borrow("runtime.start").ended(port, log, error)
        except Exception:  # there is no memory for it, or no flash to load it from
            sys.print_exception(error)
            port.reset()
