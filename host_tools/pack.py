"""The package's modules in one file, for a board whose flash is slow to search: see
boards/qemu_esp32/boot.py, which reads it.
"""

from collections.abc import Mapping

PACK = "lib.pack"
_FOLDER = "lib/"


def packed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return `files` (path -> content) with those below lib/ in one file, `PACK`."""
    index, content = b"", b""
    for name in sorted(files):
        if name.startswith(_FOLDER):
            index += f"/{name.removeprefix(_FOLDER)} {len(content)} {len(files[name])}\n".encode()
            content += files[name]
    others = {name: data for name, data in files.items() if not name.startswith(_FOLDER)}
    return {**others, PACK: f"{len(index)}\n".encode() + index + content}


def sizes(pack: bytes) -> dict[str, int]:
    """Return path -> size of the files in a pack."""
    length, _, rest = pack.partition(b"\n")
    found = {}
    for line in rest[: int(length)].decode().splitlines():
        name, _, size = line.split()
        found[_FOLDER + name.removeprefix("/")] = int(size)
    return found
