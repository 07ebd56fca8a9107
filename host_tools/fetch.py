"""`fetch qemu|firmware`: what boards need that does not come as a Python package."""

import platform
import shutil
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from host_tools import boards, cache
from host_tools.boards import UNPINNED
from host_tools.download import Progress as OnProgress
from host_tools.download import digest, download, take
from host_tools.errors import Failed, UserError

# Espressif's QEMU, as released: platform -> SHA-256.
RELEASE = "esp-develop-9.2.2-20260417"
RELEASES = f"https://github.com/espressif/qemu/releases/download/{RELEASE}/"
QEMU = {
    "x86_64-linux-gnu": "0eecb2a34a5586c0e59110f77b9343b7b336e82fdb0e1a30e1dc1bab8a547e35",
    "aarch64-linux-gnu": "00de5985094c14e47d1b38464a006b8ed64fd0fa7a289c56da24f3a329f65339",
    "x86_64-apple-darwin": "ae8170fe46bcdfa54a7c0d7afcdb7a066711991be680f72ff7bbc6c4ae3ad88f",
    "aarch64-apple-darwin": "bb8c15810565d3df1665dc34962430885e11bc95575b228fb44698146be1e9d6",
}

app = typer.Typer(
    help="Fetch QEMU or MicroPython images, as pinned, into the cache folder.",
    no_args_is_help=True,
)
Source = Annotated[
    Path | None,
    typer.Option("--from", help="A local file instead of the download.", show_default=False),
]


@dataclass(frozen=True)
class Pinned:
    """One file: what it is called, where it comes from (a URL), and its SHA-256."""

    name: str
    url: str
    sha256: str


def qemu_release(machine: str = "", system: str = "") -> Pinned:
    """The file for this machine, or another; raises `UserError` where there is none."""
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(
        (machine or platform.machine()).lower(), machine or platform.machine()
    )
    kind = {"linux": "linux-gnu", "darwin": "apple-darwin"}.get(system or sys.platform, "")
    target = f"{machine}-{kind}"
    if target not in QEMU:
        raise UserError(
            f"no QEMU is released for {machine} {system or sys.platform}: build one with the"
            " machine esp32, and set ESP_CWMP_QEMU to its qemu-system-xtensa"
        )
    release = RELEASE.replace("esp-develop-", "esp_develop_").replace("-", "_")
    name = f"qemu-xtensa-softmmu-{release}-{target}.tar.xz"
    return Pinned(name, RELEASES + name, QEMU[target])


def firmware_images(wanted: str | None = None) -> list[Pinned]:
    """MicroPython images of the board `wanted`, or of all boards; each once. Those that board.toml
    leaves to the user are left out, or raise `UserError` when asked for by name.
    """
    found = {}
    for name in [wanted] if wanted else boards.names():
        image = boards.load(name).micropython
        if image is not None and image.sha256 != UNPINNED:
            found[image.file] = Pinned(image.file, image.source, image.sha256)
        elif wanted:
            raise UserError(f"board {name} has no MicroPython image to fetch")
    return list(found.values())


def obtain(what: str, pinned: Pinned, source: Path | None) -> Path:
    """Bring a file into the cache, unless it is there and right; return its path. `what`: the
    command that is to take a file brought by hand.
    """
    to = cache.folder() / pinned.name
    if source is not None:
        take(source, to, pinned.sha256)
    elif not (to.is_file() and digest(to) == pinned.sha256):
        try:
            with shown(pinned.name) as progress:
                download(pinned.url, to, pinned.sha256, progress)
        except Failed as error:
            raise Failed(
                f"{error}; without internet: bring the file here by other means, then"
                f" python -m host_tools fetch {what} --from {pinned.name}"
            ) from None
    return to


def unpack(archive: Path, to: Path) -> None:
    """Unpack QEMU's archive, whose one top folder becomes `to`; raises `Failed`."""
    staging = to.with_name(to.name + ".new")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(staging, filter="data")
            else:  # CPython 3.11.2, which is Debian's, has no filters yet
                for member in tar:
                    names = PurePosixPath(member.name), PurePosixPath(member.linkname)
                    if any(name.is_absolute() or ".." in name.parts for name in names):
                        raise Failed(f"{archive}: {member.name} leads out of it")
                    tar.extract(member, staging)
        tops = list(staging.iterdir())
        if len(tops) != 1 or not (tops[0] / "bin" / "qemu-system-xtensa").is_file():
            raise Failed(f"{archive}: no qemu-system-xtensa in it")
        shutil.rmtree(to, ignore_errors=True)
        tops[0].rename(to)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Failed(f"{archive}: cannot be unpacked: {error}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def shown(name: str) -> Iterator[OnProgress]:
    """A progress bar on a terminal; nothing elsewhere."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)


@app.command()
def qemu(source: Source = None) -> None:
    """Fetch Espressif's QEMU for this machine and unpack it."""
    folder = cache.folder() / "qemu"
    unpack(obtain("qemu", qemu_release(), source), folder)
    typer.echo(folder / "bin" / "qemu-system-xtensa")


@app.command()
def firmware(
    board: Annotated[
        str | None, typer.Option(help="Only what this board needs.", show_default=False)
    ] = None,
    source: Source = None,
) -> None:
    """Fetch the MicroPython images that the boards pin."""
    images = firmware_images(board)
    if source is not None:
        named = [one for one in images if one.name == source.name]
        if not named and len(images) != 1:
            known = ", ".join(one.name for one in images)
            raise UserError(f"{source}: not the name of a pinned image; known are: {known}")
        images = named or images
    for one in images:
        typer.echo(obtain("firmware", one, source))


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="fetch")
