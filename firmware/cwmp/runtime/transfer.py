"""One transfer: a file comes or goes over HTTP, in pieces (CWMP-64). Loaded while it runs."""

from micropython import const

from ..core.fault import CwmpFault
from ..wire.http_error import HttpError
from .http_client import HttpClient, HttpFailure
from .slices import borrow

_LARGEST = const(16777216)
_ANSWER = const(4096)  # what a server says to an upload
_LONGEST_MS = const(3600000)  # a server that sends a byte now and then does not hold us for ever
_TEXT = (("Content-Type", "text/plain"),)


class _Client(HttpClient):
    method = "GET"
    content = ()

    def moved(self):
        """Bytes came: what is to come may take its time again."""
        self.stream.limit(self.response_ms)  # type: ignore  # it is there: bytes came


class _Receiver:
    """Takes the body of an answer and leads it to where its first byte says."""

    def __init__(self, agent, job):
        self._agent = agent
        self._job = job
        self._end = agent.now() + _LONGEST_MS
        self.moved = None  # tells the client that bytes came
        self.file = None
        self.size = 0
        self.fault = None

    def sink(self):
        return self._take

    def _take(self, view):
        try:
            if self.file is None:
                self.file = self._open(view[0])
            self.size += len(view)
            self.file.write(view)
            if self._agent.now() > self._end:
                raise CwmpFault(9017, "too slow")
        except CwmpFault as fault:
            self.fault = fault
        except OSError as error:
            self.fault = CwmpFault(9010, "flash: {}".format(error))
        if self.fault:
            raise HttpError("not taken")
        if self.moved:
            self.moved()

    def _open(self, first):
        port = self._agent.port
        if self._job["type"][0] == "3":
            return borrow("runtime.install_site").Site(port)
        key = _public_key(self._agent)
        if first == 0xE9:  # an image of an ESP32
            if key:
                raise CwmpFault(9019, "an image that is not in a signed bundle")
            return self._image()
        return borrow("runtime.install_bundle").Bundle(port, key, self._image)

    def _image(self):
        port = self._agent.port
        partition = borrow(port.firmware).target() if port.firmware else None
        if partition is None:
            raise CwmpFault(9001, "this board has no partition for a firmware image")
        return borrow("runtime.install_image").Image(partition)


class _Text:
    """A body for `HttpClient.post`."""

    def __init__(self, parts):
        self._parts = parts
        self.length = sum([len(part) for part in parts])

    def chunks(self):
        return self._parts


def _drop():
    return len


class _Nothing:
    length = 0

    def chunks(self):
        return ()


def _public_key(agent):
    if not agent.site["acs"]["bundle_key"]:
        return ""
    try:
        with open(agent.site["acs"]["bundle_key"]) as file:
            key = file.read().strip()
    except OSError:
        key = ""
    if not key:  # asked for and not there: nothing passes
        raise CwmpFault(9019, "no key to check a signature with")
    return key


async def run(agent, job):
    """Do `job`. Return (slot, code, text): what has to be put in force, or "", and the fault."""
    site = agent.site
    receiver = _Receiver(agent, job)
    upload = job["kind"] == "U"
    text = ""
    client = None
    try:
        client = _Client(
            job["url"],
            job["user"],
            job["pass"],
            agent.resolver,
            None,
            lambda: borrow("runtime.tls").make_context(agent),
            response_ms=site["acs"]["timeout_s"] * 1000,
            body_limit=_ANSWER if upload else _LARGEST,
            allow_basic=site["acs"]["allow_basic"],
        )
        receiver.moved = client.moved
        body = _Nothing()
        if upload:
            client.method = "PUT"
            client.content = _TEXT
            body = _Text(_parts(agent, job))
        await client.post(body, _drop if upload else receiver.sink)
        if upload:
            return "", 0, ""
        if receiver.file is None:
            raise CwmpFault(9017, "the file is empty")
        if job["size"] and receiver.size != job["size"]:
            raise CwmpFault(9017, "{} bytes, not {}".format(receiver.size, job["size"]))
        receiver.file.close()
        return receiver.file.finish(), 0, ""
    except CwmpFault as fault:
        code, text = fault.code, fault.text
    except HttpFailure as error:
        code, text = _code(error, receiver, upload), error.reason
        if receiver.fault:
            code, text = receiver.fault.code, receiver.fault.text
    except (HttpError, OSError) as error:
        code, text = 9011 if upload else 9010, str(error)
    finally:
        if client:
            client.drop()
        if receiver.file:
            receiver.file.close()
    return "", code, text


def _code(error, receiver, upload):
    if error.status in (401, 403) or error.reason.startswith("tls "):
        return 9012
    if upload:
        return 9011
    if error.status:
        return 9016
    if error.reason == "out of memory":
        return 9002
    if error.reason == "body too large":
        return 9010
    return 9017 if receiver.size else 9015


def _parts(agent, job):
    if job["type"][0] == "1":
        return (borrow("runtime.install_site").without_secrets(agent.port).encode(),)
    return [(line + "\n").encode() for line in agent.log.lines()]
