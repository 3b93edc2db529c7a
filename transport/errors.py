"""The one exception of this folder. Its text is a sentence that can be shown to a user as it stands."""


class TransportError(Exception):
    """The two sides could not meet, or what one of them sent could not be used."""
