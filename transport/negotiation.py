"""How a connection is agreed upon: offer and answer, and in a sentence what one that did not come about was lacking.

How the two sides' descriptions reach each other is not known here, nor what the connection carries.
"""

from collections.abc import Sequence

from aiortc import RTCPeerConnection, RTCSessionDescription

from transport.description import Description, IceServer
from transport.errors import TransportError


class Negotiation:
    """Makes and takes the descriptions of one connection that has its channels already.

    ice_servers: those that its user has named.
    """

    def __init__(self, connection: RTCPeerConnection, ice_servers: Sequence[IceServer]) -> None:
        self._connection = connection
        self._helpers = frozenset(server.url.partition(":")[0] for server in ice_servers)

    async def create_offer(self) -> Description:
        """Begin: return the offer that the other side answers with `accept`."""
        try:
            await self._connection.setLocalDescription(await self._connection.createOffer())
        except Exception as error:
            raise TransportError(f"This side could not make an offer ({error}).") from error
        return self._local()

    async def accept(self, offer: Description) -> Description:
        """Answer an offer. Raises `TransportError` where it cannot be used."""
        await self._apply(offer, "offer")
        try:
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except Exception as error:
            raise TransportError(f"This side could not answer the offer ({error}).") from error
        return self._local()

    async def complete(self, answer: Description) -> None:
        """Take the answer to the own offer. Raises `TransportError` where it cannot be used."""
        await self._apply(answer, "answer")

    def obstacle(self) -> str:
        """Say what a connection that did not come about was lacking, as a sentence without its full stop."""
        if self._connection.signalingState != "stable":
            return "The other side has not answered"
        if self._connection.iceConnectionState != "completed":
            return f"No network path to the other side was found; {self._missing()}"
        return "A path to the other side was found, but no secure connection came about"

    def _missing(self) -> str:
        """Say what two homes need that cannot reach each other, beyond the servers that were named."""
        if self._helpers & {"turn", "turns"}:
            return "the TURN server did not answer or did not pass the call on"
        if self._helpers:
            return "STUN alone is not enough here: both sides need a TURN server (--turn)"
        return "between two homes both sides need a STUN server (--stun), or else a TURN server (--turn)"

    async def _apply(self, description: Description, kind: str) -> None:
        if description.type != kind:
            raise TransportError(f"The other side sent an {description.type} where an {kind} was due.")
        try:
            await self._connection.setRemoteDescription(
                RTCSessionDescription(sdp=description.sdp, type=description.type)
            )
        # The description is a stranger's, and aiortc has no exception of its own for what it dislikes.
        except Exception as error:
            raise TransportError(f"The other side's {kind} cannot be used ({error}).") from error

    def _local(self) -> Description:
        local = self._connection.localDescription
        if "a=candidate:" not in local.sdp:
            raise TransportError("This machine has no network address, not even its own loopback.")
        return Description(type=local.type, sdp=local.sdp)
