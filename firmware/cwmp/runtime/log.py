"""Clock and log: milliseconds that never wrap, and one stable line per event on the console."""

import sys
import time

_LEVELS = "DIWE"
_KEPT = 24  # lines that `log` on the console shows again


class Clock:
    """Milliseconds since boot as one growing integer; must be asked at least every few days on a
    30-bit counter.
    """

    def __init__(self):
        self._last = time.ticks_ms()
        self._sum = 0

    def now(self):
        ticks = time.ticks_ms()
        self._sum += time.ticks_diff(ticks, self._last)
        self._last = ticks
        return self._sum


class Log:
    """`log(level, area, text)` writes `<level> <ms> <area>: <text>`, one ASCII line, and keeps the
    last ones.
    """

    def __init__(self, clock, level="I"):
        self._clock = clock
        self.kept = [""] * _KEPT
        self.oldest = 0
        self._held = None
        self.typed = ""  # what somebody is typing: a log line does not begin behind it
        self.set_level(level)

    def set_level(self, level):
        self.level = level
        self._lowest = _LEVELS.index(level)

    def __call__(self, level, area, text):
        if _LEVELS.index(level) < self._lowest:
            return
        line = "{} {} {}: {}".format(level, self._clock.now(), area, _clean(text))
        self.kept[self.oldest] = line
        self.oldest = (self.oldest + 1) % len(self.kept)
        if self._held is None:
            self._write(line)
        else:
            self._held.append(line)

    def hold(self):
        """Keep lines back until `release`: a serial line is slow, and somebody waits for an
        answer.
        """
        if self._held is None:
            self._held = []

    def release(self):
        """Write what was kept back."""
        held, self._held = self._held, None
        for line in held or ():
            self._write(line)

    def _write(self, line):
        if self.typed:
            write("")
        write(line)
        if self.typed:
            sys.stdout.write(self.typed)

    def lines(self):
        """Return the last lines, oldest first."""
        return [line for line in self.kept[self.oldest :] + self.kept[: self.oldest] if line]


def write(line):
    """Write one line to the console; MicroPython and the pump end it with CR LF."""
    sys.stdout.write(line + "\n")


def _clean(text):
    # By bytes: a character that is taken out of a text becomes a name for ever.
    data = text.encode()
    for byte in data:
        if not 32 <= byte < 127:
            # One ? for a character, whose later bytes begin with the bits 10.
            return bytes([b if 32 <= b < 127 else 63 for b in data if b & 0xC0 != 0x80]).decode()
    return text
