"""The listening socket for TCP Connection Requests (TCR-03). Loaded where they are wanted; what
reads and judges them is a slice, `runtime/tcp_visit.py`, loaded when somebody connects.
"""

import asyncio
import time
from asyncio import core  # type: ignore  # the stubs do not know it

from micropython import const

from .poll import forget, readable
from .slices import borrow, drop_all

_TICK = const(100)  # ms between two looks at who has run out of time
_AGAIN = const(2000)  # ms until a port that is in use is tried again
_LINGER = const(3000)  # ms without a visit until the slice goes: who comes next must not load it
_SILENT = const(1)  # as in `tcp_visit`, which is not loaded while nobody is there
_SLICE = "runtime.tcp_visit core.tcp_request wire.http_request"


class Doorbell:
    """Hands connections to the visits of `runtime/tcp_visit.py`. `error`: why it does not listen.

    `counts`: {what became of a request: [how often, of these logged, when]}; `state`: see
    `core/tcp_request.py`; `used`: microseconds that visits took since the last pause.
    """

    def __init__(self, agent):
        self.agent = agent
        self.counts = {}
        self.state = None
        self.visits = []
        self.used = 0
        self.error = ""
        self._socket = self._task = self._watcher = None
        self._loaded = False

    @property
    def listening(self):
        return self._socket is not None

    def open(self, wanted):
        """Listen, or stop doing so, and part with whoever is there (TCR-25)."""
        if wanted and self._task is None:
            self._task = asyncio.create_task(self._run())
        elif not wanted and self._task:
            _cancel(self._task)
            self._task = None
            self._close(self._socket)
            self._socket = None
            self.error = ""
            while self.visits:
                self.end(self.visits[0])

    def end(self, visit):
        """Close the connection of a visit, if it is still there."""
        if visit in self.visits:
            self.visits.remove(visit)
            self._close(visit.sock)
            _cancel(visit.task)

    def _close(self, sock):
        if sock:
            forget(sock)
            sock.close()

    async def _run(self):
        agent = self.agent
        port = agent.site["connection_request"]["port"]
        while True:
            try:
                if self._socket is None:
                    self._socket = borrow("runtime.tcp_listen").listen(port)
                    self.error = ""
                    agent.log("I", "net", "doorbell tcp={}".format(port))
                await self._accept()
            except OSError as error:  # the port is taken
                text = "TCP port {} cannot be opened ({})".format(port, error)
                if text != self.error:
                    agent.log("W", "net", text)
                self.error = text
            except Exception as error:  # noqa: BLE001 - a stranger must not make it deaf
                agent.internal("cr", error)
            await asyncio.sleep_ms(_AGAIN)

    async def _accept(self):
        share = self.agent.site["connection_request"]["cpu_share_percent"]
        while True:
            await readable(self._socket)
            try:
                sock = self._socket.accept()[0]
                sock.setblocking(False)
            except OSError:  # who knocked is gone, or there are too many sockets
                await asyncio.sleep_ms(_TICK)
                continue
            try:
                from .tcp_visit import admit  # noqa: PLC0415 - a slice

                self._loaded = True
                start = time.ticks_us()  # loading is not what strangers ask for all the time
                admit(self, sock)
            except MemoryError:
                sock.close()
                raise
            if self._watcher is None or self._watcher.done():
                self._watcher = asyncio.create_task(self._watch())
            # What strangers ask for may take its share of the time, and no more (UCR-33).
            used = self.used + time.ticks_diff(time.ticks_us(), start)
            self.used = 0
            await asyncio.sleep_ms(used * (100 - share) // share // 1000)

    async def _watch(self):
        # One for all visits; it ends some time after the last of them.
        quiet = 0
        while quiet < _LINGER:
            quiet = 0 if self.visits else quiet + _TICK
            now = self.agent.now()
            for visit in list(self.visits):
                if now >= visit.until:
                    visit.expire()
            await asyncio.sleep_ms(_TICK)
        self.rest()

    def rest(self, busy=False):
        """Drop what only visits need, where memory is scarce and nobody is there. `busy`: show
        those out who have asked nothing yet.
        """
        if not self.agent.saving:
            return
        if busy:
            for visit in list(self.visits):
                if visit.importance == _SILENT:
                    self.end(visit)
        if self._loaded and not self.visits:
            self._loaded = False
            drop_all(_SLICE)

    async def serve(self, visit):
        """Run a visit to its end."""
        try:
            await visit.run()
        except OSError:
            pass  # it hung up
        except Exception as error:  # noqa: BLE001 - one request is lost, not the agent
            self.agent.internal("cr", error)
        finally:
            self.end(visit)
            if self.agent.in_session:
                self.rest()


def _cancel(task):
    if task is not core.cur_task:  # which ends by itself
        task.cancel()
