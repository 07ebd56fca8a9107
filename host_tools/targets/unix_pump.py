"""The pump of a unix-port board: the interpreter runs on a PTY of its own, and is started again
when it ends. `flash/` in the state folder is the board's file system, the interpreter's working
directory; the file `rtc` beside it is the memory of the RTC: it outlives a reset, not the power.

How the interpreter ends decides what comes next: status 0 is a soft reset (Ctrl-D), 3 a reset of
the chip, anything else a crash, after which the chip resets too. Ctrl-C that ends the interpreter
rather than the program gives a prompt.
"""

import argparse
import array
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

from host_tools.targets import pump, unix_boot
from host_tools.targets.pump import CRASH_DELAY, KEYS, Pump, Wait
from host_tools.targets.unix_watchdog import Watchdog
from host_tools.targets.unix_wires import set_board_side

RESET_STATUS = 3
CTRL_C_TIME = 2.0  # an interpreter that ends so soon after Ctrl-C was ended by it
# A chip looks for Ctrl-C between two bytecodes; the unix port jumps out of whatever it does, a
# collection for one, whose lock then stays on the heap for good. So Ctrl-C waits for a program to
# sleep, but not for one that never does.
CTRL_C_CPU = 0.5  # seconds of computing
UNREAD = 2048  # bytes given to a program that does not read: a full tty would keep Ctrl-C out

RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n"
FRIENDLY_PROMPT = b"\r\n>>> "


class UnixPump(Pump):
    """A board whose chip is a process."""

    kind = "unix"

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.flash = self.state / "flash"
        self.flash.mkdir(parents=True, exist_ok=True)
        self.watchdog = Watchdog()
        self.forget_rtc()  # there was no power
        self.child: subprocess.Popen[bytes] | None = None
        self.board = self.board_slave = self.end = -1
        self.boot_main = True
        # A soft reset in the raw REPL goes back there; output is held until it has arrived.
        self.to_raw = False
        self.held = b""
        self.ready = self.raw_repl = False
        self.tail = b""
        self.last_byte = b""
        self.ctrl_c_at = -CTRL_C_TIME
        self.ctrl_c_due: float | None = None  # seconds of computing after which it waits no more

    # --- power

    @property
    def running(self) -> bool:
        return self.child is not None

    def power_up(self) -> None:
        """Start the interpreter; without `boot_main` it stops at the prompt, after boot.py."""
        script = unix_boot.script(self.flash, self.boot_main)
        self.boot_main = True
        command = [self.options.interpreter, "-X", f"heapsize={self.options.heap}"]
        if self.options.netns:
            command = ["ip", "netns", "exec", self.options.netns, *command]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "MICROPYPATH": ".frozen:lib",
            "TERM": "dumb",
        }
        environment["MICROPYINSPECT"] = "1"
        environment["WATCHDOG"] = str(self.watchdog.wire)
        self.watchdog.reset()
        environment.update(item.split("=", 1) for item in self.options.env)
        self.board, self.board_slave = pty.openpty()
        set_board_side(self.board_slave)
        os.set_blocking(self.board, False)
        self.child = subprocess.Popen(
            [*command, "-c", script],
            stdin=self.board_slave,
            stdout=self.board_slave,
            stderr=self.board_slave,
            cwd=self.flash,
            env=environment,
            start_new_session=True,
            pass_fds=[self.watchdog.wire],
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.end = os.pidfd_open(self.child.pid)  # readable once the interpreter has gone
        self.ready = self.raw_repl = False
        self.tail = b""
        self.ctrl_c_due = None

    def power_down(self) -> None:
        assert self.child is not None
        self.child.kill()
        self.bury()

    def cut(self, reason: str) -> None:
        self.to_raw = False
        self.boot_main = True
        super().cut(reason)
        if reason != "reset":
            self.forget_rtc()

    def forget_rtc(self) -> None:
        (self.state / "rtc").unlink(missing_ok=True)

    def bury(self) -> int:
        """Take what the board wrote before it went, give its console back and return the exit
        status.
        """
        assert self.child is not None
        status = self.child.wait()
        while select.select([self.board], [], [], 0)[0] and self.from_board():
            pass
        self.child = None
        for fd in (self.board, self.board_slave, self.end):
            os.close(fd)
        self.board = self.board_slave = self.end = -1
        return status

    def ended(self) -> None:
        """The interpreter has gone by itself: do what a board does then."""
        status = self.bury()
        recent = time.monotonic() - self.ctrl_c_at < CTRL_C_TIME
        if status == 0:
            self.log.note("soft reset")
            self.user.say(b"MPY: soft reboot\r\n")
            self.to_raw = self.raw_repl
            self.boot_main = not self.raw_repl
            self.boot_in(0.0)
        elif status == RESET_STATUS:
            self.log.note("chip reset")
            self.boot_in(0.0)
        elif recent and status in (1, -signal.SIGINT):
            self.log.note("ended by Ctrl-C, to the prompt")
            self.boot_main = False
            self.boot_in(0.0)
        else:
            reason = f"signal {-status}" if status < 0 else f"status {status}"
            self.crashed(reason)

    def bitten(self) -> None:
        """The watchdog was not fed in time."""
        self.power_down()
        self.log.note("watchdog, reset")
        self.user.say(b"\r\nboard: watchdog, reset\r\n")
        self.boot_in(CRASH_DELAY)

    # --- bytes

    def from_board(self) -> bool:
        """Pass on what the board wrote; return False when there is no more."""
        try:
            data = os.read(self.board, 65536)
        except OSError:
            return False
        if not self.ready and unix_boot.READY in data:
            self.ready = True
            data = data.replace(unix_boot.READY, b"", 1)
        # A board's console ends lines with CR LF whoever wrote them; the unix port leaves that to
        # the terminal.
        data = re.sub(rb"(?<!\r)\n", b"\r\n", self.last_byte + data)[len(self.last_byte) :]
        self.last_byte = data[-1:] if data[-1:] == b"\r" else b""
        self.tail = (self.tail + data)[-256:]
        raw, friendly = self.tail.rfind(RAW_BANNER), self.tail.rfind(FRIENDLY_PROMPT)
        if raw != friendly:
            self.raw_repl = raw > friendly
        self.log.write(data)
        if self.to_raw:
            data = self.return_to_raw(data)
        self.user.say(data)
        return True

    def return_to_raw(self, data: bytes) -> bytes:
        """Hold back the friendly banner and ask for the raw REPL; return what the user gets to
        see.
        """
        asked = FRIENDLY_PROMPT in self.held
        self.held += data
        if not asked and FRIENDLY_PROMPT in self.held:
            os.write(self.board, b"\x01")
        at = self.held.find(RAW_BANNER)
        if at < 0:
            return b""
        # boot.py may have printed before the interpreter's own greeting; that is for the user
        greeting = self.held.rfind(b"MicroPython ", 0, at)
        shown = self.held[: max(greeting, 0)] + self.held[at:]
        self.to_raw, self.held = False, b""
        return shown

    def blocked(self) -> bool:
        """Tell whether a program leaves its input unread. At a prompt (no ISIG) every byte is
        taken.
        """
        if not termios.tcgetattr(self.board)[3] & termios.ISIG:
            return False
        unread = array.array("i", [0])
        fcntl.ioctl(self.board_slave, termios.FIONREAD, unread)
        return unread[0] >= UNREAD

    def ctrl_c_waits(self) -> bool:
        """Tell whether Ctrl-C is to be typed and the interpreter is at work."""
        if b"\x03" not in self.to_board:
            return False
        assert self.child is not None
        try:
            stat = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        used = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
        if self.ctrl_c_due is None:
            self.ctrl_c_due = used + CTRL_C_CPU
        if stat[0] != "S" and used < self.ctrl_c_due:
            return True
        self.ctrl_c_due = None
        return False

    def feed_board(self) -> None:
        """Write to the interpreter. Ctrl-C gets through even when a program never reads its
        input.
        """
        last_ctrl_c = self.to_board.rfind(b"\x03")
        if last_ctrl_c >= 0:
            self.ctrl_c_at = time.monotonic()
        if self.blocked():
            if last_ctrl_c >= 0:
                termios.tcflush(self.board_slave, termios.TCIFLUSH)
                del self.to_board[:last_ctrl_c]
            else:
                del self.to_board[:-KEYS]  # as a UART's buffer overflows
                return
        with contextlib.suppress(OSError):
            first = self.to_board.find(b"\x03") + 1  # the next one waits again
            written = os.write(self.board, bytes(self.to_board[: first or 1024]))
            del self.to_board[:written]

    # --- the loop

    def watch(self, wait: Wait) -> None:
        wait.readable += (self.board, self.end, self.watchdog.fd)
        wait.times += [] if self.watchdog.deadline is None else [self.watchdog.deadline]
        if self.to_board and self.ready and not self.to_raw:
            if self.ctrl_c_waits():
                wait.times.append(wait.now + 0.005)
            elif b"\x03" in self.to_board or len(self.to_board) > KEYS or not self.blocked():
                wait.writable.append(self.board)
            else:
                wait.times.append(wait.now + 0.05)

    def serve_board(self, readable: list[int], writable: list[int]) -> None:
        if self.watchdog.bites:
            self.bitten()
            return
        if self.board in writable:
            self.feed_board()
        if self.watchdog.fd in readable:
            self.watchdog.wind_up()
        if self.board in readable:
            self.from_board()
        if self.end in readable:
            self.ended()

    def details(self) -> dict[str, Any]:
        return {
            "interpreter": self.options.interpreter,
            "interpreter_pid": self.child.pid if self.child else None,
            "heap": self.options.heap,
        }


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--interpreter", required=True)
    parser.add_argument("--heap", default="320k")
    parser.add_argument(
        "--env", action="append", default=[], help="NAME=VALUE for the interpreter"
    )


if __name__ == "__main__":
    sys.exit(pump.main("Keep one unix-port board running.", UnixPump, options))
