"""Capture an interface: by dumpcap where installed, else with a raw socket."""

import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

from host_tools.capture.pcapng import LINKTYPE_ETHERNET, PcapngWriter
from host_tools.errors import UserError

_ETH_P_ALL = 0x0003
_OUTGOING = 4  # PACKET_OUTGOING
_SNAPLEN = 262144
_START_TIMEOUT = 10.0
_STOP_TIMEOUT = 5.0
_DRAIN = 0.5  # dumpcap fetches packets from the kernel every 250 ms and drops the rest at its end
_LAST_PACKETS = 10_000
_HOW = (
    "run it as root, or allow dumpcap: sudo setcap cap_net_raw,cap_net_admin+eip $(which dumpcap)"
)


class Sniffer:
    """One capture of one interface; `start` returns when packets are being caught.

    UserError: not permitted, no such interface or namespace, bad filter, nothing installed.
    """

    def __init__(
        self,
        interface: str,
        path: Path,
        capture_filter: str = "",
        namespace: str | None = None,
        program: str | None = None,
    ) -> None:
        self.interface = interface
        self.path = path
        self.capture_filter = capture_filter
        self.namespace = namespace
        self.program = program or shutil.which("dumpcap")
        self._process: subprocess.Popen[str] | None = None
        self._raw: _RawCapture | None = None
        self._said: list[str] = []

    def start(self) -> None:
        if self.program:
            self._start_program(self.program)
        elif self.capture_filter or self.namespace:
            raise UserError(
                "a capture filter or namespace needs dumpcap: "
                "install the package wireshark-common (tshark brings it)"
            )
        else:
            self._raw = _RawCapture(self.interface, self.path)
            self._raw.start()

    def wait(self, seconds: float | None = None) -> None:
        """Until the time is over or the capture program ends."""
        if self._process:
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                return
            raise UserError(self._reason())
        if self._raw:
            self._raw.wait(seconds)

    def stop(self) -> None:
        """End the capture; the file then holds every packet that passed before the call."""
        if self._process:
            if self._process.poll() is None:
                time.sleep(_DRAIN)
                self._process.send_signal(signal.SIGINT)
                try:
                    self._process.wait(_STOP_TIMEOUT)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self._process = None
        if self._raw:
            self._raw.stop()
            self._raw = None

    def __enter__(self) -> "Sniffer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_program(self, program: str) -> None:
        try:
            self.path.touch()  # a clear reason when the folder is missing or not writable
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error.strerror or error}") from error
        command = [program, "-i", self.interface, "-w", str(self.path), "-s", str(_SNAPLEN)]
        if self.capture_filter:
            command += ["-f", self.capture_filter]
        if self.namespace:
            command = ["ip", "netns", "exec", self.namespace, *command]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            raise UserError(f"cannot run {command[0]}: {error.strerror or error}") from error
        ready = threading.Event()
        assert self._process.stderr is not None
        reader = threading.Thread(
            target=self._listen, args=(self._process.stderr, ready), daemon=True
        )
        reader.start()
        ready.wait(_START_TIMEOUT)
        if not any(line.startswith("File:") for line in self._said):
            if self._process.poll() is None and not ready.is_set():
                self.stop()
                raise UserError(f"{program} did not start capturing on {self.interface}")
            reader.join(1)
            reason = self._reason()
            self.stop()
            raise UserError(reason)

    def _listen(self, stream: IO[str], ready: threading.Event) -> None:
        for line in stream:
            self._said.append(line.strip())
            if line.startswith("File:"):  # said once the interface is open
                ready.set()
        ready.set()

    def _reason(self) -> str:
        said = " ".join(line for line in self._said if not line.startswith("Capturing on"))
        where = f" in namespace {self.namespace}" if self.namespace else ""
        if "ermission" in said or "not permitted" in said:
            return f"capturing on {self.interface} is not permitted: {_HOW}"
        if "Cannot open network namespace" in said:
            return f"no network namespace {self.namespace}: see ip netns list"
        if "No such device" in said or "no interface" in said.lower():
            return f"no interface {self.interface}{where}: see ip link"
        if "filter" in said.lower() or "syntax error" in said:
            return f"capture filter {self.capture_filter!r} is not valid: see man pcap-filter"
        return f"capturing on {self.interface}{where} failed: {said[:200] or 'no reason given'}"


class _RawCapture:
    """AF_PACKET socket to a pcapng file, in a thread."""

    def __init__(self, interface: str, path: Path) -> None:
        try:
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)
            )
        except PermissionError as error:
            raise UserError(f"capturing on {interface} is not permitted: {_HOW}") from error
        except (AttributeError, OSError) as error:
            raise UserError("no dumpcap here: install the package wireshark-common") from error
        try:
            self._socket.bind((interface, _ETH_P_ALL))
        except OSError as error:
            self._socket.close()
            raise UserError(f"no interface {interface}: see ip link") from error
        self._socket.settimeout(0.2)
        try:
            self._writer = PcapngWriter(path)
        except OSError as error:
            self._socket.close()
            raise UserError(f"cannot write {path}: {error.strerror or error}") from error
        self._number = self._writer.add_interface(interface, linktype=LINKTYPE_ETHERNET)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self, seconds: float | None) -> None:
        self._ended.wait(seconds)

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()
        self._writer.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._one()
        self._socket.settimeout(0)
        for _ in range(_LAST_PACKETS):
            if not self._one():
                return

    def _one(self) -> bool:
        """Write the next packet; False when there is none to be had now."""
        try:
            packet, address = self._socket.recvfrom(_SNAPLEN)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError:  # the interface went down or away
            self._ended.set()
            return False
        came_back = address[0] == "lo" and address[2] == _OUTGOING  # it will come in, too
        if not came_back:
            self._writer.packet(self._number, time.time_ns(), packet)
        return True
