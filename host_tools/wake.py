"""Wake any CPE: send it one UDP Connection Request in several copies, or, given a
ConnectionRequestURL, one TCP Connection Request; say what was sent.

Needs no ACS and no STUN server. Behind a NAT the request only passes when it leaves from the
address and port the CPE's keepalives go to (X13): give that port as the source port, on that
machine.
"""

import asyncio
import errno
import re
import socket
import time
from dataclasses import dataclass

import typer
from rich.console import Console
from rich.markup import escape

from host_tools.errors import Failed, UserError
from host_tools.lab import tcp_request, udp_request

DEFAULT_PORT = 80  # an address without a port means this one (STUN-61)


@dataclass(frozen=True)
class Sent:
    """What left this machine: destination and source as (IPv4, port), and the signed datagram."""

    to: tuple[str, int]
    source: tuple[str, int]
    copies: int
    request: udp_request.Signed


def split_address(address: str) -> tuple[str, int]:
    """Read `host:port` or `host` as `UDPConnectionRequestAddress` writes it (STUN-61)."""
    if "://" in address or "/" in address or "@" in address or not address.strip():
        raise UserError(f"'{address}' is not an address: write host:port, as the CPE reports it")
    if address.startswith("[") or address.count(":") > 1:
        raise UserError(f"'{address}': only IPv4 addresses and host names can be called")
    host, colon, port = address.partition(":")
    if not host:
        raise UserError(f"'{address}' names no host: write host:port")
    if not colon:
        return host, DEFAULT_PORT
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise UserError(f"'{port}' is not a port: write a number from 1 to 65535 after the colon")
    return host, int(port)


def resolve(host: str) -> str:
    """Return one IPv4 address of the host; UserError when there is none."""
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise UserError(f"host '{host}' cannot be resolved: {error}") from error
    return str(found[0][4][0])


def open_source(host: str, port: int) -> socket.socket:
    """Return a UDP socket bound to the source; UserError when the port is taken or not allowed."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"source port {port} is in use here: stop what holds it"
                f" (ss -ulpn 'sport = {port}') or leave --source-port out"
            ) from error
        if error.errno == errno.EACCES:
            raise UserError(
                f"source port {port} needs more rights; take one above 1023"
            ) from error
        raise UserError(f"cannot send from {host or '*'}:{port}: {error.strerror}") from error
    return sock


def _digits(what: str, value: str) -> str:
    if not re.fullmatch(r"[0-9]{1,20}", value):
        raise UserError(f"--{what} '{value}': 1 to 20 decimal digits are wanted")
    return value


def wake(
    address: str,
    username: str,
    password: str,
    *,
    ts: str | None = None,
    id: str | None = None,
    cn: str | None = None,
    copies: int = 3,
    interval_ms: int = 0,
    source_host: str = "",
    source_port: int = 0,
    style: str = "spec",
) -> Sent:
    """Send one UDP Connection Request in `copies` identical copies (UCR-22), return what was sent.

    `ts` and `id` are digit strings, sent and signed exactly as given; None makes fresh ones.
    UserError when it cannot be built or sent.
    """
    host, port = split_address(address)
    if not username or not password:
        raise UserError("username and password must not be empty: no CPE takes such a request")
    try:
        new_ts, new_id, new_cn = udp_request.fresh(style)
        request = udp_request.compose(
            username,
            password,
            host,
            port,
            new_ts if ts is None else _digits("ts", ts),
            new_id if id is None else _digits("id", id),
            new_cn if cn is None else cn,
            style,
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    if len(request.datagram) > udp_request.MAX_DATAGRAM:
        raise UserError(
            f"the datagram would have {len(request.datagram)} bytes, a CPE reads at most "
            f"{udp_request.MAX_DATAGRAM}: take a shorter username or cn"
        )
    to = (resolve(host), port)
    with open_source(source_host, source_port) as sock:
        for copy in range(copies):
            if copy and interval_ms:
                time.sleep(interval_ms / 1000)
            try:
                sock.sendto(request.datagram, to)
            except OSError as error:
                raise UserError(f"cannot send to {to[0]}:{to[1]}: {error.strerror}") from error
        return Sent(to, sock.getsockname(), copies, request)


def report(sent: Sent, console: Console) -> None:
    """Print what was sent: addresses, the datagram by lines, the signed text; no password."""
    times = "1 copy" if sent.copies == 1 else f"{sent.copies} copies"
    size = len(sent.request.datagram)
    console.print(
        f"[bold]sent[/] {times} of {size} bytes to {sent.to[0]}:{sent.to[1]}"
        f" from UDP port {sent.source[1]}",
        highlight=False,
    )
    console.print("[bold]datagram[/]")
    for line in sent.request.datagram.decode().splitlines():
        console.print(f"  {escape(line)}", soft_wrap=True, highlight=False)
    console.print("[bold]signed text[/] ts, id, un, cn without anything between")
    signed = escape(sent.request.text.decode())
    console.print(f"  {signed}", soft_wrap=True, highlight=False)
    console.print(f"[bold]HMAC-SHA1[/] {sent.request.sig}", highlight=False)
    console.print("A CPE never answers; look for an Inform with 6 CONNECTION REQUEST at its ACS.")


def wake_by_tcp(url: str, username: str, password: str, console: Console) -> None:
    """Ring at a ConnectionRequestURL and print the answer; Failed unless it is a yes."""
    if not username or not password:
        raise UserError("username and password must not be empty: no CPE takes such a request")
    answer = asyncio.run(tcp_request.ring(url, username, password))
    place = tcp_request.split_url(url)
    console.print(
        f"[bold]sent[/] GET {escape(place.target)} with Digest to {place.host}:{place.port}",
        highlight=False,
    )
    meaning = {
        401: "wrong username or password",
        404: "another path than that of its ConnectionRequestURL",
        503: "busy, or its rate limit is reached",
    }
    if answer.status not in (200, 204):
        why = meaning.get(answer.status, "no Connection Request was expected there")
        raise Failed(f"the CPE answered {answer.status}: {why}")
    console.print(f"[bold]answer[/] {answer.status}", highlight=False)
    console.print("It comes now; look for an Inform with 6 CONNECTION REQUEST at its ACS.")


def wake_command(
    address: str = typer.Argument(
        help="host:port, the CPE's UDPConnectionRequestAddress (port 80 when left out),"
        " or its ConnectionRequestURL, to ring by TCP"
    ),
    username: str = typer.Option(..., "--username", "-u", help="ConnectionRequestUsername"),
    password: str = typer.Option(
        ...,
        "--password",
        "-p",
        envvar="CWMP_PASSWORD",
        help="ConnectionRequestPassword; the environment variable keeps it out of the history",
    ),
    ts: str | None = typer.Option(None, "--ts", help="digits, sent as given [now]"),
    id: str | None = typer.Option(None, "--id", help="digits, sent as given [random]"),
    cn: str | None = typer.Option(None, "--cn", help="any text [random]"),
    copies: int = typer.Option(3, "--copies", min=1, max=1000),
    interval_ms: int = typer.Option(0, "--interval-ms", min=0, help="pause between copies"),
    source_port: int = typer.Option(
        0, "--source-port", min=0, max=65535, help="behind a NAT: the STUN server's port"
    ),
    source_host: str = typer.Option("", "--source-host", help="local IPv4 address to send from"),
    style: str = typer.Option(
        "spec", "--style", help=f"how the sender writes: {', '.join(udp_request.STYLES)}"
    ),
) -> None:
    """Send a UDP Connection Request, or a TCP one to a URL, to a CPE and show what was sent."""
    if address.startswith("http:"):
        wake_by_tcp(address, username, password, Console())
        return
    sent = wake(
        address,
        username,
        password,
        ts=ts,
        id=id,
        cn=cn,
        copies=copies,
        interval_ms=interval_ms,
        source_host=source_host,
        source_port=source_port,
        style=style,
    )
    report(sent, Console())


def register(app: typer.Typer) -> None:
    app.command("wake")(wake_command)
