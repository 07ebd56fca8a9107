"""What an image holds: compiled code, main.py as source, the configuration, and the list."""

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from host_tools import boards, image, names
from host_tools.errors import Failed
from host_tools.package import package
from host_tools.targets.unix import UnixTarget, find_interpreter

VIPER = """\
import micropython


@micropython.viper
def total(data: ptr8, count: int) -> int:
    value = 0
    for at in range(count):
        value += data[at]
    return value


def fail():
    raise ValueError("here")
"""


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    """A small firmware: a package with a package in it, and main.py."""
    root = tmp_path / "firmware"
    (root / "cwmp" / "wire").mkdir(parents=True)
    (root / "cwmp" / "__init__.py").write_text("VERSION = '7'\n")
    (root / "cwmp" / "wire" / "__init__.py").write_text("")
    (root / "cwmp" / "wire" / "scan.py").write_text(VIPER)
    (root / "main.py").write_text("from cwmp import VERSION\nprint('version', VERSION)\n")
    return root


def board(native: str) -> boards.Board:
    return boards.Board("unix", "for tests", "host", "unix", native)


def compiled_scan(firmware: Path) -> str:
    return f"lib/{package(board(''), firmware).module('wire.scan').replace('.', '/')}.mpy"


def micropython(flash: Path, code: str) -> str:
    done = subprocess.run(
        [find_interpreter(), "-c", code],
        cwd=flash,
        capture_output=True,
        text=True,
        env={**os.environ, "MICROPYPATH": ".frozen:lib"},
        check=False,
    )
    return done.stdout + done.stderr


def test_image_has_mpy_for_modules_and_source_for_main(firmware: Path) -> None:
    files = image.build(board("x64"), {"acs": {"url": "http://a/"}}, firmware).files
    scan = compiled_scan(firmware)
    assert sorted(files) == [
        "board.json",
        "image.json",
        "lib/cwmp/__init__.mpy",
        scan,
        "main.py",
        "site.json",
        "slot",
    ]
    assert files[scan][:2] == b"M\x06"
    assert files["main.py"] == (firmware / "main.py").read_bytes()
    assert json.loads(files["site.json"]) == {"acs": {"url": "http://a/"}}


def test_image_list_has_the_digest_of_every_file(firmware: Path) -> None:
    files = image.build(board("x64"), {}, firmware).files
    listed = json.loads(files["image.json"])["files"]
    assert listed == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if name != "image.json"
    }


def test_image_is_the_same_every_time(firmware: Path) -> None:
    site = {"b": {"y": 1, "x": 2}, "a": {}}
    assert image.build(board("x64"), site, firmware) == image.build(board("x64"), site, firmware)


def test_with_site_changes_nothing_but_the_configuration(firmware: Path) -> None:
    plain = image.build(board("x64"), None, firmware)
    assert "site.json" not in plain.files
    site = {"stun": {"enable": True}}
    assert image.with_site(plain, site) == image.build(board("x64"), site, firmware)


@pytest.mark.parametrize("native", ["x64", ""])
def test_native_code_and_bytecode_run_alike(firmware: Path, tmp_path: Path, native: str) -> None:
    target = UnixTarget(tmp_path / "board")
    target.install(image.build(board(native), None, firmware).files)
    code = "from cwmp.wire.scan import total; print(total(bytes((200, 100, 3)), 3))"
    made = package(board(native), firmware)
    assert micropython(target.flash, made.script(code)) == "303\n"


def test_bytecode_image_has_no_native_code(firmware: Path) -> None:
    name = compiled_scan(firmware)
    native = image.build(board("x64"), None, firmware).files[name]
    plain = image.build(board(""), None, firmware).files[name]
    assert native[2] >> 2 != 0  # the architecture, in the third byte of the header
    assert plain[2] >> 2 == 0


def test_traceback_is_read_back_into_the_names_of_the_sources(
    firmware: Path, tmp_path: Path
) -> None:
    target = UnixTarget(tmp_path / "board")
    target.install(image.build(board(""), None, firmware).files)
    made = package(board(""), firmware)
    code = made.script("from cwmp.wire.scan import fail; fail()")
    said = micropython(target.flash, code) + f"no module named '{made.module('wire.scan')}'\n"
    said = names.read_back(said, made.names, made.sources, made.modules)
    assert re.search(r'File "cwmp/wire/scan.py", line \d+, in fail', said), said
    assert "no module named 'cwmp.wire.scan'" in said


def test_syntax_error_is_one_line_with_file_and_line(firmware: Path) -> None:
    (firmware / "cwmp" / "bad.py").write_text("x = 1\ndef broken(:\n    pass\n")
    with pytest.raises(Failed) as caught:
        image.build(board("x64"), None, firmware)
    text = str(caught.value)
    assert "bad.py" in text and "line 2" in text and "SyntaxError" in text
    assert "\n" not in text


def test_what_mpy_cross_refuses_is_told_with_the_file_of_the_sources(firmware: Path) -> None:
    wrong = "import micropython\n@micropython.viper\ndef f(a: ptr8):\n    return a + 'x'\n"
    (firmware / "cwmp" / "wire" / "bad.py").write_text(wrong)
    with pytest.raises(Failed, match=r"^mpy-cross cannot compile cwmp/wire/bad\.py: "):
        image.build(board("x64"), None, firmware)


def test_native_code_is_left_out_where_the_host_cannot_run_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image.platform, "machine", lambda: "aarch64")
    assert image.native_of(board("x64")) == ""
    assert (
        image.native_of(boards.Board("esp32", "", "esp32", "serial", "xtensawin")) == "xtensawin"
    )


def test_firmware_of_this_tree_compiles_for_every_architecture_we_name() -> None:
    for native in ("xtensawin", "rv32imc", ""):
        chosen = boards.Board("other", "", "esp32", "serial", native)
        assert len(image.build(chosen, None).files) > 20


def test_what_an_example_says_of_the_network():
    assert image.example_network(boards.load("qemu_esp32_wifi"))["ssid"] == "PICSimLabWifi"
    assert image.example_network(boards.load("qemu_esp32")) == {}
