"""Flash that is damaged, full or read-only: said in one line, the previous value used (B26)."""

import asyncio
import os
import subprocess
from collections.abc import Callable

import pytest

from host_tools.lab import rpc
from tests.conformance.rig import CHANGE, INFO, MS, MakeRig, Rig

pytestmark = pytest.mark.capability("files", "power_cut")

CODE = INFO + "ProvisioningCode"
KEY = MS + "ParameterKey"

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "torn": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "erased": lambda content: b"\xff" * len(content),
    "one-bit": lambda content: content[:-2] + bytes([content[-2] ^ 4]) + content[-1:],
}


def damage_record(rig: Rig, name: str, damage: Callable[[bytes], bytes]) -> None:
    """Change one file of `state/`, while the power is off."""
    target = rig.board.target
    target.write_file(f"state/{name}", damage(target.read_file(f"state/{name}")))


@pytest.mark.parametrize("damage", list(DAMAGES))
async def test_b26_a_damaged_record_is_said_and_the_previous_one_used(rig: Rig, damage):
    """The newest generation of parameters, events and the memory of requests is damaged."""
    await rig.ask(rpc.set_values({CODE: "one"}, "key-1"))
    await rig.idle()
    await rig.ask(rpc.set_values({CODE: "two"}, "key-2"))
    await rig.idle()
    seen = len(rig.cpe.informs)
    hurt: list[str] = []
    kept: list[str] = []

    def spoil() -> None:
        kept.extend(rig.board.target.list_files("state"))
        for name in ("params", "events", "fresh"):
            if name + ".old" in rig.board.target.list_files("state"):
                damage_record(rig, name + ".json", DAMAGES[damage])
                hurt.append(name)

    await rig.power_cut(spoil)
    await rig.informed("1 BOOT", seen)
    # Some boards keep the memory of requests elsewhere than in files.
    in_files = {"params", "fresh"} if "fresh.json" in kept else {"params"}
    assert in_files <= set(hurt)
    said = rig.board.said()
    for name in hurt:
        assert f"store: damaged record={name} file=json" in said
        assert f"store: recovered record={name} from=old" in said
    await rig.ready()
    assert await rig.get(CODE) == "one"
    assert (await rig.wake()).ok
    await rig.ask(rpc.set_values({CODE: "three"}, "key-3"))
    await rig.idle()
    await rig.power_cut()
    await rig.board.seen("session: done")
    assert await rig.get(CODE) == "three"


@pytest.mark.capability("filesystem")
@pytest.mark.parametrize("damage", ["torn", "erased"])
async def test_b26_all_generations_damaged_is_a_first_contact(rig: Rig, damage):
    await rig.ask(rpc.set_values({CODE: "lost"}))
    await rig.idle()
    seen = len(rig.cpe.informs)
    serial = rig.cpe.device.serial_number

    def spoil() -> None:
        for name in rig.board.target.list_files("state"):
            damage_record(rig, name, DAMAGES[damage])

    await rig.power_cut(spoil)
    for name in ("params", "events", "device", "fresh"):
        assert f"store: lost record={name}" in await said_of(rig, f"lost record={name}")
    # On this kind of board the identity is lost too, and drawn anew: never an empty serial number.
    async with rig.within(10):
        while len(rig.acs.cpes) < 2:
            await asyncio.sleep(0.01)
    new = list(rig.acs.cpes.values())[1]
    assert new.device.serial_number not in ("", serial)
    assert new.informs[0].codes == ["0 BOOTSTRAP", "1 BOOT"]
    assert len(rig.cpe.informs) == seen
    await rig.idle()


async def said_of(rig: Rig, text: str) -> str:
    async with rig.within(10):
        while text not in rig.board.said():
            await asyncio.sleep(0.005)
    return rig.board.said()


async def test_b26_a_save_that_was_cut_leaves_what_was_acknowledged(rig: Rig):
    await rig.ask(rpc.set_values({CODE: "kept"}, "key"))
    await rig.idle()
    seen = len(rig.cpe.informs)
    target = rig.board.target

    def cut_short() -> None:
        target.write_file("state/params.new", target.read_file("state/params.json")[:20])

    await rig.power_cut(cut_short)
    await rig.informed("1 BOOT", seen)
    assert "store: unfinished record=params" in rig.board.said()
    await rig.idle()
    assert await rig.get(CODE) == "kept" and await rig.get(KEY) == "key"


@pytest.mark.parametrize("record_name", ["params", "events", "fresh", "device"])
async def test_b26_records_that_are_whole_and_make_no_sense(rig: Rig, record_name):
    """What another version may have left: dropped or ignored, never a reason not to start."""
    from binascii import crc32

    def record_of(text: bytes) -> bytes:
        return b"%08x %d\n%b" % (crc32(text), len(text), text)

    for text in (b"[]", b"5", b'{"values": 7, "events": [[9]], "ts": 4, "path": 5}', b"null"):
        seen = len(rig.cpe.informs)

        def spoil(text: bytes = text) -> None:
            rig.board.target.write_file(f"state/{record_name}.json", record_of(text))

        await rig.power_cut(spoil)
        inform = await rig.cpe.wait_inform("1 BOOT", seen)
        await rig.cpe.wait_session_end(inform.session)
        assert "cpe " in "\n".join(await rig.idle())


class Unwritable:
    """The state folder of a board as flash that takes no more: a file system of its own."""

    def __init__(self, rig: Rig, full: bool) -> None:
        self.folder = rig.board.flash / "state"
        self.full = full
        if os.geteuid() != 0:
            pytest.skip("needs root for a file system of its own")

    def __enter__(self) -> "Unwritable":
        kept = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        options = "size=64k,mode=755"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            pytest.skip("this machine does not let us mount")
        for name, content in kept.items():
            (self.folder / name).write_bytes(content)
        self.spoil()
        return self

    def spoil(self) -> None:
        if self.full:
            with (self.folder / "filler").open("wb", buffering=0) as filler:
                try:
                    while True:
                        filler.write(b"x" * 512)
                except OSError:
                    pass
        else:
            self.remount("ro")

    def mend(self) -> None:
        if self.full:
            (self.folder / "filler").unlink()
        else:
            self.remount("rw")

    def remount(self, mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.folder)], check=True)

    def __exit__(self, *exc: object) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.mark.capability("filesystem")
@pytest.mark.parametrize("full", [True, False], ids=["full", "read-only"])
async def test_b26_flash_that_takes_no_more(make_rig: MakeRig, full):
    """Writes of the ACS are refused and change nothing; ringing goes on; mended, all works."""
    rig = await (await make_rig()).ready()
    with Unwritable(rig, full) as flash:
        fault = (await rig.call(rpc.set_values({CODE: "unstored"}, "key")))[0]
        assert fault.code == 9002
        await rig.board.seen(r'^E \d+ store: failed what=params error="')
        assert await rig.get(CODE) == "" and await rig.get(KEY) == ""
        await rig.idle()
        assert (await rig.wake()).ok
        await rig.board.seen(r'^E \d+ store: failed what=fresh error="')
        seen = len(rig.cpe.informs)
        await rig.power_cut()
        await rig.informed("1 BOOT", seen)
        await rig.idle()
        assert (await rig.wake()).ok
        flash.mend()
        assert await rig.ask(rpc.set_values({CODE: "stored"}, "key")) == 0
        await rig.idle()
        seen = len(rig.cpe.informs)
        await rig.power_cut()
        await rig.informed("1 BOOT", seen)
        assert await rig.get(CODE) == "stored"
        await rig.stop()


@pytest.mark.capability("filesystem")
@pytest.mark.parametrize("full", [True, False], ids=["full", "read-only"])
async def test_b26_first_boot_with_flash_that_takes_nothing(make_rig: MakeRig, full):
    """Not even an identity can be kept: the board says so, and does not pretend."""
    rig = await make_rig(site={"device": {"serial_number": "S-1"}})
    (rig.board.flash / "state").mkdir()
    with Unwritable(rig, full):
        await rig.start()
        await rig.board.seen(r'^E \d+ (store|boot): failed .*error="')
        cpe = await rig.acs.wait_cpe()
        await cpe.wait_session_end(1)
        assert "cpe " in "\n".join(await rig.command("status"))
        await rig.stop()


@pytest.mark.capability("filesystem")
async def test_b26_undelivered_events_with_full_flash_are_delivered_without_a_reboot(rig: Rig):
    with Unwritable(rig, True):
        await rig.acs.stop()
        seen = len(rig.cpe.informs)
        await rig.set("Username", "cpe-17")
        await rig.command("log D")
        await rig.board.seen("ok")
        await rig.acs.start()
        assert (await rig.wake()).ok
        assert rig.cpe.informs[-1].codes and len(rig.cpe.informs) == seen + 1
        assert CHANGE not in rig.cpe.informs[-1].codes
        await rig.stop()
