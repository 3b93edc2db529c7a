"""What goes wrong on the receiving side, each as one sentence for the person who started it."""


class ReceiverError(Exception):
    """The call cannot be received: another profile on the far side, nobody there, a graph that fails."""


class OtherSideError(ReceiverError):
    """The other side has failed, or the line to it; this side has not."""


class OutputError(ReceiverError):
    """The pictures cannot be written where they were asked to go."""
