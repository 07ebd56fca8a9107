"""A real NAT: the kernel's, between network namespaces of our own.

    inside 192.168.77.2 --- 192.168.77.1 router 203.0.113.1 --- 203.0.113.10, .11 outside

The namespaces hang on this process alone: the kernel takes everything away when it ends, however
it ends. Only a `Namespace.name` that somebody asked for could outlive it; the next one clears such
names up. Nothing else outside the namespaces is touched. Needs the right to make namespaces:
root, or a user namespace around the program (`unshare --user --map-root-user --net <program>`).
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.lab.nat import Behaviour
from host_tools.lab.stun_codec import Address

CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MNT_DETACH = 2
NAMES = Path("/run/netns")  # where `ip netns` looks
TOOLS = {"ip": "iproute2", "nft": "nftables", "conntrack": "conntrack", "nsenter": "util-linux"}
TOOL_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

INSIDE = "192.168.77.2"
ROUTER_INSIDE = "192.168.77.1"
ROUTER_OUTSIDE = "203.0.113.1"
OUTSIDE = "203.0.113.10"
OUTSIDE_ALTERNATE = "203.0.113.11"
# Below the ports that systems draw for sockets: no inside port falls into it by chance.
PORTS = (20000, 20999)
LAST_PORT = 32767

_CONNTRACK = re.compile(
    r"udp .*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) .*?dst=(\S+) sport=\d+ dport=(\d+)"
)

_OUR_NAME = re.compile(r"cwmp-(\d+)-\d+-\w+")

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


class Unavailable(RuntimeError):
    """Namespaces or their tools are not to be had here; the text says what is missing."""


def _call(name: str, *arguments: int | bytes | None) -> None:
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
                _call("unshare", CLONE_NEWNET)
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
                _call("mount", self.path.encode(), bytes(NAMES / name), None, MS_BIND, None)
            except OSError as error:
                _forget_name(name)
                raise Unavailable(
                    f"cannot name a namespace in {NAMES}: {error.strerror}"
                ) from None
            self._name = name
        return self._name

    def _argv(self, argv: Sequence[str]) -> list[str]:
        return [_tool("nsenter"), f"--net={self.path}", "--", *argv]

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
            _call("setns", self._fd, CLONE_NEWNET)
            try:
                yield
            finally:
                _call("setns", home, CLONE_NEWNET)
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
        _call("umount2", bytes(NAMES / name), MNT_DETACH)
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


@dataclass(frozen=True)
class Tracked:
    """One UDP entry of the kernel's connection tracking table."""

    inside: Address
    remote: Address
    outside: Address


class KernelNat:
    """The three namespaces and the NAT between them; use as a context manager.

    `ports` = (first, last) rewrites every port into that range, None keeps the inside port if it
    is free. `mapping`: endpoint-independent (the kernel gives a source the same port again while
    it holds one) or address-and-port-dependent (a fresh random port per destination).
    `filtering`: address-and-port-dependent is what the kernel does; the other two are built with
    nftables maps of the ports held, for endpoint-independent mappings. `timeout` and
    `stream_timeout` are the kernel's UDP timeouts in whole seconds (the second one counts once
    traffic has gone both ways for 2 s).
    """

    def __init__(
        self,
        *,
        ports: tuple[int, int] | None = PORTS,
        mapping: Behaviour | str = Behaviour.ENDPOINT_INDEPENDENT,
        filtering: Behaviour | str = Behaviour.ADDRESS_AND_PORT_DEPENDENT,
        timeout: int = 30,
        stream_timeout: int | None = None,
    ) -> None:
        self.ports = ports
        self.mapping = Behaviour(mapping)
        self.filtering = Behaviour(filtering)
        self.timeout = timeout
        self.stream_timeout = timeout if stream_timeout is None else stream_timeout
        if self.mapping is Behaviour.ADDRESS_DEPENDENT:
            raise ValueError("the kernel has no address-dependent mapping")
        if (
            self.mapping is not Behaviour.ENDPOINT_INDEPENDENT
            and self.filtering is not Behaviour.ADDRESS_AND_PORT_DEPENDENT
        ):
            raise ValueError("such a mapping goes with address-and-port-dependent filtering only")
        self._namespaces: list[Namespace] = []

    def __enter__(self) -> "KernelNat":
        for tool in TOOLS:
            _tool(tool)
        try:
            self.inside, self.router, self.outside = (
                self._make(label) for label in ("inside", "router", "outside")
            )
            self._connect()
            self._set_timeouts()
            self._load_rules()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End what runs inside and let go of the namespaces."""
        for namespace in self._namespaces:
            namespace.close()
        self._namespaces.clear()

    def rebind(self, ports: tuple[int, int] | None = None) -> None:
        """Forget every mapping and give ports of another range, as a NAT that reboots."""
        if ports is None:
            ports = self._next_range()
        self.ports = ports
        self.expire()

    def _next_range(self) -> tuple[int, int]:
        if self.ports is None:
            return PORTS
        first, last = self.ports
        width = last - first + 1
        if last + width <= LAST_PORT:
            return first + width, last + width
        return PORTS if first > PORTS[1] else (PORTS[0] - width, PORTS[0] - 1)

    def expire(self) -> None:
        """Forget every mapping now."""
        self._load_rules()
        self.router.run(["conntrack", "-F"])

    def tracked(self) -> list[Tracked]:
        """The UDP mappings that the kernel holds for the inside."""
        listing = self.router.run(["conntrack", "-L", "-p", "udp"]).stdout
        found = []
        for match in _CONNTRACK.finditer(listing):
            source, remote, sport, dport, outside, port = match.groups()
            if source == INSIDE:
                entry = Tracked((source, int(sport)), (remote, int(dport)), (outside, int(port)))
                found.append(entry)
        return found

    def _make(self, label: str) -> Namespace:
        namespace = Namespace(label)
        self._namespaces.append(namespace)
        return namespace

    def _connect(self) -> None:
        """Two cables. Device names are local to a namespace, so they never clash."""
        self._cable("in0", ROUTER_INSIDE, self.inside, [INSIDE], ROUTER_INSIDE)
        self._cable("out0", ROUTER_OUTSIDE, self.outside, [OUTSIDE, OUTSIDE_ALTERNATE], None)
        with self.router.entered():
            _write("/proc/sys/net/ipv4/ip_forward", "1")

    def _cable(
        self, device: str, router: str, end: Namespace, addresses: list[str], gateway: str | None
    ) -> None:
        lines = [f"link add {device} type veth peer name eth0 netns {end.path}"]
        lines += [f"addr add {router}/24 dev {device}", "link set lo up", f"link set {device} up"]
        for line in lines:
            self.router.run(["ip", *line.split()])
        lines = [f"addr add {address}/24 dev eth0" for address in addresses]
        lines += ["link set lo up", "link set eth0 up"]
        lines += [f"route add default via {gateway}"] if gateway else []
        for line in lines:
            end.run(["ip", *line.split()])

    def _set_timeouts(self) -> None:
        base = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout"
        with self.router.entered():
            _write(base, str(self.timeout))
            _write(base + "_stream", str(self.stream_timeout))

    def _load_rules(self) -> None:
        self.router.run(["nft", "-f", "-"], stdin=self._rules())

    def _rules(self) -> str:
        symmetric = self.mapping is Behaviour.ADDRESS_AND_PORT_DEPENDENT
        to = f"to :{self.ports[0]}-{self.ports[1]}" if self.ports else ""
        manner = "fully-random" if symmetric else ""
        # The map and the set remember, as long as a mapping lives, which inside endpoint holds an
        # outside port and whom it has written to; from these strangers are let in.
        lives = f"flags dynamic,timeout; size 4096; timeout {max(self.timeout, 1)}s;"
        let_in = {
            Behaviour.ENDPOINT_INDEPENDENT: "dnat ip to udp dport map @holder",
            Behaviour.ADDRESS_DEPENDENT: (
                "ip saddr . udp dport @contacted dnat ip to udp dport map @holder"
            ),
            Behaviour.ADDRESS_AND_PORT_DEPENDENT: "accept",
        }[self.filtering]
        return f"""
            flush ruleset
            table ip lab {{
              map holder {{ type inet_service : ipv4_addr . inet_service; {lives} }}
              set contacted {{ type ipv4_addr . inet_service; {lives} }}
              chain prerouting {{
                type nat hook prerouting priority -100;
                iifname "out0" meta l4proto udp {let_in}
              }}
              chain forward {{
                type filter hook forward priority 0;
                iifname "out0" ct state new ct status & dnat == 0 drop
              }}
              chain input {{
                type filter hook input priority 0;
                iifname "out0" meta l4proto udp drop
              }}
              chain postrouting {{
                type nat hook postrouting priority 100;
                oifname "out0" meta l4proto udp masquerade {to} {manner}
                oifname "out0" masquerade
              }}
              chain remember {{
                type filter hook postrouting priority 300;
                oifname "out0" ct direction original udp sport 1-65535 jump note
              }}
              chain note {{
                update @holder {{ udp sport : ct original ip saddr . ct original proto-src }}
                update @contacted {{ ip daddr . udp sport }}
              }}
            }}
        """


def _tool(name: str) -> str:
    found = shutil.which(name, path=TOOL_PATH)
    if found is None:
        raise Unavailable(f"`{name}` is not installed (Debian package {TOOLS[name]})")
    return found


def _write(path: str, value: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError as error:
        raise Unavailable(f"cannot set {path}: {error.strerror}") from None


def unavailable() -> str | None:
    """Why the kernel's NAT cannot be used here, in one line; None when it can."""
    try:
        with KernelNat():
            return None
    except (Unavailable, RuntimeError) as error:
        return str(error)
