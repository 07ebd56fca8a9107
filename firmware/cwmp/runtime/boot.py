"""From power-up to a running agent, and what happens when it ends."""

import asyncio
import gc
import sys
import time

from .log import Clock, Log
from .slices import borrow

if sys.platform == "esp32":
    from ..port.esp32 import Esp32Port as BoardPort
else:
    from ..port.unix import UnixPort as BoardPort

FAILED_BOOTS = 5  # in a row: then comes safe mode
_RESTART_S = 5


def main():
    """Run until Ctrl-C, a reboot, or what cannot work; the MicroPython prompt follows."""
    port = BoardPort()
    port.prompt_after_exit()
    clock = Clock()
    log = Log(clock)
    agent = None
    site = borrow("runtime.start").site(port, log)
    if site is None:
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


async def _run(agent):
    from .console import Console  # noqa: PLC0415
    from .supervisor import Supervisor  # noqa: PLC0415

    beside = [Console(agent).run(), Supervisor(agent).run()]
    if agent.site["time"]["ntp_server"]:
        from .clock import keep  # noqa: PLC0415

        beside.append(keep(agent))
    if agent.site["app"]["folder"]:
        from .application import run  # noqa: PLC0415

        beside.append(run(agent))
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
