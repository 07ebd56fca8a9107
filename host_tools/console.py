"""An interactive serial console over any pyserial URL: raw keys, colours by log level, host
times, a log file.

Ctrl-] leaves; every other key, Ctrl-C too, goes to the board. With standard input that is not a
terminal (a pipe, CI) lines are sent as they come, and the console leaves when the board has been
quiet for a moment after the last one.
"""

import contextlib
import errno
import grp
import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

import serial

from host_tools import serial_tcp
from host_tools.errors import UserError

EXIT_KEY = b"\x1d"  # Ctrl-]
QUIET = 0.5  # seconds of silence after the end of piped input
COLOURS = {"D": "\x1b[2m", "I": "\x1b[32m", "W": "\x1b[33m", "E": "\x1b[1;31m"}
RESET = "\x1b[0m"
_LEVEL = re.compile(r"([DIWE]) \d+ \w+: ")


def open_port(url: str, baud: int = 115200) -> serial.SerialBase:
    """Open a serial URL; raises `UserError` with what to do about it."""
    serial_tcp.register()
    try:
        # exclusive: two readers would each get half of what the board says
        port = serial.serial_for_url(
            url, baudrate=baud, timeout=0, exclusive=True, do_not_open=True
        )
        port.open()
    except ValueError as error:
        raise UserError(f"{url}: not a serial port or URL ({error})") from None
    except serial.SerialException as error:
        raise UserError(f"{url}: {explain(url, error)}") from None
    return port


def explain(url: str, error: serial.SerialException) -> str:
    """Say in a few words why a port does not open, and what helps."""
    number = error.errno
    if number is None and isinstance(error.__context__, OSError):
        number = error.__context__.errno
    if number == errno.ENOENT:
        return "no such port (python -m host_tools board list shows boards that run)"
    if number in (errno.EAGAIN, errno.EBUSY):
        return "busy, another program has it open (a console, mpremote, a test run)"
    if number in (errno.EACCES, errno.EPERM):
        group = group_of(url)
        return f"no permission: sudo usermod -aG {group} $USER, then log in again"
    if number == errno.ECONNREFUSED:
        return "nobody listens there"
    return re.sub(r"^\[Errno \d+\] ", "", str(error))


def group_of(path: str) -> str:
    try:
        return grp.getgrgid(os.stat(path).st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"


class Printer:
    """Put board output on a terminal: a time before each line, a colour for its level.

    Text appears at once, but the first characters of a line wait until they tell whether it is a
    log line.
    """

    def __init__(self, out: TextIO, *, timestamps: bool, colour: bool, log: TextIO | None) -> None:
        self._out, self._log = out, log
        self._timestamps, self._colour = timestamps, colour
        self._fresh = True
        self._head = ""

    def feed(self, data: bytes) -> None:
        for part in re.split(r"(?<=\n)", data.decode("utf-8", "replace").replace("\r\n", "\n")):
            if part:
                self._part(part)
        self._out.flush()
        if self._log:
            self._log.flush()

    def _part(self, text: str) -> None:
        if self._fresh:
            self._head += text
            if len(self._head) < 2 and self._head in COLOURS:
                return  # one letter that may be a level
            text, self._head = self._head, ""
            stamp = datetime.now().strftime("%H:%M:%S.%f")[:-3] + " "
            if self._timestamps:
                self._out.write(f"\x1b[2m{stamp}{RESET}" if self._colour else stamp)
            if self._log:
                self._log.write(stamp)
            if self._colour and re.match(r"[DIWE] \d", text):
                self._out.write(COLOURS[text[0]])
        if self._log:
            self._log.write(text)
        self._fresh = text.endswith("\n")
        if self._fresh and self._colour:
            text = text[:-1] + RESET + "\n"
        self._out.write(text.replace("\n", "\r\n") if self._out.isatty() else text)

    def close(self) -> None:
        if self._head:
            self._out.write(self._head)
        if self._colour:
            self._out.write(RESET)
        self._out.flush()


@contextlib.contextmanager
def raw_keyboard(fd: int) -> Iterator[None]:
    """Hand every key on as it is pressed; puts the terminal back whatever happens."""
    before = termios.tcgetattr(fd)
    tty.setraw(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def run(
    url: str,
    *,
    log: Path | None = None,
    timestamps: bool | None = None,
    colour: bool = True,
    baud: int = 115200,
) -> int:
    """Run the console until Ctrl-], the end of piped input, or the end of the port; return the
    exit status.
    """
    port = open_port(url, baud)
    interactive = sys.stdin.isatty()
    colour = colour and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    with contextlib.ExitStack() as stack:
        stack.callback(port.close)
        file = None
        if log:
            try:
                file = stack.enter_context(log.open("a", encoding="utf-8"))
            except OSError as error:
                raise UserError(f"cannot write the log {log}: {error.strerror}") from None
        shown = interactive if timestamps is None else timestamps
        printer = Printer(sys.stdout, timestamps=shown, colour=colour, log=file)
        stack.callback(printer.close)
        if interactive:
            print(f"connected to {url}; Ctrl-] leaves, Ctrl-C goes to the board", file=sys.stderr)
            stack.enter_context(raw_keyboard(sys.stdin.fileno()))
        return pump(port, sys.stdin.fileno(), printer, interactive)


def pump(port: serial.SerialBase, keys: int, printer: Printer, interactive: bool) -> int:
    """Carry bytes both ways; return 0 when the user left, 1 when the port went away."""
    open_keys, quiet_since = True, time.monotonic()
    while True:
        sources: list[int] = [keys] if open_keys else []
        waitable = hasattr(port, "fileno") and not url_without_fd(port)
        if waitable:
            sources.append(port.fileno())
        ready, _, _ = select.select(
            sources, [], [], 0.05 if not waitable or not open_keys else 1.0
        )
        try:
            data = port.read(4096)
            if data:
                printer.feed(data)
                quiet_since = time.monotonic()
            if keys in ready:
                typed = os.read(keys, 1024)
                if interactive and EXIT_KEY in typed:
                    return 0
                if not typed:
                    open_keys, quiet_since = False, time.monotonic()
                port.write(typed if interactive else typed.replace(b"\n", b"\r"))
        except (serial.SerialException, OSError) as error:
            print(f"\r\nthe port went away: {error}\r", file=sys.stderr)
            return 1
        if not open_keys and time.monotonic() - quiet_since > QUIET:
            return 0


def url_without_fd(port: serial.SerialBase) -> bool:
    """rfc2217:// reads in a thread of its own; there is nothing to select on."""
    try:
        return not isinstance(port.fileno(), int)
    except (OSError, AttributeError, NotImplementedError):
        return True
