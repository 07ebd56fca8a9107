"""What the pump of a unix-port board holds: two PTYs, who is looking, the log, the socket."""

import contextlib
import ctypes
import os
import re
import sys
import termios
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

LOG_LIMIT = 8 * 1024 * 1024
_IN_OPEN, _IN_CLOSE = 0x20, 0x18
_UNPRINTABLE = re.compile(rb"[^\t\n\x1b -~]")


@contextlib.contextmanager
def control_address(state: Path) -> Iterator[str]:
    """Give the control socket's address, short however long the path (108 bytes are allowed)."""
    path = str(state / "control")
    if len(os.fsencode(path)) < 100 or not sys.platform.startswith("linux"):
        yield path
        return
    folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/control"
    finally:
        os.close(folder)


class Visitors:
    """Count who has the user's port open, by inotify; without it somebody always does."""

    def __init__(self, path: str) -> None:
        self.count = 0
        self.ever = False
        self.fd = -1
        if not sys.platform.startswith("linux"):
            self.count, self.ever = 1, True
            return
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if (
            self.fd < 0
            or libc.inotify_add_watch(self.fd, os.fsencode(path), _IN_OPEN | _IN_CLOSE) < 0
        ):
            self.count, self.ever = 1, True

    def update(self) -> bool:
        """Take in what happened since; return True when the last visitor left."""
        before = self.count
        if self.fd < 0:
            return False
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.fd, 4096)
            for at in range(
                0, len(data) - 15, 16
            ):  # wd, mask, cookie, name length; no name for a device node
                mask = int.from_bytes(data[at + 4 : at + 8], sys.byteorder)
                if mask & _IN_OPEN:
                    self.count += 1
                    self.ever = True
                elif mask & _IN_CLOSE:
                    self.count = max(0, self.count - 1)
        return before > 0 and self.count == 0


class SerialLog:
    """Append output to `serial.log`, each line behind the host's time.

    At 8 MiB a new file begins; one old one is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._fresh = True

    def _stamp(self) -> bytes:
        return datetime.now().isoformat(timespec="milliseconds").encode() + b" "

    def write(self, data: bytes) -> None:
        stamp = self._stamp()
        out = []
        text = _UNPRINTABLE.sub(lambda match: b"\\x%02x" % match[0][0], data.replace(b"\r", b""))
        for line in text.splitlines(keepends=True):
            if self._fresh:
                out.append(stamp)
            out.append(line)
            self._fresh = line.endswith(b"\n")
        self._file.write(b"".join(out))
        if self._fresh and self._file.tell() > LOG_LIMIT:
            self._file.close()
            os.replace(self._path, self._path.with_suffix(".log.1"))
            self._file = self._path.open("ab", buffering=0)

    def close(self) -> None:
        self._file.close()

    def note(self, text: str) -> None:
        """Write a line about the board rather than from it."""
        if not self._fresh:
            self._file.write(b"\n")
        self._file.write(self._stamp() + b"# " + text.encode() + b"\n")
        self._fresh = True


def set_user_side(slave: int) -> None:
    """A serial port passes every byte as it is, both ways."""
    mode = termios.tcgetattr(slave)
    mode[0] = mode[1] = mode[3] = 0
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    termios.tcsetattr(slave, termios.TCSANOW, mode)


def set_board_side(slave: int) -> None:
    """Bytes arrive singly and without echo; only Ctrl-C means something, and drops no output."""
    mode = termios.tcgetattr(slave)
    mode[0] &= ~(termios.ICRNL | termios.IXON | termios.ISTRIP | termios.INLCR | termios.IGNCR)
    mode[1] &= ~termios.OPOST
    mode[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
    mode[3] |= termios.ISIG | termios.NOFLSH
    for special in (termios.VQUIT, termios.VSUSP):
        mode[6][special] = b"\x00"
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    termios.tcsetattr(slave, termios.TCSANOW, mode)
