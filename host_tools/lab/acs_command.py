"""`lab acs`: the lab ACS, with its STUN server, on the command line."""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Annotated

import typer

from host_tools.errors import Failed, UserError
from host_tools.lab.acs import Acs
from host_tools.lab.acs_control import Control, Quit, describe
from host_tools.lab.cpe import Cpe
from host_tools.lab.provision import Provision
from host_tools.lab.serve import on_typed_line, show, until_stopped
from host_tools.lab.stun import StunServer


def _stun_user(text: str | None) -> tuple[str, str]:
    name, colon, password = (text or ":").partition(":")
    if not colon:
        raise typer.BadParameter("--stun-user takes name:password")
    return name, password


def _tls(certificate: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate)
    except (OSError, ssl.SSLError):
        raise UserError(f"no certificate and key in {certificate}") from None
    return context


def acs(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 7547,
    username: Annotated[
        str | None, typer.Option(help="What CPEs log in with; without it nobody needs to.")
    ] = None,
    password: Annotated[
        str, typer.Option(envvar="ACS_PASSWORD", help="The CPEs' password at this ACS.")
    ] = "",
    stun: Annotated[bool, typer.Option(help="Run the STUN server too.")] = True,
    stun_port: Annotated[int, typer.Option(help="Its UDP port; 0 takes a free one.")] = 3478,
    stun_host: Annotated[
        str, typer.Option(help="STUN server CPEs are told; empty: the ACS's own host.")
    ] = "",
    stun_user: Annotated[str | None, typer.Option(help="name:password told to CPEs.")] = None,
    keepalive: Annotated[int, typer.Option(min=0, help="STUNMinimumKeepAlivePeriod, s.")] = 30,
    provision: Annotated[bool, typer.Option(help="Set CPEs up so that they can be rung.")] = True,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM file with certificate and key: serve https.")
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(help="Command to carry out once a CPE has come; repeatable. Then leave."),
    ] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds an answer may take.")] = 60.0,
) -> None:
    """Run an ACS for any CPE; type `help` for what can be asked of the CPEs."""
    user, secret = _stun_user(stun_user)
    asyncio.run(
        _serve(
            Acs(host, port, username, password, tls=_tls(certificate)),
            StunServer(host, stun_port, credentials={user: secret} if user else None)
            if stun
            else None,
            Provision(
                stun_host,
                stun_port,
                user,
                secret,
                minimum_keepalive=keepalive,
                stun_enable=stun or bool(stun_host),
                unknown=True,
            )
            if provision
            else None,
            run or [],
            wait,
        )
    )


async def _serve(
    server: Acs,
    stun: StunServer | None,
    provision: Provision | None,
    commands: list[str],
    wait: float,
) -> None:
    def heard(kind: str, cpe: Cpe | None, what: object) -> None:
        typer.echo(describe(kind, cpe, what))

    server.listeners.append(heard)
    started: list[Acs | StunServer] = []
    signalled = asyncio.create_task(until_stopped())
    await asyncio.sleep(0)  # so that a signal is obeyed from the first line printed on
    try:
        if stun is not None:
            await _start(stun, started, show(stun.address))
            server.send_udp = stun.send
            typer.echo(f"stun listening on {show(stun.address)}")
        if provision is not None:
            server.set_provision(provision, stun.address[1] if stun is not None else 0)
        await _start(server, started, f"{server.host}:{server.port}")
        typer.echo(f"acs listening, ACS URL {server.url}")
        control = Control(server, typer.echo, wait)
        work = _in_turn(server, control, commands, wait) if commands else _typed(control)
        working = asyncio.create_task(work)
        await asyncio.wait([signalled, working], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    finally:
        signalled.cancel()
        for part in reversed(started):
            await part.stop()


async def _start(part: Acs | StunServer, started: list[Acs | StunServer], where: str) -> None:
    try:
        await part.start()
    except OSError as error:
        raise Failed(f"cannot listen on {where}: {error.strerror or error}") from error
    started.append(part)


async def _in_turn(server: Acs, control: Control, commands: list[str], wait: float) -> None:
    """Wait for a CPE and the end of its first session, then carry out the commands."""
    try:
        cpe = await server.wait_cpe(wait)
        await cpe.wait_session_end(1, wait)
    except TimeoutError as error:
        raise Failed(f"no CPE within {wait:g} s; its ACS URL must be {server.url}") from error
    for line in commands:
        try:
            typer.echo(await control.obey(line))
        except Quit:
            break
    for known in server.cpes.values():  # leave no CPE in the middle of a session
        if known.session is not None:
            with contextlib.suppress(TimeoutError):
                await known.wait_session_end(timeout=wait)


async def _typed(control: Control) -> None:
    """Obey typed lines, several at once if need be, until quit."""
    leave = asyncio.Event()
    running: set[asyncio.Task[None]] = set()

    async def one(line: str) -> None:
        try:
            text = await control.obey(line)
        except Quit:
            leave.set()
        except UserError as error:
            typer.echo(str(error), err=True)
        else:
            if text:
                typer.echo(text)

    def take(line: str) -> None:
        task = asyncio.get_running_loop().create_task(one(line))
        running.add(task)
        task.add_done_callback(running.discard)

    on_typed_line(take)
    try:
        await leave.wait()
    finally:
        for task in running:
            task.cancel()


def register(app: typer.Typer) -> None:
    app.command("acs")(acs)
