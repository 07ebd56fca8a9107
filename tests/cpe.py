"""A CPE under test, on whatever target: what it says, its console, its power."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import serial

from host_tools import image
from host_tools.flashing import BANNER
from host_tools.targets.base import LogReader, Target
from host_tools.targets.unix import UnixTarget


def far_period() -> dict[str, Any]:
    """Section `inform` of a site whose next periodic Inform is half an hour away. Without it the
    first one comes at random within an hour: into one in 360 tests of ten seconds.
    """
    return {"periodic_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1800))}


class Cpe:
    """One CPE under test. `expect` reads what the board said from where the last one stopped."""

    def __init__(
        self,
        target: Target,
        content: image.Image,
        capabilities: frozenset[str],
        whole: Callable[[Mapping[str, Any]], dict[str, Any]] = dict,
    ) -> None:
        self.target = target
        self.capabilities = capabilities  # of this board where it stands
        self.image = content
        self._whole = whole  # a site with what every one has here
        self.since = target.log_position()  # of the log: a board may have had a life before
        self._until: int | None = None
        self._reader = LogReader(target, self.since)

    @property
    def flash(self) -> Path:
        """The board's file system as a folder (capability `filesystem`)."""
        assert isinstance(self.target, UnixTarget)
        return self.target.flash

    @property
    def port(self) -> str:
        return self.target.port

    def configure(self, site: Mapping[str, Any]) -> None:
        """Replace the site's configuration; takes effect at the next boot."""
        self.image = image.with_site(self.image, self._whole(site))
        for name in ("site.json", image.CA):
            if name in self.image.files:
                self.target.write_file(name, self.image.files[name])

    def start(self, *, banner: bool = True) -> str:
        """Power up and return the serial URL; waits for the banner unless told not to."""
        self._until = None
        url = self.target.start()
        if banner:
            self.expect(BANNER)
        return url

    @property
    def running(self) -> bool:
        return self.target.running

    def stop(self) -> None:
        """Power down. What an interrupted program says of that is nobody's concern."""
        if self._until is None:
            self._until = self.target.log_position()
        self.target.stop()

    def reset(self) -> None:
        """Restart at once; lines of before are not expected any more."""
        self._reader.at = self.target.log_position()
        self.target.reset()

    def power_cut(self, before_power: Callable[[], None] | None = None) -> None:
        """As `reset`, with `before_power` called while the power is off."""
        self._reader.at = self.target.log_position()
        self.target.power_cut(before_power)

    def restart_with(self, site: Mapping[str, Any]) -> None:
        """Restart with another configuration."""
        if "power_cut" in self.capabilities:
            self.power_cut(lambda: self.configure(site))
        else:
            self.configure(site)
            self.reset()

    def said(self) -> str:
        """All that the board said in this test up to `stop`, resets included."""
        return self.target.said(self.since, self._until)

    def expect(self, pattern: str, timeout: float = 20.0) -> re.Match[str]:
        """Wait for a line that `pattern` is found in, after the last one expected."""
        timeout *= self.target.pace
        deadline = time.monotonic() + timeout
        while True:
            match = self._reader.look(pattern)
            if match:
                return match
            self._check(pattern, deadline, timeout)
            time.sleep(0.005)

    async def seen(self, pattern: str, timeout: float = 20.0) -> re.Match[str]:
        """`expect` for tests whose servers live in the event loop."""
        timeout *= self.target.pace
        deadline = time.monotonic() + timeout
        while True:
            match = self._reader.look(pattern)
            if match:
                return match
            self._check(pattern, deadline, timeout)
            await asyncio.sleep(0.005)

    def _check(self, pattern: str, deadline: float, timeout: float) -> None:
        if time.monotonic() > deadline:
            last = "\n  ".join(self.said().splitlines()[-25:])
            pytest.fail(
                f"the CPE did not say {pattern!r} in {timeout:g} s; {self.target.log_path} ends:"
                f"\n  {last}"
            )

    def type(self, keys: bytes) -> None:
        """Type on the serial console."""
        with serial.serial_for_url(self.port) as console:
            console.write(keys)

    def command(self, line: str, timeout: float = 10.0) -> list[str]:
        """Type one line on the serial console and return the answer without `ok`; fails on
        `error: ...`.
        """
        timeout *= self.target.pace
        with serial.serial_for_url(self.port, timeout=timeout) as console:
            console.write(line.encode() + b"\r")
            answer: list[str] = []
            while True:
                raw = console.readline()
                if not raw.endswith(b"\n"):
                    pytest.fail(f"no answer to {line!r} in {timeout:g} s, only {[*answer, raw]}")
                text = raw.decode("ascii", "replace").rstrip("\r\n")
                if text == "ok":
                    return answer
                if text.startswith("error: "):
                    pytest.fail(f"{line!r}: {text}")
                # What was echoed when a log line came between stands alone.
                if not line.startswith(text) and not re.match(r"[DIWE] \d+ \w+: ", text):
                    answer.append(text)
