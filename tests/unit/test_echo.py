"""What packets of a diagnostic test look like, and which answers are theirs."""

from cwmp.runtime import ping, udp_echo


def test_cwmp_40_a_udp_echo_has_the_numbers_of_run_and_packet():
    packet = udp_echo.packet(24)
    heads = []
    for n in (0, 1, 999):
        udp_echo.number(packet, n)
        heads.append(int.from_bytes(packet[:4], "big"))
    assert heads[1] - heads[0] == 1 and heads[2] - heads[0] == 999
    assert heads[0] & 0xFFFF == 0 and len(packet) == 24 and packet[4:] == bytes(20)


def test_cwmp_40_a_small_udp_echo_has_the_last_of_them():
    for size in (1, 2, 3, 4):
        packet = udp_echo.packet(size)
        udp_echo.number(packet, 258)
        assert len(packet) == size
        assert packet[-2:] == b"\1\2"[-size:]


def test_cwmp_40_an_answer_to_a_udp_echo_is_the_packet():
    for size in (1, 4, 19, 20, 24):
        packet = udp_echo.packet(size)
        udp_echo.number(packet, 0)
        answer = bytes(packet)
        assert udp_echo.echoes(answer, packet)
        for wrong in (b"", answer[:-1], answer + b"\0"):
            assert not udp_echo.echoes(wrong, packet)
        for at in range(size):
            wrong = bytearray(packet)
            wrong[at] ^= 1
            # A UDPEchoPlus server writes into bytes 4 to 19.
            assert udp_echo.echoes(bytes(wrong), packet) == (size >= 20 and 4 <= at < 20)
        udp_echo.number(packet, 1)
        assert not udp_echo.echoes(answer, packet)


def test_cwmp_40_a_ping_has_a_checksum_and_its_answer_the_same_number():
    packet = ping.packet(5)
    for n in (0, 7, 999):
        ping.number(packet, n)
        even = bytes(packet) + b"\0"
        total = sum([even[at] * 256 + even[at + 1] for at in range(0, len(even), 2)])
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        assert total == 0xFFFF
        reply = b"\x46" + bytes(23) + b"\0" + bytes(packet[1:])
        assert ping.echoes(reply, packet)
        assert not ping.echoes(b"\x46" + bytes(23) + bytes(packet), packet)  # the request itself
        for size in range(32):
            assert not ping.echoes(reply[:size], packet)
        ping.number(packet, n + 1)
        assert not ping.echoes(reply, packet)
