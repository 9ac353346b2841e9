#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The far side of a network: far.py MODE_FILE ADDR. HTTP on port 80 of every address of its host, DNS on port 53 of ADDR.

The DNS knows hN.test as 198.18.1.N (N up to 200) and the root's NS. MODE_FILE says how it answers now: ok, silent or servfail.
HTTP closes the connection after its answer, but that to /stay it leaves to the client; /slow is answered after SLOW_S,
/text with 2 KiB, /big with 2 MiB.
"""
import contextlib
import selectors
import socket
import struct
import sys
import threading
import time

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
TEXT = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2048\r\n\r\n" + b"text" * 512
BIG = b"HTTP/1.1 200 OK\r\nContent-Length: 2097155\r\n\r\n" + b"x" * (2 << 20) + b"end"
A, NS = 1, 2
SLOW_S = 0.3
slow = []  # (when, connection), the earliest first


def mode():
    with open(sys.argv[1], encoding="ascii") as f:
        return f.read().strip()


def labels(query):
    found, at = [], 12
    while query[at]:
        found.append(query[at + 1 : at + 1 + query[at]])
        at += 1 + query[at]
    return found, at + 1


def reply(query):
    name, at = labels(query)
    kind = struct.unpack_from("!H", query, at)[0]
    question, answers, rcode = query[12 : at + 4], [], 0
    host = name[0].decode() if name else ""
    if mode() == "servfail":
        rcode = 2
    elif not name and kind == NS:
        answers.append(struct.pack("!HHHIH", 0xC00C, NS, 1, 60, 3) + b"\x01a\x00")
    elif host[:1] == "h" and host[1:].isdigit() and kind == A:
        answers.append(struct.pack("!HHHIH4B", 0xC00C, A, 1, 1, 4, 198, 18, 1, int(host[1:])))
    elif name and not host.startswith("h"):
        rcode = 3
    return query[:2] + struct.pack("!5H", 0x8180 | rcode, 1, len(answers), 0, 0) + question + b"".join(answers)


def on_dns(s):
    query, peer = s.recvfrom(512)
    if mode() != "silent":
        s.sendto(reply(query), peer)


def on_connect(listener, selector):
    c, _ = listener.accept()
    selector.register(c, selectors.EVENT_READ, on_request)


def answer(c, stay, page=PAGE):
    with contextlib.suppress(OSError):
        c.sendall(page)
    if not stay:
        c.close()


def on_request(c, selector):
    request = b""
    with contextlib.suppress(OSError):
        request = c.recv(65536)
    stay = request.startswith(b"GET /stay")
    if not stay:
        selector.unregister(c)
    if request.startswith(b"GET /slow"):
        slow.append((time.monotonic() + SLOW_S, c))
    elif request.startswith(b"GET /big"):
        c.settimeout(5)
        threading.Thread(target=answer, args=(c, False, BIG), daemon=True).start()
    elif request:
        answer(c, stay, TEXT if request.startswith(b"GET /text") else PAGE)
    else:
        c.close()


def answer_slow():
    while slow and slow[0][0] <= time.monotonic():
        answer(slow.pop(0)[1], False)


def main():
    selector = selectors.DefaultSelector()
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind((sys.argv[2], 53))
    http = socket.create_server(("", 80), backlog=1024, family=socket.AF_INET)
    selector.register(dns, selectors.EVENT_READ, lambda s, _: on_dns(s))
    selector.register(http, selectors.EVENT_READ, on_connect)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select(0.02 if slow else None):
            key.data(key.fileobj, selector)
        answer_slow()


main()
