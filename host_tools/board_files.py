"""Files of a running board, over its MicroPython prompt: mpremote's transport."""

import ast
import contextlib
import hashlib
import io
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport
from serial import SerialBase, SerialException

from host_tools.boards import Board
from host_tools.errors import Failed, UserError
from host_tools.ports import check
from host_tools.stale import LIST, listed_in, stale

_CHUNK = 512  # more would have to find its place in a heap that the agent has just used
_PROMPT_S = 5
_PATIENCE_S = 30
_QUIET_S = 0.5
# Prints every file below a folder, with its SHA-256 where that is asked for.
_WALK = """\
import gc, os, hashlib
from binascii import hexlify
gc.collect()
wanted = {wanted!r}
def walk(folder):
    for entry in os.ilistdir(folder or '.'):
        path = (folder + '/' if folder else '') + entry[0]
        if entry[1] & 0x4000:
            walk(path)
            continue
        digest = hashlib.sha256()
        if path in wanted:
            with open(path, 'rb') as file:
                while True:
                    data = file.read(512)
                    if not data:
                        break
                    digest.update(data)
        print(hexlify(digest.digest()).decode(), repr(path))
try:
    os.stat({folder!r} or '.')
except OSError:
    pass
else:
    walk({folder!r})
"""
# Those that are empty now: each is two blocks of the flash.
_EMPTY = """\
import os
for name in {}:
    try:
        os.rmdir(name)
    except OSError:
        pass
"""
# One that cannot be made shows when a file is written there.
_FOLDERS = """\
import os
for name in {}:
    try:
        os.mkdir(name)
    except OSError:
        pass
"""


@dataclass(frozen=True)
class Updated:
    """What an update did: names of files."""

    written: list[str]
    removed: list[str]


class BoardFiles:
    """The files of one board, whose program is stopped. Errors are `Failed`."""

    def __init__(self, transport: SerialTransport, port: str) -> None:
        self._transport, self._port = transport, port

    def chip(self) -> str:
        """Return the chip that MicroPython was built for, as "esp32s3"; for another machine what
        it says it is.
        """
        said = str(self._do(self._transport.eval, "__import__('sys').implementation._machine"))
        return said.rpartition(" with ")[2].lower()

    def has(self, name: str) -> bool:
        """Tell whether there is such a file."""
        return bool(self._do(self._transport.fs_exists, name))

    def digests(self, wanted: Iterable[str], folder: str = "") -> dict[str, str]:
        """Return path -> SHA-256 (hex) of every file below `folder`, which need not be there; the
        digest is right for those `wanted`.
        """
        script = _WALK.format(wanted=set(wanted), folder=folder)
        lines = self._do(self._transport.exec, script).decode().splitlines()
        pairs = (line.split(" ", 1) for line in lines)
        return {ast.literal_eval(path): digest for digest, path in pairs}

    def update(
        self,
        files: Mapping[str, bytes],
        progress: Callable[[str], None] = lambda name: None,
        *,
        erase: bool = False,
    ) -> Updated:
        """Make the board's files those of an image; only what differs is written. What the device
        and its owner keep there stays, unless `erase`. The list of files goes first and comes back
        last: an update that was cut off is done again in full.
        """
        present = self.digests(files)
        erased: set[str] = set()
        if erase:
            for name in present.keys() - files.keys() - {LIST}:
                self.remove(name)
                erased.add(name)
                del present[name]
        old = self._do(self._transport.fs_readfile, LIST, _CHUNK) if LIST in present else b""
        removed = stale(present, listed_in(old), files)
        changed = [
            name
            for name in sorted(files, key=lambda name: (name == LIST, name))
            if present.get(name) != hashlib.sha256(files[name]).hexdigest()
        ]
        if not changed and not removed:
            return Updated([], [])
        if LIST in present:
            self.remove(LIST)
            changed = [*(name for name in changed if name != LIST), LIST]
        for name in removed:
            self.remove(name)
        left = sorted(_parents(erased.union(removed)), reverse=True)  # the deepest first
        self._do(self._transport.exec, _EMPTY.format(left))
        self._make_folders(changed)
        for name in changed:
            progress(name)
            self._write(name, files[name])
        return Updated(changed, removed)

    def write(self, name: str, content: bytes) -> None:
        """Write one file, and make the folders that it is in."""
        self._make_folders([name])
        self._write(name, content)

    def remove(self, name: str) -> None:
        """Remove one file."""
        self._do(self._transport.fs_rmfile, name)

    def _write(self, name: str, content: bytes) -> None:
        self._do(self._transport.fs_writefile, name, content, _CHUNK)

    def _make_folders(self, names: Iterable[str]) -> None:
        self._do(self._transport.exec, _FOLDERS.format(sorted(_parents(names))))

    def reset(self) -> SerialBase:
        """Restart the chip and return its port, on which its first words come; nothing more can be
        asked here.
        """
        self._do(self._transport.exec_raw_no_follow, "import machine\nmachine.reset()")
        port: SerialBase = self._transport.serial
        return port

    def _do(self, action: Callable[..., Any], *arguments: object) -> Any:
        try:
            return action(*arguments)
        except TransportExecError as error:
            last = str(error.error_output).strip().splitlines()[-1:]
            raise Failed(f"{self._port}: the board says {' '.join(last)}") from None
        except (TransportError, SerialException) as error:
            raise Failed(
                f"{self._port}: the connection was lost ({error}); the files are incomplete:"
                " run the same command again"
            ) from None
        except OSError as error:  # of the board's own file system
            raise Failed(
                f"{self._port}: {arguments[0]}: {os.strerror(error.errno or 0)} on the"
                " board; the files are incomplete: make room and run the same command again"
            ) from None


def _parents(names: Iterable[str]) -> set[str]:
    return {str(parent) for name in names for parent in PurePosixPath(name).parents} - {"."}


@contextlib.contextmanager
def board_files(
    port: str, baud: int = 115200, patience: float = _PATIENCE_S
) -> Iterator[BoardFiles]:
    """Stop the program of a board and give its files; raises `UserError` when the port cannot be
    opened and `Failed` when no MicroPython answers there for `patience` seconds.
    """
    check(port)
    transport = SerialTransport(port, baud, timeout=_PROMPT_S)
    try:
        if not stop_program(transport, patience):
            raise Failed(
                f"{port}: no MicroPython prompt: flash the whole board, without --app-only"
            )
        yield BoardFiles(transport, port)
    finally:
        with contextlib.suppress(OSError):
            transport.close()


def stop_program(transport: SerialTransport, patience: float) -> bool:
    """Interrupt whatever runs and enter the raw REPL, without a soft reset: an active PPP link
    would not survive it (MicroPython 1.23). False: no prompt for `patience` seconds, or no port
    any more.
    """
    # While MicroPython itself still starts, Ctrl-C does nothing; later all attempts are answered.
    deadline = time.monotonic() + patience
    asked = 0
    while time.monotonic() < deadline:
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints what it got instead
                transport.enter_raw_repl(False, timeout_overall=min(_PROMPT_S, patience))
        except TransportError:
            asked += 1
            continue
        except OSError:
            break
        if not asked:
            return True
        asked = 0
        time.sleep(_QUIET_S)  # once more, when the other answers are in
    return False


def verify(files: BoardFiles, wanted: Mapping[str, bytes]) -> None:
    """Raise `Failed` when a file on the board is not as it should be."""
    present = files.digests(wanted)
    for name, content in wanted.items():
        if present.get(name) != hashlib.sha256(content).hexdigest():
            raise Failed(f"{name} on the board is not what was written: run the command again")


def check_chip(files: BoardFiles, board: Board) -> None:
    """Raise `UserError` when MicroPython there was built for another chip than the board has."""
    found = files.chip()
    if board.chip not in (found, "host"):
        raise UserError(
            f"wrong chip: this is an {found}, the board {board.name} has an {board.chip}"
        )
