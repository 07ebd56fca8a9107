"""A device for session tests, with the real data model, and envelopes as an ACS writes them."""

from device import Model

from cwmp.core.device2 import DEVICE2
from cwmp.core.events import EventQueue
from cwmp.core.job_queue import JobQueue
from cwmp.core.notification import Notification
from cwmp.core.session import Session
from cwmp.core.settings import load

NOON = 1767268800  # 2026-01-01T12:00:00Z
ACS = "http://acs.example/cwmp"
CWMP = "urn:dslforum-org:cwmp-1-2"
_HEAD = (
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:enc="http://schemas.xmlsoap.org/soap/encoding/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:c="'
)
FAULT_8005 = (
    "<soap:Fault><faultcode>Server</faultcode><faultstring>CWMP fault</faultstring><detail>"
    "<c:Fault><FaultCode>8005</FaultCode><FaultString>Retry request</FaultString></c:Fault>"
    "</detail></soap:Fault>"
)


class Jobs:
    """What the agent keeps of transfers and scheduled Informs."""

    def __init__(self):
        self._queue = JobQueue(None, 0)
        self.jobs = self._queue.jobs

    def add(self, job):
        return self._queue.add(job, 0, NOON)


class Device:
    """What an agent holds. `session()` makes a Session with it, `ask` has one in between."""

    def __init__(self, **settings):
        getters = {
            "software_version": lambda: "0.1.0",
            "up_time": lambda: self.up_time,
            "connection_request_url": lambda: self.connection_request_url,
            "udp_connection_request_address": lambda: "203.0.113.9:40123",
            "nat_detected": lambda: True,
        }
        self.up_time = 77
        self.connection_request_url = "http://192.0.2.7:7547/"
        values = {
            "device": {"serial_number": "0242AC110002"},
            "acs": {"url": ACS, "password": "acs-secret"},
        }
        for section, given in settings.items():
            values.setdefault(section, {}).update(given)
        self.model = Model(DEVICE2, load(values), getters)
        self.notification = Notification(self.model)
        self.events = EventQueue(self.notification)
        self.model.on_change = self.notification.changed
        self.log = []
        self.jobs = Jobs()

    def session(self, unix=NOON, **options):
        def log(level, area, text):
            self.log.append(f"{level} {area}: {text}")

        session = Session(self.model, lambda: self.events, unix, log=log, **options)
        session.jobs = lambda: self.jobs
        return session

    def accepted(self, **options):
        """-> a session whose Inform was just accepted, waiting for what the ACS wants."""
        session = self.session(**options)
        session.begin()
        message = received(session, inform_response())
        assert message.length == 0
        return session

    def ask(self, body, **options):
        """-> text that the CPE answers to the ACS request `body`, in a session of its own."""
        return text_of(received(self.accepted(), envelope(body, **options)))


def known(**settings):
    """-> a device that its ACS knows, so that nothing is pending."""
    device = Device(**settings)
    device.events.restore({"acs": ACS})
    return device


def envelope(body, message_id="1", uri=CWMP, header=""):
    """-> bytes of an envelope as an ACS writes it, with prefixes that differ from ours."""
    if message_id is not None:
        header += f'<c:ID soap:mustUnderstand="1">{message_id}</c:ID>'
    text = '%s%s"><soap:Header>%s</soap:Header><soap:Body>%s</soap:Body></soap:Envelope>'
    return (text % (_HEAD, uri, header, body)).encode()


def inform_response(**options):
    body = "<c:InformResponse><MaxEnvelopes>1</MaxEnvelopes></c:InformResponse>"
    return envelope(body, **options)


def received(session, data, status=200):
    """Give `data` (None: no body) to the session as the answer of the ACS -> Message or None."""
    if data:
        feed = session.sink()
        view = memoryview(data)
        for at in range(0, len(view), 100):
            feed(view[at : at + 100])
    return session.received(status)


def bytes_of(message):
    return b"".join([bytes(chunk) for chunk in message.chunks()])


def text_of(message):
    return bytes_of(message).decode()


def between(text, start, end):
    """-> list of what stands between each `start` and the next `end`."""
    return [part.split(end)[0] for part in text.split(start)[1:]]


def values_of(text):
    """-> [(name, type, escaped text)] of the ParameterValueStructs in an envelope of ours."""
    found = []
    for item in between(text, "<ParameterValueStruct>", "</ParameterValueStruct>"):
        name = between(item, "<Name>", "</Name>")[0]
        found.append(
            (name, between(item, 'xsi:type="xsd:', '"')[0], between(item, '">', "</Value>")[0])
        )
    return found


def faults_of(text):
    """-> (FaultCode, [(name, code)]) of a fault envelope, or None."""
    if "<cwmp:Fault>" not in text:
        return None
    fault = between(text, "<cwmp:Fault>", "</cwmp:Fault>")[0]
    details = [
        (between(item, "<ParameterName>", "<")[0], int(between(item, "<FaultCode>", "<")[0]))
        for item in between(fault, "<SetParameterValuesFault>", "</SetParameterValuesFault>")
    ]
    return int(between(fault, "<FaultCode>", "<")[0]), details


def events_in(text):
    """-> [(code, key)] of an Inform."""
    codes = between(text, "<EventCode>", "</EventCode>")
    return list(zip(codes, between(text, "<CommandKey>", "</CommandKey>")))


def names_in(text):
    return [name for name, _, _ in values_of(text)]
