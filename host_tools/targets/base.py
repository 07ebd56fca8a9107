"""What every target is to the tools and tests: a thing with a serial port that can be flashed,
reset and switched off.

A target is made by its kind's class; `start()` returns a serial URL that pyserial's
`serial_for_url` takes. What a kind cannot do is missing from `capabilities`, and asking for it
raises `UserError`.
"""

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from host_tools.errors import Failed, UserError

# reset: restart from the host; power_cut: take the power away mid-write; network: reaches the
# host's loopback or lab; netns: may live in a network namespace of its own; files: the host can
# read and write single files while the board is stopped or its power is off; filesystem: the flash
# is a folder of the host, to be changed while the board runs; detached: lives on after the command
# that started it; esptool: has a ROM that esptool talks to; link: the network can be taken away.
CAPABILITIES = frozenset(
    {
        "reset",
        "power_cut",
        "network",
        "netns",
        "files",
        "filesystem",
        "detached",
        "esptool",
        "link",
    }
)


class Target(ABC):
    """One board, real or not. `state` is the folder that holds what the host keeps of it."""

    kind = ""
    capabilities: frozenset[str] = frozenset()
    pace = 1.0  # how many times longer than on the unix target to wait for anything
    host_address = "127.0.0.1"  # where the board finds what this machine serves

    def __init__(self, state: Path) -> None:
        self.state = state.resolve()

    @property
    def log_path(self) -> Path:
        """The log of everything the board said, each line behind the host's time."""
        return self.state / "serial.log"

    @property
    @abstractmethod
    def port(self) -> str:
        """The serial URL of the running board; raises `UserError` when it does not run."""

    @abstractmethod
    def install(self, files: Mapping[str, bytes], *, erase: bool = False) -> list[str]:
        """Put an image (path -> content) on the board and return the stale files removed; the
        program is stopped.
        """

    @abstractmethod
    def start(self) -> str:
        """Power up and return the serial URL; a board that is on already is left as it is."""

    @abstractmethod
    def stop(self) -> None:
        """Power down and give the serial port back. Stopping twice is fine."""

    @property
    @abstractmethod
    def running(self) -> bool:
        """Whether `start` was called and `stop` was not."""

    @property
    def address(self) -> str:
        """The board's own IPv4 address, which this machine reaches it by."""
        return "127.0.0.1"

    def read_file(self, path: str) -> bytes:
        """Read one file from the flash (capability `files`); FileNotFoundError when there is
        none.
        """
        return self.refuse("files")

    def write_file(self, path: str, content: bytes | None) -> None:
        """Write one file; None removes it. A target that has to stop the program for it does."""
        self.refuse("files")

    def list_files(self, folder: str) -> list[str]:
        """Names of the files in a folder of the flash, none when there is no such folder."""
        return self.refuse("files")

    def reset(self) -> None:
        """Restart at once, as the EN pin does; the serial URL stays."""
        self.refuse("reset")

    def power_cut(self, before_power: Callable[[], None] | None = None) -> None:
        """Take the power away and give it back; `before_power` is called while it is off."""
        self.refuse("power_cut")

    def link(self, up: bool) -> None:
        """Take the network away, as when a modem hangs up, or give it back."""
        self.refuse("link")

    def refuse(self, capability: str) -> NoReturn:
        raise UserError(f"the {self.kind} target cannot do this (no {capability!r})")

    def log_position(self) -> int:
        """Where the log ends now, for `wait_line`."""
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def wait_line(
        self, pattern: str, since: int, timeout: float = 20.0, fatal: str = ""
    ) -> re.Match[str]:
        """Wait for a line in the log, from position `since`, that `pattern` is found in; return
        the match.

        Reading the log leaves the serial port to whoever has it open. Raises `Failed` with the
        last lines said when time is up, or at once when a line matches `fatal`.
        """
        reader = LogReader(self, since)
        deadline = time.monotonic() + timeout
        while True:
            match = reader.look(pattern)
            if match:
                return match
            said = self.said(since)
            stuck = bool(fatal) and re.search(fatal, said, re.MULTILINE) is not None
            if stuck or time.monotonic() > deadline:
                last = [line for line in said.splitlines() if line.strip()][-12:]
                why = "the board did not start" if stuck else f"no {pattern!r} in {timeout:g} s"
                raise Failed("\n  ".join([f"{why}; it said last:", *(last or ["(nothing)"])]))
            time.sleep(0.01)

    def said(self, since: int = 0, until: int | None = None) -> str:
        """What the board said between two positions of the log, without the host's times."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as file:
            file.seek(since)
            text = file.read(-1 if until is None else until - since).decode("ascii", "replace")
        return re.sub(r"(?m)^\d{4}-\d\d-\d\dT[\d:.]+ ", "", text)


class LogReader:
    """Looks for lines in a target's log, each after the one found last. `at`: position reached."""

    def __init__(self, target: Target, at: int = 0) -> None:
        self.at = at
        self._target = target
        self._unfinished = ""
        self._since = 0.0

    def look(self, pattern: str) -> re.Match[str] | None:
        """Return the next match of `pattern` and move behind its line; None when there is none.

        A line that has not ended, such as a prompt, counts once it has not grown for 50 ms.
        """
        if self._target.log_position() < self.at:
            self.at = 0  # a new log file has begun
        said = self._target.said(self.at)
        match = re.search(pattern, said, re.MULTILINE)
        if match is None:
            return None
        if "\n" not in said[match.end() :]:
            now = time.monotonic()
            if said != self._unfinished:
                self._unfinished, self._since = said, now
            if now - self._since < 0.05:
                return None
        lines = said.count("\n", 0, match.end()) + 1  # the log has times besides what was said
        with self._target.log_path.open("rb") as file:
            file.seek(self.at)
            for _ in range(lines):
                file.readline()
            self.at = file.tell()
        return match
