"""Application bundles from anybody: whatever comes, files appear in the spare folder only."""

import contextlib
import os
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cwmp.core.fault import CwmpFault
from cwmp.runtime.install_bundle import Bundle
from host_tools import bundle

PORT = SimpleNamespace(name="unix")
NAMES = st.lists(st.text("ab0_-", min_size=1, max_size=5), min_size=1, max_size=3).map("/".join)
WILD = st.text("ab./\\ \n\0..", min_size=0, max_size=12)


@pytest.fixture(autouse=True)
def flash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if not hasattr(os, "ilistdir"):  # MicroPython's
        monkeypatch.setattr(
            os, "ilistdir", lambda path: [(name,) for name in os.listdir(path)], raising=False
        )
    folder = tmp_path / "flash"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def take(data: bytes, cuts: list[int]) -> str:
    receiver = Bundle(PORT, "", None)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    try:
        for start, end in pairwise(places):
            receiver.write(memoryview(data)[start:end])
        return receiver.finish()
    finally:
        receiver.close()


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def compatible(files: dict[str, bytes]) -> bool:
    """No name is the folder of another."""
    return not any(other.startswith(name + "/") for name in files for other in files)


FLASH = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@FLASH
@given(
    st.dictionaries(NAMES, st.binary(max_size=300), min_size=1, max_size=5).filter(compatible),
    st.lists(st.integers(0, 5000), max_size=8),
)
def test_cwmp_64_what_was_packed_comes_out(flash, files, cuts):
    assert take(bundle.make("unix", files), cuts) == "a"
    assert tree(flash) == {f"a/{name}": content for name, content in files.items()}


@FLASH
@given(st.dictionaries(WILD, st.binary(max_size=20), max_size=3))
def test_cwmp_64_no_name_leads_out_of_the_folder(flash, files):
    with contextlib.suppress(CwmpFault, OSError):
        take(bundle.make("unix", files), [])
    assert all(name.startswith("a/") for name in tree(flash.parent / "flash"))
    assert [path.name for path in flash.parent.iterdir()] == ["flash"]


@FLASH
@given(
    st.binary(max_size=300).map(lambda content: bundle.make("unix", {"x": content})),
    st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=4)), min_size=1, max_size=4),
    st.lists(st.integers(0, 5000), max_size=8),
)
def test_cwmp_64_a_damaged_bundle_is_never_taken_for_another(flash, whole, damage, cuts):
    data = whole
    for at, piece in damage:
        at %= len(data)
        data = data[:at] + piece + data[at + len(piece) :]
    try:
        take(data, cuts)
    except CwmpFault as fault:
        assert fault.code in (9017, 9018)
    else:
        # What counts is as it was: only what follows the checksum may differ.
        end = whole.rindex(b"sha256 ") + len("sha256 ") + 64
        assert data[:end] == whole[:end]


@FLASH
@given(st.binary(max_size=3000))
def test_cwmp_64_any_bytes(flash, data):
    with contextlib.suppress(CwmpFault):
        take(b"esp-cwmp-bundle 1 unix\n" + data, [])
        raise AssertionError("taken")
