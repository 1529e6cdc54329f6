"""A TCP proxy between instances and their database that can disturb the traffic.

    proxy.py TARGET_PORT NAME...     prints a port for each name, then reads commands from standard
                                     input, one on each line:
    NAME reset                       closes all connections with a reset
    NAME cut                         holds back all data in both directions, also of new
                                     connections
    NAME heal                        forwards data again, including what was held back
    NAME delay SECONDS               delays all data

Used by tests/faults/history; ends when its standard input ends.
"""

import asyncio
import contextlib
import os
import socket
import struct
import sys

HOST = "127.0.0.1"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


class Way:
    """One listening port and its connections."""

    def __init__(self, target):
        self.target, self.delay = target, 0.0
        self.open, self.writers = asyncio.Event(), set()
        self.open.set()

    async def connected(self, reader, writer):
        """Accepts a client."""
        self.writers.add(writer)
        try:
            await self.open.wait()
            with contextlib.suppress(OSError):
                above, below = await asyncio.open_connection(HOST, self.target)
                self.writers.add(below)
                ways = {
                    asyncio.create_task(self.carry(reader, below)),
                    asyncio.create_task(self.carry(above, writer)),
                }
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                self.writers.discard(below)
                below.close()
        finally:
            self.writers.discard(writer)
            writer.close()

    async def carry(self, reader, writer):
        """Forwards one direction of a connection."""
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 16):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self.open.wait()
                writer.write(piece)
                await writer.drain()

    def reset(self):
        """Closes all connections with a reset."""
        for writer in list(self.writers):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, RESET
                )
            writer.transport.abort()


async def main():
    """Serves until standard input ends."""
    ways = {}
    for name in sys.argv[2:]:
        ways[name] = Way(int(sys.argv[1]))
        server = await asyncio.start_server(ways[name].connected, HOST, 0)
        print(server.sockets[0].getsockname()[1], flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    while line := await commands.readline():
        name, what, *rest = line.decode().split()
        way = ways[name]
        if what == "reset":
            way.reset()
        elif what == "cut":
            way.open.clear()
        elif what == "heal":
            way.delay = 0.0
            way.open.set()
        elif what == "delay":
            way.delay = float(rest[0])
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
