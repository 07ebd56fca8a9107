"""`python -m host_tools bundle` and the key that a site brings (CWMP-64)."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from host_tools import boards, bundle, image
from host_tools.cli import make_app, run
from host_tools.errors import UserError


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key pair: own, own.pub; a small one; one that is no RSA key."""
    folder = tmp_path_factory.mktemp("keys")
    for name, make in (
        ("own", ("genrsa", "-out", "own", "2048")),
        ("small", ("genrsa", "-out", "small", "1024")),
        ("curve", ("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "curve")),
        ("three", ("genrsa", "-3", "-out", "three", "2048")),
    ):
        openssl(*(str(folder / word) if word == name else word for word in make))
        kind = "ec" if name == "curve" else "rsa"
        openssl(kind, "-in", str(folder / name), "-pubout", "-out", str(folder / f"{name}.pub"))
    return folder


def test_cwmp_64_what_is_in_a_bundle():
    made = bundle.make("unix", {"b": b"2\n", "a/x": b""})
    body = b"esp-cwmp-bundle 1 unix\na/x 0\nb 2\n2\n\n"
    assert made == body + b"sha256 " + hashlib.sha256(body).hexdigest().encode() + b"\n"


def test_cwmp_64_openssl_verifies_the_signature(keys: Path, tmp_path: Path):
    made = bundle.make("unix", {"a": b"content"}, keys / "own")
    body, _, tail = made.partition(b"sha256 ")
    (tmp_path / "body").write_bytes(body)
    (tmp_path / "signature").write_bytes(bytes.fromhex(tail.rpartition(b" ")[2].decode()))
    verify = ("-verify", str(keys / "own.pub"), "-signature", str(tmp_path / "signature"))
    openssl("dgst", "-sha256", *verify, str(tmp_path / "body"))
    with pytest.raises(subprocess.CalledProcessError):
        (tmp_path / "body").write_bytes(body + b" ")
        openssl("dgst", "-sha256", *verify, str(tmp_path / "body"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("small.pub", "want 2048 bits or more, got 1024"),
        ("curve.pub", "not an RSA public key"),
        ("three.pub", "exponent 65537"),
        ("own", "not an RSA public key"),
        ("none.pub", "no such file"),
    ],
)
def test_cwmp_64_keys_that_will_not_do(keys: Path, name: str, said: str):
    with pytest.raises(UserError, match=said):
        bundle.public_key(keys / name)


def test_cwmp_64_the_site_brings_the_public_key(keys: Path, tmp_path: Path):
    site = tmp_path / "site.toml"
    site.write_text(f'[acs]\nurl = "http://a/"\nbundle_key = "{keys / "own.pub"}"\n')
    content = image.with_site(
        image.Image("unix", {"image.json": b'{"files": {}}'}), image.read_site(site)
    )
    assert content.files["bundle.key"] == bundle.public_key(keys / "own.pub")
    assert json.loads(content.files["site.json"])["acs"]["bundle_key"] == "bundle.key"
    site.write_text('[acs]\nurl = "http://a/"\nbundle_key = "own"\n')
    with pytest.raises(UserError, match=r"site.toml:3: acs.bundle_key: .*no such file"):
        image.read_site(site)


def test_cwmp_64_the_command(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    made = tmp_path / "out" / "x.bundle"
    raw = tmp_path / "micropython.bin"
    raw.write_bytes(b"\xe9image")
    words = ["bundle", str(made), "--board", "unix", "--key", str(keys / "own")]
    monkeypatch.setattr("sys.argv", ["host_tools", *words, "--firmware", str(raw)])
    assert run(make_app(wanted="bundle")) == 0
    assert "1 files" in capsys.readouterr().out
    assert made.read_bytes().startswith(b"esp-cwmp-bundle 1 unix\nfirmware.bin 6\n\xe9image\n")
    monkeypatch.setattr("sys.argv", ["host_tools", *words, "--firmware", str(tmp_path / "no")])
    assert run(make_app(wanted="bundle")) == 2


@pytest.mark.parametrize("name", ["unix", "qemu_esp32"])
def test_cwmp_64_an_application_is_the_package(name: str):
    files = bundle.application(boards.load(name))
    assert "cwmp/boot.mpy" in files and "cwmp/__init__.mpy" in files
    assert all(path.startswith("cwmp/") and path.endswith(".mpy") for path in files)
    assert all(len(path) <= 64 for path in files) and len(files) <= 200
