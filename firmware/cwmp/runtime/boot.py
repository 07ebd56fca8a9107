"""From power-up to a running agent: the site's configuration, the board's port, the banner."""

import asyncio
import gc
import json
import sys

from .. import VERSION, core
from ..port.unix import UnixPort
from .agent import Agent
from .console import Console
from .log import Clock, Log

SITE = "site.json"


def main():
    """Run until Ctrl-C, a reboot, or a configuration that cannot work; then the MicroPython prompt comes."""
    port = UnixPort()
    port.prompt_after_exit()
    clock = Clock()
    log = Log(clock)
    log(
        "I",
        "boot",
        "start version={} board={} micropython={}".format(VERSION, port.name, _version()),
    )
    agent = None
    try:
        try:
            site = _site()
        except ValueError as error:
            log(
                "E",
                "boot",
                'config file={} error="{}"; mend it and flash again'.format(SITE, error),
            )
            return
        log.set_level(site["log"]["level"])
        agent = Agent(port, site, clock, log)
        asyncio.run(_run(agent))
    except KeyboardInterrupt:
        log("I", "boot", "stopped; Ctrl-D or machine.reset() starts again")
    except OSError as error:
        log("E", "boot", 'failed error="{}"'.format(error))
    finally:
        if agent is not None:
            agent.close()
        # A second run at the prompt must not meet the tasks of the first.
        asyncio.new_event_loop()
        gc.collect()


async def _run(agent):
    console = asyncio.create_task(Console(agent).run())
    try:
        await agent.run()
    finally:
        console.cancel()


def _version():
    return "{}.{}.{}".format(*sys.implementation.version[:3])


def _site():
    # Returns the checked configuration, ValueError when it cannot be used. Its table is of no use afterwards: what
    # it takes in memory is given back.
    from ..core import settings

    try:
        with open(SITE) as file:
            return settings.load(json.load(file))
    except OSError:
        raise ValueError("it is missing")
    finally:
        del sys.modules["cwmp.core.settings"], core.settings
