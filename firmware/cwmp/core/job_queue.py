"""What the ACS asked for and the device does later: transfers and ScheduleInform (CWMP-64).

A job is a dict, kept on flash as it is: `kind` D (Download), U (Upload) or I (ScheduleInform),
`key` (CommandKey), `delay` (s) and `state`; a transfer has `type`, `url`, `user`, `pass`, `size`,
`name` besides, and `start`, `end` (Unix seconds or None), `code`, `text` (its fault) once it ran.
"""

from micropython import const

# As GetQueuedTransfers has them; an applied file is reported when a boot has shown that it works.
WAITING = const(1)
RUNNING = const(2)
DONE = const(3)
APPLIED = const(4)

_MOST = const(5)  # transfers, and as many Informs; TR-069 asks for three transfers at least
_TRIES = const(3)  # a file that makes the device restart is not fetched for ever


class JobQueue:
    """`jobs`, the oldest first. Times are those of the monotonic clock but for `unix`, seconds or
    None. `record`: what was kept on flash, or None.
    """

    def __init__(self, record, now):
        self.jobs = [job for job in (record if isinstance(record, list) else ()) if _whole(job)]
        for job in self.jobs:
            delay = job["delay"]
            if job["state"] == RUNNING:  # the power went
                job["state"] = WAITING
                delay = 0
            job["due"] = now + delay * 1000

    def add(self, job, now, unix):
        """Take a job; False when there are too many of its kind."""
        inform = job["kind"] == "I"
        if sum([(other["kind"] == "I") == inform for other in self.jobs]) >= _MOST:
            return False
        job["state"] = WAITING
        job["tries"] = 0
        job["due"] = now + job["delay"] * 1000
        # By the wall clock a delay goes on while the power is off.
        job["at"] = None if unix is None else unix + job["delay"]
        self.jobs.append(job)
        return True

    def deadline(self, now, unix):
        """When the next job is due, None when none waits."""
        due = None
        for job in self.jobs:
            if job["state"] == WAITING:
                at = _due(job, now, unix)
                if due is None or at < due:
                    due = at
        return due

    def next(self, now, unix):
        """Return the oldest job that is due, or None."""
        for job in self.jobs:
            if job["state"] == WAITING and _due(job, now, unix) <= now:
                return job
        return None

    def begin(self, job, unix):
        """A transfer starts; False when it was tried too often: it has failed."""
        job["tries"] += 1
        if job["tries"] > _TRIES:
            self.end(job, unix, 9011 if job["kind"] == "U" else 9010, "interrupted too often")
            return False
        job["state"] = RUNNING
        job["start"] = unix
        return True

    def end(self, job, unix, code=0, text=""):
        """A transfer is over, to be reported."""
        job["state"] = DONE
        job["code"] = code
        job["text"] = text
        job["end"] = unix
        job["pass"] = ""  # nobody needs it any more


def _whole(job):
    # A record of another version may lack something.
    if not isinstance(job, dict) or job.get("kind") not in ("D", "U", "I"):
        return False
    names = "key delay state at tries acs"
    if job["kind"] != "I":
        names += " type url user pass size name"
    if job.get("state") == APPLIED:
        names += " slot"
    elif job.get("state") == DONE:
        names += " code text"
    return all([name in job for name in names.split()])


def _due(job, now, unix):
    at = job["at"]
    if at is None or unix is None:
        return job["due"]
    return min(job["due"], now + (at - unix) * 1000)
