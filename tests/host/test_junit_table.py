"""The table in the docs is what pytest reported, made from its file."""

import subprocess
import sys
from pathlib import Path

import pytest

from host_tools.errors import UserError
from host_tools.junit_table import BY_HAND, command, read, table

TESTS = """
import pytest
def test_good(): pass
def test_bad(): assert False
@pytest.mark.parametrize("n", [1, 2])
def test_absent(n): pytest.skip("the qemu target has no loopback")
@pytest.fixture
def broken(): raise RuntimeError
def test_error(broken): pass
"""


def test_run_passed_failed_and_skipped_with_reasons(tmp_path: Path):
    folder = tmp_path / "tests" / "some"
    folder.mkdir(parents=True)
    (folder / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "--junitxml", "report.xml", "tests"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=50)
    rows = read(tmp_path / "report.xml")
    assert list(rows) == ["some/test_it.py"]
    made = table(rows)
    assert "| `some/test_it.py` | 3 | 1 | 2 | 2 | 0 |\n| all | 3 | 1 | 2 | 2 | 0 |\n" in made
    assert "Failed: `test_bad`, `test_error`." in made
    assert "| 2 | the qemu target has no loopback |\n" in made


def test_what_was_written_by_hand_below_the_line_stays(tmp_path: Path):
    report, page = tmp_path / "report.xml", tmp_path / "page.md"
    for name in ("one", "two"):
        case = f'<testcase classname="tests.host.test_{name}" name="test_it" time="1"/>'
        report.write_text(f"<testsuites><testsuite>{case}</testsuite></testsuites>")
        command([report], page, "Some page")
        text = page.read_text()
        assert text.count(f"| `host/test_{name}.py` | 1 | 1 | 0 | 0 | 1 |\n") == 1
        assert text.startswith("# Some page\n") and "| all | 1 | 1 |" in text
        if name == "one":
            page.write_text(f"{text}\n{BY_HAND}\nWhat we | all | think.\n")
    assert text.endswith(f"| all | 1 | 1 | 0 | 0 | 1 |\n\n{BY_HAND}\nWhat we | all | think.\n")
    assert "test_one" not in text
    command([report], page, "Some page")  # the same again is the same page
    assert page.read_text() == text


def test_of_a_file_in_two_reports_the_last_one_counts(tmp_path: Path, capsys):
    texts = ("<skipped message='the qemu target has no wifi'/>", "")
    reports = [tmp_path / "ppp.xml", tmp_path / "wifi.xml"]
    for report, text in zip(reports, texts, strict=True):
        case = (
            f'<testcase classname="tests.hil.test_wifi" name="test_it" time="1">{text}</testcase>'
        )
        report.write_text(f"<testsuites><testsuite>{case}</testsuite></testsuites>")
    command(reports, None, "")
    assert "| all | 1 | 1 | 0 | 0 | 1 |\n" in capsys.readouterr().out


def test_what_is_no_report_is_one_line(tmp_path: Path):
    for content in (None, "", "<testsuites/>", "no xml"):
        path = tmp_path / "report.xml"
        if content is not None:
            path.write_text(content)
        with pytest.raises(UserError) as refusal:
            read(path)
        assert str(refusal.value).startswith(str(path)) and "\n" not in str(refusal.value)
