"""The addresses of servers that are known by name. Knows no connection.

On a line that is cut a lookup hangs for many seconds, and each try to come back makes one anew. Here they take none of
the event loop's own threads, of which there are a few and which a call needs, do not keep a program from its end, and
there is one at a time for each name; what was found before is good until there is something newer.
"""

import asyncio
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress

FIRST_S, AGAIN_S = 2.0, 0.5  # so long an answer is waited for, where none is known and where one is

_found: dict[str, str] = {}
_under_way: dict[str, Future[str]] = {}


async def address_of(host: str) -> str | None:
    """Return the IPv4 address of a host, None where it cannot be had now."""
    answer = _under_way.get(host)
    if answer is None or answer.done():
        answer = _under_way[host] = Future()
        threading.Thread(target=_look_up, args=(host, answer), name="name", daemon=True).start()
    with suppress(TimeoutError, OSError, UnicodeError):
        async with asyncio.timeout(AGAIN_S if host in _found else FIRST_S):
            _found[host] = await asyncio.shield(asyncio.wrap_future(answer))
    return _found.get(host)


def _look_up(host: str, answer: Future[str]) -> None:
    try:
        answer.set_result(socket.gethostbyname(host))
    except Exception as error:
        answer.set_exception(error)
