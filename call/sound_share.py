"""How much of what may be sent in all goes to sound, and what motion keeps for it. Knows no lines and no persons."""

from __future__ import annotations

import math

from call.duplex import Duplex
from call.media import Sound
from sender.rate import spendable_bps

# Beside motion and sound: feedback four times a second, the clock, consent checks.
CONTROL_BPS = 3_000.0
START_BPS = 60_000.0  # what a line is taken for before anything is known of it
FIRST_SHARE = 0.5
# Each change can be heard, so few are made.
WORTH_FITTING = 0.25


class SoundShare:
    """Fits a call's sound to its line, or to what the person allows; to be asked often."""

    def __init__(self, duplex: Duplex) -> None:
        self._duplex = duplex
        # What sound was chosen for: bit/s in all, losses, and whether motion may ride with it.
        self._fitted: tuple[float, bool, bool] | None = None

    def fit(self, sound: Sound, limit_kbps: float | None) -> None:
        """Let sound take no more than fits to the line, as it is believed to be, and a limit; motion has the rest."""
        rate = self._duplex.sender.stats.rate
        total_bps = START_BPS if rate is None else spendable_bps(rate.believed_bps, beside=True)
        if limit_kbps is not None:
            total_bps = min(total_bps, 1000 * limit_kbps)
        if rate is None:  # the first picture is still to cross, and a face is waited for
            total_bps *= FIRST_SHARE
        fitted_bps, *fitted = self._fitted or (math.inf, False, False)
        may_ride = self._duplex.may_ride
        if abs(total_bps / fitted_bps - 1) > WORTH_FITTING or fitted != [sound.loses, may_ride]:
            self._fitted = total_bps, sound.loses, may_ride
            sound.fit(total_bps)
            ride_s = sound.packet_s if may_ride else None
            self._duplex.sender.beside(sound.cost_bps + CONTROL_BPS, ride_s=ride_s)
