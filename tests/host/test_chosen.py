"""The tests that are chosen for QEMU exist, and no group of requirements is forgotten unawares."""

import re
from pathlib import Path

from tests.chosen import CHOSEN, is_chosen

SUITE = Path(__file__).parents[1] / "conformance"


def test_chosen_tests_exist():
    for file, names in CHOSEN.items():
        text = (SUITE / file).read_text()
        for name in names:
            assert re.search(rf"def {name.partition('[')[0]}\(", text), f"{file}: {name}"


def test_every_group_of_requirements_is_chosen_from():
    groups = {name.split("_")[1] for names in CHOSEN.values() for name in names}
    assert {"ucr", "stun", "cwmp", "tcr", "dm", "b26", "b27"} <= groups


def test_parameters_belong_to_the_name():
    file, name = "test_bad_config.py", "test_site_json_damaged_on_the_device"
    assert is_chosen("conformance", file, f"{name}[cut]")
    assert not is_chosen("conformance", file, f"{name}[deep]")
    assert is_chosen("hil", "test_losses.py", "test_link_lost_and_back")
