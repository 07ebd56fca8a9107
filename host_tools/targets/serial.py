"""The serial target: a board that runs MicroPython, at any URL that pyserial knows.

`/dev/ttyUSB0`, `rfc2217://host:port`, `socket://host:port`, or the PTY of another target. Files
come and go through the raw REPL, so that nothing but MicroPython is asked of the board; the image
of a blank chip is flash.py's business. The board cannot be switched off: "stopped" is at the
prompt, with the program interrupted.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from host_tools.board_files import BoardFiles, stop_program
from host_tools.errors import Failed, UserError
from host_tools.targets.base import Target
from host_tools.targets.serial_tap import SerialTap

BAUD = 115200
# What a board says early: its ROM, MicroPython, or the firmware.
_BOOTING = r"rst:0x|^ets |boot: start|^MicroPython v"
_HEEDS_LINES = 3.0  # s in which a board says something after a reset


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
            there = BoardFiles(repl, self.url)
            if content is not None:
                there.write(path, content)
            elif there.has(path):
                there.remove(path)

    def list_files(self, folder: str) -> list[str]:
        with self._repl() as repl:
            names = BoardFiles(repl, self.url).digests((), folder)
        return sorted(name.removeprefix(f"{folder}/") for name in names)

    def install(self, files: Mapping[str, bytes], *, erase: bool = False) -> list[str]:
        """See `Target.install`; only what differs is sent."""
        with self._repl() as repl:
            return BoardFiles(repl, self.url).update(files, erase=erase).removed

    def _open(self) -> SerialTap:
        if self._tap is None:
            self._tap = SerialTap(self.url, self._baud, self.log_path)
        self._tap.check()
        return self._tap

    @contextmanager
    def _repl(self) -> Iterator[SerialTransport]:
        """The raw REPL, with the program interrupted."""
        tap = self._open()
        try:
            transport = SerialTransport(tap.name, self._baud, timeout=1)
        except (TransportError, OSError) as error:
            raise Failed(f"{self.url}: {error}") from None
        try:
            if not stop_program(transport, self._answer_s):
                tap.check()
                raise Failed(
                    f"{self.url}: no MicroPython prompt after Ctrl-C: reset the board by hand, or "
                    "flash it (flash.py)"
                )
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
