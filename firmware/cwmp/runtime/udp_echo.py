"""What a test of UDPEchoDiagnostics (TR-143) has of its own. See `echo`."""

import os
import socket

NAME = "udp-echo"
UNIT = 1  # us
LONGER = 1  # a longer answer shows
_run = [0]  # the upper half of the number in every packet of this run


def opened(address):
    # Connected: what others send does not even reach it.
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def packet(size):
    _run[0] = int.from_bytes(os.urandom(2), "big") << 16
    return bytearray(size)


def number(packet, n):
    """Put 32 bits into the first bytes, where TestGenSN of a UDPEchoPlus packet is: 16 of the run,
    16 of the packet; of a smaller packet only the last ones.
    """
    head = (_run[0] + n).to_bytes(4, "big")[-len(packet) :]
    packet[: len(head)] = head


def echoes(answer, packet):
    """Whether `answer` is `packet`. A UDPEchoPlus server writes four words behind TestGenSN."""
    return (
        len(answer) == len(packet)
        and answer[:4] == packet[:4]
        and (answer[4:] == packet[4:] or (len(packet) >= 20 and answer[20:] == packet[20:]))
    )
