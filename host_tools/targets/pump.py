"""The process that keeps a board of this machine alive: one serial port over any number of boots.

The user holds one end of a PTY, this process pumps bytes between it and the board of the moment,
writes the log and powers the board up again when it resets. What the board is, a subclass knows.
It needs only the standard library, so that a board is up in some ten milliseconds. The state
folder holds, beside the board's flash:

    serial.log   every line of output with the host's time
    board.json   port, pid, number of boots: what `status` answers
    control      the socket that takes one command and answers one line of JSON
    lock         held while a pump serves this folder
"""

import argparse
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.targets.unix_wires import SerialLog, control_address
from host_tools.targets.user_port import UserPort

CRASH_DELAY = 0.3  # about what a board's ROM takes; a crash loop does not eat the host
KEYS = 4096  # bytes typed that are kept for a program that does not read them now


@dataclass
class Wait:
    """What the loop sleeps for: descriptors, and the next of several times."""

    now: float
    readable: list[int]
    writable: list[int]
    times: list[float]

    def sleep(self) -> tuple[list[int], list[int]]:
        """Return the readable and writable descriptors as soon as there is one, or it is time."""
        timeout = max(0.0, min(self.times) - self.now) if self.times else None
        return select.select(self.readable, self.writable, [], timeout)[:2]


class Pump(ABC):
    """One board: the user's port, the log, the control socket, and the power switch."""

    kind = ""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.state = Path(options.state).resolve()
        self.state.mkdir(parents=True, exist_ok=True)
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
        self.boots = 0
        self.stopping = False
        self.boot_at: float | None = None
        self.to_board = bytearray()

    # --- what a kind of board does

    @property
    @abstractmethod
    def running(self) -> bool:
        """Whether the board has power; one that resets may be off for the moment."""

    @abstractmethod
    def power_up(self) -> None:
        """Start the board; OSError when it cannot be."""

    @abstractmethod
    def power_down(self) -> None:
        """Take the power away: nothing on the board gets a chance to tidy up."""

    @abstractmethod
    def watch(self, wait: Wait) -> None:
        """Name the board's descriptors and times."""

    @abstractmethod
    def serve_board(self, readable: list[int], writable: list[int]) -> None:
        """Do what has become due."""

    @abstractmethod
    def details(self) -> dict[str, Any]:
        """What `status` says of this kind of board beside what all have."""

    # --- power

    def boot(self) -> None:
        self.power_up()
        self.boot_at = None
        self.boots += 1
        self.log.note(f"power on, boot {self.boots}")
        self.save_status()

    def boot_again(self) -> None:
        try:
            self.boot()
        except OSError as error:
            self.boot_at = None
            self.log.note(f"stays off: {error}")

    def boot_in(self, delay: float) -> None:
        self.boot_at = time.monotonic() + delay

    def cut(self, reason: str) -> None:
        self.boot_at = None
        self.to_board.clear()
        if self.running:
            self.power_down()
            self.log.note(reason)

    def crashed(self, reason: str) -> None:
        """The board went down by itself: tell everybody, and do as a chip does."""
        self.log.note(f"crash, {reason}, reset")
        self.user.say(f"\r\nboard: crash, {reason}, reset\r\n".encode())
        self.boot_in(CRASH_DELAY)

    # --- control

    def status(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "port": self.user.name,
            "pid": os.getpid(),
            "power": self.running or self.boot_at is not None,
            "boots": self.boots,
            "netns": self.options.netns,
            "state": str(self.state),
            **self.details(),
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
            try:
                answer = self.obey(word)
            except OSError as error:
                answer = {"error": str(error)}
            connection.sendall(json.dumps(answer or self.status()).encode() + b"\n")

    def obey(self, word: str) -> dict[str, Any]:
        """Do one command; an empty answer stands for the status."""
        if word == "reset":
            self.cut("reset")
            self.boot()
        elif word == "power-off":
            self.cut("power off")
        elif word == "power-on":
            if not self.running:
                self.boot()
        elif word == "stop":
            self.stopping = True
        elif word != "status":
            return {"error": f"unknown command {word!r}"}
        return {}

    # --- the loop

    def run(self) -> None:
        self.boot()
        print(json.dumps(self.status()), flush=True)
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), 1)
        while not self.stopping:
            now = time.monotonic()
            if self.boot_at is not None and now >= self.boot_at:
                self.boot_again()
            self.user.update(now)
            self.serve(*self.wait(now).sleep())
        self.cut("stopped")

    def wait(self, now: float) -> Wait:
        wait = Wait(now, *self.user.waits(now))
        wait.readable.append(self.control.fileno())
        wait.readable += [sys.stdin.fileno()] if self.options.child else []
        wait.times += [] if self.boot_at is None else [self.boot_at]
        if self.running:
            self.watch(wait)
        if len(self.to_board) > 16 * KEYS:
            wait.readable.remove(self.user.fd)
        return wait

    def serve(self, readable: list[int], writable: list[int]) -> None:
        if self.user.visited(readable):
            return
        if self.user.fd in readable:
            keys = self.user.read()
            if self.running or self.boot_at is not None:  # else they go nowhere
                self.to_board += keys
        if self.running:
            self.serve_board(readable, writable)
        if self.user.fd in writable:
            self.user.feed()
        if self.control.fileno() in readable:
            self.command()
        if self.options.child and sys.stdin.fileno() in readable and not os.read(0, 64):
            self.stopping = True

    def close(self) -> None:
        if self.running:
            self.cut("stopped")
        for name in ("control", "board.json"):
            with contextlib.suppress(FileNotFoundError):
                (self.state / name).unlink()


def main(
    description: str,
    make: Callable[[argparse.Namespace], Pump],
    add_options: Callable[[argparse.ArgumentParser], None],
) -> int:
    """The program around a pump: its options, its signals, one line of JSON once it runs."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--state", required=True)
    parser.add_argument("--netns", default="")
    parser.add_argument("--child", action="store_true", help="end when standard input ends")
    add_options(parser)
    options = parser.parse_args()
    try:
        pump = make(options)
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
