"""The board of the benchmarks: the unix port on a flashed folder, without serial port so that
nothing is between.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from host_tools import boards, image
from host_tools.package import package
from host_tools.targets.unix import DEFAULT_HEAP, find_interpreter

DEVICE = Path(__file__).resolve().parent / "device"
USERNAME, PASSWORD = "cpe-user", "cr-password-16by"
# The rate limit would end a benchmark of wakes after five of them.
UNLIMITED = {"limit_count": 1000, "limit_period_s": 1}


def site(acs_url: str, udp_port: int, **sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return a site configuration with known credentials; `sections` adds to it."""
    return {
        "acs": {"url": acs_url},
        "connection_request": {
            "username": USERNAME,
            "password": PASSWORD,
            "port": udp_port,
            **UNLIMITED,
        },
        **sections,
    }


class Rig:
    """A folder with the firmware on it, and the interpreter that runs there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.interpreter = find_interpreter()
        self._image = image.build(boards.load("unix"), None)

    @property
    def mpy_bytes(self) -> Mapping[str, int]:
        """Bytes of each compiled module."""
        files = self._image.files
        return {name: len(files[name]) for name in sorted(files) if name.endswith(".mpy")}

    def flash(self, configuration: Mapping[str, Any]) -> None:
        """Put the firmware and this configuration there; records of earlier runs go."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        for name, content in image.with_site(self._image, configuration).files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def popen(self, *arguments: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Start the interpreter in the folder, with the board's search path."""
        return subprocess.Popen(
            [self.interpreter, "-X", f"heapsize={DEFAULT_HEAP}", *arguments],
            cwd=self.folder,
            env={**os.environ, "MICROPYPATH": ".frozen:lib"},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            text=True,
        )

    @contextmanager
    def running(
        self, *arguments: str, stdout: int = subprocess.DEVNULL
    ) -> Iterator[subprocess.Popen[str]]:
        """Run the agent, or what `arguments` say, until the block ends."""
        process = self.popen(*(arguments or ("-c", "import main")), stdout=stdout)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def script(self, name: str, *arguments: str) -> str:
        """Run a script of `bench/device` to its end and return what it printed; RuntimeError when
        it failed.
        """
        path = self.folder / name
        made = package(boards.load("unix"), image.FIRMWARE)
        path.write_text(made.script((DEVICE / name).read_text()))
        process = self.popen(str(path), *arguments, stdout=subprocess.PIPE)
        out, _ = process.communicate(timeout=600)
        if process.returncode:
            raise RuntimeError(f"{name} failed: {out[-2000:]}")
        return out


@contextmanager
def rig() -> Iterator[Rig]:
    """Give a rig in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="esp-cwmp-bench-") as folder:
        yield Rig(Path(folder))
