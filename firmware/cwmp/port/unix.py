"""The MicroPython unix port as a board: the host's network, a folder as flash, exit status 3 as
the chip's reset.
"""

import os
import socket
import sys
import time
from binascii import unhexlify

from .base import Port


class UnixPort(Port):
    name = "unix"
    _offset = 0  # s, to the host's clock; None: never set

    def __init__(self):
        super().__init__()
        try:
            socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()
        except OSError:
            self.raw_sockets = False  # for root, and those with CAP_NET_RAW

    def take_board(self, board):
        super().take_board(board)
        if not board.get("clock", True):  # a board without one, as an ESP32 after power-up
            self._offset = None

    def unix_time(self):
        return None if self._offset is None else int(time.time()) + self._offset

    def set_unix_time(self, seconds):
        self._offset = seconds - int(time.time())

    def unique_id(self):
        # One folder is one board: its id is drawn at the first boot and kept beside the records.
        path = self.folder + "/unique_id"
        try:
            with open(path, "rb") as file:
                text = file.read()
            if len(unhexlify(text)) == 6:  # one that is damaged is no identity
                return text.decode()
        except (OSError, ValueError):
            pass
        try:
            os.mkdir(self.folder)
        except OSError:
            pass  # it is there, or writing says what is wrong
        made = "".join(["{:02X}".format(byte) for byte in os.urandom(6)])
        with open(path + ".new", "w") as file:
            file.write(made)
        os.rename(path + ".new", path)
        return made

    def counters(self, store):
        return store

    async def start_network(self, site, log, changed):
        pass  # the host has one

    def silent(self, ms):
        pass

    def leave(self):
        pass

    def local_ip(self, address):
        # This port has no getsockname (B24): a connected socket shows its local end in the
        # kernel's table.
        try:
            probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                probe.connect(address)
                # While others open and close sockets the table may lack one that is there.
                return _local_end(address) or _local_end(address) or _local_end(address)
            finally:
                probe.close()
        except OSError:
            return ""

    def prompt_after_exit(self):
        os.putenv("MICROPYINSPECT", "1")

    def reset(self):
        os.unsetenv("MICROPYINSPECT")
        sys.exit(3)


def _local_end(address):
    _, host, port = socket.sockaddr(address)[:3]  # type: ignore  # this port only
    remote = "{:02X}{:02X}{:02X}{:02X}:{:04X}".format(host[3], host[2], host[1], host[0], port)
    with open("/proc/net/udp") as table:
        for line in table:
            fields = line.split()
            if len(fields) > 2 and fields[2] == remote:
                word = fields[1]
                return ".".join([str(int(word[i : i + 2], 16)) for i in (6, 4, 2, 0)])
    return ""
