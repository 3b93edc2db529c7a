"""Whether somebody speaks: each block's loudness against the room's. Knows no packets and no coder."""

from collections import deque

import numpy as np
import numpy.typing as npt

FULL_SCALE = 32_768.0
SILENCE_DB = -127.0
# Above this nothing is a room's noise, so that music and a held tone pass; below it nothing is meant to be heard.
LOUDEST_ROOM_DB, QUIETEST_VOICE_DB = -45.0, -62.0
ABOVE_ROOM_DB = 7.0
# The room is as loud as the quietest block of the last two seconds: nobody speaks that long without a pause.
WINDOW = 100
# The ends of words are quiet: what follows speech is sent for this many blocks (20 ms each).
HANGOVER = 15
NOISE_SHARE = 0.1  # of each new block in the noise's loudness


class Activity:
    """Tells speech from the room's noise, block by block."""

    def __init__(self) -> None:
        self._levels_db: deque[float] = deque(maxlen=WINDOW)
        self._hangover = 0
        self.noise_db = SILENCE_DB  # what is heard where nobody speaks, below full scale

    def take(self, block: npt.NDArray[np.int16]) -> bool:
        """Say whether a block of 20 ms is to be sent."""
        level_db = loudness_db(block)
        self._levels_db.append(level_db)
        room_db = min(min(self._levels_db), LOUDEST_ROOM_DB)
        if level_db > max(room_db + ABOVE_ROOM_DB, QUIETEST_VOICE_DB):
            self._hangover = HANGOVER
            return True
        self.noise_db += (NOISE_SHARE if self.noise_db > SILENCE_DB else 1.0) * (level_db - self.noise_db)
        self._hangover = max(self._hangover - 1, 0)
        return self._hangover > 0


def loudness_db(block: npt.NDArray[np.int16]) -> float:
    """Return a block's root mean square in dB below full scale, -127 to 0."""
    power = float(np.mean(np.square(block, dtype=np.float32))) / FULL_SCALE**2
    return max(10 * float(np.log10(power)), SILENCE_DB) if power > 0 else SILENCE_DB
