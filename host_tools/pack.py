"""The package's modules in one file, for a board whose flash is slow to search: see
boards/qemu_esp32/pack_mount.py, which reads it.

A line with the numbers of folders and of entries; for each entry the lower 30 bits of the CRC-32
of its path, a small integer on the board; for each, and for the end, the offset of its content in
words of 4 bytes; the contents, filled up to whole words. Folders come first, and have none.
"""

import struct
from collections.abc import Mapping
from pathlib import PurePosixPath
from zlib import crc32

from host_tools.errors import Failed

PACK = "lib.pack"
_FOLDER = "lib/"
_WORD = 4
_KEY = 0x3FFFFFFF
_MOST = 65536  # words that the table can tell


def packed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return `files` (path -> content) with those below lib/ in one file, `PACK`. A file may have
    up to three bytes more at its end. Failed: they do not fit.
    """
    inside = {
        f"/{name.removeprefix(_FOLDER)}": files[name]
        for name in sorted(files)
        if name.startswith(_FOLDER)
    }
    folders = sorted(
        {parent.as_posix() for name in inside for parent in PurePosixPath(name).parents} - {"/"}
    )
    entries = [*((folder, b"") for folder in folders), *inside.items()]
    places, content = [0], b""
    for _, data in entries:
        content += data + bytes(-len(data) % _WORD)
        places.append(len(content) // _WORD)
    keys = [crc32(path.encode()) & _KEY for path, _ in entries]
    if places[-1] >= _MOST or len(set(keys)) < len(keys):
        raise Failed(f"{PACK}: {len(content)} bytes in {len(entries)} entries cannot be told")
    head = f"{len(folders)} {len(entries)}\n".encode()
    table = struct.pack(f"<{len(keys)}I{len(places)}H", *keys, *places)
    others = {name: data for name, data in files.items() if not name.startswith(_FOLDER)}
    return {**others, PACK: head + table + content}
