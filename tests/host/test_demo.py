"""`python -m host_tools demo`: run once as a user does, and sabotaged in process."""

import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from host_tools.capture import explain
from host_tools.capture.story import Story as Capture
from host_tools.demo.commands import conclude, run
from host_tools.demo.lab import Lab
from host_tools.demo.timeline import Timeline
from host_tools.errors import Failed
from host_tools.lab.nat import Behaviour
from host_tools.lab.stun_faults import Silence

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = [sys.executable, "-m", "host_tools", "demo"]


@dataclass
class Done:
    """One finished run: exit status, what it printed, its files."""

    status: int
    out: str
    err: str
    facts: dict
    capture: Path
    state: Path

    def claim(self, name: str) -> dict:
        return self.facts["claims"][name]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("demo")
    files = {name: folder / name for name in ("demo.json", "demo.pcapng", "state")}
    command = [*DEMO, "--json", files["demo.json"], "--capture", files["demo.pcapng"]]
    command += ["--keep-state", files["state"], "--verbose"]
    environment = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert files["demo.json"].exists(), done.stderr
    facts = json.loads(files["demo.json"].read_text())
    return Done(
        done.returncode, done.stdout, done.stderr, facts, files["demo.pcapng"], files["state"]
    )


@pytest.fixture(scope="module")
def capture(demo: Done) -> Capture:
    facts = demo.facts
    return explain.story(
        demo.capture,
        facts["connection_request_password"],
        username=facts["connection_request_username"],
    )


def passwords(demo: Done) -> dict[str, str]:
    """Every secret of the run, from where it is stored."""
    flash = demo.state / "flash"
    found = {"acs": json.loads((flash / "site.json").read_text())["acs"]["password"]}
    record = json.loads((flash / "state" / "params.json").read_text().partition("\n")[2])
    text = json.dumps(record)
    found["connection request"] = demo.facts["connection_request_password"]
    assert found["connection request"] in text
    return found


def test_every_claim_holds(demo: Done) -> None:
    failed = {name: claim for name, claim in demo.facts["claims"].items() if not claim["ok"]}
    assert (demo.status, failed, demo.err) == (0, {}, "")
    assert demo.facts["passed"] is True
    assert demo.out.count("PASS  ") == len(demo.facts["claims"]) and "FAIL  " not in demo.out


def test_the_json_has_the_promised_facts(demo: Done) -> None:
    facts = demo.facts
    assert isinstance(facts["wake_ms"], float) and facts["wake_ms"] > 0
    assert facts["nat_detected"] is True
    assert facts["udp_connection_request_address"].startswith("127.0.20.1:")
    assert facts["inform_events"] == ["6 CONNECTION REQUEST"]
    assert (facts["copies_sent"], facts["sessions_started"]) == (3, 1)
    assert facts["rejected"] == {"bad-signature": 1, "duplicate": 1, "stale": 1}
    assert facts["capture"] == str(demo.capture)
    assert facts["second_address"] != facts["udp_connection_request_address"]
    assert facts["second_wake_ms"] > 0


def test_ucr_22_three_copies_are_one_session(demo: Done, capture: Capture) -> None:
    rung = [request for request in capture.requests if request.verdict == "accepted"]
    assert len(rung) == 2 and len(capture.wakes) == 2
    woken = [s for s in capture.sessions if "6 CONNECTION REQUEST" in s.events]
    assert len(woken) == 2 and all(session.end == "complete" for session in woken)
    copies = [request for request in capture.requests if request.id == rung[0].id]
    assert [request.verdict for request in copies] == ["accepted"] + 3 * ["duplicate"]
    assert woken[0].rpcs == ["GetParameterValues"]


def test_x13_the_request_that_comes_from_elsewhere_is_lost(demo: Done, capture: Capture) -> None:
    (lost,) = [request for request in capture.requests if request.verdict == "lost"]
    (first, *_) = [request for request in capture.requests if request.verdict == "accepted"]
    assert lost.source[0] == first.source[0] and lost.source[1] != first.source[1]
    assert lost.target == first.target and lost.inside_target is None


def test_the_capture_shows_each_refusal_once(capture: Capture) -> None:
    verdicts = capture.verdicts()
    assert (verdicts["forged"], verdicts["stale"], verdicts["duplicate"]) == (1, 1, 5)
    assert "malformed" not in verdicts


def test_stun_12_both_bindings_are_announced(demo: Done, capture: Capture) -> None:
    told = [f"{binding.mapped[0]}:{binding.mapped[1]}" for binding in capture.bindings]
    assert told == [demo.facts["udp_connection_request_address"], demo.facts["second_address"]]
    assert all(binding.announced_ns and binding.natted for binding in capture.bindings)


def test_b13_no_password_on_the_serial_console(demo: Done) -> None:
    said = (demo.state / "serial.log").read_text()
    assert " I " in said and " D " in said and "dropped reason=bad-signature" in said
    shown = [line for line in demo.out.splitlines() if not line.startswith("explain")]
    for name, password in passwords(demo).items():
        assert len(password) > 15
        assert password not in said, name
        assert password not in "\n".join(shown), name


def test_the_printed_command_explains_the_capture(demo: Done) -> None:
    (line,) = [line for line in demo.out.splitlines() if line.startswith("explain")]
    command = line.removeprefix("explain").strip()
    assert command == demo.facts["explain"]
    done = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 accepted, 5 duplicate, 1 stale, 1 forged, 1 lost" in done.stdout
    assert done.stdout.count("wake time") == 2


def test_no_line_of_the_timeline_is_wider_than_80_columns(demo: Done) -> None:
    commands = ("explain", "capture", "log")  # they are to be copied, and stay in one piece
    wide = [line for line in demo.out.splitlines() if len(line) > 80]
    assert [line for line in wide if not line.startswith(commands)] == []
    assert "\x1b" not in demo.out


def test_tshark_reads_the_capture_without_complaint(demo: Done, capture: Capture) -> None:
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark is not installed")

    def frames(display_filter: str) -> list[str]:
        command = [tshark, "-r", str(demo.capture), "-Y", display_filter, "-T", "fields"]
        command += ["-e", "frame.number"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert len(frames("frame")) == capture.frames
    assert frames("_ws.malformed || _ws.expert.severity == error") == []
    # The announcements in tshark's own reading: BINDING-CHANGE on both sides of the NAT, twice.
    assert len(frames("classicstun.att.type == 0xc002 || stun.att.type == 0xc002")) == 4


# What a story that goes wrong ends with


def sabotaged(tmp_path: Path, prepare: Callable[[Lab], None]) -> tuple[list[str], str, str]:
    """Run with something broken: the claims measured to be false, the error, what was printed."""
    out = io.StringIO()
    timeline = Timeline(Console(file=out, width=80))
    capture = tmp_path / "demo.pcapng"
    story = run(tmp_path / "state", capture, timeline, patience=2.0, prepare=prepare)
    with pytest.raises(Failed) as raised:
        conclude(story, timeline, capture, tmp_path / "demo.json")
    assert raised.value.status == 1
    assert json.loads((tmp_path / "demo.json").read_text())["passed"] is False
    false = [name for name, claim in story.claims.items() if claim.ok is False]
    for claim in story.failed:
        assert claim.text in str(raised.value)
        assert f"FAIL  {claim.text}" in out.getvalue()
    assert not (tmp_path / "state" / "board.json").exists(), "the board still runs"
    return false, str(raised.value), out.getvalue()


def test_a_silent_stun_server_is_named(tmp_path: Path) -> None:
    false, error, _ = sabotaged(tmp_path, lambda lab: lab.stun.faults.add(Silence()))
    assert false == ["binding", "capture"]
    assert "(not reached)" in error
    facts = json.loads((tmp_path / "demo.json").read_text())
    assert facts["claims"]["provisioned"]["ok"] is True
    assert facts["wake_ms"] is None and facts["inform_events"] is None


def test_x13_a_nat_that_lets_everybody_in_is_named(tmp_path: Path) -> None:
    def open_wide(lab: Lab) -> None:
        lab.nat.filtering = Behaviour.ENDPOINT_INDEPENDENT

    false, _, _ = sabotaged(tmp_path, open_wide)
    assert false == ["filtered", "capture"]


def test_an_acs_that_cannot_ring_is_named(tmp_path: Path) -> None:
    def mute(lab: Lab) -> None:
        lab.acs.send_udp = lambda datagram, to: None

    false, error, out = sabotaged(tmp_path, mute)
    assert false == ["woken", "capture"]
    assert "Three copies of one request start one session (not reached)" in error
    assert "What must not wake it" not in out


def test_b13_a_password_on_the_console_is_found(tmp_path: Path) -> None:
    def blab(lab: Lab) -> None:
        lab.stun.faults.add(Silence())
        lab.target.log_path.parent.mkdir(parents=True)
        lab.target.log_path.write_text(f"I 1 session: password={lab.acs_password}\n")

    false, _, _ = sabotaged(tmp_path, blab)
    assert "secrets" in false


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    command = [*DEMO, "--keep-state", tmp_path / "state", "--capture", tmp_path / "demo.pcapng"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "BOOTSTRAP" in line:
                break
        board = json.loads((tmp_path / "state" / "board.json").read_text())
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.returncode == 130
    for pid in (board["pid"], board["interpreter_pid"]):
        assert not Path(f"/proc/{pid}").exists()


def test_a_missing_interpreter_is_one_clear_line(tmp_path: Path) -> None:
    environment = {**os.environ, "MICROPYTHON": str(tmp_path / "micropython")}
    done = subprocess.run(DEMO, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: no MicroPython interpreter at")
    assert len(done.stderr.splitlines()) == 1
