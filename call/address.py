"""Addresses that people type and read: HOST:PORT, ICE servers, and which of our own to name to the other side."""

import ipaddress
from dataclasses import dataclass

from call.errors import CallError
from transport.reach import join_address, reachable_host

DEFAULT_PORT = 8765
SERVE_PORT = 8766
# Every interface: the other laptop must be able to reach it.
DEFAULT_LISTEN = f"0.0.0.0:{DEFAULT_PORT}"


@dataclass(frozen=True)
class Address:
    """A host name or IP address, and a TCP port in 0..65535 (0: any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        return join_address(self.host, self.port)


def parse_address(text: str) -> Address:
    """Read HOST, HOST:PORT, :PORT or [IPV6]:PORT; the port is 8765 where none is given. Raises CallError."""
    host, port = text.strip(), ""
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        port = rest.removeprefix(":")
    elif host.count(":") == 1:
        host, port = host.split(":")
    if port and not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise CallError(f"'{text}' is no address: the port must be a number up to 65535.")
    if any(character.isspace() or character == "/" for character in host) or _is_part_of_one(host):
        raise CallError(f"'{text}' is no address: write HOST:PORT, as in 192.168.1.5:{DEFAULT_PORT}.")
    return Address(host or "0.0.0.0", int(port) if port else DEFAULT_PORT)


def _is_part_of_one(host: str) -> bool:
    """Say whether a host is numbers and dots, and not the four that an address has."""
    if not host or set(host) - set("0123456789."):
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return True
    return False


def address_to_tell(bound: Address) -> Address:
    """Turn the address that a server is bound to into one that the other side can type and reach."""
    return Address(reachable_host(bound.host), bound.port)
