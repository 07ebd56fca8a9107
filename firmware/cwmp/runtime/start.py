"""What comes first after power-up and what comes last: configuration, banner, network and tasks,
safe mode, reboot and prompt. Nothing of it is needed in between.
"""

import asyncio
import json
import sys
import time

import machine

from .. import VERSION
from ..port.base import MARK
from .slices import borrow, drop_all, scarce

SITE = "site.json"
_BOARD = "board.json"
_RESTART_S = 5
_AT_PROMPT = 3600  # s: so long may a board stand at its prompt before the watchdog takes it back
_FEW_LINES = 10  # of the log that are kept where memory is scarce
OLDEST = (1, 23, 0)  # MicroPython before it lacks what TLS and PPP need


def site(port, log):
    """Say who we are and return the checked configuration; None when the agent cannot run, which
    the log explains.
    """
    found = wrong = None
    try:
        _read_board(port)
        found = _site(port)
    except ValueError as error:
        wrong = error
    if found and sys.platform == "esp32" and scarce():
        tls = found["acs"]["url"][:5] == "https"
        port.held = borrow("port.heap").begin(port.network, tls)  # as long as the board is up
    _banner(log, port, found)
    if sys.implementation.version[:3] < OLDEST:
        text = "MicroPython is too old: this firmware needs {}.{}.{} or newer"
        log("E", "boot", text.format(*OLDEST))
        return None
    if found is None:
        text = 'config file={} error="{}"; mend it and flash again'
        log("E", "boot", text.format(SITE, wrong))
    return found


def _read_board(port):
    # Without a word of `flash.py` the port's defaults stay.
    try:
        with open(_BOARD) as file:
            port.take_board(json.load(file))
    except OSError:
        pass
    except (ValueError, KeyError, TypeError):
        raise ValueError(_BOARD + " is damaged")


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
        drop_all("core.settings")
    if not site["device"]["serial_number"]:
        site["device"]["serial_number"] = port.unique_id()
    return site


def count_boot(port):
    """Return how many boots in a row did not come to be good; this one counts as such until it is
    one.
    """
    kept = machine.RTC().memory() if hasattr(machine, "RTC") else b""
    failed = kept[4] if len(kept) == 5 and kept[:4] == MARK else 0
    port.set_failed_boots(failed + 1)
    return failed


async def begin(agent):
    """Start the tasks of the agent and return the primary port, once the network is there.
    OSError: that port cannot be opened.
    """
    remember(agent)
    _beside(agent)
    await agent.port.start_network(agent.site, agent.log, agent.network_back)
    agent.beat = agent.now()
    port = open_port(agent)
    agent.tasks = (("reader", asyncio.create_task(agent.read())),)
    return port


def remember(agent):
    """Load what the agent was doing before this boot."""
    log = agent.log
    if agent.saving:
        lines = log.lines()[-_FEW_LINES:]
        log.oldest = len(lines) % _FEW_LINES
        log.kept = lines + [""] * (_FEW_LINES - len(lines))
    has_jobs = agent.store.begin()
    from ..core.freshness_record import restore  # noqa: PLC0415

    restore(agent.gate.freshness, agent.counters.load("fresh"))
    agent.management()
    if has_jobs:
        try:
            agent.load_jobs()
        except Exception as error:  # of another version: nothing there is worth the device
            agent.internal("transfer", error)
            agent.store.remove("jobs")


def open_port(agent):
    """Open and return the primary port, and bring everybody up to date."""
    from .udp import PrimaryPort, bound  # noqa: PLC0415

    wanted = agent.site["connection_request"]
    try:
        sock = bound(wanted["port"])
    except OSError as error:
        agent.network_error = "UDP port {} cannot be opened ({}): is it in use?".format(
            wanted["port"], error
        )
        raise OSError(agent.network_error)
    agent.log("I", "net", "listening udp={}".format(wanted["port"]))
    agent.find_local_ip()
    agent.settle(agent.now())
    return PrimaryPort(
        sock,
        wanted["port"],
        agent.on_stun,
        agent.on_request,
        wanted["cpu_share_percent"],
        agent.site["limits"]["datagram_bytes"],
    )


def _beside(agent):
    from .console import console  # noqa: PLC0415
    from .supervisor import Supervisor  # noqa: PLC0415

    beside = [console(agent), Supervisor(agent).run()]
    if agent.site["time"]["ntp_server"]:
        from .clock import keep  # noqa: PLC0415

        beside.append(keep(agent))
    if agent.site["app"]["folder"]:
        from .application import run  # noqa: PLC0415

        beside.append(run(agent))
    if "led" in agent.port.board.get("pins", ()):
        from .led import of_agent, show  # noqa: PLC0415

        beside.append(show(agent.port.board["pins"], of_agent, agent))
    for one in beside:
        asyncio.create_task(one)


async def safe_mode(port, log, failed):
    """Wait for somebody to look at the board, or for another try; does not return."""
    from .safe_mode import SafeMode  # noqa: PLC0415

    mode = SafeMode(port, log, failed)
    if "led" in port.board.get("pins", ()):
        from .led import of_safe_mode, show  # noqa: PLC0415

        asyncio.create_task(show(port.board["pins"], of_safe_mode, mode))
    await mode.run()


def reboot(agent):
    """Save what is to be saved and restart the board."""
    agent.management().save()
    agent.save_freshness(True)
    agent.log("I", "boot", "reboot")
    agent.close()
    agent.port.set_failed_boots(0)
    agent.port.reset()


def _leave(port):
    port.leave()
    if port.fed:
        port.watchdog(_AT_PROMPT)


def ended(port, log, error):
    """Say why the agent ended; the prompt follows, or another boot."""
    if isinstance(error, KeyboardInterrupt):
        _leave(port)
        port.set_failed_boots(0)  # somebody is there
        text = "stopped; Ctrl-D starts again"
        if port.fed:
            text += "; the watchdog restarts the board in {} s".format(_AT_PROMPT)
        log("I", "boot", text)
    elif isinstance(error, OSError):
        _leave(port)
        log("E", "boot", 'failed error="{}"'.format(error))
    else:
        # A defect of ours must not leave a device that nobody can reach.
        sys.print_exception(error)
        log("E", "boot", 'crashed error="{}" restart_s={}'.format(repr(error), _RESTART_S))
        time.sleep(_RESTART_S)
        port.reset()
