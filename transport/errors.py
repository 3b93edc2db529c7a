"""The exceptions of this folder. Their text is a sentence that can be shown to a user as it stands."""


class TransportError(Exception):
    """The two sides could not meet, or what one of them sent could not be used."""


class NotYetError(TransportError):
    """The other side listens, but does not take a call yet: somebody has to click something there."""


class TurnedAwayError(TransportError):
    """The other side was reached and does not want this one: trying again will not change that."""


class LeftError(TransportError):
    """The other side has left for good."""
