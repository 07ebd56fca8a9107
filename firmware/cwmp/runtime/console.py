"""Serial console: reads command lines from standard input. Every command ends with `ok` or `error:
...`.
"""

import sys

from micropython import const

from .log import write
from .poll import readable

_LINE = const(300)  # characters of a command


async def console(agent, execute=None):
    """Read commands for `agent` and its `log`, with echo and backspace as people expect them.

    execute(agent, line) runs one; without it those of `runtime.commands` are loaded.
    """
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
            agent.log.typed = ""
            if line:
                sys.stdout.write("\n")
                _run(agent, line, execute)
            line = ""
        elif code in (8, 127):
            if line:
                line = line[:-1]
                sys.stdout.write("\b \b")
        elif 32 <= code < 127 and len(line) < _LINE:
            text = byte.decode()  # chr() would make a name of it that stays for ever
            line += text
            sys.stdout.write(text)
        agent.log.typed = line


def _run(agent, line, execute):
    try:
        if execute is None:
            agent.make_room(True)
            # A slice that a device in the field never needs, and that may be dropped again.
            from .commands import execute  # noqa: PLC0415

        execute(agent, line)
    except Exception as error:  # noqa: BLE001 - a defect of one command must not end them all
        sys.print_exception(error)
        agent.log("E", "boot", 'internal error="{}"'.format(repr(error)))
        write("error: internal")
