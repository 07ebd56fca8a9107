"""Waiting for a socket or the console in asyncio, by the loop's own queue of polled objects.

asyncio has no such call for datagrams. The queue is looked up each time: new_event_loop() makes
another one. One task may wait for reading and one for writing; a second one would end the loop.
"""

from asyncio import core  # type: ignore  # the stubs do not know it


def readable(stream):
    """Await this to wait until `stream` can be read."""
    yield core._io_queue.queue_read(stream)


def writable(stream):
    """Await this to wait until `stream` can be written."""
    yield core._io_queue.queue_write(stream)


def forget(stream):
    """Before `stream` is closed: a task that waits for it may be cancelled only later."""
    queue = core._io_queue
    if id(stream) in queue.map:
        queue._dequeue(stream)
