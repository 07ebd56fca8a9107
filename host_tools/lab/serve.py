"""What the lab's servers on the command line share: addresses, signals and typed commands."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable

import typer

from host_tools.lab.stun_codec import Address


def address(text: str, default_port: int = 0) -> Address:
    """`host` or `host:port`; typer.BadParameter names what is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, default_port
    if not host or not port.isdigit() or int(port) > 65535:
        raise typer.BadParameter(f"{text!r} is not host:port")
    return host, int(port)


def show(where: Address) -> str:
    return f"{where[0]}:{where[1]}"


async def until_stopped() -> None:
    """Returns on SIGINT or SIGTERM, so that sockets are closed in good order."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


def on_typed_line(handle: Callable[[str], None]) -> None:
    """Call `handle` in the event loop for each line of standard input, until it ends.

    A daemon thread reads, because an event loop cannot watch a file or /dev/null.
    """
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            try:
                loop.call_soon_threadsafe(handle, line.strip())
            except RuntimeError:
                return  # the loop has ended

    threading.Thread(target=read, daemon=True).start()
