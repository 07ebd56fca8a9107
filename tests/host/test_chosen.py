"""The tests that are chosen for QEMU exist, and no group of requirements is forgotten unawares."""

import re
import subprocess
import sys
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


def test_a_portion_without_its_target_is_one_line_and_no_success():
    command = [sys.executable, "-m", "pytest", "--target", "qemu", "--portion", "chosen", __file__]
    environment = {"PATH": "", "ESP_CWMP_QEMU": "/no/such/qemu"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50)
    assert done.returncode == 4
    assert done.stderr.strip() == "ERROR: no QEMU at /no/such/qemu (from $ESP_CWMP_QEMU)"
