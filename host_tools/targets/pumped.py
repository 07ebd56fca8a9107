"""Targets that this machine runs: a pump process keeps the board, this side tells it what to do.

The board may live as long as the process that made it (tests), or go on by itself (`detached`,
what `flash.py` and `board start` do): then any later process finds it by its state folder.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import host_tools
from host_tools.errors import Failed, UserError
from host_tools.targets.base import Target
from host_tools.targets.unix_wires import control_address

_PUMP = re.compile(r"host_tools\.targets\.\w+_pump")


class PumpedTarget(Target):
    """What such targets have in common; `pump` is the module that is the pump's program."""

    pump = ""
    usual_board = ""  # the one under boards/ that errors speak of
    patience = 10.0  # seconds the pump may take to obey a command

    def __init__(self, state: Path, *, netns: str = "", detached: bool = False) -> None:
        super().__init__(state)
        if not sys.platform.startswith("linux"):
            raise UserError(f"the {self.kind} target needs Linux")
        self._netns = netns
        self._detached = detached
        self._pump: subprocess.Popen[str] | None = None

    @abstractmethod
    def pump_options(self) -> dict[str, str]:
        """What to run the board with: names and values as the pump's options and its status have
        them. Raises `UserError` when it cannot be run.
        """

    @abstractmethod
    def has(self, path: str) -> bool:
        """Whether there is such a file on the flash; the board may be on."""

    def pump_arguments(self) -> list[str]:
        """More options, which a running board is not compared by."""
        return []

    @property
    def port(self) -> str:
        return str(self.control("status")["port"])

    @property
    def running(self) -> bool:
        try:
            self.control("status")
        except UserError:
            return False
        return True

    def start(self) -> str:
        wanted = {**self.pump_options(), "netns": self._netns}
        if self.running:
            now = self.status()
            if {name: now.get(name) for name in wanted} == wanted:
                return str(self.control("power-on")["port"])
            self.stop()
        command = [sys.executable, "-S", "-m", self.pump, "--state", str(self.state)]
        for name, value in wanted.items():
            command += [f"--{name}", value] if value else []
        command += self.pump_arguments()
        self.state.mkdir(parents=True, exist_ok=True)
        root = str(Path(host_tools.__file__).parent.parent)
        with (self.state / "pump.err").open("w") as errors:
            pump = subprocess.Popen(
                command if self._detached else [*command, "--child"],
                stdin=subprocess.DEVNULL if self._detached else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=self._detached,
                env={**os.environ, "PYTHONPATH": root},
            )
        assert pump.stdout is not None
        with pump.stdout:
            line = pump.stdout.readline()
        answer = json.loads(line or "{}")
        if "port" not in answer:
            pump.wait()
            if pump.stdin:
                pump.stdin.close()
            if answer.get("error") == "busy":  # somebody else started it this very moment
                return self.port
            trouble = answer.get("error") or (self.state / "pump.err").read_text().strip()[-400:]
            raise Failed(f"the board in {self.state} does not start: {trouble}")
        if not self._detached:
            self._pump = pump
        return str(answer["port"])

    def stop(self) -> None:
        try:
            pid = int(self.control("stop")["pid"])
        except UserError:
            pid = 0
        if self._pump is not None:
            assert self._pump.stdin is not None
            self._pump.stdin.close()
            self._pump.wait(10)
            self._pump = None
        elif pid:
            wait_gone(self.state / "board.json")

    def reset(self) -> None:
        self.control("reset")

    def power_cut(self, before_power: Callable[[], None] | None = None) -> None:
        self.control("power-off")
        if before_power:
            before_power()
        self.control("power-on")

    def status(self) -> dict[str, Any]:
        """Port, pid, power, boots, netns and more of the running board."""
        return self.control("status")

    def control(self, command: str) -> dict[str, Any]:
        """Send one command to the pump and return its answer; raises `UserError` when no board
        runs here.
        """
        answer = ask(self.state, command, self.patience)
        if not answer:
            raise UserError(
                f"no board runs in {self.state}"
                f" (python -m host_tools board start {self.usual_board} --state {self.state})"
            )
        if "error" in answer:
            raise Failed(str(answer["error"]))
        return answer


def ask(state: Path, command: str, patience: float = 10.0) -> dict[str, Any]:
    """Send one command to the pump that serves a state folder; an empty answer: there is none."""
    try:
        with control_address(state) as address, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(patience)
            connection.connect(address)
            connection.sendall(command.encode())
            with connection.makefile() as file:
                answer: dict[str, Any] = json.loads(file.readline())
    except (FileNotFoundError, NotADirectoryError, ConnectionError, json.JSONDecodeError):
        return {}
    return answer


def wait_gone(path: Path, timeout: float = 10.0) -> None:
    """Wait until a process that is about to end has removed its file."""
    deadline = time.monotonic() + timeout
    while path.exists():
        if time.monotonic() > deadline:
            raise Failed(f"the board does not stop ({path} is still there)")
        time.sleep(0.01)


def running_boards() -> list[dict[str, Any]]:
    """Status of every board of this user that runs on this machine, found among the processes."""
    found: dict[str, dict[str, Any]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "--state" not in words or not any(map(_PUMP.fullmatch, words)):
            continue
        state = words[words.index("--state") + 1]  # the same for a pump and its helper
        if state not in found:
            try:
                found[state] = ask(Path(state), "status")
            except OSError:
                continue
    running = [status for status in found.values() if "port" in status]
    return sorted(running, key=lambda status: str(status["state"]))
