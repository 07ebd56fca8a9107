"""Waiting for something to become true in an asyncio program, without polling."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Watch:
    """Whoever changes the watched state calls `notify`; `until` looks again each time.

    `patience` stretches every timeout: a CPE in an emulator is slower than life.
    """

    patience = 1.0

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, look: Callable[[], T | None], timeout: float | None, what: str) -> T:
        """The first value of `look` other than None; after `timeout` s TimeoutError."""
        timeout = None if timeout is None else timeout * self.patience
        try:
            async with asyncio.timeout(timeout):
                while (found := look()) is None:
                    future = asyncio.get_running_loop().create_future()
                    self._waiting.add(future)
                    try:
                        await future
                    finally:
                        self._waiting.discard(future)
                return found
        except TimeoutError:
            raise TimeoutError(f"{what}: nothing within {timeout} s") from None
