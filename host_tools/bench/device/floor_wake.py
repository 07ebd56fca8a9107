"""P1's floor on the board: on a datagram connect and POST a prepared request of the same size,
nothing else.

Arguments: UDP port, ACS port, bytes of the request.
"""

import socket
import sys

udp_port, acs_port, size = [int(word) for word in sys.argv[1:4]]
head = "POST /acs HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: {}\r\n\r\n"
body = size - len(head.format(acs_port, size))
request = head.format(acs_port, body).encode()
request += b"x" * body
address = socket.getaddrinfo("127.0.0.1", acs_port)[0][-1]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(socket.getaddrinfo("127.0.0.1", udp_port)[0][-1])
print("READY")
while True:
    udp.recv(1473)
    tcp = socket.socket()
    tcp.connect(address)
    tcp.write(request)
    tcp.recv(64)
    tcp.close()
