"""`bundle`: the firmware as one file that an ACS can have a device download (docs/transfers.md).

    esp-cwmp-bundle 1 <board>
    <path> <size>           for each file, followed by its bytes
                            an empty line
    sha256 <hex>            of all up to here, the empty line included
    rsa-sha256 <hex>        RSASSA-PKCS1-v1_5 of the same, when it is signed

An entry `firmware.bin`, alone in its bundle, is an image for the OTA partition.
"""

import dataclasses
import hashlib
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from host_tools import boards, image
from host_tools.errors import Failed, UserError

IMAGE = "firmware.bin"
MIN_BITS = 2048


def _openssl(*arguments: str, data: bytes = b"") -> bytes:
    try:
        done = subprocess.run(["openssl", *arguments], input=data, capture_output=True)
    except FileNotFoundError:
        raise UserError("openssl is not installed: it reads keys and makes signatures") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Failed(f"openssl {arguments[0]}: {said[-1] if said else 'failed'}")
    return done.stdout


def public_key(path: Path) -> bytes:
    """Return the modulus of an RSA public key (PEM), as hex: what the device keeps."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        said = _openssl("rsa", "-pubin", "-in", str(path), "-noout", "-modulus", "-text").decode()
    except Failed:
        raise UserError(f"{path}: not an RSA public key (PEM)") from None
    modulus = re.search(r"^Modulus=([0-9A-F]+)$", said, re.MULTILINE)
    if modulus is None or "Exponent: 65537 " not in said:
        raise UserError(f"{path}: want an RSA key with the exponent 65537")
    if len(modulus[1]) * 4 < MIN_BITS:
        raise UserError(f"{path}: want {MIN_BITS} bits or more, got {len(modulus[1]) * 4}")
    return modulus[1].encode()


def make(board: str, files: Mapping[str, bytes], key: Path | None = None) -> bytes:
    """Return the bundle of `files` (path -> content), signed with the private `key` if given."""
    whole = f"esp-cwmp-bundle 1 {board}\n".encode()
    for name, content in sorted(files.items()):
        whole += f"{name} {len(content)}\n".encode() + content
    whole += b"\n"
    tail = f"sha256 {hashlib.sha256(whole).hexdigest()}\n"
    if key is not None:
        signature = _openssl("dgst", "-sha256", "-sign", str(key), data=whole)
        tail += f"rsa-sha256 {signature.hex()}\n"
    return whole + tail.encode()


def application(board: boards.Board) -> dict[str, bytes]:
    """Return the files of the firmware as they lie in an application folder."""
    loose = dataclasses.replace(board, target="serial") if board.target == "qemu" else board
    return {
        name.removeprefix("lib/"): content
        for name, content in image.build(loose, None).files.items()
        if name.startswith("lib/")
    }


def command(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle to write.")],
    board: Annotated[str, typer.Option(help="The board that it is for.")] = "esp32_generic",
    key: Annotated[
        Path | None,
        typer.Option(help="RSA private key (PEM) to sign with.", show_default=False),
    ] = None,
    firmware: Annotated[
        Path | None,
        typer.Option(
            help="A firmware image for the OTA partition, in place of the application.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a bundle for `1 Firmware Upgrade Image`: the application, or an image of MicroPython.

    \b
    Examples:
      openssl genrsa -out signing.pem 2048
      openssl rsa -in signing.pem -pubout -out signing.pub      for acs.bundle_key of the site
      python -m host_tools bundle out/app.bundle --board unix --key signing.pem
    """
    chosen = boards.load(board)
    if firmware is not None:
        if not firmware.is_file():
            raise UserError(f"{firmware}: no such file")
        files = {IMAGE: firmware.read_bytes()}
    else:
        files = application(chosen)
    made = make(chosen.name, files, key)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(made)
    signed = "signed" if key else "not signed"
    typer.echo(f"written   {output}, {len(files)} files, {len(made)} bytes, {signed}")


def register(app: typer.Typer) -> None:
    app.command("bundle")(command)
