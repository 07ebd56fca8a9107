"""Network namespaces: made, entered, and given up with the process that holds them.

The kernel takes a namespace away when this process ends, however it ends. Only a `Namespace.name`
that somebody asked for could outlive it; the next one clears such names up. Needs the right to
make namespaces: root, or a user namespace around the program
(`unshare --user --map-root-user --net <program>`).
"""

import ctypes
import itertools
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MNT_DETACH = 2
NAMES = Path("/run/netns")  # where `ip netns` looks
TOOLS = {"ip": "iproute2", "nft": "nftables", "conntrack": "conntrack", "nsenter": "util-linux"}
TOOL_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

_OUR_NAME = re.compile(r"cwmp-(\d+)-\d+-\w+")

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


class Unavailable(RuntimeError):
    """Namespaces or their tools are not to be had here; the text says what is missing."""


def call(name: str, *arguments: int | bytes | None) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


class Namespace:
    """One network namespace, kept by a file descriptor. Unavailable when it cannot be made."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._name: str | None = None
        self._processes: list[subprocess.Popen[Any]] = []
        made: list[int] = []
        failed: list[OSError] = []

        # A thread of its own moves into the new namespace, so that this one never leaves home.
        def make() -> None:
            try:
                call("unshare", CLONE_NEWNET)
                made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
            except OSError as error:
                failed.append(error)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if failed:
            raise Unavailable(
                f"cannot make a network namespace ({failed[0].strerror}): run as root, "
                "or under `unshare --user --map-root-user --net`"
            )
        self._fd = made[0]

    @property
    def path(self) -> str:
        """A path that other programs of this user can open while the namespace is held."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    @property
    def name(self) -> str:
        """A unique name for `ip netns exec`, made at the first call; needs the right to mount."""
        if self._name is None:
            _forget_names_of_the_dead()
            name = f"cwmp-{os.getpid()}-{next(_numbers)}-{self.label}"
            try:
                NAMES.mkdir(mode=0o755, exist_ok=True)
                (NAMES / name).touch()
                call("mount", self.path.encode(), bytes(NAMES / name), None, MS_BIND, None)
            except OSError as error:
                _forget_name(name)
                raise Unavailable(
                    f"cannot name a namespace in {NAMES}: {error.strerror}"
                ) from None
            self._name = name
        return self._name

    def _argv(self, argv: Sequence[str]) -> list[str]:
        return [tool("nsenter"), f"--net={self.path}", "--", *argv]

    def run(
        self, argv: Sequence[str], *, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside to its end (30 s at most); RuntimeError with its stderr."""
        done = subprocess.run(
            self._argv(argv), input=stdin, capture_output=True, text=True, timeout=30
        )
        if check and done.returncode != 0:
            command = " ".join(argv)
            raise RuntimeError(f"{self.label}: `{command}` failed: {done.stderr.strip()}")
        return done

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program inside; it is ended with the namespace at the latest."""
        process = subprocess.Popen(self._argv(argv), **options)
        self._processes.append(process)
        return process

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that this thread makes within the block belong to the namespace for good.

        Start servers of the lab so: `with net.outside.entered(): await server.start()`, while
        nothing else in the program opens sockets. Their traffic is then handled from anywhere.
        """
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            call("setns", self._fd, CLONE_NEWNET)
            try:
                yield
            finally:
                call("setns", home, CLONE_NEWNET)
        finally:
            os.close(home)

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(3)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self._processes.clear()
        if self._name is not None:
            _forget_name(self._name)
            self._name = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _forget_name(name: str) -> None:
    try:
        call("umount2", bytes(NAMES / name), MNT_DETACH)
    except OSError:
        pass  # it had not come so far as to be mounted
    try:
        (NAMES / name).unlink(missing_ok=True)
    except OSError:
        pass  # somebody else's: leave it


def _forget_names_of_the_dead() -> None:
    """Remove names that a killed run has left behind."""
    for path in NAMES.glob("cwmp-*"):
        match = _OUR_NAME.fullmatch(path.name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            _forget_name(path.name)


def tool(name: str) -> str:
    found = shutil.which(name, path=TOOL_PATH)
    if found is None:
        raise Unavailable(f"`{name}` is not installed (Debian package {TOOLS[name]})")
    return found


def write(path: str, value: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError as error:
        raise Unavailable(f"cannot set {path}: {error.strerror}") from None
