"""What an IPPing (ICMP echo) has of its own. See `echo`."""

import os
import socket

from micropython import const

NAME = "ping"
UNIT = 1000  # us: IPPing counts milliseconds
LONGER = 60  # the IP header that comes before an answer
_ICMP = const(1)
_ECHO = const(8)
_HEADER = const(8)


def opened(address):
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, _ICMP)


def packet(size):
    made = bytearray(_HEADER + size)  # zeros: the checksum is that of the header
    made[0] = _ECHO
    made[4:6] = os.urandom(2)
    return made


def number(packet, n):
    packet[6:8] = n.to_bytes(2, "big")
    packet[2:4] = bytes(2)
    total = _ECHO * 256
    for at in (4, 6):
        total += packet[at] * 256 + packet[at + 1]
    packet[2:4] = (~(total + (total >> 16)) & 0xFFFF).to_bytes(2, "big")


def echoes(answer, packet):
    # All ICMP of this host comes here, the IP header before it.
    at = (answer[0] & 15) * 4 if answer else 0
    return (
        len(answer) >= at + _HEADER and answer[at] == 0 and answer[at + 4 : at + 8] == packet[4:8]
    )
