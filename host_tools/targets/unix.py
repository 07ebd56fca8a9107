"""The unix target: the MicroPython unix port on a PTY, with a folder as its flash."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from host_tools.errors import UserError
from host_tools.stale import LIST, listed_in, stale
from host_tools.targets.pumped import PumpedTarget

DEFAULT_HEAP = "320k"


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


class UnixTarget(PumpedTarget):
    """A board made of the unix port. See `Target`; `flash` is the folder the board sees as its
    file system.
    """

    kind = "unix"
    pump = "host_tools.targets.unix_pump"
    usual_board = "unix"
    capabilities = frozenset(
        {"reset", "power_cut", "network", "netns", "files", "filesystem", "detached", "loopback"}
        | {"watchdog"}
    )

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
        super().__init__(state, netns=netns, detached=detached)
        if not re.fullmatch(r"[1-9]\d*[kKmM]?", heap):
            raise UserError(
                f"bad heap size {heap!r}: a number of bytes, or with k or M, such as 320k"
            )
        self._interpreter = interpreter
        self._heap = heap
        self._env = dict(env or {})

    @property
    def flash(self) -> Path:
        return self.state / "flash"

    def pump_options(self) -> dict[str, str]:
        return {"interpreter": find_interpreter(self._interpreter), "heap": self._heap}

    def has(self, path: str) -> bool:
        return (self.flash / path).exists()

    def read_file(self, path: str) -> bytes:
        return (self.flash / path).read_bytes()

    def write_file(self, path: str, content: bytes | None) -> None:
        if content is None:
            (self.flash / path).unlink(missing_ok=True)
            return
        (self.flash / path).parent.mkdir(parents=True, exist_ok=True)
        (self.flash / path).write_bytes(content)

    def list_files(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.flash / folder).glob("*") if path.is_file())

    def pump_arguments(self) -> list[str]:
        return [word for name, value in self._env.items() for word in ("--env", f"{name}={value}")]

    def install(self, files: Mapping[str, bytes], *, erase: bool = False) -> list[str]:
        """See `Target.install`. The board's records and files of other owners stay unless
        `erase`.

        The list of what was installed, `image.json`, goes first and comes back last: an
        interrupted installation leaves no list, and the next one is complete whatever it finds.
        """
        find_interpreter(self._interpreter)  # what nobody can run is not installed
        if self.running:
            self.control("power-off")
        if erase:
            shutil.rmtree(self.flash, ignore_errors=True)
        self.flash.mkdir(parents=True, exist_ok=True)
        listed = self.flash / LIST
        old = listed_in(listed.read_bytes()) if listed.exists() else ()
        listed.unlink(missing_ok=True)
        staging = self.state / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        for name, content in files.items():
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        present = [path for path in self.flash.rglob("*") if path.is_file()]
        removed = stale((path.relative_to(self.flash).as_posix() for path in present), old, files)
        for name in removed:
            (self.flash / name).unlink()
            for folder in (self.flash / name).parents:
                if folder == self.flash or any(folder.iterdir()):
                    break
                folder.rmdir()
        for name in sorted(files, key=lambda name: name == LIST):
            path = self.flash / name
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / name, path)
        shutil.rmtree(staging)
        return removed
