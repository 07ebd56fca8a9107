"""A board on Wi-Fi: a real one with --site for its network, or boards/qemu_esp32_wifi."""

import asyncio
from typing import Any

import pytest

from tests.conformance.rig import Rig

pytestmark = [pytest.mark.capability("wifi"), pytest.mark.timeout(600)]


async def network_refused(rig: Rig, network: dict[str, Any], status: str) -> None:
    """With `network` the board says why it has none, and with its own it is woken again."""
    right = rig.site
    wrong = {**right, "network": {**right.get("network", {}), **network}}
    await asyncio.to_thread(rig.board.restart_with, wrong)
    await rig.board.seen(f"net: connecting status=({status})", 120)
    seen = len(rig.cpe.informs)
    await asyncio.to_thread(rig.board.restart_with, right)
    await rig.informed("1 BOOT", seen)
    await rig.ready()
    assert (await rig.wake()).ok


async def test_b22_a_board_on_wifi_is_woken_by_udp_and_by_tcp(rig: Rig):
    """Its radio's buffers leave less memory than any other network."""
    for _ in range(3):
        assert (await rig.wake()).ok
    seen = len(rig.cpe.informs)
    assert (await rig.ring_tcp()).status == 200
    await rig.informed("6 CONNECTION REQUEST", seen)
    await rig.idle()
    said = rig.board.said()
    assert "send-failed" not in said and "net: lost" not in said


async def test_b22_a_network_that_is_not_there_is_said_and_the_right_one_heals_it(rig: Rig):
    await network_refused(rig, {"ssid": "nobody-has-this-network"}, "no-such-network")


@pytest.mark.capability("wifi_password")
async def test_b22_a_wrong_password_is_said_and_the_right_one_heals_it(rig: Rig):
    wrong = {"password": "not the password"}
    await network_refused(rig, wrong, "wrong-password|handshake-timeout")
    assert "not the password" not in rig.board.said()
