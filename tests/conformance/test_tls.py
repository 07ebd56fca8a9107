"""TLS to the ACS: verified with the site's CA, or refused with a clear line (B17, B23)."""

import asyncio
import json
from typing import Any

import pytest

from host_tools.lab.certificates import NAME, Certificates
from host_tools.lab.ntp import NtpServer
from tests.conformance.rig import MakeRig, Rig

pytestmark = pytest.mark.capability("files")


async def over_tls(
    make_rig: MakeRig,
    certificates: Certificates,
    ca: str | None = "ca.pem",
    host: str | None = None,
    days: tuple[int, int] = (-1, 30),
    **acs: Any,
) -> Rig:
    """A rig whose ACS has https; the CPE knows it as localhost, or by its address."""
    context = certificates.server("acs", NAME, days)
    rig = await make_rig(acs={"tls": context})
    name = known_as(rig)
    if host or name != NAME:
        certificates.server("acs", host or name, days)
        context.load_cert_chain(certificates.folder / "acs.pem", certificates.folder / "acs.key")
    section = {**rig.site["acs"], "url": rig.acs.url.replace(rig.host, name), **acs}
    if ca:
        section["ca"] = str(certificates.folder / ca)
    rig.site = {**rig.site, "acs": section}
    if rig.can("unset_clock"):
        server = await rig.closing.enter_async_context(NtpServer(rig.host))
        rig.site["time"] = {"ntp_server": "{}:{}".format(*server.address)}
    rig.board.configure(rig.site)
    return rig


def known_as(rig: Rig) -> str:
    """What the CPE knows the host of the ACS as."""
    return NAME if rig.can("loopback") else rig.host


async def refused(rig: Rig, reason: str) -> None:
    await rig.start()
    await rig.board.seen(rf'^W \d+ session: failed reason="[^"]*{reason}')
    assert rig.acs.cpes == {}


async def test_a_session_over_tls_with_the_ca_of_the_site(make_rig, certificates):
    rig = await over_tls(make_rig, certificates)
    await rig.ready()
    session = await rig.wake()
    assert session.ok
    assert "NOT VERIFIED" not in rig.board.said()


async def test_the_ca_lies_on_the_flash_as_der(make_rig, certificates):
    rig = await over_tls(make_rig, certificates)
    assert rig.board.target.read_file("acs_ca.der")[:1] == b"\x30"
    assert json.loads(rig.board.target.read_file("site.json"))["acs"]["ca"] == "acs_ca.der"


async def test_b17_a_certificate_of_another_ca_is_refused(make_rig, certificates):
    rig = await over_tls(make_rig, certificates, ca="other.pem")
    await refused(rig, "tls .*not correctly signed by the trusted CA")


async def test_b17_a_certificate_for_another_name_is_refused(make_rig, certificates):
    rig = await over_tls(make_rig, certificates, host="acs.example.net")
    await refused(rig, "tls .*does not match with the expected CN")


async def test_b17_an_expired_certificate_is_refused(make_rig, certificates):
    rig = await over_tls(make_rig, certificates, days=(-20, -10))
    await refused(rig, "tls .*validity has expired")


async def test_b17_a_certificate_not_valid_yet_is_refused(make_rig, certificates):
    rig = await over_tls(make_rig, certificates, days=(5, 30))
    await refused(rig, "tls .*validity starts in the future")


async def test_b17_a_certificate_signed_by_itself_is_refused(make_rig, certificates):
    """The key and the name are right, and nobody vouches for them."""
    rig = await over_tls(make_rig, certificates)
    rig.acs.tls.load_cert_chain(*certificates.own("own"))
    await refused(rig, "tls .*not correctly signed by the trusted CA")


async def test_b17_a_server_without_tls_is_refused(make_rig, certificates):
    """https to a port that speaks plain HTTP: it gets to see nothing of ours."""
    heard = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(4096))
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    rig = await over_tls(make_rig, certificates)
    async with await asyncio.start_server(plain, rig.host, 0) as server:
        port = server.sockets[0].getsockname()[1]
        section = {**rig.site["acs"], "url": f"https://{NAME}:{port}/acs"}
        rig.board.configure({**rig.site, "acs": section})
        await refused(rig, "tls error ")
        await rig.stop()
    assert heard[:1] == b"\x16" and b"POST" not in heard and b"Inform" not in heard


async def test_b17_the_certificate_is_checked_again_on_every_connection(make_rig, certificates):
    """One that expires while the board runs ends the next session, and no event is lost."""
    rig = await (await over_tls(make_rig, certificates)).ready()
    certificates.server("late", days=(-20, -10))
    files = (certificates.folder / "late.pem", certificates.folder / "late.key")
    rig.acs.tls.load_cert_chain(*files)
    await rig.command("set Device.DeviceInfo.ProvisioningCode over-tls")
    await rig.board.seen(r'^W \d+ session: failed reason="tls .*validity has expired')
    assert await rig.command("events") == ["changed: Device.DeviceInfo.ProvisioningCode"]
    rig.acs.tls.load_cert_chain(certificates.folder / "acs.pem", certificates.folder / "acs.key")
    inform = await rig.cpe.wait_inform("4 VALUE CHANGE", 1)
    await rig.cpe.wait_session_end(inform.session)
    await rig.idle()


async def test_b17_without_a_ca_nothing_is_trusted(make_rig, certificates):
    rig = await over_tls(make_rig, certificates, ca=None)
    await refused(rig, "tls no CA to check the ACS with: set acs.ca")


async def test_b17_not_verifying_is_a_switch_that_the_log_shouts_about(make_rig, certificates):
    rig = await over_tls(make_rig, certificates, ca=None, tls_verify=False)
    await rig.ready()
    assert "TLS NOT VERIFIED: anybody can pose as the ACS" in rig.board.said()


@pytest.mark.parametrize("content", [b"", b"no certificate"], ids=["empty", "text"])
async def test_a_damaged_ca_on_the_flash_is_named(make_rig, certificates, content):
    rig = await over_tls(make_rig, certificates)
    rig.board.target.write_file("acs_ca.der", content)
    await refused(rig, "tls no certificate in acs_ca.der")


async def test_a_ca_missing_on_the_flash_is_named(make_rig, certificates):
    rig = await over_tls(make_rig, certificates)
    rig.board.target.write_file("acs_ca.der", None)
    await refused(rig, "tls cannot read the CA in acs_ca.der")
