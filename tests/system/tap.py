#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A relay between one agent and nginx that writes down when the agent's heartbeats pass: a clock that is not the master's.

tap.py LISTEN_PORT TO_PORT FILE: one line "SECONDS connect|heartbeat|end" an event, SECONDS being those of CLOCK_MONOTONIC.
It reads only what it could pass on, so that it holds back whom the other side holds back.
"""
import asyncio
import os
import sys
import time

WORD = b'"type":"heartbeat"'


class Frames:
    """Takes the bytes of a client after its upgrade; counts the heartbeats in them."""

    def __init__(self):
        self.bytes, self.upgraded, self.text = b"", False, b""

    def feed(self, data):
        self.bytes += data
        if not self.upgraded:
            head, end, rest = self.bytes.partition(b"\r\n\r\n")
            if not end:
                return 0
            self.upgraded, self.bytes = True, rest
        found = 0
        while True:
            payload = self.frame()
            if payload is None:
                return found
            self.text = self.text[-len(WORD) + 1:] + payload
            found += self.text.count(WORD)

    def frame(self):
        """The unmasked payload of the next whole frame, or None (RFC 6455, 5.2)."""
        b = self.bytes
        if len(b) < 6:
            return None
        size, at = b[1] & 127, 2
        if size >= 126:
            at += 2 if size == 126 else 8
            size = int.from_bytes(b[2:at], "big")
        if len(b) < at + 4 + size:
            return None
        mask, body = b[at:at + 4], b[at + 4:at + 4 + size]
        self.bytes = b[at + 4 + size:]
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        return (int.from_bytes(body, "big") ^ key).to_bytes(size, "big")


async def pump(reader, writer, seen=None):
    try:
        while data := await reader.read(65536):
            if seen:
                seen(data)
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def main(listen, to, path):
    out = open(path, "a", encoding="ascii", buffering=1)

    def note(what):
        out.write(f"{time.monotonic():.3f} {what}\n")

    async def relay(reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to, limit=16384)
        except OSError:
            writer.close()
            return
        note("connect")
        frames = Frames()

        def seen(data):
            for _ in range(frames.feed(data)):
                note("heartbeat")

        await asyncio.gather(pump(reader, far_writer, seen), pump(far_reader, writer))
        note("end")
        far_writer.close()
        writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", listen, limit=16384)
    print("ready", flush=True)
    asyncio.get_running_loop().add_signal_handler(15, lambda: os._exit(0))
    async with server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
