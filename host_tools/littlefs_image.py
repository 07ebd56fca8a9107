"""File systems as MicroPython mounts them: littlefs with blocks of 4096 bytes. They are made with
disk version 2.0, which every MicroPython since 1.12 reads; one that writes raises it to its own.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

from littlefs import LittleFS, LittleFSError

BLOCK = 4096
_MADE_VERSION = 0x00020000
_NEWEST_VERSION = 0  # that littlefs-python knows
_NO_SPACE = -28
_NO_ATTRIBUTE = "z"  # set and removed again
_MOST_OF_AN_ATTRIBUTE = 64


class NoSpace(ValueError):
    """The files do not fit."""


def make(files: Mapping[str, bytes], size: int) -> bytes:
    """Return a file system of `size` bytes with `files` (path -> content); the same files make the
    same bytes. Raises `NoSpace`.
    """
    fs = _file_system(size, _MADE_VERSION)
    try:
        fs.format()
        fs.mount()
        for name in sorted(files):
            folder = str(PurePosixPath(name).parent)
            if folder != ".":
                fs.makedirs(folder, exist_ok=True)
            with fs.open(name, "wb") as file:
                file.write(files[name])
        _compact_root(fs)
    except LittleFSError as error:
        if error.code == _NO_SPACE:
            raise NoSpace(f"the files do not fit into {size // 1024} KB") from None
        raise
    return bytes(fs.context.buffer)


def _compact_root(fs: LittleFS) -> None:
    """Have the log of the root folder written anew: every mount and every look for a file reads
    it, a few bytes at a time.
    """
    before = _revisions(fs)
    while _revisions(fs) == before:  # each write makes the log longer, until it is full
        fs.setattr("/", _NO_ATTRIBUTE, bytes(_MOST_OF_AN_ATTRIBUTE))
        fs.removeattr("/", _NO_ATTRIBUTE)


def _revisions(fs: LittleFS) -> tuple[bytes, ...]:
    """Of both copies of the root folder."""
    return tuple(bytes(fs.context.buffer[at : at + 4]) for at in (0, BLOCK))


def read(image: bytes) -> dict[str, bytes]:
    """Return the files (path -> content) in `image`; raises `ValueError` for what is none."""
    fs = _file_system(len(image), _NEWEST_VERSION)
    fs.context.buffer[:] = image
    files: dict[str, bytes] = {}
    try:
        fs.mount()
        for folder, _, names in fs.walk("/"):
            for name in names:
                path = str(PurePosixPath(folder) / name).lstrip("/")
                with fs.open(path, "rb") as file:
                    files[path] = file.read()
    except LittleFSError as error:
        raise ValueError(f"not a littlefs file system, or a damaged one ({error})") from None
    return files


def _file_system(size: int, disk_version: int) -> LittleFS:
    if not size or size % BLOCK:
        raise ValueError(f"not a number of blocks of {BLOCK} bytes")
    return LittleFS(
        block_size=BLOCK,
        block_count=size // BLOCK,
        prog_size=32,  # as MicroPython: more makes longer logs, which every mount reads
        read_size=32,
        cache_size=128,
        name_max=255,
        disk_version=disk_version,
        mount=False,
    )
