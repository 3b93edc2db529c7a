"""The address by which the other side can reach a server of this machine. Asks the system, sends nothing."""

import errno
import ipaddress
import os
import socket

# Addresses for documentation (RFC 5737, RFC 3849): a route to them is the route to everywhere, and they are nobody's.
_SOMEWHERE = {4: "192.0.2.1", 6: "2001:db8::1"}


def reachable_host(host: str) -> str:
    """Return `host`, or where that means every interface, an address of this machine that others can reach.

    That is the address of the interface that leads out of this machine; without one, any that is not its own
    loopback; and without any network the loopback.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return (
        _outward(address.version)
        or _any_interface(address.version)
        or ("127.0.0.1", "::1")[address.version == 6]
    )


def is_own_address(host: str) -> bool:
    """Say whether this machine has an address, as it has until a network is left; where it cannot be told, it has."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True


def join_address(host: str, port: int) -> str:
    """Write host:port, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen_sentence(host: str, port: int, error: Exception) -> str:
    """Say why a server could not be started there."""
    code = getattr(error, "errno", None)
    if isinstance(error, socket.gaierror):
        return f"This machine cannot listen on {host}, which it does not know: {error.strerror}."
    if code == errno.EADDRNOTAVAIL:
        return (
            f"This machine cannot listen on {host}, which is no address of its own; 0.0.0.0 is all of them."
        )
    if code == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use by another program; choose another port."
    if code == errno.EACCES:
        return f"Port {port} may not be used without special rights; choose one above 1023."
    return f"This machine cannot listen on {host} port {port} ({error})."


def connect_reason(error: OSError) -> str:
    """Say in a few words why nobody could be reached, as the system has it."""
    # Below zero are the resolver's own numbers, which have other words.
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def _outward(version: int) -> str | None:
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # Connecting a datagram socket asks for a route and sends nothing.
            probe.connect((_SOMEWHERE[version], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _any_interface(version: int) -> str | None:
    """Find an address on a network that leads nowhere else, as a cable between two laptops is."""
    from aioice.ice import get_host_addresses

    found = [ipaddress.ip_address(text) for text in get_host_addresses(version == 4, version == 6)]
    # What a machine gave itself because nobody gave it an address comes last.
    usable = sorted((a for a in found if not a.is_loopback), key=lambda a: a.is_link_local)
    return str(usable[0]) if usable else None
