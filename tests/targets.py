"""What tests get a CPE from: fixtures over any target, `--target unix` by default.

A test module says what it wants by a fixture `site` (the parsed site.toml); `cpe` is then a board
with this firmware and that configuration, powered up by `start()`. `make_cpe` makes more of them.
`dut` is pytest-embedded's, over the same serial port: asking for it starts the CPE.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import serial

from host_tools import boards, image
from host_tools.flashing import BANNER
from host_tools.targets.base import LogReader
from host_tools.targets.unix import UnixTarget

# pytest-embedded owns the option --target; without it the tests run on the unix port.
DEFAULT_TARGET = "unix"


class Cpe:
    """One CPE under test. `expect` reads what the board said from where the last one stopped."""

    def __init__(self, target: UnixTarget, content: image.Image) -> None:
        self.target = target
        self.image = content
        self._reader = LogReader(target)

    @property
    def flash(self) -> Path:
        """The board's file system; the device's records are in `state/`."""
        return self.target.flash

    @property
    def port(self) -> str:
        return self.target.port

    def configure(self, site: Mapping[str, Any]) -> None:
        """Replace the site's configuration; takes effect at the next boot."""
        self.image = image.with_site(self.image, site)
        for name in ("site.json", image.CA):
            if name in self.image.files:
                (self.flash / name).write_bytes(self.image.files[name])

    def start(self, *, banner: bool = True) -> str:
        """Power up and return the serial URL; waits for the banner unless told not to."""
        url = self.target.start()
        if banner:
            self.expect(BANNER)
        return url

    def stop(self) -> None:
        self.target.stop()

    def reset(self) -> None:
        """Restart at once; lines of before are not expected any more."""
        self._reader.at = self.target.log_position()
        self.target.reset()

    def power_cut(self, before_power: Callable[[], None] | None = None) -> None:
        """As `reset`, with `before_power` called while the power is off."""
        self._reader.at = self.target.log_position()
        self.target.power_cut(before_power)

    def said(self) -> str:
        """All that the board said since `start`, resets included."""
        return self.target.said()

    def expect(self, pattern: str, timeout: float = 20.0) -> re.Match[str]:
        """Wait for a line that `pattern` is found in, after the last one expected."""
        deadline = time.monotonic() + timeout
        while True:
            match = self._reader.look(pattern)
            if match:
                return match
            self._check(pattern, deadline, timeout)
            time.sleep(0.005)

    async def seen(self, pattern: str, timeout: float = 20.0) -> re.Match[str]:
        """`expect` for tests whose servers live in the event loop."""
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
            pytest.fail(f"the CPE did not say {pattern!r} in {timeout:g} s; last:\n  {last}")

    def type(self, keys: bytes) -> None:
        """Type on the serial console."""
        with serial.Serial(self.port) as console:
            console.write(keys)

    def command(self, line: str, timeout: float = 10.0) -> list[str]:
        """Type one line on the serial console and return the answer without `ok`; fails on
        `error: ...`.
        """
        with serial.Serial(self.port, timeout=timeout) as console:
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


@pytest.fixture(scope="session")
def firmware_image() -> image.Image:
    """The firmware of this tree, compiled once; without a site configuration."""
    return image.build(boards.load("unix"), None)


@pytest.fixture
def make_cpe(
    request: pytest.FixtureRequest, tmp_path: Path, firmware_image: image.Image
) -> Iterator[Callable[..., Cpe]]:
    """Make CPEs: `make_cpe(site, netns="", env=None, **UnixTarget options)`; stopped when the
    test ends.
    """
    kind = request.config.getoption("target") or DEFAULT_TARGET
    if kind != "unix":
        pytest.skip(f"no target {kind!r} yet")
    wanted = {name for mark in request.node.iter_markers("capability") for name in mark.args}
    lacking = wanted - UnixTarget.capabilities
    if lacking:
        pytest.skip(f"the {kind} target has no {', '.join(sorted(lacking))}")
    made: list[Cpe] = []

    def make(site: Mapping[str, Any], **options: Any) -> Cpe:
        target = UnixTarget(tmp_path / f"cpe{len(made)}", **options)
        content = image.with_site(firmware_image, site)
        target.install(content.files)
        made.append(Cpe(target, content))
        return made[-1]

    yield make
    for cpe in made:
        cpe.stop()
        request.node.add_report_section("call", f"serial {cpe.target.state.name}", cpe.said())


@pytest.fixture
def site() -> dict[str, Any]:
    """The configuration of `cpe`; a test module overrides it."""
    return {}


@pytest.fixture
def cpe(make_cpe: Callable[..., Cpe], site: Mapping[str, Any]) -> Cpe:
    """A CPE with `site`, not yet powered."""
    return make_cpe(site)


@pytest.fixture
def embedded_services() -> str:
    """pytest-embedded: the CPE is a serial port."""
    return "serial"


@pytest.fixture
def port(request: pytest.FixtureRequest) -> str | None:
    """pytest-embedded: the serial port of `cpe`; what the board says from power-up on waits there
    for the reader.
    """
    if "dut" not in request.fixturenames:
        return None  # it asks in every test, wanted or not
    cpe: Cpe = request.getfixturevalue("cpe")
    return cpe.start(banner=False)
