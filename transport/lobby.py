"""The rooms of a signalling server: who may come in, who is told what. No sockets, no clock of its own, no content.

A connection is a `door`, anything that can be compared and hashed. Every method returns what is to be said at
which door, in order. A room exists while somebody is in it, and a little longer, so that both may come back.
"""

import hmac
from collections.abc import Hashable
from dataclasses import dataclass, field

from transport.codes import ROOM_CODE_LENGTH, make_code
from transport.errors import TransportError
from transport.limits import household
from transport.room_messages import Enter, Entered, Left, Meet, Message, Parted, Refused, Tell, Turn, Wanted

MAX_ROOMS = 5_000
# Two laptops that lost the same network at once find their room again for so long.
KEEP_EMPTY_S = 300.0

Door = Hashable
Said = list[tuple[Door, Message]]


class WrongCodeError(TransportError):
    """A side that is not let in, and may be guessing."""


@dataclass
class _Member:
    """A side: its secret, and with what code it came (None: it opened the room) from whose address."""

    secret: str
    code: str | None
    address: str
    door: Door | None = None
    wants_to_meet: bool = False


@dataclass
class _Room:
    """`members` has the one that opened the room first; it answers, the other one offers. `is_open`: the code lets
    somebody in; `has_met`: there has been a call."""

    name: str
    code: str
    members: list[_Member] = field(default_factory=list)
    empty_since_s: float | None = None
    is_open: bool = True
    has_met: bool = False

    def other(self, member: _Member) -> _Member | None:
        return next((one for one in self.members if one is not member), None)

    def lacks(self, member: _Member) -> bool:
        """Whether a side is gone: its connection is, or in a call, the other one looks for it and it for nobody."""
        other = self.other(member)
        if other is None or not self.has_met:
            return member.door is None
        return other.wants_to_meet and not member.wants_to_meet


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

    def enter(self, door: Door, wish: Enter, *, address: str = "") -> Said:
        """Let a side in at `door`, whose connection comes from `address`. Raises `TransportError` with a sentence,
        `WrongCodeError` for a wrong code."""
        room = self._rooms.get(wish.room)
        if room is None:
            room = self._make(wish)
        member = next((one for one in room.members if hmac.compare_digest(one.secret, wish.secret)), None)
        said: Said = []
        if member is None:
            newcomer = _Member(wish.secret, wish.code, household(address))
            member = self._place(room, newcomer)
        elif wish.opens and wish.code is not None:
            room.code, room.is_open = wish.code, True
        if member.door is not None:
            said.append((member.door, Refused("This side has come in again elsewhere.")))
            self._places.pop(member.door)
        member.door, member.wants_to_meet = door, False
        room.empty_since_s = None
        self._places[door] = room, member
        return [*said, (door, Entered(room.code))]

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
                self._leave(room, member)
                return [] if other is None or other.door is None else [(other.door, Left())]
        raise TransportError("A side in a room does not say this.")

    def has(self, door: Door) -> bool:
        """Whether a connection is in a room."""
        return door in self._places

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
        """Open a room for who has no code, or for one that was in it before this server knew of it."""
        if wish.code is not None and not wish.again:
            raise WrongCodeError("There is no such invitation; ask for the code that is shown now.")
        if len(self._rooms) >= MAX_ROOMS:
            raise TransportError("This server is full; try again later.")
        code = wish.code or make_code(ROOM_CODE_LENGTH)
        room = self._rooms[wish.room] = _Room(
            wish.room, code, is_open=wish.opens or not wish.again, has_met=wish.again
        )
        return room

    def _place(self, room: _Room, newcomer: _Member) -> _Member:
        """Return the member that a newcomer is from now on: one more, or in the place of one that is gone, which is its
        own where it was started anew. Raises `TransportError` where there is no place for it."""
        if not room.members:
            room.members.append(newcomer)
            return newcomer
        invited = newcomer.code is not None and hmac.compare_digest(newcomer.code, room.code)
        if len(room.members) < 2 and invited:
            room.members.append(newcomer)
            return newcomer
        for member in room.members:
            # Who opened a room came without its code, which after a restart of this server nobody knows any more.
            itself = newcomer.address == member.address and newcomer.code in (None, member.code)
            if room.lacks(member) and (itself or (invited and room.is_open)):
                member.secret, member.code, member.address = newcomer.secret, newcomer.code, newcomer.address
                return member
        if newcomer.code is None:
            raise TransportError(
                "This room is in use: take another name, or the code that the other side shows."
            )
        if not invited:
            raise WrongCodeError("There is no such invitation; ask for the code that is shown now.")
        raise TransportError(
            "This room is full, two are in it: take another name, or ask to be invited again."
        )

    def _meet(self, room: _Room, member: _Member, other: _Member | None) -> Said:
        if other is None or not other.wants_to_meet:
            member.wants_to_meet = True
            return [] if other is None or other.door is None else [(other.door, Wanted())]
        member.wants_to_meet = other.wants_to_meet = False
        room.is_open, room.has_met = False, True
        self.meetings += 1
        return [(one.door, Turn(offers=one is not room.members[0])) for one in (member, other)]

    def _leave(self, room: _Room, member: _Member) -> None:
        """Let a side go for good; without the one that opened it a room is no more, without its guest it waits on."""
        if member is room.members[0]:
            self._remove(room)
            return
        room.members.remove(member)
        room.has_met = False
        if member.door is not None:
            self._places.pop(member.door)

    def _remove(self, room: _Room) -> None:
        del self._rooms[room.name]
        for member in room.members:
            if member.door is not None:
                self._places.pop(member.door)
