"""The Inform of the common wake, made before the bell rings where there is memory for it."""

from ..wire.soap import Message
from .cwmp_types import unix_to_iso
from .device2 import INFORM_TABLE
from .inform import InformMessage, forced

CONNECTION_REQUEST = "6 CONNECTION REQUEST"

_TIME = b"<CurrentTime>"


class PreparedInform:
    """The Inform of the common wake, `6 CONNECTION REQUEST` alone, rendered while nobody waits.

    `refresh()` renders it when it is stale. The agent calls `invalidate()` whenever the model
    tells of a change (`on_change`) and after every session; between those calls the message stays
    true. Costs about 2 KB. The agent may put the same bytes, writable, into `message.buffer`:
    CurrentTime is set there.
    """

    def __init__(self, model, message_id=1):
        self.message_id = message_id
        self._model = model
        self._message = None
        self._at = 0
        self.wire = None  # the first request as it goes on the wire, if it could be held

    @property
    def ready(self):
        return self._message is not None

    def invalidate(self):
        self._message = self.wire = None

    def refresh(self):
        """Render it, if need be; True when it is ready: not when it is too long to be held, or the
        ACS wants parameters in it that change as time goes by.
        """
        if self._message is None and len(self._model.rows.get(INFORM_TABLE, ())) < 2:
            inform = InformMessage(
                self._model,
                str(self.message_id),
                ((CONNECTION_REQUEST, ""),),
                forced(self._model),
                None,
                0,
            )
            message = Message(inform.length or 0, inform.chunks)
            if message.length is not None:
                self._at = message.buffer.find(_TIME) + len(_TIME)
                self._message = message
        return self._message is not None

    def message(self, unix):
        """-> the Message, with CurrentTime set in place."""
        self._message.buffer[self._at : self._at + 20] = unix_to_iso(unix).encode()
        return self._message

    def fits(self, events, retry_count):
        """Whether it is ready and says what an Inform with these events has to say."""
        return (
            self._message is not None
            and retry_count == 0
            and len(events) == 1
            and events[0][0] == CONNECTION_REQUEST
        )
