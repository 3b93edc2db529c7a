"""What can go wrong on the sending side, as exceptions whose text is the one sentence that a user reads."""


class SenderError(Exception):
    """The sender cannot go on; the text says what happened, why, and what to do."""


class OtherSideError(SenderError):
    """The other side has failed; this one has not."""


class InputError(SenderError):
    """The camera, file, folder or stream cannot be read, or shows no face."""
