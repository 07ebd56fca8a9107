"""The serial target: a board that runs MicroPython, at any URL that pyserial knows.

`/dev/ttyUSB0`, `rfc2217://host:port`, `socket://host:port`, or the PTY of another target. Files
come and go through the raw REPL, so that nothing but MicroPython is asked of the board; the image
of a blank chip is flash.py's business. The board cannot be switched off: "stopped" is at the
prompt, with the program interrupted.
"""

import ast
import io
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from host_tools.errors import Failed, UserError
from host_tools.stale import LIST, stale
from host_tools.targets.base import Target
from host_tools.targets.serial_tap import SerialTap

BAUD = 115200
# What a board says early: its ROM, MicroPython, or the firmware.
_BOOTING = r"rst:0x|^ets |boot: start|^MicroPython v"
_HEEDS_LINES = 3.0  # s in which a board says something after a reset
_CHUNK = 1024  # bytes of a file per line of Python
_ATTEMPT = 3.0  # s for one; Ctrl-C does nothing while MicroPython itself still starts

# Run on the board: every file below a folder, names relative to where the program starts.
_LIST = """\
import os
def _f(p):
    for e in os.ilistdir(p) if p else os.ilistdir():
        n = p + "/" + e[0] if p else e[0]
        if e[1] & 0x4000:
            if e[0] not in (".", ".."): yield from _f(n)
        else:
            yield n
try:
    for _n in _f({!r}): print(repr(_n))
except OSError:
    pass
"""


class SerialTarget(Target):
    """See `Target`. `host_address`: where the board finds this machine; "" when nobody said.
    `answer_s`: how long to try for a prompt.
    """

    kind = "serial"
    capabilities = frozenset({"reset", "network", "files"})

    def __init__(
        self,
        state: Path,
        url: str,
        *,
        baud: int = BAUD,
        host_address: str = "",
        answer_s: float = 30.0,
    ) -> None:
        super().__init__(state)
        self.url = url
        self.host_address = host_address
        self._baud = baud
        self._answer_s = answer_s
        self._tap: SerialTap | None = None
        self._stopped = False  # the program was interrupted, by us
        self._lines: bool | None = None  # whether RTS and DTR reset this board; None: not tried

    @property
    def running(self) -> bool:
        return self._tap is not None and not self._stopped

    @property
    def port(self) -> str:
        if self._tap is None:
            raise UserError(f"the board at {self.url} was not started")
        self._tap.check()
        return self._tap.name

    @property
    def address(self) -> str:
        """As the board last said it."""
        said = re.findall(r"net: address local=(\S+)", self.said())
        if not said:
            raise Failed(f"the board at {self.url} has not said its address")
        return str(said[-1])

    @property
    def platform(self) -> str:
        """`sys.platform` of the board; stops its program."""
        with self._repl() as repl:
            return str(repl.eval("__import__('sys').platform"))

    def start(self) -> str:
        """Open the port; a board that was stopped is reset."""
        self._open()
        if self._stopped:
            self.reset()
        return self.port

    def stop(self) -> None:
        """Interrupt the program and give the port back; the board stays at its prompt."""
        if self._tap is None:
            return
        try:
            if not self._stopped and not self._tap.failure:
                with self._repl():
                    pass
        finally:
            self._tap.close()
            self._tap = None

    def reset(self) -> None:
        tap = self._open()
        if self._lines is not False:
            since = self.log_position()
            tap.keep()
            self._lines = tap.pulse_reset()
            if self._lines:
                try:
                    self.wait_line(_BOOTING, since, _HEEDS_LINES)
                except Failed:
                    self._lines = False
        if not self._lines:
            with self._repl() as repl:
                repl.exec_raw_no_follow("import machine; machine.reset()")
                tap.resume_log()
                repl.in_raw_repl = False
            tap.keep()
        self._stopped = False

    def read_file(self, path: str) -> bytes:
        with self._repl() as repl:
            return bytes(repl.fs_readfile(path))

    def write_file(self, path: str, content: bytes | None) -> None:
        with self._repl() as repl:
            if content is None:
                _remove(repl, [path] if repl.fs_exists(path) else [])
            else:
                _make_folders(repl, [path])
                repl.fs_writefile(path, content, _CHUNK)

    def list_files(self, folder: str) -> list[str]:
        with self._repl() as repl:
            names = _files(repl, folder)
        return sorted(name[len(folder) + 1 :] for name in names)

    def install(self, files: Mapping[str, bytes], *, erase: bool = False) -> list[str]:
        """See `Target.install`; a file that the board's image.json lists unchanged is not sent.

        The list goes first and comes back last, so that an interrupted installation is seen.
        """
        with self._repl() as repl:
            present = set(_files(repl, ""))
            if erase:
                # Erasing is about what the device remembers; code that is the same may stay.
                _remove(repl, present - set(files) - {LIST})
                present &= {*files, LIST}
            listed = _listed(repl) if LIST in present else {}
            new: dict[str, str] = json.loads(files[LIST])["files"]
            changed = [
                name
                for name in files
                if name != LIST and (name not in present or listed.get(name) != new.get(name))
            ]
            removed = stale(present, listed, files)
            if changed or removed or listed != new:
                _remove(repl, {LIST} & present)
                _remove(repl, removed)
                _make_folders(repl, files)
                for name in [*changed, LIST]:
                    repl.fs_writefile(name, files[name], _CHUNK)
        return removed

    def _open(self) -> SerialTap:
        if self._tap is None:
            self._tap = SerialTap(self.url, self._baud, self.log_path)
        self._tap.check()
        return self._tap

    @contextmanager
    def _repl(self) -> Iterator[SerialTransport]:
        """The raw REPL, with the program interrupted. No soft reset: an active PPP link would not
        survive it (MicroPython 1.23).
        """
        tap = self._open()
        try:
            transport = SerialTransport(tap.name, self._baud, timeout=1)
        except (TransportError, OSError) as error:
            raise Failed(f"{self.url}: {error}") from None
        try:
            deadline = time.monotonic() + self._answer_s
            while not transport.in_raw_repl:
                try:
                    with redirect_stdout(io.StringIO()):  # it prints what it did not expect
                        transport.enter_raw_repl(False, timeout_overall=_ATTEMPT)
                except (TransportError, serial.SerialException):
                    tap.check()
                    if time.monotonic() > deadline:
                        raise Failed(
                            f"{self.url}: no MicroPython prompt after Ctrl-C: reset the board by "
                            "hand, or flash it (flash.py)"
                        ) from None
            self._stopped = True
            tap.pause_log()
            yield transport
            if transport.in_raw_repl:
                transport.exit_raw_repl()
                transport.read_until(1, b">>> ", timeout_overall=3)
        except TransportError as error:
            raise Failed(f"{self.url}: {error}") from None
        finally:
            tap.resume_log()
            transport.close()


def _files(repl: SerialTransport, folder: str) -> list[str]:
    said = repl.exec(_LIST.format(folder)).decode()
    return [ast.literal_eval(line) for line in said.splitlines()]


def _listed(repl: SerialTransport) -> dict[str, str]:
    """The installed files with their digests, as the board's own list says."""
    try:
        return dict(json.loads(repl.fs_readfile(LIST))["files"])
    except (ValueError, KeyError, TypeError):
        return {}


def _remove(repl: SerialTransport, names: Iterable[str]) -> None:
    for name in sorted(names):
        repl.exec(f"import os; os.remove({name!r})")


def _make_folders(repl: SerialTransport, names: Iterable[str]) -> None:
    folders = {
        "/".join(name.split("/")[:depth])
        for name in names
        for depth in range(1, name.count("/") + 1)
    }
    for folder in sorted(folders):
        repl.exec(f"import os\ntry: os.mkdir({folder!r})\nexcept OSError: pass")
