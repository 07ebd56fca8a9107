"""The tests that are chosen for QEMU exist, and no file of the suite is forgotten unawares."""

import re
from pathlib import Path

from tests.chosen import CHOSEN, is_chosen

SUITE = Path(__file__).parents[1] / "conformance"
# Files of which none can run there, or none in reasonable time.
WITHOUT = {
    "test_hostile_acs.py",  # hundreds of sessions
    "test_watchdog.py",  # tests/hil bites with the chip's own
    # What these do, to the flash from outside or in many sessions, takes a file system at hand.
    "test_applications.py",
    "test_fault_matrix.py",
    "test_firmware_image.py",
    "test_golden.py",
    "test_power_cut_transfers.py",
    "test_transfers.py",
}


def test_chosen_tests_exist():
    for file, names in CHOSEN.items():
        text = (SUITE / file).read_text()
        for name in names:
            assert re.search(rf"def {name.partition('[')[0]}\(", text), f"{file}: {name}"


def test_every_file_is_chosen_from():
    assert {path.name for path in SUITE.glob("test_*.py")} == set(CHOSEN) | WITHOUT


def test_parameters_belong_to_the_name():
    file, name = "test_bad_config.py", "test_site_json_damaged_on_the_device"
    assert is_chosen("conformance", file, f"{name}[cut]")
    assert not is_chosen("conformance", file, f"{name}[deep]")
    assert is_chosen("hil", "test_losses.py", "test_link_lost_and_back")
