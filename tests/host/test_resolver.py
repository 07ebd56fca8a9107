"""Names to IPv4 addresses, whatever the resolver of the board returns."""

import socket

import pytest

from cwmp.runtime.resolver import Resolver

V4 = (socket.AF_INET, 1, 6, "", ("203.0.113.1", 3478))
V6 = (socket.AF_INET6, 1, 6, "", ("2001:db8::1", 3478, 0, 0))


def resolver(*entries):
    asked = []

    def getaddrinfo(host, port, family, kind):
        asked.append(host)
        return list(entries)

    return Resolver(getaddrinfo), asked


def test_stun_22_ipv4_is_taken_from_among_others():
    for entries in ([V4, V6], [V6, V4], [V6, V6, V4]):
        known, _ = resolver(*entries)
        assert known.lookup("stun.example", 3478) == V4[-1]


def test_stun_22_a_name_with_ipv6_only_is_an_error_that_says_so():
    for entries in ([V6], []):
        known, asked = resolver(*entries)
        for _ in range(2):
            with pytest.raises(OSError, match="no IPv4 address for stun.example"):
                known.lookup("stun.example", 3478)
        assert len(asked) == 2  # it may have one the next time


def test_b12_b20_a_name_is_remembered_until_it_is_forgotten():
    known, asked = resolver(V4)
    for _ in range(3):
        known.lookup("stun.example", 3478)
    assert len(asked) == 1
    known.forget("other.example")
    known.lookup("stun.example", 3478)
    assert len(asked) == 1
    known.forget("stun.example")
    known.lookup("stun.example", 3478)
    assert len(asked) == 2


def test_cwmp_01_an_acs_may_have_ipv6_only():
    known, asked = resolver(V6, V6)
    for _ in range(2):
        assert known.lookup("acs.example", 7547, 0) == V6[-1]
    assert len(asked) == 1
    for entries in ([V4, V6], [V6, V4]):
        assert resolver(*entries)[0].lookup("acs.example", 7547, 0) == V4[-1]
    with pytest.raises(OSError, match="no IPv4 address for acs.example"):
        known.lookup("acs.example", 7547)  # the STUN server of the same name
    with pytest.raises(OSError, match="for acs.example"):
        resolver()[0].lookup("acs.example", 7547, 0)
