"""From power-up to a running agent: the site's configuration, the board's port, the banner."""

import asyncio
import gc
import json
import sys
import time

from .. import VERSION, core
from .log import Clock, Log
from .slices import drop

if sys.platform == "esp32":
    from ..port.esp32 import Esp32Port as BoardPort
else:
    from ..port.unix import UnixPort as BoardPort

SITE = "site.json"
OLDEST = (1, 23, 0)  # MicroPython before it lacks what TLS and PPP need
FAILED_BOOTS = 5  # in a row: then comes safe mode
_RESTART_S = 5


def main():
    """Run until Ctrl-C, a reboot, or what cannot work; the MicroPython prompt follows."""
    port = BoardPort()
    port.prompt_after_exit()
    clock = Clock()
    log = Log(clock)
    agent = site = wrong = None
    try:
        port.read_board()
        site = _site(port)
    except ValueError as error:
        wrong = error
    _banner(log, port, site)
    if sys.implementation.version[:3] < OLDEST:
        text = "MicroPython is too old: this firmware needs {}.{}.{} or newer"
        log("E", "boot", text.format(*OLDEST))
        return
    if site is None:
        text = 'config file={} error="{}"; mend it and flash again'
        log("E", "boot", text.format(SITE, wrong))
        return
    failed = port.failed_boots()
    port.set_failed_boots(failed + 1)
    try:
        log.set_level(site["log"]["level"])
        if failed >= FAILED_BOOTS:
            asyncio.run(_safe_mode(port, log, failed))
        from .agent import Agent  # noqa: PLC0415 - a boot that fails in it must have been counted

        agent = Agent(port, site, clock, log)
        asyncio.run(_run(agent))
    except KeyboardInterrupt:
        left = port.leave()
        port.set_failed_boots(0)  # somebody is there
        text = "stopped; Ctrl-D starts again"
        if left:
            text += "; the watchdog restarts the board in {} s".format(left)
        log("I", "boot", text)
    except OSError as error:
        port.leave()
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
    from .console import Console  # noqa: PLC0415
    from .supervisor import Supervisor  # noqa: PLC0415

    beside = [Console(agent).run(), Supervisor(agent).run()]
    server = agent.site["time"]["ntp_server"]
    if server:
        from .clock import keep  # noqa: PLC0415

        beside.append(keep(agent, server))
    if "led" in agent.port.board.get("pins", ()):
        from .led import of_agent, show  # noqa: PLC0415

        beside.append(show(agent.port.board["pins"], of_agent, agent))
    beside = [asyncio.create_task(one) for one in beside]
    try:
        await agent.run()
    finally:
        for task in beside:
            task.cancel()


async def _safe_mode(port, log, failed):
    from .safe_mode import SafeMode  # noqa: PLC0415

    mode = SafeMode(port, log, failed)
    if "led" in port.board.get("pins", ()):
        from .led import of_safe_mode, show  # noqa: PLC0415

        asyncio.create_task(show(port.board["pins"], of_safe_mode, mode))
    await mode.run()


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
        drop(core, "settings")
    if not site["device"]["serial_number"]:
        site["device"]["serial_number"] = port.unique_id()
    return site
