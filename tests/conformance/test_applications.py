"""Application bundles and configurations that a Download puts in force, over boots and power cuts
(CWMP-64).
"""

import asyncio
import json
import random
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host_tools import bundle, image
from host_tools.lab import acs_faults, rpc
from host_tools.lab.files import Fault, FileServer
from host_tools.lab.rpc import CONFIGURATION, FIRMWARE
from tests.conformance.patched import boot_first
from tests.conformance.rig import INFO, MakeRig, Rig
from tests.conformance.test_hostile_datagrams import heap

# Each writes into the flash of the board, or looks at it.
pytestmark = pytest.mark.capability("filesystem", "power_cut")

VERSION = INFO + "SoftwareVersion"
INIT = "cwmp/__init__.mpy"


@pytest.fixture
async def files(rig: Rig) -> Any:
    async with FileServer(rig.host) as server:
        yield server


def application(rig: Rig, version: str = "0.2.0", **more: bytes) -> dict[str, bytes]:
    """The firmware that runs, under another version of the same length."""
    made = {
        name.removeprefix("lib/"): content
        for name, content in rig.board.image.files.items()
        if name.startswith("lib/")
    }
    assert made[INIT].count(b"0.1.0") == 1
    made[INIT] = made[INIT].replace(b"0.1.0", version.encode())
    return {**made, **more}


def running(rig: Rig) -> str:
    return (rig.board.flash / "slot").read_text()


async def reported(rig: Rig, informs: int, transfers: int, timeout: float = 15.0) -> Any:
    """The TransferComplete and the Inform of its session, when the board is idle again."""
    complete = await rig.cpe.wait_transfer(transfers, timeout)
    await rig.cpe.wait_session_end(complete.session)
    await rig.idle()
    inform = next(one for one in rig.cpe.informs[informs:] if one.session == complete.session)
    assert {"7 TRANSFER COMPLETE", "M Download"} <= set(inform.codes)
    return complete, inform


async def install(rig: Rig, url: str, file_type: str = FIRMWARE, key: str = "k") -> Any:
    informs, transfers = len(rig.cpe.informs), len(rig.cpe.transfers)
    await rig.ask(rpc.download(url, file_type, key))
    return await reported(rig, informs, transfers)


async def test_cwmp_64_an_application_is_reported_by_the_one_that_came(
    rig: Rig, files: FileServer
):
    for version, folder, other in (
        ("0.2.0", "a", "lib"),
        ("0.3.0", "b", "a"),
        ("0.4.0", "a", "b"),
    ):
        made = bundle.make("unix", application(rig, version))
        complete, inform = await install(rig, files.offer(version, made), key=version)
        assert (complete.code, complete.key) == (0, version)
        assert inform.codes[:2] == ["1 BOOT", "4 VALUE CHANGE"] or inform.codes[0] == "1 BOOT"
        assert inform.parameters[VERSION] == version
        # The session is complete: it stays, whatever comes.
        assert running(rig) == f"{folder} {other} -"
    seen = len(rig.cpe.informs)
    for _ in range(5):
        await rig.power_cut()
    assert (await rig.informed("1 BOOT", seen)).parameters[VERSION] == "0.4.0"
    # What is flashed afterwards runs.
    await rig.stop()
    rig.board.target.install(rig.board.image.files)
    seen = len(rig.cpe.informs)
    await rig.start()
    assert (await rig.informed("1 BOOT", seen)).parameters[VERSION] == "0.1.0"


async def test_cwmp_64_an_application_that_does_not_start_is_given_up(
    rig: Rig, files: FileServer, tmp_path: Path
):
    name = Path("cwmp/boot.py")
    code = image.compile_one(b"raise ValueError\n", name, tmp_path / "boot.mpy", "")
    broken = {**application(rig), "cwmp/boot.mpy": code}
    url = files.offer("x", bundle.make("unix", broken))
    informs, transfers = len(rig.cpe.informs), len(rig.cpe.transfers)
    await rig.ask(rpc.download(url, FIRMWARE, "k"))
    complete, inform = await reported(rig, informs, transfers)
    assert (complete.code, complete.text) == (9010, "the application was given up")
    assert inform.parameters[VERSION] == "0.1.0" and "1 BOOT" in inform.codes
    assert running(rig) == "lib a x"


async def test_cwmp_64_a_new_application_runs_under_the_main_of_an_older_firmware(
    rig: Rig, files: FileServer
):
    older = rig.board.image.files["main.py"].replace(b"from cwmp.boot", b"from cwmp.runtime.boot")
    assert b"cwmp.runtime.boot import main" in older
    seen = len(rig.cpe.informs)
    rig.board.power_cut(lambda: rig.board.target.write_file("main.py", older))
    await rig.informed("1 BOOT", seen)
    await rig.idle()
    url = files.offer("x", bundle.make("unix", application(rig)))
    complete, inform = await install(rig, url)
    assert complete.code == 0 and inform.parameters[VERSION] == "0.2.0"
    assert running(rig) == "a lib -"


async def test_cwmp_64_an_application_without_a_session_is_given_up(rig: Rig, files: FileServer):
    url = files.offer("x", bundle.make("unix", application(rig)))
    informs, transfers = len(rig.cpe.informs), len(rig.cpe.transfers)
    await rig.ask(rpc.download(url, FIRMWARE, "k"))
    # The new one comes to no session while the ACS answers none.
    rig.acs.script.on(acs_faults.http_status(503), times=None)
    await rig.board.seen(r"boot: start version=0\.2\.0")
    await rig.board.seen(r"session: failed")
    for left in (1, 0):
        await rig.power_cut()
        await rig.board.seen(r"boot: start version=0\.2\.0")
        assert running(rig) == f"a lib {left}"
    await rig.power_cut()
    rig.acs.script.clear()
    complete, inform = await reported(rig, informs, transfers)
    assert complete.code == 9010 and inform.parameters[VERSION] == "0.1.0"


class Keys:
    """A key pair for bundles, and another one."""

    def __init__(self, folder: Path) -> None:
        for name in ("own", "other"):
            self._run("genrsa", "-out", str(folder / name), "2048")
            self._run("rsa", "-in", str(folder / name), "-pubout", "-out", f"{folder / name}.pub")
        self.own, self.other = folder / "own", folder / "other"
        self.public = folder / "own.pub"

    @staticmethod
    def _run(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


async def test_cwmp_64_only_signed_bundles_where_a_key_is_configured(
    make_rig: MakeRig, tmp_path: Path
):
    keys = Keys(tmp_path)
    site = {"acs": {"bundle_key": str(keys.public)}}
    rig = await (await make_rig(site=site)).ready()
    made = application(rig)
    forged = bundle.make("unix", made, keys.own).replace(b"0.2.0", b"0.6.6")
    tail = forged.rindex(b"\nsha256 ") + 1
    digest = bundle.make("unix", {**made, INIT: made[INIT].replace(b"0.2.0", b"0.6.6")})
    forged = forged[:tail] + digest[tail:] + forged[tail + 72 :]
    async with FileServer(rig.host) as files:
        for name, content, code in (
            ("unsigned", bundle.make("unix", made), 9019),
            ("other", bundle.make("unix", made, keys.other), 9019),
            ("forged", forged, 9019),
            ("image", b"\xe9" + bytes(100), 9019),
        ):
            complete, _ = await install(rig, files.offer(name, content))
            assert (name, complete.code) == (name, code), complete.text
            assert running(rig) == "lib lib -"
        complete, inform = await install(
            rig, files.offer("own", bundle.make("unix", made, keys.own))
        )
        assert complete.code == 0 and inform.parameters[VERSION] == "0.2.0"
        # No configuration takes the key away.
        site = {**rig.site, "acs": {**rig.site["acs"], "bundle_key": ""}}
        complete, _ = await install(
            rig, files.offer("site", json.dumps(site).encode()), CONFIGURATION
        )
        assert complete.code == 0
        complete, _ = await install(rig, files.offer("again", bundle.make("unix", made)))
        assert complete.code == 9019


async def test_cwmp_64_a_configuration_is_checked_and_replaces_the_one_before(
    rig: Rig, files: FileServer
):
    before = json.loads(rig.board.target.read_file("site.json"))
    for content in (
        b"no json",
        b"[]",
        b'{"acs": {"no_such": 1}}',
        b'{"acs": {"timeout_s": 0}}',
        b'{"acs": {}} ' + b" " * 20000,
    ):
        complete, _ = await install(rig, files.offer("x", content), CONFIGURATION)
        assert complete.code == 9018
    assert json.loads(rig.board.target.read_file("site.json")) == before
    assert rig.board.said().count("boot: start") == 1
    new = {
        **{name: dict(section) for name, section in before.items()},
        "device": {"description": "new", "serial_number": "someone else"},
    }
    del new["acs"]["password"]  # as the device uploads it
    complete, inform = await install(
        rig, files.offer("x", json.dumps(new).encode()), CONFIGURATION
    )
    assert complete.code == 0 and "1 BOOT" in inform.codes
    after = json.loads(rig.board.target.read_file("site.json"))
    assert after["acs"] == before["acs"] and after["device"] == {"description": "new"}
    assert await rig.get(INFO + "Description") == "new"
    assert sorted(path.name for path in rig.board.flash.glob("site*")) == ["site.json"]


async def test_cwmp_64_a_configuration_without_a_session_is_given_up(rig: Rig, files: FileServer):
    before = json.loads(rig.board.target.read_file("site.json"))
    boot_first(rig.board, "from cwmp.runtime import jobs\njobs.TRIAL_S = 1\n")
    new = {**before, "acs": {**before["acs"], "username": "nobody"}}
    complete, inform = await install(
        rig, files.offer("x", json.dumps(new).encode()), CONFIGURATION
    )
    assert complete.code == 9010 and "1 BOOT" in inform.codes
    assert complete.text == "no session came about with the configuration"
    assert json.loads(rig.board.target.read_file("site.json")) == before
    assert "transfer: given-up slot=site reason=no-session" in rig.board.said()


async def test_cwmp_64_power_that_fails_during_a_download(rig: Rig, files: FileServer):
    content = bundle.make("unix", application(rig))
    url = files.offer("x", content, Fault(stall=len(content) // 2))
    informs, transfers = len(rig.cpe.informs), len(rig.cpe.transfers)
    await rig.ask(rpc.download(url, FIRMWARE, "k"))
    for _ in range(2):
        await files.wait_stalled()
        seen = len(rig.cpe.informs)
        # Rung in the middle of it, the device comes.
        assert (await rig.wake()).ok
        await rig.power_cut()
        files.go_on()
        inform = await rig.informed("1 BOOT", seen)
        assert "7 TRANSFER COMPLETE" not in inform.codes
        assert inform.parameters[VERSION] == "0.1.0"
    files.offer("x", content)
    await files.wait_stalled()
    files.go_on()
    complete, inform = await reported(rig, informs, transfers)
    assert complete.code == 0 and inform.parameters[VERSION] == "0.2.0"
    assert "transfer: start kind=D try=3" in rig.board.said()


async def test_cwmp_64_a_file_that_power_cuts_always_interrupt_fails(rig: Rig, files: FileServer):
    url = files.offer("x", bundle.make("unix", {"x": bytes(5000)}), Fault(stall=100))
    informs, transfers = len(rig.cpe.informs), len(rig.cpe.transfers)
    await rig.ask(rpc.download(url, FIRMWARE, "k"))
    for _ in range(3):
        await files.wait_stalled()
        await rig.power_cut()
        files.go_on()
    complete, _ = await reported(rig, informs, transfers)
    assert (complete.code, complete.text) == (9010, "interrupted too often")


async def test_cwmp_64_power_that_fails_before_it_is_in_force(rig: Rig, files: FileServer):
    # The reboot that puts it in force is where the power goes, and `slot` is as it was.
    url = files.offer("x", bundle.make("unix", application(rig)))
    informs, transfers = len(rig.cpe.informs), len(rig.cpe.transfers)
    await rig.ask(rpc.download(url, FIRMWARE, "k"))
    await rig.board.seen("transfer: applied slot=a")
    app = rig.board.flash / "slot"
    await rig.power_cut(lambda: app.write_text("lib lib -") and None)
    complete, inform = await reported(rig, informs, transfers)
    assert complete.code == 0 and inform.parameters[VERSION] == "0.2.0"


async def updates_with_cuts(rig: Rig, files: FileServer, drawn: random.Random, count: int) -> None:
    """That many updates, the power cut twice during each, at any moment."""
    for number in range(count):
        version = f"0.{number % 8 + 2}.0"
        url = files.offer(version, bundle.make("unix", application(rig, version)))
        informs, transfers = len(rig.cpe.informs), len(rig.cpe.transfers)
        answer = rig.cpe.queue(rpc.download(url, FIRMWARE, version))
        await rig.ring()
        await answer
        for _ in range(2):
            await asyncio.sleep(drawn.uniform(0, 0.4))
            await rig.power_cut()
        complete, _ = await reported(rig, informs, transfers)
        assert (complete.code, complete.key) == (0, version)
        await rig.informed("1 BOOT", informs)
        assert rig.cpe.informs[-1].parameters[VERSION] == version
        assert {one.key for one in rig.cpe.transfers[transfers:]} == {version}
    assert "store: lost" not in rig.board.said()


async def test_cwmp_64_power_that_fails_at_random_moments(rig: Rig, files: FileServer):
    await updates_with_cuts(rig, files, random.Random(1), 4)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_cwmp_64_power_that_fails_at_random_moments_soak(rig: Rig, files: FileServer):
    await updates_with_cuts(rig, files, random.Random(), 60)


async def test_cwmp_64_transfer_complete_is_retried_until_it_is_answered(
    rig: Rig, files: FileServer
):
    url = files.offer("x", b"nothing good\n")
    seen = len(rig.cpe.informs)
    rig.acs.script.on(acs_faults.http_status(500), method="TransferComplete", times=2)
    await rig.ask(rpc.download(url, FIRMWARE, "k1"))
    await rig.until(lambda: len(rig.cpe.transfers) >= 3, "third TransferComplete")
    await rig.idle()
    assert [one.key for one in rig.cpe.transfers] == ["k1"] * len(rig.cpe.transfers)
    informs = rig.cpe.informs[seen + 1 :]
    assert all("7 TRANSFER COMPLETE" in inform.codes for inform in informs)
    # A fault of the ACS is no answer either; a boot in between changes nothing.
    fault = replace(acs_faults.soap_fault(8002), fails=False)
    rig.acs.script.on(fault, method="TransferComplete", times=1)
    before = len(rig.cpe.transfers)
    await rig.ask(rpc.download(url, FIRMWARE, "k2"))
    await rig.cpe.wait_transfer(before)
    await rig.idle()
    assert (rig.board.flash / "state" / "jobs.json").exists()
    seen = len(rig.cpe.informs)
    await rig.power_cut()
    inform = await rig.informed("1 BOOT", seen)
    assert "7 TRANSFER COMPLETE" in inform.codes and "M Download" in inform.codes
    await rig.idle()
    assert rig.cpe.transfers[-1].key == "k2" and len(rig.cpe.transfers) == before + 2
    assert not (rig.board.flash / "state" / "jobs.json").exists()
    await rig.wake()
    assert "7 TRANSFER COMPLETE" not in rig.cpe.informs[-1].codes


async def test_cwmp_64_a_megabyte_in_the_same_memory(rig: Rig, files: FileServer):
    # The heap is a third of the file: what is in use at its beginning and at its end.
    content = bundle.make("unix", {"blob": random.Random(5).randbytes(1_000_000)})
    content = content[:-10] + b"0123456789\n"[1:]
    before = await heap(rig)
    used = []
    for stall in (20_000, 20_000, 990_000):  # the first one for what only it brings
        informs, transfers = len(rig.cpe.informs), len(rig.cpe.transfers)
        url = files.offer("x", content, Fault(stall=stall))
        await rig.ask(rpc.download(url, FIRMWARE, "k", size=len(content)))
        await files.wait_stalled()
        used.append(await heap(rig))
        files.go_on()
        complete, _ = await reported(rig, informs, transfers)
        assert complete.code == 9018 and complete.text == "the checksum is wrong"
    assert abs(used[2] - used[1]) < 2048, used
    # Nothing of it stays.
    assert await heap(rig) - before < 8192
    assert (rig.board.flash / "a" / "blob").stat().st_size == 1_000_000


async def test_cwmp_64_on_a_board_with_little_memory(make_rig: MakeRig):
    # There, what is not needed at the moment is dropped, and a session waits for the transfer.
    rig = await (await make_rig(site={"limits": {"memory": "save"}})).ready()
    async with FileServer(rig.host) as files:
        content = bundle.make("unix", application(rig))
        url = files.offer("x", content[:-5] + b"0000\n", Fault(stall=5000))
        before = await heap(rig)
        informs, transfers = len(rig.cpe.informs), len(rig.cpe.transfers)
        await rig.ask(rpc.download(url, FIRMWARE, "k"))
        await files.wait_stalled()
        ring = await rig.ring()
        await rig.board.seen("cr: accepted effect=start")
        said = "\n".join(await rig.command("status"))
        assert "session   starting a session for connection request" in said
        files.go_on()
        assert (await ring.session()).ok
        complete, _ = await reported(rig, informs, transfers)
        assert complete.code == 9018
        await rig.until(lambda: not rig.board.flash.joinpath("state/jobs.json").exists(), "end")
        async with rig.within(15):  # what the session had loaded stays for some seconds
            while await heap(rig) - before >= 4096:
                await asyncio.sleep(0.2)
        complete, inform = await install(rig, files.offer("y", content))
        assert complete.code == 0 and inform.parameters[VERSION] == "0.2.0"
        site = json.loads(rig.board.target.read_file("site.json"))
        url = files.offer("z", json.dumps({**site, "device": {"description": "new"}}).encode())
        complete, _ = await install(rig, url, CONFIGURATION)
        assert complete.code == 0
        seen = len(rig.cpe.informs)
        assert await rig.ask(rpc.schedule_inform(1, "k")) is None
        inform = await rig.informed("3 SCHEDULED", seen)
        assert inform.events[-1].command_key == "k"
