"""The factory reset."""

from ..core.model_record import keep


def factory_reset(management):
    """Forget all records but identity; the next boot is a first contact (DM-04). CwmpFault 9002:
    flash failed, nothing was forgotten.
    """
    agent = management.agent
    keep(management.model, {}, {}, {})
    agent.gate.freshness.clear()
    agent.counters.remove("fresh")
    agent.store.remove("device")
    agent.counters.remove("told")
    if agent.jobs:
        agent.jobs.cancel()
        agent.jobs = None
    agent.store.remove("jobs")
    management.events().bootstrap()
    management.save()
