"""Other people's HTTP clients, with their own digest, ring the firmware by TCP (TCR-10 to 13).

curl and aiohttp: one keeps the connection after the 401 and asks again on it, the other may come
again on a new one.
"""

import asyncio

import aiohttp
import pytest

from tests.conformance.rig import RING, MakeRig, Rig, make_rig, rig
from tests.interop.servers import require

__all__ = ["make_rig", "rig"]

pytestmark = [pytest.mark.asyncio, pytest.mark.interop]


async def curl(rig: Rig, *options: str, password: str | None = None) -> tuple[int, int]:
    """-> status of the last answer, connections made."""
    known = rig.cpe.connection_request
    process = await asyncio.create_subprocess_exec(
        require("curl", "curl"),
        *(
            "--silent",
            "--show-error",
            "--max-time",
            "10",
            "--noproxy",
            "*",
            "--output",
            "/dev/null",
        ),
        *("--write-out", "%{http_code} %{num_connects}", *options),
        *("--user", f"{known.username}:{known.password if password is None else password}"),
        rig.url,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    status, connections = out.decode().split()
    return int(status), int(connections)


async def test_tcr_10_11_13_curl_rings_on_one_connection(rig: Rig) -> None:
    seen = len(rig.cpe.informs)
    assert await curl(rig, "--digest") == (200, 1)
    await rig.informed(RING, seen)
    await rig.idle()
    seen = len(rig.cpe.informs)
    # A body, which is ignored; a name that has to be escaped stands in the conformance tests.
    assert await curl(rig, "--digest", "-X", "GET", "--data", "a=b") == (200, 1)
    await rig.informed(RING, seen)


async def test_tcr_10_12_curl_is_refused_with_a_wrong_password_and_with_basic(rig: Rig) -> None:
    seen = len(rig.cpe.informs)
    assert (await curl(rig, "--digest", password="wrong"))[0] == 401
    assert (await curl(rig, "--basic"))[0] == 401
    assert (await curl(rig, "--digest", "-X", "POST"))[0] == 405
    await rig.idle()
    assert len(rig.cpe.informs) == seen


async def test_tcr_13_curl_over_http_1_0_comes_again_on_a_new_connection(rig: Rig) -> None:
    seen = len(rig.cpe.informs)
    assert await curl(rig, "--digest", "--http1.0") == (200, 2)
    await rig.informed(RING, seen)


async def test_tcr_11_13_aiohttp_rings_again_with_the_same_nonce(make_rig: MakeRig) -> None:
    rig = await (await make_rig()).ready()
    known = rig.cpe.connection_request
    login = aiohttp.DigestAuthMiddleware(known.username, known.password)
    async with aiohttp.ClientSession(middlewares=(login,)) as client:
        for _ in range(3):
            seen = len(rig.cpe.informs)
            async with client.get(rig.url) as answer:
                assert answer.status == 200 and await answer.read() == b""
            await rig.informed(RING, seen)
            await rig.idle()
    status = "\n".join(await rig.command("status"))
    # The first answer was a challenge, the others came with the nonce that is known.
    assert "accepted=3 challenged=1" in status or "accepted=3 challenged=3" in status
    wrong = aiohttp.DigestAuthMiddleware(known.username, "wrong")
    async with (
        aiohttp.ClientSession(middlewares=(wrong,)) as client,
        client.get(rig.url) as answer,
    ):
        assert answer.status == 401
