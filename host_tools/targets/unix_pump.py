"""The process that keeps a unix-port board alive: one serial port over any number of boots.

The interpreter runs on a PTY of its own, the user holds another one; this process pumps bytes
between the two, writes the log and starts the interpreter again when it ends. It needs only the
standard library, so that a board is up in some ten milliseconds. The state folder holds:

    flash/       the board's file system, the interpreter's working directory
    serial.log   every line of output with the host's time
    board.json   port, pid, number of boots: what `status` answers
    control      the socket that takes one command and answers one line of JSON
    lock         held while a pump serves this folder

How the interpreter ends decides what comes next: status 0 is a soft reset (Ctrl-D), 3 a reset of
the chip, anything else a crash, after which the chip resets too. Ctrl-C that ends the interpreter
rather than the program gives a prompt.
"""

import argparse
import array
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

from host_tools.targets import unix_boot
from host_tools.targets.unix_wires import SerialLog, control_address, set_board_side
from host_tools.targets.user_port import UserPort

RESET_STATUS = 3
CRASH_DELAY = 0.3  # about what a board's ROM takes; a crash loop does not eat the host
CTRL_C_TIME = 2.0  # an interpreter that ends so soon after Ctrl-C was ended by it
KEYS = 4096  # bytes typed that are kept for a program that does not read them now
UNREAD = 2048  # bytes given to a program that does not read: a full tty would keep Ctrl-C out

RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n"
FRIENDLY_PROMPT = b"\r\n>>> "


class Pump:
    """One board: the user's port, the interpreter of the moment, the log, the control socket."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.state = Path(options.state).resolve()
        self.flash = self.state / "flash"
        self.flash.mkdir(parents=True, exist_ok=True)
        self.lock = os.open(self.state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.log = SerialLog(self.state / "serial.log")
        self.user = UserPort(self.log)
        with control_address(self.state) as address:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(address)
            self.control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.control.bind(address)
        self.control.listen(8)
        self.child: subprocess.Popen[bytes] | None = None
        self.board = self.board_slave = self.end = -1
        self.boots = 0
        self.stopping = False
        self.boot_at: float | None = None
        self.boot_main = True
        # A soft reset in the raw REPL goes back there; output is held until it has arrived.
        self.to_raw = False
        self.held = b""
        self.ready = self.raw_repl = False
        self.tail = b""
        self.last_byte = b""
        self.ctrl_c_at = -CTRL_C_TIME
        self.to_board = bytearray()

    # --- power

    def boot(self, main: bool = True) -> None:
        """Start the interpreter; `main=False` stops at the prompt, after boot.py."""
        script = unix_boot.script(self.flash, main)
        command = [self.options.interpreter, "-X", f"heapsize={self.options.heap}"]
        if self.options.netns:
            command = ["ip", "netns", "exec", self.options.netns, *command]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "MICROPYPATH": ".frozen:lib",
            "TERM": "dumb",
        }
        environment["MICROPYINSPECT"] = "1"
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
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.end = os.pidfd_open(self.child.pid)  # readable once the interpreter has gone
        self.boot_at = None
        self.boots += 1
        self.ready = self.raw_repl = False
        self.tail = b""
        self.log.note(f"power on, boot {self.boots}")
        self.save_status()

    def cut(self, reason: str) -> None:
        """Take the power away: nothing on the board gets a chance to tidy up."""
        self.boot_at = None
        self.to_raw = False
        self.to_board.clear()
        if self.child is not None:
            self.child.kill()
            self.bury()
            self.log.note(reason)

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
            self.start_again(0.0, main=not self.raw_repl)
        elif status == RESET_STATUS:
            self.log.note("chip reset")
            self.start_again(0.0)
        elif recent and status in (1, -signal.SIGINT):
            self.log.note("ended by Ctrl-C, to the prompt")
            self.start_again(0.0, main=False)
        else:
            reason = f"signal {-status}" if status < 0 else f"status {status}"
            self.log.note(f"crash, {reason}, reset")
            self.user.say(f"\r\nboard: crash, {reason}, reset\r\n".encode())
            self.start_again(CRASH_DELAY)

    def start_again(self, delay: float, main: bool = True) -> None:
        self.boot_main = main
        self.boot_at = time.monotonic() + delay

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

    def from_user(self) -> None:
        keys = self.user.read()
        if self.child is not None or self.boot_at is not None:  # else they go nowhere
            self.to_board += keys

    def blocked(self) -> bool:
        """Tell whether a program leaves its input unread. At a prompt (no ISIG) every byte is
        taken.
        """
        if not termios.tcgetattr(self.board)[3] & termios.ISIG:
            return False
        unread = array.array("i", [0])
        fcntl.ioctl(self.board_slave, termios.FIONREAD, unread)
        return unread[0] >= UNREAD

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
            written = os.write(self.board, bytes(self.to_board[:1024]))
            del self.to_board[:written]

    # --- control

    def status(self) -> dict[str, Any]:
        return {
            "port": self.user.name,
            "pid": os.getpid(),
            "power": self.child is not None or self.boot_at is not None,
            "boots": self.boots,
            "interpreter": self.options.interpreter,
            "interpreter_pid": self.child.pid if self.child else None,
            "heap": self.options.heap,
            "netns": self.options.netns,
            "state": str(self.state),
        }

    def save_status(self) -> None:
        new = self.state / "board.json.new"
        new.write_text(json.dumps(self.status()) + "\n")
        new.replace(self.state / "board.json")

    def command(self) -> None:
        connection, _ = self.control.accept()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(1)
            word = connection.recv(64).decode("ascii", "replace").strip()
            answer: dict[str, Any] = {}
            if word == "reset":
                self.cut("reset")
                self.boot()
            elif word == "power-off":
                self.cut("power off")
            elif word == "power-on":
                if self.child is None:
                    self.boot()
            elif word == "stop":
                self.stopping = True
            elif word != "status":
                answer = {"error": f"unknown command {word!r}"}
            connection.sendall(json.dumps(answer or self.status()).encode() + b"\n")

    # --- the loop

    def run(self) -> None:
        self.boot()
        print(json.dumps(self.status()), flush=True)
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), 1)
        while not self.stopping:
            now = time.monotonic()
            if self.boot_at is not None and now >= self.boot_at:
                self.boot(self.boot_main)
            self.user.update(now)
            self.serve(*self.wait(now))
        self.cut("stopped")

    def wait(self, now: float) -> tuple[list[int], list[int]]:
        """Sleep until there is something to do; return the readable and writable descriptors."""
        readable, writable, times = self.user.waits(now)
        readable.append(self.control.fileno())
        readable += [sys.stdin.fileno()] if self.options.child else []
        times += [] if self.boot_at is None else [self.boot_at]
        if self.child is not None:
            readable += (self.board, self.end)
            if self.to_board and self.ready and not self.to_raw:
                if b"\x03" in self.to_board or len(self.to_board) > KEYS or not self.blocked():
                    writable.append(self.board)
                else:
                    times.append(now + 0.05)
        if len(self.to_board) > 16 * KEYS:
            readable.remove(self.user.fd)
        timeout = max(0.0, min(times) - now) if times else None
        return select.select(readable, writable, [], timeout)[:2]

    def serve(self, readable: list[int], writable: list[int]) -> None:
        if self.user.visited(readable):
            return
        if self.user.fd in readable:
            self.from_user()
        if self.board in writable:
            self.feed_board()
        if self.board in readable:
            self.from_board()
        if self.end in readable:
            self.ended()
        if self.user.fd in writable:
            self.user.feed()
        if self.control.fileno() in readable:
            self.command()
        if self.options.child and sys.stdin.fileno() in readable and not os.read(0, 64):
            self.stopping = True

    def close(self) -> None:
        if self.child is not None:
            self.cut("stopped")
        for name in ("control", "board.json"):
            with contextlib.suppress(FileNotFoundError):
                (self.state / name).unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description="Keep one unix-port board running.")
    parser.add_argument("--state", required=True)
    parser.add_argument("--interpreter", required=True)
    parser.add_argument("--heap", default="256k")
    parser.add_argument("--netns", default="")
    parser.add_argument(
        "--env", action="append", default=[], help="NAME=VALUE for the interpreter"
    )
    parser.add_argument("--child", action="store_true", help="end when standard input ends")
    options = parser.parse_args()
    try:
        pump = Pump(options)
    except BlockingIOError:
        print(json.dumps({"error": "busy"}), flush=True)
        return 1

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pump.run()
    except OSError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    finally:
        pump.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
