"""The one exception that leaves this folder when bytes are at fault; it does not know which channel they came by."""


class BitstreamError(Exception):
    """Bytes that no encoder of ours writes; the message says which rule they break.

    A receiver drops the packet, counts it and goes on.
    """
