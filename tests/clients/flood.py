"""Run by test_flood.py in a process of its own: somebody who asks and asks, and never answers.

``python flood.py HOST PORT NAME REQUESTS PER_SECOND`` sends that many read requests from ``HOST``, from one port
after the other, and counts what comes back. A line of JSON says what there was when all are sent, and another when
standard input is closed. Until then its ports stay open, so that no ICMP message tells the server to stop.
"""

import json
import selectors
import socket
import sys
from time import monotonic

PORTS = 500
"""From which it asks."""

TICK = 0.002
"""Seconds between two looks."""

LONGEST = 3.0
"""Times as long as it should take, after which it sends no more."""


def main() -> None:
    """Do so."""
    host, port, name, requests, per_second = sys.argv[1:]
    wanted, rate, server = int(requests), float(per_second), ("127.0.0.1", int(port))
    selector = selectors.DefaultSelector()
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(PORTS)]
    for sock in sockets:
        sock.bind((host, 0))
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ, sock)
    selector.register(sys.stdin, selectors.EVENT_READ)
    sent = answers = 0
    began = monotonic()

    def say() -> None:
        sys.stdout.write(json.dumps({"sent": sent, "answers": answers, "seconds": monotonic() - began}) + "\n")
        sys.stdout.flush()

    asking = True
    while True:
        if asking:
            seconds = monotonic() - began
            for number in range(sent, min(wanted, int(seconds * rate))):
                # Half of the ports repeat themselves, which is one transfer to the server; the others ask for
                # something else each time, which is a new one.
                port_number = number % PORTS
                different = number if port_number % 2 else port_number
                asked = b"\0\1%s\0octet\0number\0%d\0" % (name.encode(), different)
                sockets[port_number].sendto(asked, server)
                sent += 1
            if sent == wanted or seconds > LONGEST * wanted / rate:
                asking = False
                say()
        for key, _ in selector.select(TICK):
            if key.data is None:
                say()
                return
            key.data.recv(2048)
            answers += 1


if __name__ == "__main__":
    main()
