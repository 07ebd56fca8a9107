"""An application on its way from the site's folder to the flash."""

import json
from pathlib import Path

import pytest

from host_tools import boards, image
from host_tools.errors import UserError
from host_tools.stale import stale


def site(tmp_path: Path, folder: str) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(f'[acs]\nurl = "http://acs.example/"\n\n[app]\nfolder = "{folder}"\n')
    return path


def test_an_application_is_compiled_and_named_in_the_list(tmp_path: Path):
    folder = tmp_path / "mine"
    (folder / "more").mkdir(parents=True)
    (folder / "parameters.py").write_text("OBJECTS = ()\nGET = {}\nSET = {}\n")
    (folder / "__init__.py").write_text("")
    (folder / "more" / "sensor.py").write_text("def changed(agent):\n    agent.changed('x')\n")
    files = image.build(boards.load("unix"), image.read_site(site(tmp_path, "mine"))).files
    brought = {"app/__init__.mpy", "app/parameters.mpy", "app/more/sensor.mpy"}
    assert brought == {name for name in files if name.startswith("app/")}
    assert json.loads(files["site.json"])["app"] == {"folder": "app"}
    assert brought <= set(json.loads(files["image.json"])["files"])
    assert b"changed" in files["app/more/sensor.mpy"]  # an application uses names as they are
    # A site without one takes it off the board, an image without a site leaves it there.
    plain = set(files) - brought
    assert stale(files, files, plain) == sorted(brought)
    assert stale(files, files, plain - {"site.json"}) == []


def test_an_application_without_parameters_is_named_with_its_line(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match=r"site.toml:5: app.folder: there is no .*parameters.py"):
        image.read_site(site(tmp_path, "mine"))


def test_an_application_that_is_no_python_is_named(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "parameters.py").write_text("OBJECTS = (\n")
    read = image.read_site(site(tmp_path, "mine"))
    with pytest.raises(Exception, match="mpy-cross cannot compile .*parameters.py"):
        image.build(boards.load("unix"), read)
