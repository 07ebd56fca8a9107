"""The table of requirements: complete, up to date, and able to notice when it is not."""

from pathlib import Path

import pytest

from host_tools.errors import Failed
from host_tools.id_table import ROOT, Requirements, collect, gaps, ids_in, load, make, table

KNOWN = Requirements(
    {"STUN-01": "one", "STUN-02": "two", "B9": "nine"}, {"TCR-01": "later"}, {"STUN-02": "why"}
)


def test_no_required_id_lacks_a_test_and_the_table_is_up_to_date():
    assert (ROOT / "docs" / "requirements.md").read_text() == make(), "run `make docs`"


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("test_stun_32_33_both_variants", ["STUN-32", "STUN-33"]),
        ("test_cwmp_10_and_11_first_message", ["CWMP-10", "CWMP-11"]),
        ("test_ucr_05_b5_all_120_orders", ["UCR-05", "B5"]),
        ("test_b16_ucr_32_cwmp_70_schedule", ["B16", "UCR-32", "CWMP-70"]),
        ("test_stun_35_420_gives_up", ["STUN-35"]),
        ("test_stun_45_one_try_after_30_s", ["STUN-45"]),
        ("test_stun_33_a_text_of_64_bytes", ["STUN-33"]),
        ("test_cwmp_73_once_per_5_s", ["CWMP-73"]),
        ("test_x1_b27_x14", ["X1", "B27", "X14"]),
        ("test_boot_prints_banner_first", []),
        ("test_box9_b0_b123_xb1", []),
    ],
)
def test_ids_in_a_name(name: str, ids: list[str]):
    assert ids_in(name) == ids


def write(folder: Path, *names: str) -> Path:
    (folder / "unit").mkdir()
    text = "".join(f"def {name}():\n    pass\n" for name in names[:-1])
    (folder / "unit" / "test_x.py").write_text(text + f"async def {names[-1]}():\n    pass\n")
    return folder


def test_every_kind_of_gap_is_told(tmp_path: Path):
    folder = write(tmp_path, "test_stun_02_now_there_is_one", "test_tcr_01_early")
    found = collect(folder, KNOWN)
    assert gaps(KNOWN, found) == [
        "STUN-01 (one) has no test and no reason under [untested]",
        "B9 (nine) has no test and no reason under [untested]",
        "STUN-02 has a test by now: take it out of [untested]",
    ]


def test_a_complete_table(tmp_path: Path):
    folder = write(tmp_path, "test_stun_01_a", "test_stun_01_b9_b")
    found = collect(folder, KNOWN)
    assert gaps(KNOWN, found) == []
    text = table(KNOWN, found)
    file = "[unit/test_x.py](../tests/unit/test_x.py)"
    assert f"| STUN-01 | one | {file}: `test_stun_01_a`, `test_stun_01_b9_b` |" in text
    assert "| STUN-02 | two | none: why |" in text and "| TCR-01 | later | none yet |" in text
    assert "2 of 3 required ids have tests." in text


def test_an_unknown_id_is_refused(tmp_path: Path):
    with pytest.raises(Failed, match=r"test_x.py: test_stun_99_x claims STUN-99"):
        collect(write(tmp_path, "test_stun_99_x"), KNOWN)


def spread(area: str, *spans: tuple[int, int], form: str = "-%02d") -> set[str]:
    return {area + form % number for low, high in spans for number in range(low, high + 1)}


def test_the_issues_so_far_ask_for_exactly_these():
    stun = ((1, 7), (10, 16), (20, 24), (30, 36), (40, 41), (45, 45), (50, 54), (60, 64))
    cwmp = ((1, 6), (8, 17), (20, 25), (30, 34), (40, 41), (50, 56), (60, 65), (70, 73))
    wanted = spread("STUN", *stun) | spread("UCR", (1, 15), (20, 25), (30, 35))
    wanted |= spread("CWMP", *cwmp) | spread("DM", (1, 5)) | {"VEC-01"}
    wanted |= spread("X", (1, 14), form="%d")
    wanted |= spread("B", (1, 13), (16, 16), (18, 24), (26, 27), form="%d")
    known = load(ROOT / "docs" / "requirements.toml")
    assert set(known.required) == wanted and not wanted & set(known.later)
    assert set(known.untested) <= wanted
