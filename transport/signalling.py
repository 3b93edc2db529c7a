"""How a side comes to one that listens (`transport.listening`): it posts its offer over HTTP and is given the answer.

One request, `POST /offer` with the other side's code as bearer and the offer as JSON; the reply is the answer. HTTP is
not encrypted: who can change it on its way can step between the two sides, so across an open network the exchange
belongs into a tunnel. Nothing is known of what the peers say once they are connected.
"""

import json
from typing import Any

import aiohttp

from transport.codes import check_code
from transport.description import Description
from transport.errors import NotYetError, TransportError, TurnedAwayError
from transport.peer import Peer
from transport.reach import connect_reason, join_address

MAX_BODY_BYTES = 65_536


async def offer(address: str, code: str, peer: Peer, *, timeout_s: float = 10.0) -> None:
    """Post `peer`'s offer to the side that listens at `address` (host:port) and give `peer` the answer.

    Raises `TransportError` as `post_offer` does. The connection itself is awaited with `peer.connected`.
    """
    await peer.complete(await post_offer(address, code, await peer.create_offer(), timeout_s=timeout_s))


async def post_offer(
    address: str, code: str, offer: Description, *, secret: str | None = None, timeout_s: float = 10.0
) -> Description:
    """Post an offer to the side that listens at `address` (host:port) and return the answer.

    With a `secret` (`make_secret`) the guest can come back later. Raises `TransportError` with a sentence where
    nobody listens there or the reply is not an answer; `NotYetError` where a later try may do, and `TurnedAwayError`
    where none will.
    """
    host, port = _split_address(address)
    code = check_code(code)
    body = json.dumps({"type": offer.type, "sdp": offer.sdp} | ({} if secret is None else {"secret": secret}))
    url = f"http://{join_address(host, port)}/offer"
    headers = {"Authorization": f"Bearer {code}", "Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            status, reply = response.status, await _read_capped(response.content)
    except TimeoutError:
        raise TransportError(
            f"{address} did not answer within {timeout_s:g} seconds: is that its address on your network, and does "
            f"its firewall let TCP port {port} in?"
        ) from None
    except aiohttp.ClientConnectorError as error:
        raise TransportError(
            f"Nobody answers at {address} ({connect_reason(error)}): is the other side still waiting there, on the "
            "same network, and no firewall between?"
        ) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise TransportError(
            f"What listens at {address} is no Visavis that waits for a call ({error})."
        ) from error
    if status == 503:
        raise NotYetError(f"{address} takes no call yet: {_reason(status, reply)}")
    if status == 403:
        raise TurnedAwayError(f"{address} refused the call: {_reason(status, reply)}")
    if status != 200:
        raise TransportError(f"{address} refused the call: {_reason(status, reply)}")
    try:
        return Description.from_json(reply)
    except TransportError as error:
        raise TransportError(f"The reply of {address} is no answer: {error}") from error


async def _read_capped(stream: aiohttp.StreamReader) -> bytes:
    """Read a reply to its end; raises `ValueError` beyond `MAX_BODY_BYTES`."""
    body = bytearray()
    async for part in stream.iter_any():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise ValueError("its reply is too long")
    return bytes(body)


def _reason(status: int, reply: bytes) -> str:
    """Take the sentence out of a refusal, cut and cleaned, as it is a stranger's text."""
    try:
        value: Any = json.loads(reply)
    except (ValueError, RecursionError):
        value = None
    sentence = value.get("error") if isinstance(value, dict) else None
    if not isinstance(sentence, str):
        return f"HTTP status {status}."
    return "".join(character for character in sentence[:200] if character.isprintable())


def _split_address(address: str) -> tuple[str, int]:
    host, colon, port = address.strip().removeprefix("http://").rstrip("/").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise TransportError(f"{address!r} is not an address; write it as host:port.")
    return host, int(port)
