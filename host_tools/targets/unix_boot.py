"""What the unix port runs at power-up, to boot as a board does: boot.py, main.py, then the
prompt.
"""

from pathlib import Path

# Runs in __main__, so that the names of main.py are there to look at after Ctrl-C. First what a
# board has and this port lacks: machine.reset(), the RTC's memory (a file beside the flash), the
# watchdog (unix_watchdog.py). A main.py that ends with SystemExit leaves MicroPython, as on a
# board; any other end gives the prompt. READY, which nobody gets to see, says that Ctrl-C
# interrupts from now on; keys wait until then.
READY = b"\x16"
_LAUNCH_FIRST = """\
def _():
    import machine, os, sys
    class board: pass
    for name in dir(machine):
        if name[0] != "_": setattr(board, name, getattr(machine, name))
    def reset():
        os.unsetenv("MICROPYINSPECT")
        raise SystemExit(3)
    board.reset = reset
    class RTC:
        def memory(self, data=None):
            try:
                with open("../rtc", "rb" if data is None else "wb") as file:
                    return file.read() if data is None else file.write(data) and None
            except OSError:
                return b""
    board.RTC = RTC
    wire = open(int(os.getenv("WATCHDOG")), "wb")
    class WDT:
        def __init__(self, id=0, timeout=5000):
            self.line = b"%d\\n" % timeout
            self.feed()
        def feed(self): wire.write(self.line)
    board.WDT = WDT
    sys.modules["machine"] = board
_()
del _
print("\x16", end="")
"""
_LAUNCH_BOOT = 'execfile("boot.py")\n'
_LAUNCH_MAIN = """\
try:
    execfile("main.py")
except SystemExit:
    __import__("os").unsetenv("MICROPYINSPECT")
    raise
"""


def script(flash: Path, main: bool) -> str:
    """Return the program for the interpreter; `main=False`: a soft reset in the raw REPL."""
    parts = [_LAUNCH_FIRST]
    if (flash / "boot.py").exists():
        parts.append(_LAUNCH_BOOT)
    if main and (flash / "main.py").exists():
        parts.append(_LAUNCH_MAIN)
    return "".join(parts)
