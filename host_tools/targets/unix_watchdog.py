"""The watchdog of a unix-port board: a clock outside the interpreter, which it winds up through a
pipe.
"""

import os
import time


class Watchdog:
    """`wire`: the descriptor for the interpreter; each line on it is the time, in ms, until it
    bites. `fd`: readable when there is such a line.
    """

    def __init__(self) -> None:
        self.fd, self.wire = os.pipe()
        os.set_blocking(self.fd, False)
        self.deadline: float | None = None

    def wind_up(self) -> None:
        """Take what the interpreter wrote."""
        lines = os.read(self.fd, 65536).split()
        self.deadline = time.monotonic() + int(lines[-1]) / 1000

    def reset(self) -> None:
        """The chip starts anew: its watchdog is off until it is started."""
        try:
            os.read(self.fd, 65536)
        except BlockingIOError:
            pass
        self.deadline = None

    @property
    def bites(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline
