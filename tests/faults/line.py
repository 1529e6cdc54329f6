"""A line between two network interfaces that can lose, delay and hold up packets, for kernels
without `tc netem`. Both ends are TUN devices; this process carries the packets, so TCP at both ends
is the kernel's own.

    line.py END END     creates both interfaces, prints `ready`, then reads commands from standard
                        input, one on each line:
    delay SECONDS [JITTER]     delays each packet, by up to JITTER more; jitter changes their order
    loss SHARE                 drops this share of the packets
    cut                        drops all packets
    cut END                    drops the packets that END sends: the other way stays open
    heal                       forwards all packets at once again

Used by hosts.py; ends when its standard input ends.
"""

import asyncio
import fcntl
import os
import random
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
LONGEST = 65_535  # bytes of a packet


def opened(name):
    """Creates a TUN interface; returns its file descriptor."""
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return end


class Line:
    """Both ends, and what happens to packets between them."""

    def __init__(self, names):
        self.ends = {name: opened(name) for name in names}
        self.dice, self.silent = random.Random(), set()
        self.loss = self.delay = self.jitter = 0.0

    def carry(self, name, loop):
        """Reads one packet of an end and sends it to the other end, or drops it."""
        (other,) = (end for end in self.ends if end != name)
        try:
            packet = os.read(self.ends[name], LONGEST)
        except (BlockingIOError, OSError):
            return
        if name in self.silent or self.dice.random() < self.loss:
            return
        if self.delay or self.jitter:
            after = self.delay + self.dice.random() * self.jitter
            loop.call_later(after, self.deliver, name, other, packet)
        else:
            self.deliver(name, other, packet)

    def deliver(self, name, other, packet):
        """Hands a packet to an end. A full or unready end loses it, as a real one would."""
        if name in self.silent:
            return
        try:
            os.write(self.ends[other], packet)
        except (BlockingIOError, OSError):
            return

    def obey(self, what, *rest):
        """Applies a command."""
        if what == "delay":
            self.delay, self.jitter = float(rest[0]), float(rest[1]) if rest[1:] else 0.0
        elif what == "loss":
            self.loss = float(rest[0])
        elif what == "cut":
            self.silent = set(rest or self.ends)
        elif what == "heal":
            self.silent, self.loss, self.delay, self.jitter = set(), 0.0, 0.0, 0.0


async def main():
    """Carries packets until standard input ends."""
    line, loop = Line(sys.argv[1:3]), asyncio.get_running_loop()
    for name, end in line.ends.items():
        loop.add_reader(end, line.carry, name, loop)
    print("ready", flush=True)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while words := (await commands.readline()).split():
        line.obey(*(word.decode() for word in words))


if __name__ == "__main__":
    asyncio.run(main())
