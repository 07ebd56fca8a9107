"""Resets a board by its serial port and waits for what it says first."""

import re
import time

import serial

from host_tools.console import open_port
from host_tools.errors import Failed, UserError

_PULSE_S = 0.1  # how long EN is low
_POLL_S = 0.1
_RAW_END = "\x04"  # ends an answer of the raw REPL; nothing else does before a reset


def wait_line(
    url: str,
    pattern: str,
    timeout: float,
    *,
    baud: int = 115200,
    reset: bool = False,
    opened: serial.SerialBase | None = None,
    fatal: str,
) -> re.Match[str]:
    """Return the first match of `pattern` in a complete line; raises `Failed` with the last lines
    said when time is up or a line matches `fatal`. A port that is `opened` already is read from
    where it stands, and closed.

    The port may go away meanwhile, as that of a chip with USB of its own does in a reset.
    """
    deadline = time.monotonic() + timeout
    said = ""
    port: serial.SerialBase | None = opened or open_port(url, baud)
    try:
        if reset and port is not None:
            pulse(port)
        while True:
            port, data = _read(url, baud, port)
            said += data.decode("ascii", "replace").replace("\r", "").replace(_RAW_END, "\n")
            match = re.search(pattern, said, re.MULTILINE)
            if match and "\n" in said[match.end() :]:
                return match
            stuck = re.search(fatal, said, re.MULTILINE) is not None
            if stuck or time.monotonic() > deadline:
                last = [line for line in said.splitlines() if line.strip()][-12:]
                why = (
                    "the board did not start our firmware"
                    if stuck
                    else f"the board does not answer: no banner in {timeout:g} s"
                )
                raise Failed("\n  ".join([f"{why}; it said last:", *(last or ["(nothing)"])]))
    finally:
        if port is not None:
            port.close()


def pulse(port: serial.SerialBase) -> None:
    """Pull EN low by RTS with the boot pin left high; harmless where nothing is wired so."""
    try:
        port.dtr = False
        port.rts = True
        time.sleep(_PULSE_S)
        port.rts = False
    except OSError:
        pass  # a PTY has no such lines


def _read(
    url: str, baud: int, port: serial.SerialBase | None
) -> tuple[serial.SerialBase | None, bytes]:
    try:
        if port is None:
            port = open_port(url, baud)
        port.timeout = _POLL_S
        return port, port.read(4096)
    except (OSError, UserError):
        if port is not None:
            port.close()
        time.sleep(_POLL_S)  # until the port is back
        return None, b""
