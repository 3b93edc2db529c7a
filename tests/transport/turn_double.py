"""A TURN server (RFC 8656) on the loopback for one test: it knows no passwords, and can fall silent."""

import asyncio
import struct
from typing import Any

from aioice.stun import Class, Message, Method, parse_message

HOST = "127.0.0.1"
LIFETIME_S = 600


class TurnDouble(asyncio.DatagramProtocol):
    """Gives each client that asks an address of its own, and passes on what goes through bound channels."""

    def __init__(self) -> None:
        self.silent = False
        self.asked: list[Method] = []
        self.given: list[_Relayed] = []  # addresses, for as long as they are held
        self.port = 0
        self.transport: Any = None
        self._relayed: dict[Any, _Relayed] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to serve, at `port`."""
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(HOST, 0))
        self.port = self.transport.get_extra_info("sockname")[1]

    def close(self) -> None:
        """Close all sockets."""
        for relayed in [self, *self._relayed.values()]:
            relayed.transport.close()

    def datagram_received(self, data: bytes, address: Any) -> None:
        if self.silent:
            return
        relayed = self._relayed.get(address)
        if data[0] & 0xC0 == 0x40:
            channel, length = struct.unpack_from("!HH", data)
            if relayed is not None and channel in relayed.others:
                relayed.transport.sendto(data[4 : 4 + length], relayed.others[channel])
            return
        request = parse_message(data)
        self.asked.append(request.message_method)
        task = asyncio.get_running_loop().create_task(self._answer(request, address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: Message, address: Any) -> None:
        response = Message(request.message_method, Class.RESPONSE, request.transaction_id)
        if request.message_method is Method.ALLOCATE:
            if address not in self._relayed:
                self._relayed[address] = relayed = _Relayed(self, address)
                self.given.append(relayed)
                await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: relayed, local_addr=(HOST, 0)
                )
            port = self._relayed[address].transport.get_extra_info("sockname")[1]
            response.attributes["XOR-RELAYED-ADDRESS"] = (HOST, port)
            response.attributes["XOR-MAPPED-ADDRESS"] = address
            response.attributes["LIFETIME"] = LIFETIME_S
        elif request.message_method is Method.CHANNEL_BIND:
            others = self._relayed[address].others
            others[request.attributes["CHANNEL-NUMBER"]] = request.attributes["XOR-PEER-ADDRESS"]
        elif request.message_method is Method.REFRESH:
            response.attributes["LIFETIME"] = request.attributes["LIFETIME"]
            if not request.attributes["LIFETIME"]:
                self.given.remove(self._relayed[address])
        self.transport.sendto(bytes(response), address)


class _Relayed(asyncio.DatagramProtocol):
    """A client's relayed address, and the channels to others that it has bound."""

    def __init__(self, server: TurnDouble, client: Any) -> None:
        self.others: dict[int, Any] = {}
        self.transport: Any = None
        self._server, self._client = server, client

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        for channel, other in self.others.items():
            if tuple(other) == tuple(address) and not self._server.silent:
                head = struct.pack("!HH", channel, len(data))
                self._server.transport.sendto(head + data, self._client)
