"""TcpTap between a real client and a real server on loopback."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from host_tools.capture import read, streams
from host_tools.capture.recorder import Recorder
from host_tools.capture.tap import TcpTap

ANY = ("127.0.0.1", 0)
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def tapped(
    recorder: Recorder | None = None, handler: Handler = echo
) -> AsyncIterator[TcpTap]:
    server = await asyncio.start_server(handler, *ANY)
    target = server.sockets[0].getsockname()[:2]
    async with TcpTap(ANY, target, recorder) as tap:
        yield tap
    server.close()


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def test_both_directions_are_relayed_and_recorded(tmp_path):
    sent = bytes(range(256)) * 4000  # about 1 MB: needs back-pressure

    async def main() -> bytes:
        with Recorder(tmp_path / "tap.pcapng") as recorder:
            async with tapped(recorder) as tap:
                reader, writer = await asyncio.open_connection(*tap.address)
                writer.write(sent)
                writer.write_eof()
                got = await reader.read()
                writer.close()
                await writer.wait_closed()
                return got

    assert run(main()) == sent
    capture = read.read(tmp_path / "tap.pcapng")
    (connection,) = streams.connections(capture.segments)
    for side in (connection.to_server, connection.to_client):
        assert [bytes(run.data) for run in side.runs] == [sent]
    assert not connection.reset
    assert capture.interfaces == ["acs"]


def test_the_record_names_the_address_the_client_used(tmp_path):
    async def main() -> tuple[object, object]:
        with Recorder(tmp_path / "tap.pcapng") as recorder:
            async with tapped(recorder) as tap:
                reader, writer = await asyncio.open_connection(*tap.address)
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                return writer.get_extra_info("sockname"), tap.address

    client, server = run(main())
    (connection,) = streams.connections(read.read(tmp_path / "tap.pcapng").segments)
    assert (connection.client, connection.server) == (client, server)


def test_cut_breaks_every_connection_with_a_reset(tmp_path):
    async def main() -> list[int]:
        with Recorder(tmp_path / "tap.pcapng") as recorder:
            async with tapped(recorder) as tap:
                pairs = [await asyncio.open_connection(*tap.address) for _ in range(3)]
                for reader, writer in pairs:
                    writer.write(b"x")
                    await reader.readexactly(1)
                counts = [tap.cut(), tap.cut()]
                for reader, _ in pairs:
                    with pytest.raises(ConnectionResetError):
                        await reader.readexactly(1)
                # The tap goes on listening after a cut.
                reader, writer = await asyncio.open_connection(*tap.address)
                writer.write(b"y")
                assert await reader.readexactly(1) == b"y"
                return counts

    assert run(main()) == [3, 0]
    found = streams.connections(read.read(tmp_path / "tap.pcapng").segments)
    assert [connection.reset for connection in found][:3] == [True, True, True]


def test_cut_after_passes_exactly_that_many_bytes(tmp_path):
    async def talk(tap: TcpTap) -> bytes:
        reader, writer = await asyncio.open_connection(*tap.address)
        got = b""
        writer.write(b"0123456789")
        with contextlib.suppress(ConnectionResetError):
            while data := await reader.read(100):
                got += data
                if len(got) == 10:
                    return got
        return got

    async def main() -> list[bytes]:
        with Recorder(tmp_path / "tap.pcapng") as recorder:
            async with tapped(recorder) as tap:
                tap.cut_after(14)  # 10 to the server, 4 of the echo
                return [await talk(tap), await talk(tap)]

    assert run(main()) == [b"0123", b"0123456789"]
    first = streams.connections(read.read(tmp_path / "tap.pcapng").segments)[0]
    assert bytes(first.to_server.runs[0].data) == b"0123456789"
    assert bytes(first.to_client.runs[0].data) == b"0123"
    assert first.reset


def test_cut_after_zero_lets_nothing_through():
    async def main() -> bytes:
        async with tapped() as tap:
            tap.cut_after(0)
            reader, writer = await asyncio.open_connection(*tap.address)
            writer.write(b"x")
            with contextlib.suppress(ConnectionResetError):
                return await reader.read(1)
            return b""

    assert run(main()) == b""


def test_a_closed_target_port_resets_the_client():
    with socket.socket() as unused:
        unused.bind(ANY)
        target = unused.getsockname()

        async def main() -> None:
            async with TcpTap(ANY, target) as tap:
                reader, writer = await asyncio.open_connection(*tap.address)
                writer.write(b"x")
                with pytest.raises(ConnectionResetError):
                    await reader.readexactly(1)

        run(main())


def test_half_close_reaches_the_server_and_the_answer_comes_back():
    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read()  # until the client's FIN
        writer.write(str(len(data)).encode())
        writer.close()

    async def main() -> bytes:
        async with tapped(handler=count) as tap:
            reader, writer = await asyncio.open_connection(*tap.address)
            writer.write(b"x" * 1234)
            writer.write_eof()
            return await reader.read()

    assert run(main()) == b"1234"


def test_small_writes_are_not_held_back():
    async def main() -> list[int]:
        async with tapped() as tap:
            await asyncio.open_connection(*tap.address)
            reader, writer = await asyncio.open_connection(*tap.address)
            writer.write(b"x")
            await reader.readexactly(1)
            sides = [side for pair in tap._pairs for side in (pair.client, pair.server)]
            return [
                side.transport.get_extra_info("socket").getsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY
                )
                for side in sides
                if side and side.transport
            ]

    options = run(main())
    assert len(options) >= 2 and all(options)
