"""From power-up to a running agent: the site's configuration, the board's port, the banner."""

import asyncio
import gc
import json
import sys
import time

from .. import VERSION, core
from .agent import Agent
from .console import Console
from .log import Clock, Log

if sys.platform == "esp32":
    from ..port.esp32 import Esp32Port as BoardPort
else:
    from ..port.unix import UnixPort as BoardPort

SITE = "site.json"
_RESTART_S = 5


def main():
    """Run until Ctrl-C, a reboot, or what cannot work; the MicroPython prompt follows."""
    port = BoardPort()
    port.prompt_after_exit()
    clock = Clock()
    log = Log(clock)
    agent = site = wrong = None
    try:
        site = _site(port)
    except ValueError as error:
        wrong = error
    _banner(log, port, site)
    if site is None:
        text = 'config file={} error="{}"; mend it and flash again'
        log("E", "boot", text.format(SITE, wrong))
        return
    try:
        log.set_level(site["log"]["level"])
        agent = Agent(port, site, clock, log)
        asyncio.run(_run(agent))
    except KeyboardInterrupt:
        log("I", "boot", "stopped; Ctrl-D starts again")
    except OSError as error:
        log("E", "boot", 'failed error="{}"'.format(error))
    except Exception as error:
        # A defect of ours must not leave a device that nobody can reach.
        sys.print_exception(error)
        log("E", "boot", 'crashed error="{}" restart_s={}'.format(repr(error), _RESTART_S))
        time.sleep(_RESTART_S)
        port.reset()
    finally:
        if agent is not None:
            agent.close()
        # A second run at the prompt must not meet the tasks of the first.
        asyncio.new_event_loop()
        gc.collect()


def _banner(log, port, site):
    # What flash.py waits for: the device's identity is in it unless the configuration is broken.
    text = "start version={} board={} micropython={}.{}.{}".format(
        VERSION, port.name, *sys.implementation.version[:3]
    )
    if site:
        device = site["device"]
        names = ("oui", "product_class", "serial_number")
        text += " id=" + "-".join([device[name] for name in names])
    log("I", "boot", text)


async def _run(agent):
    console = asyncio.create_task(Console(agent).run())
    try:
        await agent.run()
    finally:
        console.cancel()


def _site(port):
    # The checked configuration; ValueError says why it cannot be used. The table of settings is of
    # no use afterwards: what it takes in memory is given back.
    from ..core import settings  # noqa: PLC0415

    try:
        with open(SITE) as file:
            site = settings.load(json.load(file), settings.NETWORKS[port.network])
    except OSError:
        raise ValueError("it is missing")
    except MemoryError:
        raise ValueError("it does not fit into memory")
    finally:
        del sys.modules["cwmp.core.settings"]
        delattr(core, "settings")
    if not site["device"]["serial_number"]:
        site["device"]["serial_number"] = port.unique_id()
    return site
