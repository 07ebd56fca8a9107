"""Download, Upload, ScheduleInform; what is queued of them (CWMP-64, CWMP-65).

`session.jobs()` gives the queue: `add(job)`, False when it is full, and `jobs`.
"""

from micropython import const

from ..wire.http_error import HttpError
from ..wire.soap import array_head, escape
from ..wire.url import parse_url
from .cwmp_types import UNKNOWN_TIME
from .fault import CwmpFault
from .rpc_fields import Fields
from .rpc_parts import response

_KEY = const(32)
_DOWNLOADS = ("1 Firmware Upgrade Image", "3 Vendor Configuration File")
_UPLOADS = ("1 Vendor Configuration File", "2 Vendor Log File")
_LATER = "<Status>1</Status><StartTime>{0}</StartTime><CompleteTime>{0}</CompleteTime>"


def _number(arguments, name):
    text = arguments.text(name, 10).strip()
    if not text.isdigit() or int(text) > 4294967295:
        raise CwmpFault(9003, name + " is not an unsignedInt")
    return int(text)


def _queue(session, job):
    if not session.jobs().add(job):
        raise CwmpFault(9004)


def _transfer(session, arguments, kind, types):
    text = arguments.text
    job = {"kind": kind, "key": text("CommandKey", _KEY), "type": text("FileType", 64)}
    job["url"] = url = text("URL")
    job["user"] = text("Username")
    job["pass"] = text("Password")
    job["delay"] = _number(arguments, "DelaySeconds")
    job["size"] = 0
    job["name"] = ""
    if kind == "D":
        # SuccessURL and FailureURL are for a browser that waits: there is none.
        job["size"] = _number(arguments, "FileSize")
        job["name"] = text("TargetFileName")
    if job["type"] not in types:
        raise CwmpFault(9003, "FileType is not supported")
    scheme, mark, _ = url.partition("://")
    if mark and scheme.lower() not in ("http", "https"):
        raise CwmpFault(9013)
    try:
        parse_url(url)
    except HttpError as error:
        raise CwmpFault(9003, "URL: " + str(error))
    _queue(session, job)
    method = "Download" if kind == "D" else "Upload"
    return response, method, _LATER.format(UNKNOWN_TIME)


def _download(session, arguments):
    return _transfer(session, arguments, "D", _DOWNLOADS)


def _upload(session, arguments):
    return _transfer(session, arguments, "U", _UPLOADS)


def _schedule_inform(session, arguments):
    delay = _number(arguments, "DelaySeconds")
    if not delay:
        raise CwmpFault(9003, "DelaySeconds is 0")
    _queue(session, {"kind": "I", "key": arguments.text("CommandKey", _KEY), "delay": delay})
    return response, "ScheduleInform"


def _queued(session, arguments):
    return _listed, "GetQueuedTransfers", "Queued", session.jobs().jobs


def _all_queued(session, arguments):
    return _listed, "GetAllQueuedTransfers", "AllQueued", session.jobs().jobs


def _listed(method, item, jobs):
    # A copy: the queue may change while this is sent.
    jobs = [job for job in jobs if job["kind"] != "I"]
    yield "<cwmp:{}Response>".format(method).encode()
    item += "TransferStruct"
    yield array_head("TransferList", "cwmp:" + item, len(jobs))
    for job in jobs:
        yield "<{}><CommandKey>".format(item).encode()
        yield escape(job["key"])
        yield "</CommandKey><State>{}</State>".format(min(job["state"], 3)).encode()
        if item[0] == "A":
            yield "<IsDownload>{}</IsDownload><FileType>".format(int(job["kind"] == "D")).encode()
            yield escape(job["type"])
            yield "</FileType><FileSize>{}</FileSize><TargetFileName>".format(job["size"]).encode()
            yield escape(job["name"])
            yield b"</TargetFileName>"
        yield "</{}>".format(item).encode()
    yield "</TransferList></cwmp:{}Response>".format(method).encode()


SERVED = {
    "Download": (Fields, _download),
    "Upload": (Fields, _upload),
    "ScheduleInform": (Fields, _schedule_inform),
    "GetQueuedTransfers": (None, _queued),
    "GetAllQueuedTransfers": (None, _all_queued),
}
