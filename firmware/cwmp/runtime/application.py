"""The site's application: the package `app` that flash.py puts beside the firmware."""


async def run(agent):
    """Run its own task, `start` of the package, if there is one. What goes wrong in it is logged
    and leaves the device as it is.
    """
    try:
        start = getattr(__import__("app"), "start", None)
        if start is not None:
            await start(agent)
    except Exception as error:  # noqa: BLE001
        agent.internal("app", error)
