"""The channel of motion: what the line has no room for gives way to what is newer. Knows no clock and no codec."""

from aiortc import RTCDataChannel

BUFFER_BYTES = 256  # a few ordinary motions may wait for the line; behind them only the newest


class MotionChannel:
    """Sends over an unordered channel that repeats nothing; `sent` and `dropped` count its packets."""

    def __init__(self, channel: RTCDataChannel) -> None:
        self.sent = self.dropped = 0
        self._channel = channel
        self._newest: bytes | None = None  # what waits alone
        self._stopped = False
        channel.on("bufferedamountlow", self._put_newest)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for the line."""
        return self._channel.bufferedAmount == 0

    def send(self, data: bytes, *, spare: bool) -> bool:
        """Send a packet; False where one was dropped for it. A `spare` one does not wait."""
        if self._stopped or self._channel.readyState != "open":
            self.dropped += not spare
            return False
        buffered = self._channel.bufferedAmount
        if buffered == 0 or buffered + len(data) <= BUFFER_BYTES:
            self._put(data)
            return True
        if spare:
            return False
        displaces = self._newest is not None
        self._newest = data
        self.dropped += displaces
        return not displaces

    def stop(self) -> None:
        """Send nothing any more."""
        self._newest, self._stopped = None, True

    def _put_newest(self) -> None:
        if self._newest is not None and self._channel.readyState == "open":
            data, self._newest = self._newest, None
            self._put(data)

    def _put(self, data: bytes) -> None:
        self._channel.send(data)
        self.sent += 1
