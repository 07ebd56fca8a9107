"""The CA of a site: from the file that people have to the one on the flash."""

import json
import ssl
from pathlib import Path

import pytest

from host_tools import boards, image
from host_tools.errors import UserError
from host_tools.lab.certificates import Certificates
from host_tools.stale import stale


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Certificates(tmp_path_factory.mktemp("ca")).folder


def site(folder: Path, ca: str) -> Path:
    path = folder / "site.toml"
    path.write_text(f'[acs]\nurl = "https://acs.example.net/"\nca = "{ca}"\n')
    return path


@pytest.mark.parametrize("form", ["pem", "der"])
def test_pem_and_der_become_der_on_the_flash(folder: Path, form: str):
    pem = (folder / "ca.pem").read_text()
    der = ssl.PEM_cert_to_DER_cert(pem)
    (folder / "ca.der").write_bytes(der)
    read = image.read_site(site(folder, f"ca.{form}"))
    built = image.build(boards.load("unix"), read)
    assert built.files["acs_ca.der"] == der
    assert json.loads(built.files["site.json"])["acs"]["ca"] == "acs_ca.der"
    assert "acs_ca.der" in json.loads(built.files["image.json"])["files"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read the CA"),
        (b"", "is no certificate in PEM or DER"),
        (b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "is no certificate"),
        (b"0\x82\x01\x00 and so on", "is no certificate in PEM or DER"),
    ],
    ids=["missing", "empty", "pem", "der"],
)
def test_what_is_no_ca_is_named_with_its_line(folder: Path, content: bytes | None, reason: str):
    path = folder / "bad"
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"site\.toml:3: acs\.ca: .*{reason}"):
        image.read_site(site(folder, "bad"))


def test_a_bundle_is_refused(folder: Path):
    both = (folder / "ca.pem").read_bytes() + (folder / "other.pem").read_bytes()
    (folder / "both.pem").write_bytes(both)
    with pytest.raises(UserError, match="holds 2 certificates: the CA alone is wanted"):
        image.read_site(site(folder, "both.pem"))


def test_the_ca_stays_with_the_configuration_that_names_it():
    there = ["site.json", "acs_ca.der", "main.py"]
    assert stale(there, there, ["main.py"]) == []
    assert stale(there, there, ["main.py", "site.json"]) == ["acs_ca.der"]
