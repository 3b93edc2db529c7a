"""Which of voice and picture waits for the other: the sender's clock maps one's times to the other's.

Pure logic, in the manner of `receiver.clock`: the sender's clock messages, when pictures were shown and when sound is
due go in; how long to hold each back comes out. The quicker of the two waits, since nothing makes the slower one
quicker; a lag of the picture includes its drawing, so nothing need be known of that. It knows no sound and no pictures.
"""

from collections import deque
from statistics import median

from codec.time import TICK_CYCLE, TICKS_PER_SECOND, Clock

SAMPLES_PER_TICK = 48_000 // TICKS_PER_SECOND
RTP_CYCLE = 1 << 32
WINDOW = 50  # pictures, two seconds
HEARD_WINDOW = 15
NEEDED = 10
# People begin to notice at some 45 ms. Below this nothing is moved, so that neither side's jitter is followed.
DEADBAND_S = 0.012
# Beyond this the call's quickness matters more than the lips.
MAX_HOLD_S = 0.5
# The picture's hold changes by so much with each `adjust`: at once would freeze it, or skip what is said meanwhile.
STEP_S = 0.02


class LipSync:
    """Learns how far the picture lags behind the sound, and says who waits and for how long.

    `picture_hold_s` and `sound_hold_s`: how long each is to be held back beyond what it needs itself.
    """

    def __init__(self) -> None:
        self.picture_hold_s = 0.0
        self.sound_hold_s = 0.0
        self._pair: Clock | None = None
        self._lags_s: deque[float] = deque(maxlen=WINDOW)  # of pictures, behind when their sound is due
        self._late_s: deque[float] = deque(maxlen=HEARD_WINDOW)  # and behind when it was heard in truth
        self._newest_ticks = 0

    def take(self, clock: Clock) -> None:
        """Learn a pair of times of the sender's."""
        self._pair = clock

    def rtp_of(self, ticks: int) -> int | None:
        """Return the sound's time, modulo 2**32, of what was captured at `ticks` (continuous); None: not known yet."""
        if self._pair is None:
            return None
        half = TICK_CYCLE // 2
        passed = (ticks - self._pair.ticks + half) % TICK_CYCLE - half
        return (self._pair.rtp + passed * SAMPLES_PER_TICK) % RTP_CYCLE

    def ticks_of(self, rtp: int) -> float | None:
        """Return the capture time of a moment of the sound, counted on as the pictures' are; None: not known yet."""
        newest = self.rtp_of(self._newest_ticks)
        if newest is None:
            return None
        half = RTP_CYCLE // 2
        return self._newest_ticks + ((rtp - newest + half) % RTP_CYCLE - half) / SAMPLES_PER_TICK

    def see(self, ticks: int, shown_s: float, due_s: float, heard_s: float) -> None:
        """Learn from a picture that came and was shown.

        Parameters
        ----------
        ticks
            Its capture time, continuous.
        shown_s
            When it was on the screen, with the hold of that time (`picture_hold_s`) in it.
        due_s
            When the sound of the same moment (`rtp_of`) would be heard without any hold, on the same clock.
        heard_s
            When it is heard in truth: its pace changes slowly, so that for a while it may be elsewhere.
        """
        self._newest_ticks = ticks
        self._late_s.append(shown_s - self.picture_hold_s - heard_s)
        self._lags_s.append(shown_s - self.picture_hold_s - due_s)

    def adjust(self) -> None:
        """Decide anew about both holds; to be called a few times a second."""
        if len(self._lags_s) < NEEDED:
            return
        lag_s = median(self._lags_s)
        wanted_s = min(max(lag_s, 0.0), MAX_HOLD_S)
        if abs(wanted_s - self.sound_hold_s) > DEADBAND_S or not wanted_s:
            self.sound_hold_s = wanted_s
        # The picture can follow at once what the sound does but slowly.
        early_s = min(max(-median(self._late_s), 0.0), MAX_HOLD_S)
        step_s = early_s - self.picture_hold_s
        if abs(step_s) > DEADBAND_S or not early_s:
            self.picture_hold_s += min(max(step_s, -STEP_S), STEP_S)

    def restart(self) -> None:
        """Forget the sender's clock, as the line is another one; the holds stay."""
        self._pair = None
        self._lags_s.clear()
        self._late_s.clear()
