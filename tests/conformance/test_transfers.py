"""Download and Upload over whole sessions, with the lab's file server (CWMP-64, CWMP-65)."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from host_tools import bundle
from host_tools.errors import Failed, UserError
from host_tools.lab import acs_faults, rpc
from host_tools.lab.acs_control import Control
from host_tools.lab.acs_faults import Incoming, Misbehaviour
from host_tools.lab.certificates import NAME, Certificates
from host_tools.lab.cpe import TransferComplete
from host_tools.lab.files import Fault, FileServer
from host_tools.lab.rpc import FIRMWARE, UPLOAD_CONFIGURATION, UPLOAD_LOG
from tests.conformance.rig import ACS_PASSWORD, ACS_USERNAME, RING, MakeRig, Rig

# Each looks into the flash of the board.
pytestmark = pytest.mark.capability("filesystem")

USER, PASSWORD = "files", "file-Secret-99"
UNKNOWN = "0001-01-01T00:00:00Z"


@pytest.fixture
async def files(rig: Rig) -> Any:
    rig.secrets.add(PASSWORD)
    async with FileServer(rig.host, USER, PASSWORD) as server:
        yield server


def get(url: str, file_type: str = FIRMWARE, key: str = "k1", **more: Any) -> rpc.Rpc:
    return rpc.download(url, file_type, key, **{"username": USER, "password": PASSWORD, **more})


def put(url: str, file_type: str, key: str = "u1", **more: Any) -> rpc.Rpc:
    return rpc.upload(url, file_type, key, **{"username": USER, "password": PASSWORD, **more})


async def done(rig: Rig, call: rpc.Rpc) -> TransferComplete:
    """Ask for a transfer and return its TransferComplete, in the session after."""
    seen, informs = len(rig.cpe.transfers), len(rig.cpe.informs)
    answer = await rig.ask(call)
    assert answer == (1, UNKNOWN, UNKNOWN)
    complete = await rig.cpe.wait_transfer(seen)
    inform = next(one for one in rig.cpe.informs[informs:] if one.session == complete.session)
    event = "M " + call.method
    assert "7 TRANSFER COMPLETE" in inform.codes and event in inform.codes
    (key,) = [one.command_key for one in inform.events if one.code == event]
    assert key == complete.key
    await rig.cpe.wait_session_end(complete.session)
    await rig.idle()
    assert not list((rig.board.flash / "state").glob("jobs.*"))
    return complete


async def test_cwmp_64_upload_of_the_log(rig: Rig, files: FileServer):
    complete = await done(rig, put(files.url("log.txt"), UPLOAD_LOG))
    assert (complete.key, complete.code, complete.text) == ("u1", 0, ""), files.refused
    assert UNKNOWN < complete.start <= complete.complete
    lines = files.put["log.txt"].decode().splitlines()
    assert any(" session: accepted" in line for line in lines)
    # Digest: the first PUT was a 401 without credentials, nothing was refused after.
    assert files.refused == []


async def test_cwmp_64_upload_of_the_configuration_without_secrets(rig: Rig, files: FileServer):
    complete = await done(rig, put(files.url("site.json"), UPLOAD_CONFIGURATION))
    assert complete.code == 0
    site = json.loads(files.put["site.json"])
    assert site["acs"]["url"] == rig.acs.url and site["acs"]["username"] == ACS_USERNAME
    assert "password" not in site["acs"] and ACS_PASSWORD.encode() not in files.put["site.json"]


async def test_cwmp_64_a_refused_upload(rig: Rig, files: FileServer):
    files.offer("full", b"", Fault(status=507))
    full, wrong, gone = [
        await done(rig, call)
        for call in (
            put(files.url("full"), UPLOAD_LOG),
            put(files.url("x"), UPLOAD_LOG, password="no"),
            put("http://127.0.0.1:9/x", UPLOAD_LOG),
        )
    ]
    assert (full.code, wrong.code, gone.code) == (9011, 9012, 9011)
    assert full.text == "status 507" and "x" not in files.put


async def test_cwmp_65_what_is_refused_at_once(rig: Rig, files: FileServer):
    url = files.url("x")
    calls = {
        9003: [
            get(url, "2 Web Content"),
            get(url, "1 Firmware"),
            get(url, ""),
            get("no url"),
            get("http://u:p@host/x"),
            get(url, key="k" * 33),
            get(url + "?" + "x" * 256),
            put(url, "3 Vendor Log File 1"),
            rpc.schedule_inform(0, "x"),
            rpc.download(url, FIRMWARE, "k", -1),
            rpc.raw_method("Download"),
        ],
        9013: [get("ftp://host/x"), put("tftp://host/x", UPLOAD_LOG)],
    }
    for code, refused in calls.items():
        results = await rig.call(*refused)
        assert [one.code for one in results] == [code] * len(refused)
    assert await rig.ask(rpc.get_all_queued_transfers()) == []
    assert files.served == [] and rig.cpe.transfers == []


async def test_cwmp_65_the_queue_is_bounded_and_told(rig: Rig, files: FileServer):
    calls = [get(files.url("x"), key=f"k{n}", delay=3600) for n in range(6)]
    *taken, full = await rig.call(*calls)
    assert taken == [(1, UNKNOWN, UNKNOWN)] * 5 and full.code == 9004
    # ScheduleInform has a room of its own, of the same size.
    informs = await rig.call(*[rpc.schedule_inform(3600, f"i{n}") for n in range(6)])
    assert informs[:5] == [None] * 5 and informs[5].code == 9004
    seen = len(rig.cpe.informs)
    await rig.idle()
    await rig.power_cut()
    await rig.informed("1 BOOT", seen)
    await rig.idle()
    queued, whole = await rig.call(rpc.get_queued_transfers(), rpc.get_all_queued_transfers())
    assert queued == [(f"k{n}", 1) for n in range(5)]
    assert whole[0] == {
        "CommandKey": "k0",
        "State": "1",
        "IsDownload": "1",
        "FileType": FIRMWARE,
        "FileSize": "0",
        "TargetFileName": "",
    }
    assert rig.cpe.transfers == []
    await rig.idle()
    seen = len(rig.cpe.informs)
    await rig.call(rpc.factory_reset())
    await rig.informed("0 BOOTSTRAP", seen)
    await rig.idle()
    assert await rig.ask(rpc.get_queued_transfers()) == []


async def test_cwmp_64_a_download_that_fails_is_reported(rig: Rig, files: FileServer):
    content = bundle.make("unix", {"x": b"x" * 1000})
    for fault, code in (
        (Fault(status=404), 9016),
        (Fault(status=503), 9016),
        (Fault(status=403), 9012),
        (Fault(cut=0), 9015),
        (Fault(cut=700), 9017),
        (Fault(short=300), 9017),
        (Fault(location="http://127.0.0.1:9/x"), 9015),
        (Fault(location="ftp://host/x"), 9015),
    ):
        complete = await done(rig, get(files.offer("x", content, fault)))
        assert (fault, complete.code, complete.key) == (fault, code, "k1")
        assert complete.text and PASSWORD not in complete.text
    wrong = await done(rig, get(files.url("x"), password="no"))
    assert wrong.code == 9012
    assert (rig.board.flash / "slot").read_text() == "lib lib -"


async def test_cwmp_64_what_is_no_good_file_is_not_taken(rig: Rig, files: FileServer):
    good = bundle.make("unix", {"x": b"x" * 1000})
    for name, content, code, size in (
        ("empty", b"", 9017, 0),
        ("text", b"no bundle\n", 9018, 0),
        ("image", b"\xe9" + bytes(5000), 9001, 0),
        ("other", bundle.make("esp32_generic", {"x": b""}), 9018, 0),
        ("flipped", good.replace(b"xxx", b"xyx", 1), 9018, 0),
        ("escape", bundle.make("unix", {"../x": b"1"}), 9018, 0),
        ("absolute", bundle.make("unix", {"/x": b"1"}), 9018, 0),
        ("line", b"esp-cwmp-bundle 1 unix\n" + b"x" * 5000, 9018, 0),
        ("no-end", good[:-40], 9017, 0),
        ("size", good, 9017, 7),
    ):
        complete = await done(rig, get(files.offer(name, content), size=size))
        assert (name, complete.code) == (name, code)
    assert (rig.board.flash / "slot").read_text() == "lib lib -"
    assert not (rig.board.flash / "x").exists()
    assert rig.board.said().count("boot: start") == 1


async def test_cwmp_64_delay_seconds(rig: Rig, files: FileServer):
    files.offer("x", b"no bundle\n")
    seen = len(rig.cpe.transfers)
    await rig.ask(get(files.url("x"), delay=1))
    assert files.served == []
    complete = await rig.cpe.wait_transfer(seen)
    assert complete.code == 9018
    assert files.served == ["GET x"]


async def test_cwmp_64_a_redirect_and_a_slow_file(rig: Rig, files: FileServer):
    content = bundle.make("unix", {"x": bytes(6000)})[:-3] + b"00\n"
    files.offer("there", content, Fault(pace=0.02))
    url = files.offer("here", b"", Fault(location=files.url("there")))
    complete = await done(rig, get(url, size=len(content)))
    assert (complete.code, complete.text) == (9018, "the checksum is wrong")
    assert files.served == ["GET there"]


async def test_cwmp_64_a_file_whose_length_nobody_tells(rig: Rig, files: FileServer):
    content = bundle.make("unix", {"x": bytes(6000)})[:-3] + b"00\n"
    complete = await done(rig, get(files.offer("x", content, Fault(length=False))))
    assert (complete.code, complete.text) == (9018, "the checksum is wrong")


async def test_cwmp_64_one_at_a_time_and_the_device_stays_awake(rig: Rig, files: FileServer):
    content = bundle.make("unix", {"x": bytes(1000)})
    first = files.offer("first", content, Fault(stall=500, cut=600))
    second = files.offer("second", b"no bundle\n")
    await rig.call(get(first, key="k1"), get(second, key="k2"))
    await files.wait_stalled()
    (queued,) = await rig.call(rpc.get_queued_transfers())
    assert queued == [("k1", 2), ("k2", 1)]
    assert files.served == ["GET first"]
    files.go_on()
    await rig.cpe.wait_transfer(1)
    await rig.idle()
    assert [(one.key, one.code) for one in rig.cpe.transfers] == [("k1", 9017), ("k2", 9018)]


async def test_cwmp_64_each_transfer_has_a_report_of_its_own(rig: Rig, files: FileServer):
    urls = [files.offer(f"x{n}", b"no bundle\n") for n in (1, 2, 3)]
    # The third one is done before the session that reports them; it breaks off at the second.
    asked: list[str] = []

    def decide(incoming: Incoming) -> Misbehaviour | None:
        if incoming.method == "TransferComplete":
            asked.append(rig.cpe.transfers[-1].key)
            return acs_faults.http_status(500) if len(asked) == 2 else None
        return acs_faults.http_status(503) if len(files.served) < 3 and waiting else None

    waiting = False
    rig.acs.script.decide = decide
    futures = [rig.cpe.queue(get(url, key=f"k{n}")) for n, url in enumerate(urls, 1)]
    await rig.ring()
    for future in futures:
        await future
    waiting = True
    await rig.until(lambda: len(asked) == 4, "four reports")
    await rig.idle()
    assert asked == ["k1", "k2", "k2", "k3"]
    last = rig.cpe.informs[-1]
    keys = [event.command_key for event in last.events if event.code == "M Download"]
    assert keys == ["k2", "k3"] and "7 TRANSFER COMPLETE" in last.codes
    await rig.wake()
    assert rig.cpe.informs[-1].codes == [RING]


async def test_cwmp_64_a_stalled_server_is_given_up(make_rig: MakeRig):
    rig = await (await make_rig(site={"acs": {"timeout_s": 1}})).ready()
    async with FileServer(rig.host) as files:
        url = files.offer("x", bundle.make("unix", {"x": bytes(5000)}), Fault(stall=1000))
        complete = await done(rig, rpc.download(url, FIRMWARE, "k"))
        assert (complete.code, complete.text) == (9017, "timeout")


async def test_cwmp_64_https_is_checked_with_the_ca_of_the_site(make_rig: MakeRig, tmp_path: Path):
    folder = tmp_path / "certificates"
    folder.mkdir()
    certificates = Certificates(folder)
    rig = await make_rig(site={"acs": {"ca": str(folder / "ca.pem")}})
    await rig.ready()
    good = FileServer(rig.host, tls=certificates.server("good"))
    bad = FileServer(rig.host, tls=certificates.server("bad", "files.example.net"))
    async with good, bad:
        for server, code in ((good, 9018), (bad, 9012)):
            url = server.offer("x", b"no bundle\n").replace(rig.host, NAME)
            complete = await done(rig, rpc.download(url, FIRMWARE, "k"))
            assert complete.code == code, complete.text
        assert (good.served, bad.served) == (["GET x"], [])


async def test_cwmp_40_schedule_inform(rig: Rig):
    seen = len(rig.cpe.informs)
    results = await rig.call(rpc.schedule_inform(2, "later"), rpc.schedule_inform(1, "soon"))
    assert results == [None, None]
    for key in ("soon", "later"):
        inform = await rig.informed("3 SCHEDULED", seen)
        assert inform.codes == ["3 SCHEDULED", "M ScheduleInform"]
        assert inform.events[1].command_key == key
        seen = rig.cpe.informs.index(inform) + 1
    await rig.idle()
    await rig.wake()
    assert rig.cpe.informs[-1].codes == [RING]


@pytest.mark.capability("power_cut")
async def test_cwmp_40_schedule_inform_over_boots_and_failures(rig: Rig):
    assert await rig.call(rpc.schedule_inform(2, "k")) == [None]
    await rig.idle()
    seen = len(rig.cpe.informs)
    await rig.power_cut()
    assert "3 SCHEDULED" not in (await rig.informed("1 BOOT", seen)).codes
    await rig.idle()
    # It comes, and what no session delivers is there after the next boot.
    rig.acs.script.on(acs_faults.http_status(503), method="Inform", times=None)
    seen = len(rig.cpe.informs)
    await rig.cpe.wait_inform("3 SCHEDULED", seen)
    await rig.power_cut()
    rig.acs.script.clear()
    await rig.until(lambda: rig.cpe.sessions[-1].ok, "session")
    inform = rig.cpe.informs[-1]
    assert {"1 BOOT", "3 SCHEDULED", "M ScheduleInform"} <= set(inform.codes)
    await rig.idle()
    await rig.wake()
    assert rig.cpe.informs[-1].codes == [RING]


async def test_cwmp_64_what_a_person_types_at_the_lab_acs(rig: Rig):
    heard: list[str] = []
    control = Control(rig.acs, heard.append, 10.0)
    async with FileServer(rig.host) as files:
        said = await control.obey(f"upload {files.url('log')}")
        assert said.startswith("Upload complete, from 20") and b"session" in files.put["log"]
        assert heard == ["Upload accepted"]
        with pytest.raises(Failed, match="Download: 9016 status 404"):
            await control.obey(f"download {files.url('none')} site")
        await rig.idle()
        assert await control.obey("transfers") == "none"
        assert await control.obey("inform 60") == "ScheduleInform accepted"
        with pytest.raises(UserError):
            await control.obey("download")


@pytest.mark.capability("power_cut")
@pytest.mark.parametrize(
    "record",
    [
        [{"kind": "D"}],
        [{"kind": "D", "delay": 0, "state": 4}],
        [{"kind": "D", "delay": 0, "state": 1, "at": None, "tries": 0, "acs": 0, "key": ""}],
        {"kind": "D"},
    ],
    ids=["keys-missing", "no-slot", "no-url", "no-list"],
)
async def test_a_record_of_transfers_of_another_version_costs_no_boot(rig: Rig, record: Any):
    body = json.dumps(record).encode()
    content = b"%08x %d\n" % (zlib.crc32(body), len(body)) + body
    seen = len(rig.cpe.informs)
    await rig.power_cut(lambda: rig.board.target.write_file("state/jobs.json", content))
    await rig.informed("1 BOOT", seen)
    await rig.idle()
    assert (await rig.wake()).ok
    said = rig.board.said()
    assert said.count("boot: start") == 2 and "internal" not in said
