"""Runs esptool as a program of its own (it is GPL and never imported), its progress shown."""

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from host_tools.errors import Failed, UserError

_NOBODY = ("Failed to connect", "No serial data received", "Wrong boot mode", "Invalid head of")
_PORT_TROUBLE = ("Could not open", "could not open", "port is busy", "Could not configure")


def resets(port: str) -> bool:
    """Tell whether a port has modem lines, by which a chip can be reset."""
    return not port.startswith("socket://")


class Esptool:
    """esptool for one chip on one port. `baud`: bits per second while flash is read and written;
    None leaves it as it is, for a line whose other end cannot follow.
    """

    def __init__(self, chip: str, port: str, baud: int | None) -> None:
        self._chip, self._port, self._baud = chip, port, baud

    def probe(self) -> None:
        """Find out that the right chip answers there, before anything is changed."""
        self._run("read-mac")

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes of flash from `offset` on; nothing is changed by it."""
        with TemporaryDirectory(prefix="esp-cwmp-flash-") as folder:
            path = Path(folder) / "read.bin"
            self._run("read-flash", *_progress(), hex(offset), hex(size), str(path))
            return path.read_bytes()

    def verify(self, offset: int, content: bytes) -> None:
        """Let the chip compare its flash from `offset` on with `content`, by MD5."""
        with TemporaryDirectory(prefix="esp-cwmp-flash-") as folder:
            path = Path(folder) / "wanted.bin"
            path.write_bytes(content)
            self._run("verify-flash", hex(offset), str(path))

    def write(self, parts: dict[int, bytes], *, erase: bool = False) -> None:
        """Write `parts` (offset -> content), after erasing the whole flash where `erase` is set;
        esptool compares checksums. Raises `Failed`: from then on the flash is incomplete.
        """
        with TemporaryDirectory(prefix="esp-cwmp-flash-") as folder:  # only its owner can read it
            arguments = ["write-flash", *_progress(), *(["--erase-all"] if erase else [])]
            for offset, content in parts.items():
                path = Path(folder) / f"{offset:#x}.bin"
                path.write_bytes(content)
                arguments += [hex(offset), str(path)]
            self._run(*arguments)

    def _run(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "esptool", "--chip", self._chip, "--port", self._port]
        command += ["--baud", str(self._baud)] if self._baud else []
        command += [] if resets(self._port) else ["--before", "no-reset"]
        command += ["--after", "no-reset"]  # who waits for the first words resets
        sys.stdout.flush()
        done = subprocess.run([*command, *arguments], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise self.explained(done.stderr)

    def explained(self, said: str) -> UserError:
        """Return the error for what esptool wrote to its standard error."""
        text = " ".join(said.split())
        chips = re.search(r"This chip is (\S+), not (\S+?)\. ", text)
        if chips:
            return UserError(
                f"{self._port}: wrong chip: this is an {chips[1]}, the board has an {chips[2]};"
                " choose another --board"
            )
        if "No module named" in text:
            return UserError(f"esptool is not installed for {sys.executable}: run `make venv`")
        if any(words in text for words in _NOBODY):
            return Failed(
                f"{self._port}: no chip answers: hold BOOT, press and release RESET (or plug it in"
                " again), release BOOT, and run the command again"
            )
        if any(words in text for words in _PORT_TROUBLE):
            return Failed(f"{self._port}: the port went away, or another program opened it")
        reason = re.sub(r"^.*A (?:serial exception|fatal) error occurred: ", "", text)
        reason = reason.partition(" Note: ")[0]
        return Failed(f"{self._port}: esptool: {reason[-300:] or 'it failed without a word'}")


def _progress() -> list[str]:
    # In a file or a pipe its bar would be a thousand lines.
    return [] if sys.stdout.isatty() else ["--no-progress"]
