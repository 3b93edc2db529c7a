"""The rooms of a signalling server: who may come in, who is told what. No sockets, no clock of its own, no content.

A connection is a `door`, anything that can be compared and hashed. Every method returns what is to be said at
which door, in order. A room exists while somebody is in it, and a little longer, so that both may come back.
"""

import hmac
from collections.abc import Hashable
from dataclasses import dataclass, field

from transport.errors import TransportError
from transport.room_messages import Enter, Entered, Left, Meet, Message, Parted, Refused, Tell, Turn, Wanted
from transport.tokens import make_token

MAX_ROOMS = 5_000
# Two laptops that lost the same network at once find their room again for so long.
KEEP_EMPTY_S = 300.0
TOKEN_LENGTH = 8  # 2^40 values; `limits` counts an address's wrong ones

Door = Hashable
Said = list[tuple[Door, Message]]


class WrongToken(TransportError):
    """A side that is not let in, and may be guessing."""


@dataclass
class _Member:
    secret: str
    door: Door | None
    wants_to_meet: bool = False


@dataclass
class _Room:
    """`members` has the one that opened the room first; it answers, the other one offers."""

    name: str
    token: str
    members: list[_Member] = field(default_factory=list)
    empty_since_s: float | None = None

    def other(self, member: _Member) -> _Member | None:
        return next((one for one in self.members if one is not member), None)


class Lobby:
    """All rooms of one server."""

    def __init__(self) -> None:
        self.meetings = 0  # pairs that were brought together since the start
        self._rooms: dict[str, _Room] = {}
        self._places: dict[Door, tuple[_Room, _Member]] = {}

    @property
    def rooms(self) -> int:
        """How many rooms there are."""
        return len(self._rooms)

    def enter(self, door: Door, wish: Enter) -> Said:
        """Let a side in at `door`. Raises `TransportError` with a sentence, `WrongToken` for a wrong or spent one."""
        room = self._rooms.get(wish.room)
        if room is None:
            room = self._make(wish)
            member = None
        else:
            member = next((one for one in room.members if hmac.compare_digest(one.secret, wish.secret)), None)
        said: Said = []
        if member is None:
            self._check_invited(room, wish)
            member = _Member(wish.secret, door)
            room.members.append(member)
        elif member.door is not None:
            said.append((member.door, Refused("This side has come in again elsewhere.")))
            self._places.pop(member.door)
        member.door, member.wants_to_meet = door, False
        room.empty_since_s = None
        self._places[door] = room, member
        return [*said, (door, Entered(room.token))]

    def hear(self, door: Door, message: Message) -> Said:
        """Do what a side in a room says. Raises `TransportError` for what a side does not say."""
        if door not in self._places:
            raise TransportError("This room is closed.")
        room, member = self._places[door]
        other = room.other(member)
        match message:
            case Meet():
                return self._meet(room, member, other)
            case Tell():
                if other is None or other.door is None:
                    return [(door, Parted())]
                return [(other.door, message)]
            case Left():
                self._remove(room)
                return [] if other is None or other.door is None else [(other.door, Left())]
        raise TransportError("A side in a room does not say this.")

    def lose(self, door: Door, now_s: float) -> Said:
        """Note that a connection is gone; its side may come back."""
        if door not in self._places:
            return []
        room, member = self._places.pop(door)
        member.door, member.wants_to_meet = None, False
        other = room.other(member)
        if other is None or other.door is None:
            room.empty_since_s = now_s
            return []
        return [(other.door, Parted())]

    def sweep(self, now_s: float) -> None:
        """Forget the rooms in which nobody has been for `KEEP_EMPTY_S`."""
        for room in list(self._rooms.values()):
            if room.empty_since_s is not None and now_s - room.empty_since_s > KEEP_EMPTY_S:
                self._remove(room)

    def _make(self, wish: Enter) -> _Room:
        """Open a room for who has no token, or for one that was in it before this server knew of it."""
        if wish.token is not None and not wish.again:
            raise WrongToken("There is no such invitation, or it has been used; ask for a new one.")
        if len(self._rooms) >= MAX_ROOMS:
            raise TransportError("This server is full; try again later.")
        token = wish.token or make_token(TOKEN_LENGTH)
        room = self._rooms[wish.room] = _Room(wish.room, token)
        return room

    def _check_invited(self, room: _Room, wish: Enter) -> None:
        if not room.members:
            return
        if wish.token is None:
            raise TransportError(
                "This room is in use: take another name, or the token that the other side shows."
            )
        # One answer for a token that is wrong and one that is spent: who guesses learns nothing.
        if len(room.members) > 1 or not hmac.compare_digest(wish.token, room.token):
            raise WrongToken("There is no such invitation, or it has been used; ask for a new one.")

    def _meet(self, room: _Room, member: _Member, other: _Member | None) -> Said:
        if other is None or not other.wants_to_meet:
            member.wants_to_meet = True
            return [] if other is None or other.door is None else [(other.door, Wanted())]
        member.wants_to_meet = other.wants_to_meet = False
        self.meetings += 1
        return [(one.door, Turn(offers=one is not room.members[0])) for one in (member, other)]

    def _remove(self, room: _Room) -> None:
        del self._rooms[room.name]
        for member in room.members:
            if member.door is not None:
                self._places.pop(member.door)
