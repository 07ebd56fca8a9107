"""The whole flash of every board: made, taken apart again, and refused when it cannot be."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import made_image
import pytest
from littlefs import LittleFS

from host_tools import boards, esp_format, esp_image, image, littlefs_image, micropython_image
from host_tools.errors import Failed, UserError
from host_tools.esp_format import APP, DATA, Partition
from host_tools.targets.unix import UnixTarget

ROOT = Path(__file__).resolve().parents[2]
CHIPS = [name for name in boards.names() if boards.load(name).chip != "host"]
ESP32 = boards.load("esp32_generic")
SITE = {"acs": {"url": "http://192.0.2.1/"}}
FILES = {"main.py": b"print(1)\n", "lib/cwmp/a.mpy": b"M\x06" * 3000, "site.json": b"{}"}
SIZE = 2 << 20


def whole(board: boards.Board, micropython: bytes, name: str) -> None:
    """Make the image of the real firmware, and read it with the eyes of the chip."""
    files = image.build(board, SITE).files
    made = esp_image.make(board, micropython, name, files)
    assert esp_image.make(board, micropython, name, files).whole == made.whole
    assert board.flash is not None and board.micropython is not None
    flash = made.whole
    assert len(flash) == board.flash.bytes
    start = board.micropython.offset
    assert flash[start : start + len(micropython)] == micropython
    table = esp_format.partitions(flash[0x8000:])
    vfs = next(row for row in table if row.label == "vfs")
    assert littlefs_image.read(flash[vfs.offset : vfs.end]) == dict(files)
    assert flash[vfs.offset + 8 : vfs.offset + 16] == b"littlefs"
    version, block, count = struct.unpack_from("<3I", flash, vfs.offset + 20)
    assert (version, block, count) == (0x00020000, 4096, vfs.size // 4096)
    read = esp_image.read(board, flash, name)
    assert (read.micropython, read.files) == (micropython, dict(files))


@pytest.mark.parametrize("name", CHIPS)
def test_image_of_every_chip_is_read_back_file_by_file(name: str) -> None:
    board = boards.load(name)
    whole(board, made_image.micropython(board), "made")


@pytest.mark.parametrize("name", CHIPS)
def test_image_with_the_official_micropython(name: str) -> None:
    board = boards.load(name)
    try:
        path = micropython_image.find(board)
        content = micropython_image.read(board, path)
        if esp_format.app_image(content).chip != board.chip:
            pytest.skip(f"{path.name} is not for {board.chip}")
    except UserError as error:
        pytest.skip(str(error))
    whole(board, content, path.name)


def test_new_board_is_a_new_folder_and_no_code(tmp_path: Path) -> None:
    text = (boards.BOARDS / "esp32s3_generic" / "board.toml").read_text()
    text = text.replace('size = "8MB"', 'size = "16MB"').replace('"wlan"', '"lan"\nmdc = 23')
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "board.toml").write_text(text)
    board = boards.load("gateway", tmp_path)
    whole(board, made_image.micropython(board), "made")
    files = image.build(board, SITE).files
    told = json.loads(files["board.json"])
    assert told["name"] == "gateway"
    assert (told["network"]["driver"], told["network"]["mdc"]) == ("lan", 23)


def test_unix_board_has_its_image_as_a_folder(tmp_path: Path) -> None:
    files = image.build(boards.load("unix"), SITE).files
    target = UnixTarget(tmp_path)
    target.install(files)
    found = {
        path.relative_to(target.flash).as_posix(): path.read_bytes()
        for path in target.flash.rglob("*")
        if path.is_file()
    }
    assert found == dict(files)
    with pytest.raises(UserError, match="board unix has no flash that an image could be made"):
        esp_image.make(boards.load("unix"), b"", "x", files)


def refused(micropython: bytes, board: boards.Board = ESP32, files: object = FILES) -> str:
    with pytest.raises(UserError) as caught:
        esp_image.make(board, micropython, "mp.bin", files)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    return text


def damaged(at: int) -> bytes:
    content = bytearray(made_image.micropython(ESP32))
    content[at] ^= 0x10
    return bytes(content)


GOOD = made_image.micropython(ESP32)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "mp.bin: not an ESP image"),
        (b"<html>404</html>", "mp.bin: not an ESP image"),
        (GOOD[:20], "truncated in its header"),
        (GOOD[:26], "truncated: a segment is missing"),
        (GOOD[:5000], "truncated: a segment is not complete"),
        (GOOD[:20000], "no partition table"),
        (GOOD[:0x8000], "not an ESP image"),
        (GOOD[:-1], "truncated: the checksum or the digest is missing"),
        (GOOD[:-20000], "truncated: a segment is not complete"),
        (damaged(100), "corrupt: bad checksum"),
        (damaged(1), "corrupt: bad header"),
        (damaged(0x7010), "corrupt partition table: bad MD5"),
        (damaged(0xF000 + 5000), "corrupt: bad checksum"),
        (damaged(len(GOOD) - 1), "corrupt: bad SHA-256"),
    ],
)
def test_corrupt_or_truncated_micropython_is_refused(content: bytes, words: str) -> None:
    assert words in refused(content)


def test_micropython_for_another_chip_is_refused() -> None:
    text = refused(made_image.micropython(ESP32, chip="esp32s3"))
    assert "this MicroPython is for esp32s3, the board esp32_generic has an esp32" in text
    c3 = boards.load("esp32c3_generic")
    assert "is for esp32c6" in refused(made_image.micropython(c3, chip="esp32c6"), c3)


def test_micropython_that_ends_behind_its_partition_is_refused() -> None:
    rows = made_image.layout(ESP32)
    rows[2] = Partition("factory", APP, 0, 0x10000, 0x10000)
    text = refused(made_image.micropython(ESP32, rows=rows))
    assert "MicroPython does not fit: it ends at 0x28" in text
    assert "its partition 'factory' at 0x20000" in text


def test_table_without_place_for_files_is_refused() -> None:
    rows = made_image.layout(ESP32)[:3]
    assert "no partition 'vfs' for files, there are: nvs, phy_init, factory" in refused(
        made_image.micropython(ESP32, rows=rows)
    )
    rows = [Partition("vfs", DATA, 0x81, 0x200000, SIZE)]
    assert "no partition for a program" in refused(made_image.micropython(ESP32, rows=rows))


def test_micropython_for_more_flash_than_the_board_has_is_refused() -> None:
    rows = [*made_image.layout(ESP32)[:3], Partition("vfs", DATA, 0x81, 0x200000, 6 << 20)]
    text = refused(made_image.micropython(ESP32, rows=rows))
    assert "made for 8 MB of flash, the board esp32_generic has 4MB" in text


def test_files_that_do_not_fit_are_refused() -> None:
    text = refused(GOOD, files={**FILES, "big": bytes(SIZE)})
    assert "the files do not fit into 2048 KB, the partition 'vfs'" in text


def test_no_table_and_no_digest_are_told_apart() -> None:
    with pytest.raises(ValueError, match="no partition table"):
        esp_format.partitions(b"\xff" * 0xC00)
    rows = made_image.partition_table(made_image.layout(ESP32))
    with pytest.raises(ValueError, match="no MD5"):
        esp_format.partitions(rows[:128] + b"\xff" * 32)


def test_image_without_digest_has_its_checksum_checked() -> None:
    content = made_image.app_image("esp32c6", [b"abcd" * 9], digest=False)
    assert esp_format.app_image(content + b"more") == esp_format.AppImage("esp32c6", len(content))
    with pytest.raises(ValueError, match="bad checksum"):
        esp_format.app_image(content.replace(b"abcd", b"abce", 1))


def test_file_system_that_is_none_is_refused() -> None:
    for content in (b"\xff" * SIZE, bytes(SIZE), b"\xeb\x3c\x90MSDOS5.0" + bytes(SIZE - 11)):
        with pytest.raises(ValueError, match="not a littlefs file system"):
            littlefs_image.read(content)
    with pytest.raises(ValueError, match="not a number of blocks"):
        littlefs_image.read(b"x" * 5000)


def test_file_by_file_comparison_names_what_is_wrong() -> None:
    found = {**FILES, "main.py": b"other", "extra": b""}
    del found["site.json"]
    with pytest.raises(Failed) as caught:
        esp_image.verify(found, FILES, "flash")
    assert str(caught.value) == (
        "flash: main.py differs, site.json is missing, extra should not be there"
    )
    esp_image.verify(dict(FILES), FILES, "flash")


def test_pinned_file_must_have_its_digest_and_another_name_is_yours(tmp_path: Path) -> None:
    assert ESP32.micropython is not None
    path = tmp_path / ESP32.micropython.file
    path.write_bytes(GOOD)
    with pytest.raises(UserError, match=r"corrupt or not complete: SHA-256 .* fetch it again"):
        micropython_image.read(ESP32, path)
    assert micropython_image.read(ESP32, path.rename(tmp_path / "own.bin")) == GOOD


def test_micropython_is_looked_for_where_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ESP32.micropython is not None
    name = ESP32.micropython.file
    monkeypatch.setenv("ESP_CWMP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ESP_CWMP_MICROPYTHON", raising=False)
    with pytest.raises(UserError) as caught:
        micropython_image.find(ESP32)
    text = str(caught.value)
    assert f"no MicroPython image {name} in {tmp_path / 'cache'}" in text
    assert "python -m host_tools fetch firmware" in text
    assert ESP32.micropython.source in text and "--micropython" in text
    for folder in ("cache", "mine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(b"")
    assert micropython_image.find(ESP32) == tmp_path / "cache" / name
    monkeypatch.setenv("ESP_CWMP_MICROPYTHON", str(tmp_path / "mine"))
    assert micropython_image.find(ESP32) == tmp_path / "mine" / name
    monkeypatch.setenv("ESP_CWMP_MICROPYTHON", str(tmp_path / "mine" / name))
    assert micropython_image.find(ESP32) == tmp_path / "mine" / name
    assert micropython_image.find(ESP32, tmp_path / "mine" / name).exists()
    monkeypatch.setenv("ESP_CWMP_MICROPYTHON", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"none \(from \$ESP_CWMP_MICROPYTHON\)"):
        micropython_image.find(ESP32)


def test_image_only_is_one_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text('[acs]\npassword = "of-the-acs"\n[network]\nssid = "air"\n')
    mine = tmp_path / "mine.bin"
    mine.write_bytes(made_image.micropython(boards.load("esp32c3_generic")))
    output = tmp_path / "out" / "c3.bin"
    command = [sys.executable, str(ROOT / "flash.py"), "--board", "esp32c3_generic", "--config"]
    command += [str(site), "--micropython", str(mine), "--image-only", str(output), "--verify"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "verified" in done.stdout and "of-the-acs" not in done.stdout + done.stderr
    assert output.stat().st_mode & 0o777 == 0o600
    read = esp_image.read(boards.load("esp32c3_generic"), output.read_bytes(), "c3")
    assert b"of-the-acs" in read.files["site.json"]
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout == done.stdout


def test_a_file_system_that_a_newer_micropython_has_written_to_is_read() -> None:
    newer = LittleFS(block_size=littlefs_image.BLOCK, block_count=16, disk_version=0x00020001)
    with newer.open("site.json", "wb") as file:
        file.write(FILES["site.json"])
    assert littlefs_image.read(bytes(newer.context.buffer)) == {"site.json": FILES["site.json"]}


def test_the_log_of_the_root_folder_is_short() -> None:
    files = {f"file{number}": b"x" for number in range(20)}
    made = littlefs_image.make(files, 64 * littlefs_image.BLOCK)
    copies = [made[at : at + littlefs_image.BLOCK] for at in (0, littlefs_image.BLOCK)]
    older, newer = sorted(copies, key=lambda copy: int.from_bytes(copy[:4], "little"))
    grown, short = (len(copy.rstrip(b"\xff")) for copy in (older, newer))
    assert 0 < short < grown / 2
    assert littlefs_image.read(made) == files
