"""Safe mode: after several boots that came to nothing the agent is not started, so that somebody
can look at the board, or whatever was wrong can pass.
"""

import asyncio

from .console import console
from .log import write

RETRY_S = 300  # then the agent gets another try
_RECORDS = ("params", "events", "fresh", "device")

_HELP = (
    ("status", "why the board is in safe mode"),
    ("reboot", "leave safe mode now"),
    ("factory-reset", "forget all but the site configuration, and leave safe mode"),
    ("log", "the last lines again"),
    ("help", "this list; Ctrl-C gives the MicroPython prompt"),
)


class SafeMode:
    """The console of a board that does not start its agent."""

    def __init__(self, port, log, failed):
        self.log = log
        self._port = port
        self._failed = failed

    async def run(self):
        """Serve the console until it is time for another try; does not return."""
        for line in self._why():
            self.log("E", "boot", line)
        task = asyncio.create_task(console(self, execute))
        await asyncio.sleep(RETRY_S)
        task.cancel()
        self.log("I", "boot", "safe mode: another try")
        # One more failure brings it back here.
        self._restart(self._failed - 1)

    def _why(self):
        return (
            "safe mode: {} boots in a row failed, the agent is not started".format(self._failed),
            "safe mode: next try in {} s; type reboot for one now, help for more".format(RETRY_S),
        )

    def _restart(self, failed):
        self._port.set_failed_boots(failed)
        self._port.reset()

    def command(self, name):
        """Carry out one command; ValueError when there is none of that name."""
        if name == "status":
            return self._why()
        if name == "log":
            return self.log.lines()
        if name == "help":
            return ["{:16}{}".format(usage, text) for usage, text in _HELP]
        if name == "factory-reset":
            from .store import Store  # noqa: PLC0415 - a slice

            store = Store(self._port.folder, self.log)
            counters = self._port.counters(store)
            for record in _RECORDS:
                (counters if record == "fresh" else store).remove(record)
        elif name != "reboot":
            raise ValueError("no such command in safe mode, try help")
        write("ok")
        self._restart(0)


def execute(safe_mode, line):
    """Run one command line; the last line written is `ok` or `error: ...`."""
    try:
        for text in safe_mode.command(line.strip()):
            write(text)
        write("ok")
    except (ValueError, OSError) as error:
        write("error: {}".format(error))
