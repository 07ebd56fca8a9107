"""Paths for every suite: the firmware's `wire` and `core` run under CPython with a small
`micropython` module.
"""

import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
for folder in ("firmware", "tests/shims", "tests/unit", "."):
    path = str(ROOT / folder)
    if path not in sys.path:
        sys.path.insert(0, path)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Beside pytest-embedded's --target (here: unix, qemu or serial), --port and --baud."""
    group = parser.getgroup("cpe", "the CPE under test")
    group.addoption("--board", help="board under boards/ whose firmware is built")
    group.addoption("--site", help="site.toml laid below what each test configures (Wi-Fi)")
    group.addoption(
        "--portion",
        choices=("all", "chosen", "rest"),
        default="all",
        help="the tests of tests/chosen.py, or those that it leaves out",
    )
    group.addoption(
        "--record-golden",
        action="store_true",
        help="make tests/data/golden anew, with tests/conformance/test_golden.py",
    )
    group.addoption("--host-address", help="where a board finds this machine")


def pytest_configure(config: pytest.Config) -> None:
    """A shell starts what runs in its background with Ctrl-C ignored, and so would be what the
    tests start and stop with it. Who asks for a portion wants the target: without it nothing runs.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("portion") != "all":
        from host_tools.errors import UserError
        from tests.benches import BENCHES

        kind = config.getoption("target")
        try:
            if kind in BENCHES:
                BENCHES[kind].require(config)
        except UserError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is not in the portion asked for; tests with a CPE may take longer where the
    target is slow, and what takes longest comes first there.
    """
    from tests.benches import pace_of
    from tests.chosen import is_chosen

    pace = pace_of(config)
    if pace != 1:
        items.sort(key=lambda item: item.path.name != "test_losses.py")
    portion = config.getoption("portion")
    for item in items:
        if portion != "all":
            chosen = is_chosen(item.path.parent.name, item.path.name, item.name)
            if chosen != (portion == "chosen"):
                where = "make soak runs it" if portion == "chosen" else "make test-qemu runs it"
                item.add_marker(pytest.mark.skip(reason=f"not in this portion: {where}"))
        if pace != 1 and {"make_cpe", "dut"} & set(getattr(item, "fixturenames", ())):
            mark = item.get_closest_marker("timeout")
            usual = mark.args[0] if mark else float(config.getini("timeout"))
            item.add_marker(pytest.mark.timeout(usual * pace), append=False)
