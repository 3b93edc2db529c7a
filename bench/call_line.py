"""A line between two network namespaces that is as bad as it is told: each holds one end of a tunnel, and what passes
is lost, delayed and held up as `transport.impairment` decides, whatever queueing disciplines the kernel knows. It needs
root on Linux and the command `ip`; it knows IP packets and nothing of calls.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import struct
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType

from bench.errors import BenchError
from transport.impairment import ImpairedLine, Impairment, LineCounts

TUN = "/dev/net/tun"
_TUNSETIFF = 0x400454CA
_TUN_FLAGS = 0x0001 | 0x1000  # packets without a header of their own
_PREFIX = 24
# Larger than what the peers send, and not much of a slow line's second.
MTU_BYTES = 1_500
NEEDED = "A call over a real line wants root on Linux, for its two network namespaces"


@dataclass
class _End:
    """One side: its namespace, its device and its address; `line` is the way to it."""

    namespace: str
    device: str
    address: str
    handle: int
    line: ImpairedLine


class NamespaceLine:
    """Two namespaces and the line between them; a context manager, to be used inside a running event loop.

    Raises BenchError, with a sentence, where they cannot be made.
    """

    def __init__(self, impairment: Impairment, *, seed: int = 0) -> None:
        self._impairment = impairment
        self._seed = seed
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._ends: list[_End] = []

    def __enter__(self) -> NamespaceLine:
        if sys.platform != "linux" or os.geteuid() != 0:
            raise BenchError(f"{NEEDED}: run it with sudo, or in a container with --privileged.")
        if shutil.which("ip") is None:
            raise BenchError(f"{NEEDED}, and the command ip: apt-get install iproute2.")
        try:
            for number in (0, 1):
                self._ends.append(self._make_end(number))
        except BaseException:
            self.close()
            raise
        for end, other in (self._ends, self._ends[::-1]):
            self._loop.add_reader(end.handle, self._carry, end, other)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove both namespaces, with the ends in them."""
        for end in self._ends:
            self._loop.remove_reader(end.handle)
            os.close(end.handle)
            with suppress(BenchError):
                _ip("netns", "del", end.namespace)
        self._ends.clear()

    def within(self, side: int) -> tuple[str, ...]:
        """Return what stands before a command that is to run on side 0 or 1."""
        return ("ip", "netns", "exec", self._ends[side].namespace)

    def address(self, side: int) -> str:
        """Return a side's IPv4 address as it is now."""
        return self._ends[side].address

    def sent(self, side: int) -> LineCounts:
        """Return the counts of what a side has sent; bytes at the IP layer, all that it sends."""
        return self._ends[1 - side].line.counts

    def cut(self, on: bool) -> None:
        """Let nothing pass any more, either way; or again what passed before."""
        for end in self._ends:
            end.line.impairment = replace(self._impairment, loss=1.0) if on else self._impairment

    def move(self, side: int) -> str:
        """Take a side's address away, give it another one, and return that."""
        end = self._ends[side]
        network, _, host = end.address.rpartition(".")
        before, end.address = end.address, f"{network}.{int(host) + 10}"
        for change, address in (("del", before), ("add", end.address)):
            _ip("-n", end.namespace, "addr", change, f"{address}/{_PREFIX}", "dev", end.device)
        return end.address

    def _make_end(self, number: int) -> _End:
        name = f"visavis{os.getpid()}-{number}"[-15:]  # as long as a device's name may be
        address = f"10.77.0.{number + 1}"
        handle = _open_tunnel(name)
        end = _End(name, name, address, handle, ImpairedLine(self._impairment, seed=f"{self._seed} {number}"))
        try:
            _ip("netns", "add", name)
            try:
                _ip("link", "set", name, "netns", name)
                # No IPv6, where there is any: what the system says of it is no part of the call.
                with suppress(BenchError):
                    _ip("-n", name, "link", "set", name, "addrgenmode", "none")
                _ip("-n", name, "link", "set", "lo", "up")
                _ip("-n", name, "link", "set", name, "mtu", str(MTU_BYTES), "up")
                _ip("-n", name, "addr", "add", f"{address}/{_PREFIX}", "dev", name)
            except BaseException:
                with suppress(BenchError):
                    _ip("netns", "del", name)
                raise
        except BaseException:
            os.close(handle)
            raise
        return end

    def _carry(self, end: _End, other: _End) -> None:
        """Take what an end has sent, and let it arrive at the other one in its time."""
        try:
            packet = os.read(end.handle, MTU_BYTES)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EINTR):
                return
            raise
        now_s = self._loop.time() - self._began_s
        for arrives_s in other.line.arrivals_s(len(packet), now_s):
            self._loop.call_at(self._began_s + arrives_s, self._deliver, packet, other)

    def _deliver(self, packet: bytes, to: _End) -> None:
        if to in self._ends:
            with suppress(OSError):  # its device is down
                os.write(to.handle, packet)


def _open_tunnel(name: str) -> int:
    """Make a tunnel's device and return the handle that its packets pass through."""
    try:
        handle = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        raise BenchError(
            f"{NEEDED} and a tunnel, but {TUN} cannot be opened ({error.strerror}): modprobe tun."
        ) from error
    try:
        fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_FLAGS))
    except OSError as error:
        os.close(handle)
        raise BenchError(f"{NEEDED}, but the system lets no tunnel be made ({error.strerror}).") from error
    return handle


def _ip(*arguments: str) -> None:
    """Run `ip`; raise BenchError with what it says where that fails."""
    done = subprocess.run(("ip", *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise BenchError(
            f"{NEEDED}, but ip {' '.join(arguments[:2])} failed: {' '.join(said) or 'no reason'}."
        )
