"""Downloads: resumed, checked, never half there; and one clear line when they cannot be had."""

import hashlib
import io
import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from host_tools import fetch
from host_tools.cli import make_app
from host_tools.download import download, take
from host_tools.errors import Failed, UserError
from host_tools.fetch import Pinned, firmware_images, obtain, qemu_release, unpack

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """`content`: what is served; `cut`: bytes after which the connection breaks, if not None."""

    daemon_threads = True
    content = CONTENT
    cut: int | None = None
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        first = int(re.findall(r"\d+", wanted)[0]) if wanted and server.ranges else 0
        if self.path != "/file.bin":
            return self.send_error(404)
        if first and first >= len(server.content):
            return self.send_error(416)
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(server.content) - first))
        self.end_headers()
        end = len(server.content) if server.cut is None else first + server.cut
        self.wfile.write(server.content[first:end])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESP_CWMP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_file_arrives_with_its_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    download(server.url, tmp_path / "f", SHA256, lambda *progress: seen.append(progress))
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT)) and seen[-1] == (len(CONTENT), len(CONTENT))
    assert not (tmp_path / "f.part").exists()


def test_a_download_that_broke_off_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.cut = 100_000
    with pytest.raises(Failed, match=r"broke off .*run again to go on"):
        download(server.url, tmp_path / "f", SHA256)
    assert not (tmp_path / "f").exists()
    server.cut = None
    download(server.url, tmp_path / "f", SHA256)
    assert server.asked == [None, "bytes=100000-"]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_server_that_cannot_resume_sends_all_of_it(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(b"other" * 10)
    server.ranges = False
    download(server.url, tmp_path / "f", SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(CONTENT)
    download(server.url, tmp_path / "f", SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_part_of_something_longer_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(CONTENT + b"more")
    with pytest.raises(Failed, match="does not fit; run again"):
        download(server.url, tmp_path / "f", SHA256)
    download(server.url, tmp_path / "f", SHA256)


def test_a_corrupt_download_is_removed(server: Server, tmp_path: Path) -> None:
    server.content = b"!" + CONTENT[1:]
    with pytest.raises(Failed, match="corrupt: SHA-256"):
        download(server.url, tmp_path / "f", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_server_does_not_have(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="the server says 404"):
        download(server.url + "x", tmp_path / "f", SHA256)


def test_without_a_network_one_line_says_what_to_do(cache: Path) -> None:
    nowhere = Pinned("file.bin", "http://127.0.0.1:1/file.bin", SHA256)
    with pytest.raises(Failed) as caught:
        obtain("firmware", nowhere, None)
    said = str(caught.value)
    assert "cannot be reached" in said and "\n" not in said
    assert "python -m host_tools fetch firmware --from file.bin" in said


def test_what_is_there_and_right_is_not_fetched_again(server: Server, cache: Path) -> None:
    pinned = Pinned("file.bin", server.url, SHA256)
    assert obtain("firmware", pinned, None) == obtain("firmware", pinned, None)
    (cache / "file.bin").write_bytes(b"damaged since")
    assert obtain("firmware", pinned, None).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_local_file_does_as_well_if_it_is_the_right_one(tmp_path: Path) -> None:
    source = tmp_path / "mine"
    source.write_bytes(CONTENT)
    take(source, tmp_path / "cache" / "f", SHA256)
    assert (tmp_path / "cache" / "f").read_bytes() == CONTENT
    source.write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match="not the pinned file, or corrupt"):
        take(source, tmp_path / "cache" / "g", SHA256)
    with pytest.raises(UserError, match="cannot read"):
        take(tmp_path / "none", tmp_path / "cache" / "g", SHA256)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["f"]


def archive(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:xz") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = 4, 0o755
            tar.addfile(entry, io.BytesIO(b"#!/x"))
    return path


def test_an_archive_of_qemu_is_unpacked_in_place_of_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "qemu").mkdir()
    (tmp_path / "qemu" / "old").touch()
    unpack(archive(tmp_path / "a", "q/bin/qemu-system-xtensa", "q/share/rom"), tmp_path / "qemu")
    assert (tmp_path / "qemu/bin/qemu-system-xtensa").stat().st_mode & 0o100
    assert not (tmp_path / "qemu" / "old").exists()


@pytest.mark.parametrize("names", (("q/bin/qemu-system-arm",), ("../bin/qemu-system-xtensa",)))
def test_an_archive_of_something_else_leaves_the_old_one(tmp_path: Path, names) -> None:
    (tmp_path / "qemu").mkdir()
    with pytest.raises(Failed):
        unpack(archive(tmp_path / "a", *names), tmp_path / "qemu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "qemu"]


def test_qemu_is_known_for_the_usual_machines_and_refused_for_others() -> None:
    one = qemu_release("x86_64", "linux")
    assert one.name == "qemu-xtensa-softmmu-esp_develop_9.2.2_20260417-x86_64-linux-gnu.tar.xz"
    assert one.url.endswith(f"/esp-develop-9.2.2-20260417/{one.name}")
    assert qemu_release("arm64", "darwin").name.endswith("aarch64-apple-darwin.tar.xz")
    with pytest.raises(UserError, match="no QEMU is released for riscv64 linux"):
        qemu_release("riscv64", "linux")


def test_images_are_those_of_the_boards_each_once() -> None:
    names = [one.name for one in firmware_images()]
    assert len(names) == len(set(names))
    (one,) = firmware_images("qemu_esp32")
    assert one.name in names and len(one.sha256) == 64
    with pytest.raises(UserError, match="board unix has no MicroPython image to fetch"):
        firmware_images("unix")


def test_the_command_takes_a_file_brought_by_hand(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = Pinned("file.bin", "http://127.0.0.1:1/file.bin", SHA256)
    monkeypatch.setattr(fetch, "firmware_images", lambda board: [pinned])
    (tmp_path / "elsewhere.bin").write_bytes(CONTENT)
    wanted = ["fetch", "firmware", "--board", "qemu_esp32", "--from"]
    done = CliRunner().invoke(make_app(), [*wanted, str(tmp_path / "elsewhere.bin")])
    assert done.output.strip() == str(cache / "file.bin"), done.output
    assert (cache / "file.bin").read_bytes() == CONTENT
