"""Our call over a bad line, in real time: `call.loopback`'s, with a watch that notes all that is shown."""

from __future__ import annotations

from bench.clips import Clip, Picture
from bench.errors import BenchError
from bench.net_figures import KEPT_EVERY_S, HeldCall, Pair, Seen, counted
from bench.quality import SOURCE_SPREAD_S
from call.ends import Ends
from call.loopback import hold_between
from call.loopback_figures import Held
from call.options import Engine, Input, Loopback
from call.watch import Watch
from call.ways import way_in
from codec.time import TICK_CYCLE
from receiver.output import Nothing
from receiver.playout import Shown
from transport.relay import Relay


async def hold_ours(ends: Ends, clip: Clip, *, seconds: float, relay: Relay) -> HeldCall:
    """Send the clip over and over for `seconds` of motion through the relay, which the caller closes.

    Raises BenchError where no motion was sent; a call that breaks off later is one that shows nothing more.
    """
    wanted = Loopback(
        input=Input(spec=str(clip.path), crop="full", source="first", repeat_s=seconds),
        engine=Engine(profile=ends.profile.name, engine=ends.talker.graphs.engine),
        quality=False,
    )
    notes, held, broke = Notes(), None, None
    with counted(relay) as line:
        try:
            with way_in(wanted.input) as opened:
                held = await hold_between(opened, Nothing(), wanted, ends, None, watch=notes, relay=relay)
        except Exception as error:  # a line may be too bad for a call; that is a row, too
            broke = str(error)
    if notes.first_captured_s is None:
        raise BenchError(broke or "No motion was sent.")
    return HeldCall(
        began_s=relay.began_s,
        ended_s=notes.first_captured_s + seconds,
        seen=notes.seen,
        pairs=notes.pairs,
        line=line,
        payload_kbps=None if held is None else _payload_kbps(held, seconds),
        broke=broke,
    )


def _payload_kbps(held: Held, seconds: float) -> float:
    return 0.008 * (held.sent.payload_bytes / seconds + held.sent.source_bytes / SOURCE_SPREAD_S)


class Notes(Watch):
    """Notes every picture's time and kind, and keeps pairs of pictures now and then."""

    def __init__(self) -> None:
        super().__init__(None)
        self.seen: list[Seen] = []
        self.pairs: list[Pair] = []
        self.first_captured_s: float | None = None
        self._kept_s = float("-inf")
        # By the capture time on the wire: when it was captured, and the picture where it is kept.
        self._sent: dict[int, tuple[float, Picture | None]] = {}

    def on_frame(self, index: int, ticks: int, captured_s: float, picture: Picture) -> None:
        """Take the sender's hook: a frame is about to be sent."""
        super().on_frame(index, ticks, captured_s, picture)
        if self.first_captured_s is None:
            self.first_captured_s = captured_s
        keep = captured_s - self._kept_s >= KEPT_EVERY_S
        self._kept_s = captured_s if keep else self._kept_s
        self._sent[ticks % TICK_CYCLE] = captured_s, picture.copy() if keep else None

    def on_shown(self, shown: Shown, picture: Picture, shown_s: float) -> None:
        """Take the receiver's hook: a picture is on the screen."""
        super().on_shown(shown, picture, shown_s)
        captured_s, original = None, None
        if shown.kind == "fresh":
            captured_s, original = self._sent.pop(shown.ticks % TICK_CYCLE, (None, None))
        self.seen.append(Seen(shown.kind, shown_s, captured_s))
        if original is not None:
            self.pairs.append(Pair(shown_s, original, picture.copy()))
