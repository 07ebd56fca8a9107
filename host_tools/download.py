"""Downloads of files whose SHA-256 is known: resumed where they broke off, checked before use."""

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from host_tools.errors import Failed, UserError

CHUNK = 64 * 1024
SILENCE = 30.0  # seconds without a byte after which a server is given up

# Called with bytes that are there and bytes in all (None when the server does not say).
Progress = Callable[[int, int | None], None]


def download(
    url: str, to: Path, sha256: str, progress: Progress = lambda done, whole: None
) -> None:
    """Fetch `url` to the file `to`. What came of an interrupted download lies in `<to>.part`, and
    the next call goes on from there. Raises `Failed`; `to` is never there with a wrong content.
    """
    part = to.with_name(to.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fetch(url, part, progress)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to send, or the file there is another one now
            if digest(part) != sha256:
                part.unlink()
                raise Failed(
                    f"{url}: what was downloaded before does not fit; run again"
                ) from None
        else:
            raise Failed(f"{url}: the server says {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise Failed(f"{url}: cannot be reached ({error.reason})") from None
    except (OSError, http.client.HTTPException) as error:
        raise Failed(
            f"{url}: broke off ({error or type(error).__name__}); run again to go on"
        ) from None
    found = digest(part)
    if found != sha256:
        part.unlink()
        raise Failed(
            f"{url}: corrupt: SHA-256 {found[:12]}..., expected {sha256[:12]}...; removed"
        )
    part.replace(to)


def _fetch(url: str, part: Path, progress: Progress) -> None:
    there = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={there}-"} if there else {})
    with urllib.request.urlopen(request, timeout=SILENCE) as answer:
        if answer.status != 206:
            there = 0  # the whole file, whatever was asked for
        length = answer.headers.get("Content-Length")
        whole = there + int(length) if length else None
        with part.open("ab" if there else "wb") as file:
            progress(there, whole)
            while data := answer.read(CHUNK):
                file.write(data)
                there += len(data)
                progress(there, whole)
    if whole is not None and there < whole:
        raise OSError(f"{there} of {whole} bytes")


def take(source: Path, to: Path, sha256: str) -> None:
    """Copy a local file to `to`, if it is the right one; raises `UserError`."""
    try:
        found = digest(source)
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}") from None
    if found != sha256:
        raise UserError(
            f"{source}: not the pinned file, or corrupt: SHA-256 {found[:12]}...,"
            f" expected {sha256[:12]}..."
        )
    to.parent.mkdir(parents=True, exist_ok=True)
    new = to.with_name(f"{to.name}.{os.getpid()}")
    shutil.copyfile(source, new)
    new.replace(to)


def digest(path: Path) -> str:
    """SHA-256 of a file in hex; OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
