"""What cannot be used, a configuration, a port, an interpreter: one clear line, what to do."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from host_tools.errors import UserError
from host_tools.free_port import free_port
from host_tools.image import read_site
from tests.conformance.rig import MakeRig
from tests.cpe import Cpe

ROOT = Path(__file__).resolve().parents[2]

# What stands in site.toml, and what the one line has to name.
BAD_SITES = {
    "unknown-key": ("[stun]\nprot = 3478\n", ":2:", "stun.prot", "known are", "port"),
    "unknown-section": ("[stunn]\nport = 1\n", ":1:", "stunn", "known are", "stun"),
    "out-of-range": ("[acs]\ntimeout_s = 0\n", ":2:", "acs.timeout_s", "from 1 to 600", "got 0"),
    "too-large": ("[stun]\nport = 70000\n", "stun.port", "from 0 to 65535", "got 70000"),
    "wrong-type": ('[stun]\nenable = "yes"\n', "stun.enable", "true or false", "'yes'"),
    "not-a-section": ("stun = 1\n", ":1:", "stun", "got 1"),
    "bad-url": ('[acs]\nurl = "acs.example"\n', "acs.url", "an http or https URL"),
    "bad-oui": ('[device]\noui = "02-00"\n', "device.oui", "6 upper-case hex digits"),
    "too-long": (f'[acs]\nusername = "{"u" * 257}"\n', "acs.username", "at most 256"),
    "level": ('[log]\nlevel = "loud"\n', "log.level", "one of D, E, I, W", "'loud'"),
    "syntax": ("[stun\nport = 1\n", ":1:"),
    "syntax-2": ("[stun]\nport = \n", ":2:"),
    "secret": ("[acs]\npassword = 12345678\n", "acs.password", "a text"),
}


def flash(folder: Path, *options: str, **env: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "flash.py"), "--board", "unix", "--state"]
    return subprocess.Popen(
        [*command, str(folder / "board"), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    )


def refused(run: subprocess.Popen[str]) -> str:
    """The one line of a run that asked for what cannot be."""
    out, err = run.communicate(timeout=30)
    assert run.returncode == 2, (out, err)
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1, err
    assert "Traceback" not in err
    return err


def test_flash_names_the_key_and_what_is_allowed(tmp_path: Path):
    runs = {}
    for name, (text, *words) in BAD_SITES.items():
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        if name in ("unknown-key", "out-of-range", "syntax"):
            runs[name] = flash(tmp_path / name, "--config", str(path))
            continue
        with pytest.raises(UserError) as refusal:
            read_site(path)  # what flash.py does first; a process each would only take longer
        line = str(refusal.value)
        assert all(word in line for word in words), (name, line)
        assert line.startswith(str(path)) and "\n" not in line and "12345678" not in line
    for name, run in runs.items():
        line = refused(run)
        assert all(word in line for word in BAD_SITES[name][1:]), (name, line)
        assert not (tmp_path / name / "board" / "flash").exists()  # nothing was touched


def test_flash_without_files_board_or_interpreter(tmp_path: Path):
    good = tmp_path / "site.toml"
    good.write_text("")
    runs = (
        (flash(tmp_path, "--config", str(tmp_path / "none.toml")), "none.toml"),
        (flash(tmp_path, "--config", str(tmp_path)), str(tmp_path)),
        (flash(tmp_path), "--config is missing"),
        (flash(tmp_path, "--config", str(good), "--board", "esp99"), "known are: "),
        (flash(tmp_path, "--config", str(good), "--interpreter", "/nowhere/mp"), "/nowhere/mp"),
        (flash(tmp_path, "--config", str(good), MICROPYTHON="/gone/mp"), "MICROPYTHON"),
    )
    for run, word in runs:
        assert word in refused(run)


@pytest.mark.capability("files")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["JSON"]),
        (b'{"acs": {"url"', ["JSON"]),
        (b"\xff\xfe\x00\x01" * 64, []),
        (b"[1, 2]", ["want sections"]),
        (b'{"acs": 5}', ["acs", "got 5"]),
        (b'{"acs": {"timeout_s": 99999}}', ["acs.timeout_s", "from 1 to 600"]),
        (b'{"log": {"level": ["I"]}}', ["log.level"]),
        (b'{"nonsense": {}}', ["nonsense", "known are"]),
        (b"[" * 9000, ["memory"]),
        (None, ["missing"]),
    ],
    ids=["empty", "cut", "binary", "list", "number", "range", "type", "unknown", "deep", "none"],
)
def test_site_json_damaged_on_the_device(make_cpe: Callable[..., Cpe], content, words):
    board = make_cpe({})
    board.target.write_file("site.json", content)
    board.start()
    said = board.expect(
        r'^E \d+ boot: config file=site.json error="(.*)"; mend it and flash again'
    )
    assert all(word in said[1] for word in words), said[0]
    board.expect(r"^>>> ")
    board.restart_with({"connection_request": {"port": free_port()}})
    board.expect("net: listening")
    assert "Traceback" not in board.said()


@pytest.mark.capability("loopback")
def test_udp_port_in_use_is_one_clear_line_and_the_prompt(make_cpe: Callable[..., Cpe]):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 0))
        port = other.getsockname()[1]
        board = make_cpe({"connection_request": {"port": port}})
        board.start()
        said = board.expect(r'^E \d+ boot: failed error="(.*)"')
        assert f"UDP port {port} cannot be opened" in said[1] and "is it in use?" in said[1]
        board.expect(r"^>>> ")
    board.reset()  # the port is free again
    board.expect(rf"net: listening udp={port}")
    assert "Traceback" not in board.said()


async def test_a_new_site_configuration_keeps_what_the_device_remembers(make_rig: MakeRig):
    rig = await (await make_rig()).ready()
    known = rig.cpe.connection_request
    seen = len(rig.cpe.informs)
    site = {**rig.site, "inform": {"periodic_interval_s": 999}}
    await asyncio.to_thread(rig.board.restart_with, site)
    inform = await rig.informed("1 BOOT", seen)
    assert "0 BOOTSTRAP" not in inform.codes
    await rig.idle()
    assert rig.cpe.connection_request == known and (await rig.wake()).ok
    assert await rig.get("Device.ManagementServer.PeriodicInformInterval") == "999"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "256.1.1.1"])
async def test_an_acs_that_cannot_be_resolved_is_said(make_rig: MakeRig, host):
    rig = await make_rig(provisioned=False, acs={"username": None})
    rig.board.configure({**rig.site, "acs": {"url": f"http://{host}/acs"}})
    await rig.start()
    said = await rig.board.seen(r'session: failed reason="(.*)" retry=1 wait_s=', 30)
    assert host in said[1]
    status = "\n".join(await rig.command("status"))
    assert re.search("the last session failed: .*resolve", status)
    # An address of this network heals it: the console is alive, and nothing is lost.
    await rig.set("URL", rig.acs.url)
    cpe = await rig.acs.wait_cpe(20)
    await cpe.wait_session_end(1)
    assert cpe.informs[0].codes == ["0 BOOTSTRAP"]
