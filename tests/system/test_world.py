# SPDX-License-Identifier: MIT
"""The served targets themselves: what stands on one port number for several protocols is had on a busy machine, too."""
import socket

from harness import Failed, expect

RANGE = (40000, 40999)  # ephemeral ports of the test's own network: few, so that a crowd of them costs little


def take_udp(of_four):
    """Sockets as those of questions that wait for their answers, on so many of each four ports of the range.

    By fours, as Linux gives fresh TCP ports of one parity first.
    """
    taken = []
    for port in range(RANGE[0], RANGE[1] + 1):
        if port % 4 < of_four:
            taken.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            taken[-1].bind(("0.0.0.0", port))
    return taken


def few_ports():
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as f:
        f.write("%d %d" % RANGE)


def test_ports_that_others_have(w):
    with w.own_network():
        few_ports()
        taken = take_udp(2)
        try:
            for _ in range(10):  # with the first number alone, all ten go well once in a million times
                w.world()
        finally:
            for s in taken:
                s.close()


def test_no_port_is_left(w):
    with w.own_network():
        few_ports()
        taken = take_udp(4)
        try:
            w.world()
            raise Failed("the served targets have ports that are taken")
        except Failed as e:
            expect("target_server has ended with 1" in str(e) and "UDP port any" in str(e), "the failure says:", e)
        finally:
            for s in taken:
                s.close()
        w.procs[-1].expected.add(1)
