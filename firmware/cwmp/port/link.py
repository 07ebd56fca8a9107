"""Keeps a network link up. A driver's own word that it is connected is only half the truth (B22):
a link over which nobody has answered for long is taken down and brought up again.

A driver is a `Link` with `up()`, `down()`, `address()` ("" while there is none) and `status()`, a
word for the log. None of them waits for the network.
"""

import asyncio

from micropython import const

_POLL = const(500)  # ms
_SHOWN = const(20)  # polls between two lines that say there is no link
_PATIENCE = const(60000)  # ms without an address until the driver is started afresh
_NAP = const(2000)  # ms between down and up: an access point must notice (mqtt_as waits, too)
_SILENCE = const(300000)  # ms without any answer until the link is no longer trusted
_SILENCE_MAX = const(4800000)


class Keeper:
    """One task that looks at the link twice a second; `changed()` is called when it is back."""

    def __init__(self, link, log, changed):
        self._link = link
        self.log = log
        self._changed = changed
        self._limit = self._next = _SILENCE
        self.restart = False  # as soon as it may
        self.task = None

    async def start(self):
        """Return when the link is up for the first time; it is kept up from then on."""
        self._up()
        await self._until_up()
        self.task = asyncio.create_task(self._keep())

    def stop(self):
        if self.task:
            self.task.cancel()

    def silent(self, ms):
        """See `Port.silent`. A link that looks well is started afresh after 5 minutes of silence,
        then after twice as long, so that a server that is gone does not cost the device its
        network again and again. Returns whether it is.
        """
        if not ms:
            self._limit = self._next = _SILENCE
        elif ms >= self._next:
            self._limit = min(2 * self._limit, _SILENCE_MAX)
            self._next = ms + self._limit
            self.log("W", "net", "distrusted silent_s={}".format(ms // 1000))
            self.restart = True
            return True
        return False

    async def _keep(self):
        while True:
            await asyncio.sleep_ms(_POLL)
            if self.restart:
                await self._afresh()
            elif self._link.address():
                continue
            else:
                self.log("W", "net", "lost status={}".format(self._link.status()))
            await self._until_up()
            self._changed()

    async def _until_up(self):
        # The driver reconnects by itself, most of the time.
        link = self._link
        polls = 0
        while not link.address():
            if polls % _SHOWN == 0:
                self.log("I", "net", "connecting status={}".format(link.status()))
            polls += 1
            await asyncio.sleep_ms(_POLL)
            if polls * _POLL >= _PATIENCE:
                await self._afresh()
                polls = 0
        self.log("I", "net", "up address={}".format(link.address()))

    async def _afresh(self):
        self.restart = False
        try:
            self._link.down()
        except OSError:
            pass  # it may have been down already
        await asyncio.sleep_ms(_NAP)
        self._up()

    def _up(self):
        try:
            self._link.up()
        except (OSError, MemoryError) as error:
            self.log("W", "net", 'failed error="{}"'.format(repr(error)))
