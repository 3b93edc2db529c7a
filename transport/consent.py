"""Whether the other side still wants to hear from this one (RFC 7675; touches private parts of aioice 0.13, as
`transport.wire` does).

aioice waits half a second for each answer and never asks a second time, so a connection whose round trip is longer,
over a satellite or behind a queue, would end after half a minute. What the connection carries is not known here.
"""

import asyncio
import random

from aioice.ice import Connection
from aioice.stun import TransactionError

from transport.round_trips import RoundTrips

ASK_S = 5.0  # give or take a fifth
EXPIRES_S = 30.0
# A question is asked again after 0.5 and 1.5 s, and its answer waited for until 3.5 s are over.
AGAIN, FIRST_AGAIN_S = 2, 0.5


async def keep_consent(connection: Connection, round_trips: RoundTrips) -> None:
    """Ask for consent every few seconds, and close the connection where none was given for half a minute; stands in
    for aioice's `query_consent`. Notes how long the answers take."""
    assert connection.remote_password is not None  # there was a meeting
    loop = asyncio.get_running_loop()
    given_s = loop.time()
    while loop.time() - given_s < EXPIRES_S:
        await asyncio.sleep(ASK_S * random.uniform(0.8, 1.2))
        for pair in list(connection._nominated.values()):
            asked_s = loop.time()
            try:
                await pair.protocol.request(
                    connection.build_request(pair, nominate=False),
                    pair.remote_addr,
                    integrity_key=connection.remote_password.encode(),
                    retransmissions=AGAIN,
                )
                given_s = loop.time()
                if given_s - asked_s < FIRST_AGAIN_S:  # else it may be the second question that was answered
                    round_trips.note(given_s - asked_s)
            except TransactionError:
                pass  # one that was lost says nothing yet
    connection._query_consent_task = None  # which `close` would wait for
    await connection.close()
