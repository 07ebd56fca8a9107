"""One reader for a serial line that several want to see: the log, tests, mpremote.

Whatever the URL, a device, `socket://` or `rfc2217://`, the tap alone has it open. It writes the
log and shows the board's port once more as a PTY, for others to open and close as they like.
"""

import os
import select
import threading
import time
from pathlib import Path

import serial

from host_tools.console import open_port, url_without_fd
from host_tools.errors import Failed
from host_tools.targets.unix_wires import SerialLog
from host_tools.targets.user_port import UserPort

_POLL = 0.01  # s; rfc2217:// has nothing to select on
_MARK = b"\x04"  # the raw REPL's end of output
_RESET_PULSE = 0.1  # s that EN is held low


class SerialTap:
    """Raises `UserError` when the port cannot be opened. `name`: the PTY."""

    def __init__(self, url: str, baud: int, log: Path) -> None:
        self.url = url
        self._port = open_port(url, baud)
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = SerialLog(log)
        self._user = UserPort(self.log)
        self.name = self._user.name
        self.failure = ""  # why the port went away
        self._logging = True
        self._marks = False  # of the raw REPL, which may still come
        self._keep = False
        self._stop = False
        self._wake_read, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"tap {url}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop = True
        os.write(self._wake, b"s")
        self._thread.join()
        self._port.close()
        self._user.close()
        self.log.close()
        os.close(self._wake)
        os.close(self._wake_read)

    def keep(self) -> None:
        """Keep what the board says from now on for who opens the PTY next."""
        self._keep = True
        os.write(self._wake, b"k")

    def pause_log(self) -> None:
        """What is carried through the raw REPL holds secrets and is not what the board says."""
        self._logging = False

    def resume_log(self) -> None:
        if not self._logging:
            self.log.note("raw REPL")
            self._logging = self._marks = True

    def pulse_reset(self) -> bool:
        """Pull the lines that dev boards wire to EN (RTS) and GPIO0 (DTR); False: there are
        none. Whether the board heeded them, its output tells.
        """
        if self.url.startswith("socket:"):
            return False
        try:
            self._port.dtr = False
            self._port.rts = True
            time.sleep(_RESET_PULSE)
            self._port.rts = False
        except (OSError, serial.SerialException):
            return False
        return True

    def _run(self) -> None:
        source = [] if url_without_fd(self._port) else [self._port.fileno()]
        while not self._stop:
            now = time.monotonic()
            self._user.update(now)
            if self._keep:
                self._keep = False
                self._user.keep()
            readable, writable, times = self._user.waits(now)
            timeout = max(0.0, min(times) - now) if times else None
            if not source and not self.failure:
                timeout = _POLL
            ready, writes, _ = select.select(
                [*readable, *source, self._wake_read], writable, [], timeout
            )
            if self._wake_read in ready:
                os.read(self._wake_read, 64)
            if self._user.visited(ready):
                continue
            if self._user.fd in writes:
                self._user.feed()
            if not self.failure:
                try:
                    self._carry(self._user.read() if self._user.fd in ready else b"")
                except (OSError, serial.SerialException) as error:
                    self.failure = str(error)
                    self.log.note(f"the port went away: {error}")
                    source = []
            elif self._user.fd in ready:
                self._user.read()

    def _carry(self, keys: bytes) -> None:
        if keys:
            self._port.write(keys)
        said = self._port.read(65536)
        if said:
            self._user.say(said)
            if self._marks:
                said = said.lstrip(_MARK)
                self._marks = not said
            if self._logging and said:
                self.log.write(said)

    def check(self) -> None:
        """Raises `Failed` when the port went away."""
        if self.failure:
            raise Failed(f"{self.url}: the port went away: {self.failure}")
