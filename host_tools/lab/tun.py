"""A network namespace that packets come from: a TUN device in it, and sockets on its addresses.

A child process lives in the namespace and hands out file descriptors; so one that may not change
namespaces itself can be in two at once. The child ends with its parent, and the namespace with it.
Needs only the standard library and the `ip` command.
"""

import contextlib
import fcntl
import json
import os
import re
import socket
import struct
import subprocess
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NoReturn

from host_tools.lab import namespace

DEVICE = "ppp0"
MTU = 1500
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_IP_FREEBIND = 15
_NEW_USER, _NEW_NET = 0x10000000, namespace.CLONE_NEWNET
# Entered in the namespace: the TUN device, and the address of whom is behind it.
Furnished = Callable[[], AbstractContextManager[tuple[int, str]]]
_KINDS = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}


class Room:
    """`tun`: a descriptor that gives and takes IPv4 packets; `address`: of whom is behind it.
    Raises OSError, `Unavailable`. Make one before there are threads: the child is forked.
    """

    def __init__(self, furnished: Furnished) -> None:
        """`furnished` is entered in the child: see `everything` and `instead_of`."""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pid = os.fork()
        if self._pid == 0:
            here.close()
            _live(there, furnished)
        there.close()
        self._line = here
        try:
            self.tun, said = self._receive()
        except BaseException:
            self.close()
            raise
        self.address = str(said["address"])
        os.set_blocking(self.tun, False)

    def socket(self, kind: str, host: str, port: int) -> socket.socket:
        """Make a "udp" or "tcp" socket in the room, bound to any address; OSError."""
        self._line.send(json.dumps([kind, host, port]).encode())
        made = socket.socket(fileno=self._receive()[0])
        made.setblocking(False)
        return made

    def close(self) -> None:
        """Give the namespace up."""
        self._line.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _receive(self) -> tuple[int, dict[str, Any]]:
        text, fds, _, _ = socket.recv_fds(self._line, 4096, 1)
        said = json.loads(text or b'{"unavailable": "the process in the namespace died"}')
        if "unavailable" in said:
            raise namespace.Unavailable(said["unavailable"])
        if "errno" in said:
            raise OSError(said["errno"], os.strerror(said["errno"]))
        return fds[0], said


def _live(line: socket.socket, furnished: Furnished) -> NoReturn:
    """The child: ends when the parent does."""
    status = 1
    try:
        with furnished() as (tun, address):
            socket.send_fds(line, [json.dumps({"address": address}).encode()], [tun])
            os.close(tun)
            while wanted := line.recv(4096):
                try:
                    with _made(*json.loads(wanted)) as made:
                        socket.send_fds(line, [b"{}"], [made.fileno()])
                except OSError as error:
                    line.send(json.dumps({"errno": error.errno}).encode())
        status = 0
    except namespace.Unavailable as error:
        line.send(json.dumps({"unavailable": str(error)}).encode())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _made(kind: str, host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, _KINDS[kind])
    try:
        made.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)  # every address is at home here
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        if kind == "tcp":
            made.listen(8)
    except BaseException:
        made.close()
        raise
    return made


def open_tun() -> int:
    """Make the device in the namespace this process is in; `Unavailable`."""
    try:
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise namespace.Unavailable(f"cannot open /dev/net/tun: {error.strerror}") from None
    try:
        request = struct.pack("16sH", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(tun, _TUNSETIFF, request)
    except OSError as error:
        os.close(tun)
        raise namespace.Unavailable(f"cannot make a TUN device: {error.strerror}") from None
    return tun


def new_namespace() -> None:
    """Move this process into a network namespace of its own, with a user namespace around it
    where that takes one.
    """
    try:
        namespace.call("unshare", _NEW_NET)
    except OSError:
        user, group = os.getuid(), os.getgid()
        try:
            namespace.call("unshare", _NEW_USER | _NEW_NET)
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        except OSError as error:
            raise namespace.Unavailable(
                f"cannot make a network namespace ({error.strerror}): the board's network needs"
                " root or user namespaces"
            ) from None


def enter_namespace(name: str) -> None:
    """Move this process into a namespace by its name or path."""
    try:
        with open(namespace.NAMES / name) as file:  # a path that is absolute stays as it is
            namespace.call("setns", file.fileno(), _NEW_NET)
    except OSError as error:
        raise namespace.Unavailable(
            f"cannot enter the network namespace {name}: {error.strerror}"
        ) from None


@contextmanager
def everything(ours: str, theirs: str) -> Iterator[tuple[int, str]]:
    """A namespace of its own, in which every address is at home, and `theirs` behind the TUN."""
    new_namespace()
    tun = open_tun()
    for line in (
        "link set lo up",
        f"addr add {ours} peer {theirs} dev {DEVICE}",
        f"link set {DEVICE} mtu {MTU} up",
        "route add local default dev lo",
    ):
        _ip(line)
    yield tun, theirs


@contextmanager
def instead_of(name: str, ours: str) -> Iterator[tuple[int, str]]:
    """The namespace `name`, whose address goes to whom is behind the TUN, with the same neighbours
    and the same gateway; it is given back in the end.
    """
    enter_namespace(name)
    device, address, prefix = _address_of(name)
    gateway = re.search(r"via (\S+)", _ip(f"route show default dev {device}"))
    default = f"route replace default via {gateway[1]} dev {device}" if gateway else ""
    tun = open_tun()
    for line in (
        f"addr add {ours} peer {address} dev {DEVICE}",
        f"link set {DEVICE} mtu {MTU} up",
        f"addr del {address}/{prefix} dev {device}",
        f"{default} onlink" if default else "",
    ):
        _ip(line)
    for path, value in (
        ("ip_forward", "1"),
        (f"conf/{device}/proxy_arp", "1"),
        (f"conf/{device}/rp_filter", "0"),
        ("conf/all/rp_filter", "0"),
    ):
        namespace.write(f"/proc/sys/net/ipv4/{path}", value)
    try:
        yield tun, address
    finally:
        _ip(f"link del {DEVICE}")
        _ip(f"addr add {address}/{prefix} dev {device}")
        _ip(default)


def _address_of(name: str) -> tuple[str, str, int]:
    """The device, address and prefix length that this namespace has towards others."""
    for device in json.loads(_ip("-json addr")):
        for address in device.get("addr_info", ()):
            if address["family"] == "inet" and address["scope"] == "global":
                return device["ifname"], address["local"], address["prefixlen"]
    raise namespace.Unavailable(f"the network namespace {name} has no address for the board")


def _ip(line: str) -> str:
    if not line:
        return ""
    done = subprocess.run([namespace.tool("ip"), *line.split()], capture_output=True, text=True)
    if done.returncode:
        raise namespace.Unavailable(f"`ip {line}` failed: {done.stderr.strip()}")
    return done.stdout
