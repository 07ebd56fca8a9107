"""One request of each kind about n parameters, through the session as it runs in the firmware.

Prints `P8 <method> <n> <us> <bytes>`: how long it takes from the first byte of the request to the
last of the answer, and how much the live heap grows in between. In one run time is taken, in
another one the heap is collected and counted again and again.
"""

import gc
import sys
from array import array
from time import ticks_diff, ticks_us

gc.threshold(16384)
from cwmp.core import rpc_names, rpc_objects, rpc_values  # noqa: E402, F401 - loaded before, all
from cwmp.core.data_model import DataModel  # noqa: E402
from cwmp.core.device2 import DEVICE2  # noqa: E402
from cwmp.core.events import EventQueue  # noqa: E402
from cwmp.core.notification import Notification  # noqa: E402
from cwmp.core.session import Session  # noqa: E402
from cwmp.core.settings import load  # noqa: E402
from cwmp.runtime.store import Store  # noqa: E402

TABLE = "Device.X_020000_Sensor."
HEAD = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"'
    b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    b' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:c="urn:dslforum-org:cwmp-1-2">'
    b'<e:Header><c:ID e:mustUnderstand="1">1</c:ID></e:Header><e:Body>'
)
TAIL = b"</e:Body></e:Envelope>"
ACCEPTED = b"<c:InformResponse><MaxEnvelopes>1</MaxEnvelopes></c:InformResponse>"
ITEM = (
    b"<ParameterValueStruct><Name>Device.X_020000_Sensor.%d.Limit</Name>"
    b'<Value xsi:type="xsd:unsignedInt">%d</Value></ParameterValueStruct>'
)
# With KEPT the firmware keeps what is written, on flash; else an application does, in an array.
OBJECTS = TABLE + "{i}. @sensors\nLimit W u @limit\n"
KEPT = OBJECTS.replace("@limit", "=0")

watched = []  # what looks at the heap, in the second run


def session_about(count, kept):
    limits = array("H", bytes(2 * count))

    def get(number):
        return limits[number - 1]

    def put(number, value):
        limits[number - 1] = value

    getters = {"sensors": lambda: count, "limit": get}
    for name in ("software_version", "connection_request_url", "udp_connection_request_address"):
        getters[name] = lambda: "x"
    getters["up_time"] = getters["nat_detected"] = lambda: 1
    objects = DEVICE2 + (KEPT if kept else OBJECTS,)
    model = DataModel(objects, load({}), getters, setters={"limit": put})
    notification = Notification(model)
    store = Store("state", lambda level, area, text: None)
    store.begin()

    def persist(record):
        store.save("params", record)
        if watched:
            watched[0]()

    model.persist = persist
    model.on_change = notification.changed
    queue = EventQueue(notification)
    session = Session(model, lambda: queue, None)
    session.begin()
    answer(session, (HEAD, ACCEPTED, TAIL), None)
    return session


def request(method, count, more=0):
    yield HEAD
    if method == "SetParameterValues":
        yield b"<c:SetParameterValues><ParameterList>"
        for number in range(1, count + 1):
            yield ITEM % (number, number + more)
        yield b"</ParameterList><ParameterKey>k</ParameterKey></c:SetParameterValues>"
    elif method == "GetParameterNames":
        yield b"<c:GetParameterNames><ParameterPath>Device.X_020000_Sensor.</ParameterPath>"
        yield b"<NextLevel>0</NextLevel></c:GetParameterNames>"
    else:
        yield b"<c:GetParameterValues><ParameterNames><string>Device.X_020000_Sensor.</string>"
        yield b"</ParameterNames></c:GetParameterValues>"
    yield TAIL


def answer(session, pieces, look):
    feed = session.sink()
    for at, piece in enumerate(pieces):
        feed(piece)
        if look and at % 32 == 0:
            look()
    message = session.received(200)
    size = 0
    for at, piece in enumerate(message.chunks()):
        size += len(piece)
        if look and at % 64 == 0:
            look()
    return size


def heap():
    gc.collect()
    return gc.mem_alloc()


def main(method, count, kept):
    session = session_about(count, kept)
    answer(session, request(method, 1), None)
    gc.collect()
    start = ticks_us()
    answer(session, request(method, count), None)
    took = ticks_diff(ticks_us(), start)
    before = heap()
    peak = before

    def look():
        nonlocal peak
        peak = max(peak, heap())

    watched.append(look)
    size = answer(session, request(method, count, 1), look)
    print("P8", " ".join(sys.argv[1:]), took, peak - before, size)


main(sys.argv[1], int(sys.argv[-1]), "kept" in sys.argv)
