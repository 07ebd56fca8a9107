"""The commands of the serial console. Loaded when the first one is typed: a device in the field
never needs them.
"""

import gc

from ..core.fault import CwmpFault
from ..core.schedule import OTHER
from . import health
from .log import write
from .slices import borrow

_HELP = (
    ("status", "how the device is, and why it cannot be woken when it cannot"),
    ("binding", "the NAT binding, its keepalives and its history"),
    ("inform", "start a session now"),
    ("get PATH", "a parameter, or all below a path that ends with a dot"),
    ("set NAME VALUE", "write a parameter, as if changed on the device"),
    ("events", "what the ACS has not been told yet"),
    ("heap", "memory in use, after a collection"),
    ("log [D|I|W|E]", "the last lines again, or the least important level shown"),
    ("reboot", "restart the board"),
    ("factory-reset", "forget all but the site configuration, and restart"),
    ("help", "this list; Ctrl-C gives the MicroPython prompt"),
)


def execute(agent, line):
    """Run one command line; the last line written is `ok` or `error: ...`."""
    name, _, rest = line.strip().partition(" ")
    command = _COMMANDS.get(name)
    try:
        if command is None:
            raise ValueError("no such command, try help")
        for text in command(agent, rest.strip()):
            write(text)
        write("ok")
    except CwmpFault as fault:
        write("error: {} {}".format(fault.code, fault.text))
    except (ValueError, OSError) as error:
        write("error: {}".format(error))


def _status(agent, rest):
    return health.status(agent, agent.now())


def _binding(agent, rest):
    now = agent.now()
    for lines in (health.binding, health.history):
        for line in lines(agent, now):
            yield line


def _inform(agent, rest):
    agent.want(OTHER)
    return ("a session was asked for",)


def _get(agent, rest):
    model = agent.management().model
    for name in model.expand(rest):
        text, kind = model.get(name)
        yield "{} = {}  ({})".format(name, text, kind)


def _set(agent, rest):
    name, _, text = rest.partition(" ")
    if not name:
        raise ValueError("want: set NAME VALUE")
    management = agent.management()
    model = management.model
    from ..core.model_checks import set_local  # noqa: PLC0415 - a slice

    set_local(model, name, text.strip())
    management.save()  # that it is to be told, too: power may go once this is acknowledged
    yield "{} = {}".format(name, model.get(name)[0])


def _events(agent, rest):
    management = agent.management()
    for code, key in management.events().pending():
        yield "{} {}".format(code, key)
    for name in management.events().notification.names():
        yield "changed: " + name


def _heap(agent, rest):
    gc.collect()
    used, free = gc.mem_alloc(), gc.mem_free()
    return ("heap      used={} free={} after a collection".format(used, free),)


def _log(agent, rest):
    if rest:
        if rest not in ("D", "I", "W", "E"):
            raise ValueError("levels are D I W E")
        agent.log.set_level(rest)
        return ()
    return agent.log.lines()


def _reboot(agent, rest):
    agent.reboot_soon()
    return ("rebooting",)


def _factory_reset(agent, rest):
    borrow("runtime.reset").factory_reset(agent.management())
    agent.reboot_soon()
    return ("everything forgotten, rebooting",)


def _help(agent, rest):
    return ["{:16}{}".format(usage, text) for usage, text in _HELP]


_COMMANDS = {
    "status": _status,
    "binding": _binding,
    "inform": _inform,
    "get": _get,
    "set": _set,
    "events": _events,
    "heap": _heap,
    "log": _log,
    "reboot": _reboot,
    "factory-reset": _factory_reset,
    "help": _help,
}
