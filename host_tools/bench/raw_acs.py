"""The least of an ACS: a thread that notes when the first byte of an Inform arrives and ends each
session at once.
"""

import queue
import socket
import threading
import time

_INFORM_RESPONSE = (
    b'<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/"'
    b' xmlns:cwmp="urn:dslforum-org:cwmp-1-2"><soap-env:Header>'
    b'<cwmp:ID soap-env:mustUnderstand="1">1</cwmp:ID></soap-env:Header><soap-env:Body>'
    b"<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>"
    b"</soap-env:Body></soap-env:Envelope>"
)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n"
    % len(_INFORM_RESPONSE)
) + _INFORM_RESPONSE
_END = b"HTTP/1.1 204 No Content\r\n\r\n"


class RawAcs:
    """Listens on a free loopback port. `next()` gives (first byte in ns, request) per session."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/acs"
        self._seen: queue.Queue[tuple[int, bytes]] = queue.Queue()
        threading.Thread(target=self._serve, daemon=True).start()

    def next(self, timeout: float = 10.0) -> tuple[int, bytes]:
        """Wait for the end of the next session; queue.Empty when none comes."""
        return self._seen.get(timeout=timeout)

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    self._session(connection)
                except OSError:
                    continue

    def _session(self, connection: socket.socket) -> None:
        data = connection.recv(65536)
        first = time.perf_counter_ns()
        request = self._rest(connection, data)
        if b"Inform>" in request:
            connection.sendall(_ANSWER)
            self._rest(connection, connection.recv(65536))
        connection.sendall(_END)
        # The session is over when the CPE has closed its end.
        while connection.recv(65536):
            pass
        self._seen.put((first, request))

    @staticmethod
    def _rest(connection: socket.socket, data: bytes) -> bytes:
        while b"\r\n\r\n" not in data:
            data += _more(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        if b"chunked" in head.lower():
            while not body.endswith(b"0\r\n\r\n"):
                body += _more(connection)
            return head + body
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            body += _more(connection)
        return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise OSError("closed")
    return data
