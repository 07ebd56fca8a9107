"""The report and the command: text, JSON, folding, hostile texts, bad input."""

import json
import re

import pytest
from rich.console import Console
from typer import Typer
from typer.testing import CliRunner

from host_tools.capture import commands, explain, report
from host_tools.errors import UserError
from tests.host.capture_scenes import (
    BINDING,
    CPE,
    PASSWORD,
    STUN,
    USERNAME,
    Scene,
    attribute,
    datagram,
    good_wake,
    signed,
    stun,
)


def told_wake(path):
    good_wake(path)
    return explain.story(path, PASSWORD, username=USERNAME)


def render(told) -> str:
    console = Console(no_color=True, highlight=False, width=100)
    with console.capture() as captured:
        report.print_story(told, console)
    return captured.get()


def test_b13_no_secret_in_any_output(tmp_path):
    told = told_wake(tmp_path / "wake.pcapng")
    text = render(told) + json.dumps(told.as_dict())
    assert PASSWORD not in text


def test_keepalives_fold_into_one_line(tmp_path):
    path = tmp_path / "fold.pcapng"
    with Scene(path) as scene:
        for _ in range(5):
            scene.bind()
            scene.at += 30_000
    text = render(explain.story(path))
    assert text.count("[0xC001]") == 2  # before the binding is told, and after
    assert "4 times, 30.0 s apart" in text


def run(*arguments: str):
    app = Typer()
    commands.register(app)

    @app.command()
    def other() -> None:
        """A second command, as the main command line has."""

    return CliRunner().invoke(app, ["capture", *arguments])


def test_command_prints_the_story_and_writes_json(tmp_path):
    path, out = tmp_path / "wake.pcapng", tmp_path / "story.json"
    good_wake(path)
    result = run(
        "explain", str(path), "--password", PASSWORD, "--username", USERNAME,
        "--json", str(out), "--no-color",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "1 accepted, 2 duplicate" in result.output
    assert "16.0 ms" in result.output
    assert "\x1b" not in result.output
    data = json.loads(out.read_text())
    assert data["verdicts"] == {"accepted": 1, "duplicate": 2}
    assert data["requests"][0]["target"] == "203.0.113.9:40123"
    assert data["wakes"][0]["milliseconds"] == 16.0
    assert all({"id", "mark", "text"} <= set(c) for s in data["steps"] for c in s["checks"])


def test_text_from_packets_cannot_steer_the_terminal(tmp_path):
    path = tmp_path / "evil.pcapng"
    evil = "\x1b[2J[red]x\u202e"
    with Scene(path) as scene:
        scene.recorder.udp(STUN, CPE, datagram(signed(username=evil)))
        name = attribute(6, b"\x1b]0;x\x07 ")
        scene.recorder.udp(CPE, STUN, stun(1, scene.identifier(), name + BINDING))
    text = render(explain.story(path, PASSWORD, username="x"))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    assert "x1b" in text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read"),
        (b"", "is empty"),
        (b"hello, this is text", "not a capture file"),
        (b"\x1f\x8b\x08\0", "gunzip"),
        (b"\xd4\xc3\xb2\xa1\x02\0\x04\0", "cut off inside its header"),
        (b"\x0a\x0d\x0d\x0a\x1c\0\0\0", "damaged"),
        (b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0", "cut off inside its header"),
        (b"\x0a\x0d\x0d\x0a", "cut off|damaged"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, content, says):
    path = tmp_path / "bad.pcap"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=says) as caught:
        explain.story(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_is_no_capture(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        explain.story(tmp_path)
