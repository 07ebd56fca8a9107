"""Feeds the watchdog while every task is alive, says when a boot was a good one, and tells the
port when the network has fallen silent.
"""

import asyncio

from micropython import const

from ..core import nat_binding
from .agent import LONGEST_SLEEP

_GOOD = const(60000)  # ms of running that make a boot a good one
_SLACK = const(30000)  # ms that blocking calls (getaddrinfo, TLS) may delay a task
_SILENT = ("connect", "cannot", "timeout", "no")  # reasons of a session that met no ACS


class Supervisor:
    """Looks at `agent` six times per timeout of the watchdog, which starts only at the first look:
    before that, Ctrl-C leads to a prompt that nothing will interrupt.
    """

    def __init__(self, agent):
        self._agent = agent
        self._told = ""
        self._proven = False
        self._turns = -1  # of the reader, when a datagram was last seen to wait for it
        self._well = 0  # when somebody last answered, or nobody was asked
        self._sessions = 0

    async def run(self):
        agent = self._agent
        port = agent.port
        feed = None
        while True:
            await asyncio.sleep_ms(port.watchdog_s * 1000 // 6)
            if feed is None:
                feed = port.watchdog(port.watchdog_s) or _nothing
            now = agent.now()
            if not self._proven and now >= _GOOD:
                self._proven = True
                port.set_failed_boots(0)
            hung = self._hung(now)
            if not hung:
                feed()
            elif hung != self._told:
                agent.log("E", "boot", "hung task={}; the watchdog is not fed".format(hung))
            self._told = hung
            if agent.udp is not None:
                port.silent(self._silence(now))

    def _hung(self, now):
        # The name of a task that is dead, or that should have moved and did not; "": none.
        agent = self._agent
        if agent.udp is None:  # still waiting for the network
            return ""
        for name, task in agent.tasks + agent.port.tasks:
            if task.done():
                return name
        if now - agent.beat > LONGEST_SLEEP + _SLACK:
            return "time"
        guard = agent.site["limits"]["session_guard_s"] * 1000
        if agent.in_session and now - agent.progress > guard + _SLACK:
            return "session"
        if not agent.udp.waiting():
            self._turns = -1
        elif self._turns == agent.udp.turns:
            return "reader"
        else:
            self._turns = agent.udp.turns
        return ""

    def _silence(self, now):
        # ms since nobody answers although somebody was asked, 0 while all is well.
        agent = self._agent
        binding = agent.binding
        if binding.state != nat_binding.OFF:
            trouble = binding.failures and not binding.failure.startswith("error")
        else:
            trouble = agent.last_failure.split(" ")[0] in _SILENT
        if not trouble or agent.sessions_done != self._sessions:
            self._well = now
            self._sessions = agent.sessions_done
        return now - self._well


def _nothing():
    pass
