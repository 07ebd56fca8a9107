"""What tests get a CPE from: fixtures over any target, `--target unix` by default.

A test module says what it wants by a fixture `site` (the parsed site.toml); `cpe` is then a board
with this firmware and that configuration, powered up by `start()`. `make_cpe` makes more of them.
`dut` is pytest-embedded's, over the same serial port: asking for it starts the CPE.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from host_tools import image
from host_tools.errors import UserError
from host_tools.free_port import free_port
from host_tools.lab.watch import Watch
from tests.benches import BENCHES, DEFAULT_TARGET, Bench, lacking
from tests.cpe import Cpe
from tests.dut import CpeDut

__all__ = [
    "Cpe",
    "_fixture_classes_and_options",
    "bench",
    "cpe",
    "embedded_services",
    "firmware_image",
    "make_cpe",
    "port",
    "site",
]


@pytest.fixture(scope="session")
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """Where the boards of this session come from."""
    kind = request.config.getoption("target") or DEFAULT_TARGET
    if kind not in BENCHES:
        pytest.fail(f"no target {kind!r}, there are {', '.join(BENCHES)}", pytrace=False)
    made = BENCHES[kind](request.config, tmp_path_factory.mktemp(kind))
    yield made
    made.close()


@pytest.fixture(scope="session")
def firmware_image(bench: Bench) -> image.Image:
    """The firmware of this tree, compiled once; without a site configuration."""
    return bench.image


@pytest.fixture
def make_cpe(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Cpe]]:
    """Make CPEs: `make_cpe(site, **options of the unix target)`, on a flash that remembers
    nothing; stopped when the test ends.
    """
    wanted = {name for mark in request.node.iter_markers("capability") for name in mark.args}
    try:
        reason = lacking(bench, wanted)
    except UserError as error:
        reason = str(error)
    if reason:
        pytest.skip(reason)
    monkeypatch.setattr(Watch, "patience", bench.pace)
    made: list[Cpe] = []

    def make(site: Mapping[str, Any], **options: Any) -> Cpe:
        content = image.with_site(bench.image, bench.with_site(site))
        target = bench.lend(tmp_path / f"cpe{len(made)}", options)
        cpe = Cpe(target, content, bench.capabilities, bench.with_site)
        made.append(cpe)
        target.install(content.files, erase=True)
        return cpe

    yield make
    for cpe in made:
        cpe.stop()
        bench.give_back(cpe.target)
        request.node.add_report_section("call", f"serial {cpe.target.state.name}", cpe.said())


@pytest.fixture
def site() -> dict[str, Any]:
    """The configuration of `cpe`; a test module overrides it. A primary port of its own: boards of
    other tests run beside it.
    """
    return {"connection_request": {"port": free_port()}}


@pytest.fixture
def cpe(make_cpe: Callable[..., Cpe], site: Mapping[str, Any]) -> Cpe:
    """A CPE with `site`, not yet powered."""
    return make_cpe(site)


@pytest.fixture
def embedded_services() -> str:
    """pytest-embedded: the CPE is a serial port."""
    return "serial"


@pytest.fixture
def port(request: pytest.FixtureRequest) -> str | None:
    """pytest-embedded: the serial port of `cpe`; what the board says from power-up on waits there
    for the reader.
    """
    if "dut" not in request.fixturenames:
        return None  # it asks in every test, wanted or not
    cpe: Cpe = request.getfixturevalue("cpe")
    return cpe.start(banner=False)


@pytest.fixture
def _fixture_classes_and_options(_fixture_classes_and_options: Any, bench: Bench) -> Any:
    """pytest-embedded: the class of `dut`."""
    if "dut" in _fixture_classes_and_options.classes:
        _fixture_classes_and_options.classes["dut"] = CpeDut
        CpeDut.pace = bench.pace
    return _fixture_classes_and_options
