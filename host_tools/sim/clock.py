"""Simulated time and chance, the same in every run and under both interpreters."""

import heapq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DAY = 86_400_000  # ms


class Clock:
    """`now` in whole ms; `at` notes what is to happen, `pop` brings it about."""

    def __init__(self) -> None:
        self.now = 1000
        self._events: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._count = 0

    def at(self, when: int, action: "Callable[..., None]", *arguments: object) -> None:
        """Call `action(*arguments)` at `when`, behind what was noted for that time before."""
        self._count += 1
        heapq.heappush(self._events, (when, self._count, action, arguments))

    def next(self) -> "int | None":
        """When the next event is due, None: there is none."""
        return self._events[0][0] if self._events else None

    def pop(self) -> None:
        """Go on to the next event and let it happen."""
        when, _, action, arguments = heapq.heappop(self._events)
        self.now = max(self.now, when)
        action(*arguments)


class Chance:
    """Numbers by chance from a seed."""

    def __init__(self, seed: int) -> None:
        self._state = (seed * 2654435761 + 1) & 0xFFFFFFFF or 1
        self.below(2)

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""
        state = self._state  # xorshift32
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        self._state = state = state ^ state << 5 & 0xFFFFFFFF
        return (state >> 3) % limit

    def bytes(self, count: int) -> bytes:
        """Return `count` bytes."""
        return bytes([self.below(256) for _ in range(count)])
