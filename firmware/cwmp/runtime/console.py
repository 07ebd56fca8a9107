"""Serial console: reads command lines from standard input. Every command ends with `ok` or `error:
...`.
"""

import sys

from .log import write
from .poll import readable

_LINE = 300  # characters of a command


class Console:
    """Reads commands for `agent` and its `log`, with echo and backspace as people expect them.

    execute(agent, line) runs one; without it those of `runtime.commands` are loaded.
    """

    def __init__(self, agent, execute=None):
        self._agent = agent
        self._execute = execute

    async def run(self):
        line = ""
        stream = sys.stdin.buffer
        while True:
            await readable(sys.stdin)
            byte = stream.read(1)
            if not byte:  # end of file: nobody will ever type
                return
            code = byte[0]
            if code == 3:  # a raw terminal hands Ctrl-C on as a character
                raise KeyboardInterrupt
            if code in (10, 13):
                self._agent.log.typed = ""
                if line:
                    sys.stdout.write("\n")
                    self._run(line)
                line = ""
            elif code in (8, 127):
                if line:
                    line = line[:-1]
                    sys.stdout.write("\b \b")
            elif 32 <= code < 127 and len(line) < _LINE:
                text = byte.decode()  # chr() would make a name of it that stays for ever
                line += text
                sys.stdout.write(text)
            self._agent.log.typed = line

    def _run(self, line):
        execute = self._execute
        if execute is None:
            # A slice that a device in the field never needs, and that may be dropped again.
            from .commands import execute  # noqa: PLC0415

        try:
            execute(self._agent, line)
        except Exception as error:  # noqa: BLE001 - a defect of one command must not end them all
            sys.print_exception(error)
            self._agent.log("E", "boot", 'internal error="{}"'.format(repr(error)))
            write("error: internal")
