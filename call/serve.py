"""`visavis serve`: the signalling server, in whose rooms two laptops meet that cannot reach each other at first."""

import asyncio
import ssl
from pathlib import Path

from call import console, options, running
from call.errors import CallError

REPORT_PERIOD_S = 60.0
# Each side that is connected takes one; systems give a program 1024 to begin with, and more when it asks.
FILES = 20_000


def run(wanted: options.Serve) -> None:
    """Serve until Ctrl-C; one line a minute says how many there are, where that is news, and nothing of who or what."""
    tls = None if wanted.cert is None else _load_certificate(wanted.cert, wanted.key)
    allow_many_files()
    running.run(_serve(wanted, tls))
    console.say("Stopped.")


async def _serve(wanted: options.Serve, tls: ssl.SSLContext | None) -> None:
    from transport.serve import Counts, RoomServer

    server = RoomServer(behind_proxy=wanted.behind_proxy)
    await server.start(wanted.host, wanted.port, tls=tls)
    console.say(f"Serving at {server.address}. Ctrl-C stops it.")
    if tls is not None:
        console.say("To others it goes by the name that stands in its certificate.")
    else:
        console.say(
            "Without TLS (--cert, or a proxy in front) whoever carries the packets can read who meets whom."
        )
    before, said = Counts(0, 0, 0, 0), ""
    try:
        while True:
            await asyncio.sleep(REPORT_PERIOD_S)
            now = server.counts()
            counted = (
                f"{now.rooms} rooms, {now.peers} connected; in the last minute "
                f"{now.meetings - before.meetings} meetings, {now.refused - before.refused} refused"
            )
            if counted != said:
                console.say(counted)
            before, said = now, counted
    except asyncio.CancelledError:
        pass  # the way in which a server ends
    finally:
        await server.close()


def _load_certificate(cert: Path, key: Path | None) -> ssl.SSLContext:
    for path in (cert, key):
        if path is not None and not path.is_file():
            raise CallError(f"{path} is not there.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A key that wants a password would have OpenSSL ask at the terminal, and a server has none.
        context.load_cert_chain(cert, key, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        raise CallError(
            f"{cert} and its key cannot be used ({error}): both must be PEM, belong together, and want no password."
        ) from error
    return context


def allow_many_files() -> None:
    """Let this process have as many connections as the system lets it."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
