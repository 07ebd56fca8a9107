"""The unix target: the MicroPython unix port on a PTY, with a folder as its flash (the pump does
the work).

The board may live as long as the process that made it (tests), or go on by itself (`detached`,
what `flash.py` and `board start` do): then any later process finds it by its state folder.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import host_tools
from host_tools.errors import Failed, UserError
from host_tools.targets.base import Target
from host_tools.targets.unix_wires import control_address

DEFAULT_HEAP = "256k"
CONFIGURATION = {"site.json", "acs_ca.der"}  # an image without a site keeps what is there
# Files that would be found before lib/cwmp: an older layout, or one left by hand.
SHADOWS = ("cwmp", "cwmp.py", "cwmp.mpy", "lib/cwmp.py", "lib/cwmp.mpy", "main.mpy", "boot.mpy")


def find_interpreter(wanted: str | None = None) -> str:
    """Return the path of the MicroPython interpreter: `wanted`, else $MICROPYTHON, else beside
    Python, else PATH.
    """
    named = wanted or os.environ.get("MICROPYTHON")
    if named:
        found = shutil.which(named)
        if not found:
            origin = "" if wanted else " (from $MICROPYTHON)"
            raise UserError(f"no MicroPython interpreter at {named}{origin}")
        return os.path.abspath(found)
    beside = Path(sys.executable).parent / "micropython"
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if not found:
        raise UserError(
            "no MicroPython interpreter: run `make venv`, or set MICROPYTHON to the unix port"
        )
    return found


class UnixTarget(Target):
    """A board made of the unix port. See `Target`; `flash` is the folder the board sees as its
    file system.
    """

    kind = "unix"
    capabilities = frozenset({"reset", "power_cut", "network", "netns", "filesystem", "detached"})

    def __init__(
        self,
        state: Path,
        *,
        interpreter: str | None = None,
        heap: str = DEFAULT_HEAP,
        netns: str = "",
        env: Mapping[str, str] | None = None,
        detached: bool = False,
    ) -> None:
        super().__init__(state)
        if not sys.platform.startswith("linux"):
            raise UserError("the unix target needs Linux")
        if not re.fullmatch(r"[1-9]\d*[kKmM]?", heap):
            raise UserError(
                f"bad heap size {heap!r}: a number of bytes, or with k or M, such as 256k"
            )
        self._interpreter = interpreter
        self._heap = heap
        self._netns = netns
        self._env = dict(env or {})
        self._detached = detached
        self._pump: subprocess.Popen[str] | None = None

    @property
    def flash(self) -> Path:
        return self.state / "flash"

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
        interpreter = find_interpreter(self._interpreter)
        if self.running:
            now = self.status()
            if (now["interpreter"], now["heap"], now["netns"]) == (
                interpreter,
                self._heap,
                self._netns,
            ):
                return str(self.control("power-on")["port"])
            self.stop()
        command = [
            sys.executable,
            "-S",
            "-m",
            "host_tools.targets.unix_pump",
            "--state",
            str(self.state),
        ]
        command += ["--interpreter", interpreter, "--heap", self._heap]
        command += ["--netns", self._netns] if self._netns else []
        for name, value in self._env.items():
            command += ["--env", f"{name}={value}"]
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
        """Port, pid, power, boots, interpreter, heap, netns of the running board."""
        return self.control("status")

    def control(self, command: str) -> dict[str, Any]:
        """Send one command to the pump and return its answer; raises `UserError` when no board
        runs here.
        """
        try:
            with (
                control_address(self.state) as address,
                socket.socket(socket.AF_UNIX) as connection,
            ):
                connection.settimeout(10)
                connection.connect(address)
                connection.sendall(command.encode())
                with connection.makefile() as file:
                    answer: dict[str, Any] = json.loads(file.readline())
        except (FileNotFoundError, NotADirectoryError, ConnectionError, json.JSONDecodeError):
            raise UserError(
                f"no board runs in {self.state}"
                f" (python -m host_tools board start unix --state {self.state})"
            ) from None
        if "error" in answer:
            raise Failed(str(answer["error"]))
        return answer

    def install(self, files: Mapping[str, bytes], *, erase: bool = False) -> list[str]:
        """See `Target.install`. The board's records and files of other owners stay unless
        `erase`.

        The list of what was installed, `image.json`, goes first and comes back last: an
        interrupted installation leaves no list, and the next one is complete whatever it finds.
        """
        find_interpreter(self._interpreter)  # what nobody can run is not installed
        if self.running:
            self.control("power-off")
        removed: list[str] = []
        if erase:
            shutil.rmtree(self.flash, ignore_errors=True)
        self.flash.mkdir(parents=True, exist_ok=True)
        listed = self.flash / "image.json"
        old = set(json.loads(listed.read_text())["files"]) if listed.exists() else set()
        listed.unlink(missing_ok=True)
        staging = self.state / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        for name, content in files.items():
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        package = self.flash / "lib" / "cwmp"
        kept = {str(path.relative_to(self.flash)) for path in package.rglob("*") if path.is_file()}
        stale = (old | kept) - set(files) | set(SHADOWS)
        if "site.json" not in files:
            stale -= CONFIGURATION
        for name in sorted(stale):
            path = self.flash / name
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()
            else:
                continue
            removed.append(name)
        for name in sorted(files, key=lambda name: name == "image.json"):
            path = self.flash / name
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / name, path)
        for folder in sorted((path for path in package.rglob("*") if path.is_dir()), reverse=True):
            if not any(folder.iterdir()):
                folder.rmdir()
        shutil.rmtree(staging)
        return removed


def wait_gone(path: Path, timeout: float = 10.0) -> None:
    """Wait until a process that is about to end has removed its file."""
    deadline = time.monotonic() + timeout
    while path.exists():
        if time.monotonic() > deadline:
            raise Failed(f"the board does not stop ({path} is still there)")
        time.sleep(0.01)


def running_boards() -> list[dict[str, Any]]:
    """Status of every board of this user that runs on this machine, found among the processes."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "host_tools.targets.unix_pump" not in words or "--state" not in words:
            continue
        try:
            found.append(UnixTarget(Path(words[words.index("--state") + 1])).status())
        except (UserError, OSError):
            continue
    return sorted(found, key=lambda status: str(status["state"]))
