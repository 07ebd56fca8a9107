"""`python -m host_tools demo --target qemu`: the story of the unix board, told by an ESP32."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host_tools import boards, micropython_image
from host_tools.capture import explain
from host_tools.demo.namespaces import BOARD
from host_tools.demo.story import CLAIMS
from host_tools.errors import UserError
from host_tools.lab import netns
from host_tools.targets import qemu

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = [sys.executable, "-m", "host_tools", "demo"]
ON_QEMU = [*DEMO, "--target", "qemu"]


def missing() -> str | None:
    try:
        qemu.find_qemu()
        micropython_image.find(boards.load(BOARD))
    except UserError as reason:
        return str(reason)
    return netns.unavailable()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The JSON of one run, with its output, the board's log and its files beside it."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("demo")
    files = {"--json": folder / "demo.json", "--capture": folder / "demo.pcapng"}
    command = [*ON_QEMU, "--keep-state", folder / "state"]
    for option, path in files.items():
        command += [option, path]
    environment = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    print(done.stdout, done.stderr, sep="\n")
    assert files["--json"].exists(), done.stderr
    facts = json.loads(files["--json"].read_text())
    log = (folder / "state" / "serial.log").read_text()
    return {
        **facts,
        "status": done.returncode,
        "out": done.stdout,
        "log": log,
        "state": folder / "state",
    }


@pytest.mark.netns
@pytest.mark.timeout(600)
def test_every_claim_holds_on_an_esp32_behind_the_kernels_nat(told: dict) -> None:
    failed = {name: claim for name, claim in told["claims"].items() if not claim["ok"]}
    assert (told["status"], failed) == (0, {})
    assert list(told["claims"]) == list(CLAIMS)
    assert told["udp_connection_request_address"].startswith(f"{netns.ROUTER_OUTSIDE}:")
    assert told["second_address"] != told["udp_connection_request_address"]
    assert told["rejected"] == {"bad-signature": 1, "duplicate": 1, "stale": 1}
    assert told["micropython"] == boards.load(BOARD).micropython.version
    assert told["connection_request_password"] not in told["log"]


@pytest.mark.netns
@pytest.mark.timeout(600)
def test_what_the_acs_wrote_is_on_the_flash_that_is_left(told: dict) -> None:
    left = qemu.QemuTarget(told["state"], boards.load(BOARD))
    assert told["connection_request_password"].encode() in left.read_file("state/params.json")


@pytest.mark.netns
@pytest.mark.timeout(600)
def test_the_capture_shows_both_sides_of_the_kernels_nat(told: dict) -> None:
    capture = explain.story(
        told["capture"],
        told["connection_request_password"],
        username=told["connection_request_username"],
    )
    assert set(capture.interfaces) == {"inside", "outside", "acs"}
    arrived = [request for request in capture.requests if request.verdict != "lost"]
    assert {request.inside_target for request in arrived} == {(netns.INSIDE, 7547)}
    assert all(request.target[0] == netns.ROUTER_OUTSIDE for request in capture.requests)
    assert [session.end for session in capture.sessions] == ["complete"] * len(capture.sessions)
    tshark = shutil.which("tshark")
    if tshark:
        command = [tshark, "-r", told["capture"], "-T", "fields", "-e", "frame.number"]
        read = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert len(read) == capture.frames
        command += ["-Y", "_ws.malformed || _ws.expert.severity == error"]
        assert subprocess.run(command, capture_output=True, text=True).stdout == ""


@pytest.mark.netns
@pytest.mark.timeout(600)
def test_the_json_has_the_keys_of_the_unix_demo(told: dict, tmp_path: Path) -> None:
    files = ["--json", tmp_path / "demo.json", "--capture", tmp_path / "demo.pcapng"]
    done = subprocess.run([*DEMO, *files], cwd=ROOT, capture_output=True, text=True, check=True)
    unix = json.loads((tmp_path / "demo.json").read_text())
    assert set(told) - {"status", "out", "log", "state"} == set(unix)
    texts = [claim["text"] for claim in told["claims"].values()]
    assert texts == [claim["text"] for claim in unix["claims"].values()]
    assert chapters(told["out"]) == chapters(done.stdout)


def chapters(out: str) -> list[str]:
    return [line for line in out.splitlines() if line[:1].isdigit() and line[1:3] == ". "]


@pytest.mark.netns
@pytest.mark.timeout(120)
def test_ctrl_c_leaves_neither_qemu_nor_its_network(tmp_path: Path) -> None:
    reason = missing()
    if reason:
        pytest.skip(reason)
    state = tmp_path / "state"
    command = [*ON_QEMU, "--keep-state", state, "--capture", tmp_path / "demo.pcapng"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "First contact" in line:
                break
        target = qemu.QemuTarget(state, boards.load(BOARD))
        while not target.running:
            time.sleep(0.05)
        status = target.status()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.returncode == 130
    for pid in (status["pid"], status["qemu_pid"]):
        assert not Path(f"/proc/{pid}").exists()


# What is missing is one clear line, and nothing has begun by then. None of these needs QEMU.


def refused(tmp_path: Path, *command: str, **environment: str) -> str:
    capture = tmp_path / "demo.pcapng"
    done = subprocess.run(
        [*command, *ON_QEMU, "--capture", capture],
        cwd=ROOT,
        env={**os.environ, "ESP_CWMP_CACHE": str(tmp_path), **environment},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, capture.exists()) == (2, "", False), done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_without_qemu_it_says_how_to_get_it(tmp_path: Path) -> None:
    line = refused(tmp_path, PATH="/usr/bin:/bin", ESP_CWMP_QEMU="")
    assert "python -m host_tools fetch qemu" in line


def test_without_an_image_it_says_how_to_get_it(tmp_path: Path) -> None:
    line = refused(tmp_path, ESP_CWMP_QEMU=sys.executable, ESP_CWMP_MICROPYTHON="")
    assert "python -m host_tools fetch firmware" in line


def test_without_the_right_to_namespaces_it_says_what_gives_it(tmp_path: Path) -> None:
    image = tmp_path / "image.bin"
    image.touch()
    able = not os.geteuid()
    without = [shutil.which("setpriv"), "--bounding-set=-sys_admin"] if able else []
    line = refused(
        tmp_path, *without, ESP_CWMP_QEMU=sys.executable, ESP_CWMP_MICROPYTHON=str(image)
    )
    assert "run as root, or under `unshare --user --map-root-user --net`" in line


def test_an_option_of_another_target_is_refused(tmp_path: Path) -> None:
    done = subprocess.run([*ON_QEMU, "--heap", "1M"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --heap is not for the target qemu\n"


@pytest.mark.parametrize(
    "board, text",
    [
        ("unix", "board unix does not run in QEMU"),
        ("qemu_esp32_wifi", "has no Wi-Fi (the device esp32_wifi): take board qemu_esp32"),
    ],
)
def test_a_board_that_cannot_be_had_is_refused(tmp_path: Path, board: str, text: str) -> None:
    done = subprocess.run(
        [*ON_QEMU, "--board", board],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "ESP_CWMP_QEMU": sys.executable},  # a program that is no QEMU
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and done.stderr.endswith(f"{text}\n")
