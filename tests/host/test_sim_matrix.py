"""Lifetime discovery in the simulation, which runs the core that the board runs."""

import re
import sys
from pathlib import Path

import pytest

from host_tools.cli import make_app, run
from host_tools.sim import keepalives, matrix, plot
from host_tools.sim.clock import DAY
from host_tools.sim.kinds import KINDS
from host_tools.sim.matrix import SERVERS, Cell, Result, grid, over_all_cores, simulate, wrong
from host_tools.sim.server import HONOURS
from host_tools.sim.world import World

SOAK_DAYS = 10_000


def test_stun_53_seam_the_device_runs_the_modules_of_the_firmware():
    firmware = Path(__file__).resolve().parents[2] / "firmware" / "cwmp" / "core"
    device = World(KINDS["full cone"].chain(60_000)).device
    for part in (device.binding, device.search, device.schedule, device.periodic):
        source = sys.modules[type(part).__module__].__file__
        assert source is not None and Path(source).parent == firmware


def test_stun_53_matrix_of_nats_timeouts_and_servers():
    # What a server cannot do is the same behind every NAT: one kind stands for all.
    cells = grid(1, servers=[HONOURS]) + grid(1, nats=["Linux"], servers=SERVERS[1:])
    results = over_all_cores(simulate, cells)
    assert len(results) == len(KINDS) * 4 + 3 * 4
    assert wrong(results) == []
    for result in results:
        assert result.changes == 1  # the primary binding was never lost
        if result.cell.server == HONOURS:
            assert result.outlived < result.cell.timeout <= result.forgotten
            assert result.probes <= 12 and result.seconds < 3600
            assert result.rings > 80


@pytest.mark.soak
def test_soak_stun_53_not_one_wake_missed_in_ten_thousand_days():
    cells = grid(SOAK_DAYS // (len(KINDS) * 4), seed=7, servers=[HONOURS])
    assert sum(cell.days for cell in cells) == SOAK_DAYS
    results = over_all_cores(simulate, cells)
    assert wrong(results) == []
    assert sum(result.rings for result in results) > 1_000_000


def test_a_binding_that_does_not_last_would_show():
    """The minimum of the matrix is 10 s: a NAT of 9 s loses what is rung in between."""
    result = simulate(Cell("port restricted", 9, HONOURS, 1, 1))
    assert result.answered < result.rings
    (line, _) = wrong([result])
    assert "rings missed" in line


def test_a_period_that_is_too_short_would_show():
    cell = Cell("full cone", 60, HONOURS, 1, 1)
    poor = Result(cell, 50, 60, 53, 8, 600, 10, 10, 1)
    assert wrong([poor]) == ["full cone, 60 s, server honours: period 53 s"]


def test_stun_53_datagrams_that_are_lost_delay_the_discovery_and_spoil_nothing():
    for seed in range(5):
        world = World(KINDS["port restricted"].chain(60_000), seed=seed, loss=50)
        world.run(DAY)
        assert 40 <= world.device.search.lifetime < 60


def test_stun_53_long_round_trips_are_no_reason_to_trust_a_binding_too_long():
    for round_trip in (2, 500, 3000):
        world = World(KINDS["outbound only"].chain(60_000), seed=3, round_trip=round_trip)
        world.ring_every(60_000)
        world.run(DAY)
        assert world.missed == []
        assert world.device.search.lifetime < 60


def test_stun_53_discovery_pauses_while_sessions_run():
    world = World(KINDS["full cone"].chain(60_000))
    world.ring_every(20_000)  # the bell never rests
    during = []
    send = world.device._send

    def watched(socket, data, to):
        during.append((world.device.schedule.running, socket))
        send(socket, data, to)

    world.device._send = watched
    world.run(DAY // 4)
    assert [socket for running, socket in during if running and socket != 2] == []
    assert world.sessions > 500 and world.device.search.lifetime >= 50


def test_p7_less_than_a_fixed_agent_and_near_the_ideal():
    for timeout in (45, 180):
        row = keepalives.measure(timeout, days=1)
        assert row.ideal < row.found + row.probes < 1.25 * row.ideal
        assert row.found + row.probes < row.fixed
    assert keepalives.measure(20, days=1).fixed == 0  # a fixed 30 s agent loses that binding


def test_plot_has_every_line_and_stays_inside(tmp_path):
    lines = [plot.Line("a < b", "#123456", [(20, 5000), (900, 90)])]
    text = plot.svg("Title", "seconds", lines)
    assert "a &lt; b" in text and text.count("<polyline") == 1
    (points,) = re.findall(r'points="([^"]*)"', text)
    for point in points.split():
        x, y = (float(number) for number in point.split(","))
        assert plot.LEFT <= x <= plot.WIDTH and plot.TOP <= y <= plot.HEIGHT


def command(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["host_tools", "sim", *arguments])
    status = run(make_app(wanted="sim"))
    return status, capsys.readouterr()


def test_matrix_command_prints_and_writes_its_table(capsys, monkeypatch, tmp_path):
    few = ["matrix", "--days", "1", "--nat", "Linux", "--server", "honours", "--timeout", "180"]
    status, said = command(capsys, monkeypatch, *few)
    assert status == 0 and "175 to 180 s" in said.out and "94 %" in said.out
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- matrix -->\nold\n<!-- /matrix -->\nafter\n")
    assert command(capsys, monkeypatch, *few, "--write", str(page))[0] == 0
    lines = page.read_text().splitlines()
    assert lines[:2] == ["before", "<!-- matrix -->"] and lines[-2:] == [
        "<!-- /matrix -->",
        "after",
    ]
    assert "old" not in lines and lines[4].startswith("| Linux | 180 s | honours | 175 to 180 s |")


def test_commands_say_what_is_wrong_with_what_they_were_given(capsys, monkeypatch, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no markers\n")
    for arguments, complaint in (
        (["matrix", "--nat", "cone"], "no 'cone': there are full cone, "),
        (["matrix", "--server", "x"], "no 'x': there are honours, ignores"),
        (["outages", "--write", str(page)], "it has no lines <!-- outages -->"),
        (["outages", "--write", str(tmp_path / "none.md")], "No such file"),
        (["keepalives", "--plot", str(tmp_path / "no" / "plot.svg")], "No such file"),
    ):
        status, said = command(capsys, monkeypatch, *arguments)
        assert status == 2 and complaint in said.err, (arguments, said)
        assert len(said.err.splitlines()) == 1
    assert page.read_text() == "no markers\n"


def test_matrix_is_the_same_in_every_run():
    cell = Cell("Linux", 60, HONOURS, 1, 5)
    assert simulate(cell) == simulate(cell)
    assert matrix.rows([simulate(cell)])[0][0] == "Linux"
