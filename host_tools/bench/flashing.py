"""P6: how long it takes to build an image and to put it on a board, against mpremote copying the
same files to the same board. A PTY has no bit rate: what is compared is work and round trips.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from host_tools import boards, image, littlefs_image
from host_tools.bench.rig import Rig
from host_tools.bench.table import Row
from host_tools.board_files import board_files, verify
from host_tools.targets.unix import UnixTarget

FLASH = 2 << 20  # the file system of a chip with 4 MB
ROUNDS = 3
AGAINST = "mpremote cp -r of the same files"


def measure(rig: Rig, rounds: int = ROUNDS) -> Iterator[Row]:
    """Put the firmware on blank unix boards in turns, the fastest of each counts."""
    del rig  # the board here needs its serial port
    files = image.build(boards.load("unix"), None).files
    changed = {**files, "lib/cwmp/__init__.mpy": files["lib/cwmp/__init__.mpy"] + b"\0"}
    with TemporaryDirectory(prefix="esp-cwmp-bench-") as name:
        folder = Path(name)
        for path, content in files.items():
            (folder / "files" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "files" / path).write_bytes(content)
        copied, built, update, again = [], [], [], []
        for at in range(rounds):
            with _blank(folder / f"copy{at}") as port:
                copied.append(_timed(_copy, port, folder / "files"))
                with board_files(port) as there:
                    verify(there, files)
            built.append(_timed(_image))
            with _blank(folder / f"update{at}") as port:
                update.append(_timed(_build_and_update, port))
                again.append(_timed(_update, port, changed))
    floor = min(copied)
    yield Row("P6", "compile, and make the file system", min(built) / floor, "x copy", AGAINST)
    yield Row(
        "P6", "compile, and --app-only on a blank board", min(update) / floor, "x copy", AGAINST
    )
    yield Row(
        "P6", "--app-only with one module changed", min(again) / floor, "x copy", AGAINST, 0.5
    )


def _timed(action: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    action(*arguments)
    return time.perf_counter() - start


@contextmanager
def _blank(state: Path) -> Iterator[str]:
    target = UnixTarget(state)
    target.flash.mkdir(parents=True)
    yield target.start()
    target.stop()


def _copy(port: str, folder: Path) -> None:
    command = [str(Path(sys.executable).parent / "mpremote"), "connect", port, "resume"]
    for path in sorted(folder.iterdir()):
        command += ["fs", "cp", "-r", str(path), f":{path.name}", "+"]
    subprocess.run(command[:-1], check=True, capture_output=True)


def _image() -> None:
    littlefs_image.make(image.build(boards.load("esp32_generic"), None).files, FLASH)


def _build_and_update(port: str) -> None:
    _update(port, image.build(boards.load("unix"), None).files)


def _update(port: str, files: Mapping[str, bytes]) -> None:
    with board_files(port) as there:
        there.update(files)
