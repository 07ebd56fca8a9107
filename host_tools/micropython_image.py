"""Finds the MicroPython image of a board on this machine.

The place that is named comes first: `--micropython FILE`, then $ESP_CWMP_MICROPYTHON (a file, or a
folder with files named as in board.toml), then the cache folder, which `python -m host_tools fetch
firmware` fills.
"""

import hashlib
import os
from pathlib import Path

from host_tools import cache
from host_tools.boards import UNPINNED, Board
from host_tools.errors import UserError
from host_tools.esp_image import sections_of

VARIABLE = "ESP_CWMP_MICROPYTHON"


def find(board: Board, given: Path | None = None) -> Path:
    """Return the path of the image; raises `UserError` that says where to get it and where to put
    it.
    """
    pinned, _ = sections_of(board)
    if given is not None:
        return _existing(given, "--micropython")
    named = os.environ.get(VARIABLE)
    if named:
        path = _existing(Path(named), f"${VARIABLE}")
        if path.is_file():
            return path
        if (path / pinned.file).is_file():
            return path / pinned.file
    path = cache.folder() / pinned.file
    if path.is_file():
        return path
    looked = f"{named} and {cache.folder()}" if named else str(cache.folder())
    raise UserError(
        f"no MicroPython image {pinned.file} in {looked}: python -m host_tools fetch firmware gets"
        f" it, or download {pinned.source} and name it with --micropython"
    )


def read(board: Board, path: Path) -> bytes:
    """Return the image. A file named as board.toml pins it must have the SHA-256 pinned there;
    what is inside is checked by `esp_image`.
    """
    pinned, _ = sections_of(board)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if path.name == pinned.file and pinned.sha256 != UNPINNED:
        found = hashlib.sha256(content).hexdigest()
        if found != pinned.sha256:
            raise UserError(
                f"{path}: corrupt or not complete: SHA-256 {found[:12]}..., board.toml pins"
                f" {pinned.sha256[:12]}...; remove it and fetch it again"
            )
    return content


def _existing(path: Path, origin: str) -> Path:
    if not path.exists():
        raise UserError(f"no MicroPython image at {path} (from {origin})")
    return path
