"""The pack: what boards/qemu_esp32/pack_mount.py is to find in it."""

import struct
from zlib import crc32

import pytest

from host_tools.errors import Failed
from host_tools.pack import PACK, packed

FILES = {
    "lib/cwmp/__init__.mpy": b"M\x06\x00\x1f",
    "lib/cwmp/runtime/boot.mpy": b"seven b",
    "main.py": b"import cwmp",
}


KEY = 0x3FFFFFFF


def key(path: bytes) -> int:
    return crc32(path) & KEY


def found(pack: bytes) -> dict[int, bytes]:
    """Key of the path -> content, read as the board reads it."""
    head, _, rest = pack.partition(b"\n")
    folders, count = map(int, head.split())
    keys = struct.unpack_from(f"<{count}I", rest)
    places = struct.unpack_from(f"<{count + 1}H", rest, 4 * count)
    content = rest[6 * count + 2 :]
    assert len(content) == 4 * places[-1]
    assert [n for n in range(count) if places[n] == places[n + 1]] == list(range(folders))
    return {key: content[4 * places[n] : 4 * places[n + 1]] for n, key in enumerate(keys)}


def test_what_is_below_lib_is_in_one_file_and_the_rest_stays():
    made = packed(FILES)
    assert sorted(made) == [PACK, "main.py"] and made["main.py"] == FILES["main.py"]
    inside = found(made[PACK])
    assert inside == {
        key(b"/cwmp"): b"",
        key(b"/cwmp/runtime"): b"",
        key(b"/cwmp/__init__.mpy"): b"M\x06\x00\x1f",
        key(b"/cwmp/runtime/boot.mpy"): b"seven b\0",  # whole words
    }


def test_the_same_files_make_the_same_pack():
    assert packed(dict(reversed(FILES.items()))) == packed(FILES)


def test_more_than_the_table_can_tell_is_refused():
    with pytest.raises(Failed, match="cannot be told"):
        packed({"lib/big.mpy": bytes(4 * 65536)})
