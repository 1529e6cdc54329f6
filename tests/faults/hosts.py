"""Hosts of fault tests: network namespaces with addresses of their own, on a common network or at
the end of a line that loses and delays packets (line.py). The process of the test is on both.

Needs root and iptables. `tc netem` is not needed."""

import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from common import Fault, at_end
from programs import require_programs

LINE = Path(__file__).resolve().parent / "line.py"


def sh(*command, allowed=(0,)):
    """Runs a command; raises a Fault when it fails."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    if done.returncode not in allowed:
        raise Fault(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def require_hosts():
    """Raises a Fault with the reason when this machine cannot have such hosts."""
    if os.geteuid() != 0:
        raise Fault("this test creates network namespaces: run it as root")
    require_programs("ip", "iptables")
    probe = f"ek{os.getpid()}p"
    try:
        sh("ip", "netns", "add", probe)
    except Fault as fault:
        raise Fault(f"network namespaces are not allowed here: {fault}") from None
    sh("ip", "netns", "del", probe)


def free_network():
    """Returns the first three numbers of a network that no interface of this machine has."""
    taken = sh("ip", "-4", "addr") + sh("ip", "-4", "route")
    dice = random.SystemRandom()
    while True:
        start = f"10.{dice.randrange(100, 250)}.{dice.randrange(1, 250)}"
        if f"{start}." not in taken:
            return start


class Host:
    """A network namespace; its processes are found by it, however they were started."""

    def __init__(self, name, address, lan=""):
        self.name, self.address = name, address
        self.space = f"ek{os.getpid()}{lan}{name}"
        sh("ip", "netns", "add", self.space)
        at_end(self.remove)
        self.inside("ip", "link", "set", "lo", "up")

    def wrap(self, user=None):
        """Returns the beginning of a command that runs in this host, as a user."""
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        return ["ip", "netns", "exec", self.space, *who]

    def inside(self, *command, allowed=(0,)):
        """Runs a command in this host."""
        return sh(*self.wrap(), *command, allowed=allowed)

    def pids(self):
        """Returns the ids of all its processes."""
        return [int(pid) for pid in sh("ip", "netns", "pids", self.space, allowed=(0, 1)).split()]

    def send(self, number):
        """Sends a signal to all its processes, also to those that start meanwhile."""
        told = set()
        while new := set(self.pids()) - told:
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            told |= new

    def kill(self):
        """Kills all its processes, as a failing machine does."""
        self.send(signal.SIGKILL)

    def pause(self):
        """Stops all its processes, as a paused virtual machine does."""
        self.send(signal.SIGSTOP)

    def resume(self):
        """Continues all its processes."""
        self.send(signal.SIGCONT)

    def cut(self, *addresses):
        """Drops all packets from and to these addresses."""
        for address in addresses:
            self.inside("iptables", "-w", "-A", "INPUT", "-s", address, "-j", "DROP")
            self.inside("iptables", "-w", "-A", "OUTPUT", "-d", address, "-j", "DROP")

    def heal(self):
        """Drops no packets any more."""
        self.inside("iptables", "-w", "-F")

    def remove(self):
        """Kills its processes and removes it."""
        with contextlib.suppress(Fault):
            self.kill()
        with contextlib.suppress(Fault):
            sh("ip", "netns", "del", self.space)


class Lan:
    """A network of hosts, in which the process of the test has the first address."""

    def __init__(self, name=""):
        self.start, self.bridge, self._count = free_network(), f"ek{os.getpid()}b{name}", 10
        self._name = name
        self.network, self.address = f"{self.start}.0/24", f"{self.start}.1"
        sh("ip", "link", "add", self.bridge, "type", "bridge")
        at_end(sh, "ip", "link", "del", self.bridge)
        sh("ip", "addr", "add", f"{self.address}/24", "dev", self.bridge)
        sh("ip", "link", "set", self.bridge, "up")

    def host(self, name):
        """Adds a host."""
        self._count += 1
        host = Host(name, f"{self.start}.{self._count}", self._name)
        out, within = f"ek{os.getpid()}v{self._count}{self._name}", "eth0"
        sh("ip", "link", "add", out, "type", "veth", "peer", within, "netns", host.space)
        sh("ip", "link", "set", out, "master", self.bridge, "up")
        host.inside("ip", "addr", "add", f"{host.address}/24", "dev", within)
        host.inside("ip", "link", "set", within, "up")
        return host


class Line:
    """A line from a host, by default from the process of the test, to another host. Both ends have
    an address; `here` is the near one, `there` the far one."""

    def __init__(self, name, far, near=None):
        start = free_network()
        self.here, self.there = f"{start}.1", f"{start}.2"
        self._ends = [f"ek{os.getpid()}{name}{end}"[:15] for end in "nf"]
        self.end = self._ends[1]  # the interface of the far end
        self._process = subprocess.Popen(
            [sys.executable, "-B", str(LINE), *self._ends],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        at_end(self._process.kill)
        if self._process.stdout.readline() != "ready\n":
            raise Fault("a line between two hosts is not possible here: no /dev/net/tun")
        ends = zip(
            (near, far), self._ends, (self.here, self.there), (self.there, self.here), strict=True
        )
        for host, end, own, other in ends:
            if host:
                sh("ip", "link", "set", end, "netns", host.space)
            run = host.inside if host else sh
            run("ip", "addr", "add", own, "peer", other, "dev", end)
            run("ip", "link", "set", end, "up")

    def tell(self, *words):
        """Sends a command to the line (see line.py)."""
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def cut_far(self):
        """Drops what the far end sends; the near end's packets arrive."""
        self.tell("cut", self.end)
