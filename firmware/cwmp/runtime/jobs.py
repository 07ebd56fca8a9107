"""Keeps what the ACS asked for and is not done yet, and sees to it in time (CWMP-64).

Loaded while something is queued; what a transfer itself takes is loaded when it runs.
"""

import asyncio
from binascii import crc32

from ..core import schedule as reasons
from ..core.job_queue import APPLIED, DONE, JobQueue
from .slices import borrow, drop_all

RECORD = "jobs"
TRIAL_S = 900  # what brings no session about in that time has failed


class Jobs:
    """The queue of `agent`, on flash. `task`: the transfer that runs, one at a time."""

    def __init__(self, agent):
        self._agent = agent
        self._queue = JobQueue(agent.store.load(RECORD), agent.now())
        self.task = None
        for job in self.jobs:
            if job["state"] == APPLIED:
                self._settle(job)

    @property
    def jobs(self):
        return self._queue.jobs

    def add(self, job):
        """Queue a job, on flash when this returns; False when there is no room for it."""
        agent = self._agent
        job["acs"] = crc32(agent.acs_url.encode())
        if not self._queue.add(job, agent.now(), agent.port.unix_time()):
            return False
        try:
            self._save()
        except OSError as error:
            agent.log("E", "store", 'failed what={} error="{}"'.format(RECORD, error))
            self.jobs.remove(job)
            return False
        agent.log("I", "transfer", "queued kind={} delay_s={}".format(job["kind"], job["delay"]))
        return True

    def _save(self):
        agent = self._agent
        if self.jobs:
            agent.store.save(RECORD, self.jobs)
        else:
            agent.store.remove(RECORD)

    def _kept(self):
        # A flash that fails is logged; what goes on in memory goes on.
        if self.jobs:
            self._agent.save(RECORD, self.jobs)
        else:
            self._agent.store.remove(RECORD)

    def cancel(self):
        """Stop a transfer; it starts again when this device does."""
        if self.task:
            self.task.cancel()

    def deadline(self):
        """When `serve` has something to do, None while it has not."""
        if self.task:
            return None
        agent = self._agent
        return self._queue.deadline(agent.now(), agent.port.unix_time())

    def serve(self, now):
        """Do what is due, while no session runs. Return the names of the modules that may go once
        nothing is left, else None.
        """
        agent = self._agent
        job = self.task is None and self._queue.next(now, agent.port.unix_time())
        if job:
            if job["kind"] == "I":
                self._inform(job)
            elif self._queue.begin(job, agent.port.unix_time()):
                self._kept()
                agent.log(
                    "I", "transfer", "start kind={} try={}".format(job["kind"], job["tries"])
                )
                self.task = asyncio.create_task(self._run(job))
            else:
                self._report(job)
        return None if self.jobs else borrow("runtime.slice_names").JOBS

    def _inform(self, job):
        agent = self._agent
        management = agent.management()
        self._list("3 SCHEDULED", "")
        self._list("M ScheduleInform", job["key"])
        management.save()  # first what is owed: power may go
        self.jobs.remove(job)
        self._kept()
        agent.want(reasons.SCHEDULED)

    def _list(self, code, key):
        # An event that a boot has restored, or that an earlier try made, is there already.
        events = self._agent.management().events()
        if (code, key) not in events.pending():
            events.add(code, key)

    async def _run(self, job):
        agent = self._agent
        slot = text = ""
        code = 0
        try:
            from . import transfer  # noqa: PLC0415 - a slice

            slot, code, text = await transfer.run(agent, job)
        except MemoryError:
            code, text = 9002, "out of memory"
        except Exception as error:
            agent.internal("transfer", error)
            code, text = 9002, "internal error"
        finally:
            self.task = None
        drop_all(borrow("runtime.slice_names").TRANSFER)
        if slot:
            # On flash before it is in force: whatever a cut leaves, the next boot finds out.
            job["state"] = APPLIED
            job["slot"] = slot
            job["end"] = agent.port.unix_time()
            self._kept()
            code, text = self._activate(slot)
            if not code:
                agent.log("I", "transfer", "applied slot={}; reboot".format(slot))
                agent.reboot_soon()
                return
        self._queue.end(job, agent.port.unix_time(), code, text)
        self._report(job)

    def _activate(self, slot):
        try:
            borrow("runtime.trial").activate(self._agent.port, slot)
        except Exception as error:
            return 9018, "not taken: {}".format(error)
        return 0, ""

    def _settle(self, job):
        # After a boot: did what was applied come up?
        agent = self._agent
        slot = job["slot"]
        failure = borrow("runtime.trial").outcome(agent.port, slot)
        if failure is None:  # power went before it was in force
            code, failure = self._activate(slot)
            if not code:
                agent.reboot_soon()
                return
        self._queue.end(job, job.get("end"), 9010 if failure else 0, failure)
        if failure:
            self._report(job)
            return
        # In memory only: until a session is complete, a boot may find another outcome.
        agent.log("I", "transfer", "on-trial slot={}".format(slot))
        agent.want(reasons.TRANSFER)
        # A task of its own: with a wrong configuration there may never be a network to wait for.
        asyncio.create_task(self._try(slot))

    async def _try(self, slot):
        agent = self._agent
        await asyncio.sleep(TRIAL_S)
        if not agent.sessions_done:
            agent.log("W", "transfer", "given-up slot={} reason=no-session".format(slot))
            borrow("runtime.trial").give_up(slot)
            agent.port.set_failed_boots(0)
            agent.port.reset()

    def _report(self, job):
        agent = self._agent
        self._kept()
        level, text = "I", "done kind={}".format(job["kind"])
        if job["code"]:
            level = "W"
            text = 'failed kind={} code={} reason="{}"'.format(
                job["kind"], job["code"], job["text"]
            )
        agent.log(level, "transfer", text)
        agent.want(reasons.TRANSFER)

    def requests(self):
        """Queue the events of what is done and return the requests that report it, for the session
        that starts. What another ACS wanted is forgotten (CWMP-40).
        """
        from ..core.request import Request  # noqa: PLC0415 - a session has it
        from ..core.transfer_complete import transfer_complete  # noqa: PLC0415

        acs = crc32(self._agent.acs_url.encode())
        for job in [job for job in self.jobs if job["acs"] != acs and not self.task]:
            self.jobs.remove(job)
            self._kept()
        made = []
        for job in self.jobs:
            if job["state"] == DONE:
                self._list("7 TRANSFER COMPLETE", "")
                self._list("M Upload" if job["kind"] == "U" else "M Download", job["key"])
                made.append(
                    Request("TransferComplete", self._reported(job), transfer_complete, job)
                )
        return made

    def _reported(self, job):
        def answered(session, said):
            if said.method != "Fault" and job in self.jobs:
                self._agent.management().save()  # the event first: see `requests`
                self.jobs.remove(job)
                self._kept()

        return answered
