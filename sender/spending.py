"""What pictures may cost: bytes that an idle line earns, and what the next picture of each kind will weigh. It knows no
line; how many bytes a second there are, it is told."""

from __future__ import annotations

from sender.bring import Coded
from sender.source import SourcePicture

# What an idle line spends on the gallery where the rate controller has said nothing: a picture in ten seconds.
BUDGET_BYTES_PER_S = 400.0
SAVED = 1.5  # of a picture; what is not spent beyond this is lost
FINE_OVER = 3.1  # a finely coded picture's bytes over an ordinary one's
DEBT_BYTES = 24_000.0  # a repair need not wait for the budget, but ten in a row do, or three fine ones


class Spending:
    """The account of one call's pictures, from the first one on."""

    def __init__(self, first: SourcePicture) -> None:
        self.picture_bytes = round(len(first.data) / (FINE_OVER if first.fine else 1))
        self.fine_bytes = round(FINE_OVER * self.picture_bytes)
        self._allowance = 0.0
        self._earned_s: float | None = None
        self._bytes_per_s = 0.0  # that were earned last

    @property
    def can_add(self) -> bool:
        """Whether a finely coded picture for the gallery is paid for."""
        return self._allowance >= self.fine_bytes

    @property
    def can_repair(self) -> bool:
        """Whether a repair is still to be had, on credit."""
        return self._allowance >= -DEBT_BYTES

    @property
    def has_room(self) -> bool:
        """Whether a repair may be finely coded: on a tight line it has to be there soon. It keeps within the credit,
        which it may exceed where there is no debt yet."""
        credit = max(0.0, DEBT_BYTES - self.fine_bytes)
        return self._bytes_per_s >= BUDGET_BYTES_PER_S and self._allowance >= -credit

    def earn(self, at_s: float, *, bytes_per_s: float) -> None:
        """Let the time since the last call earn so many bytes a second."""
        elapsed_s = 0.0 if self._earned_s is None else max(at_s - self._earned_s, 0.0)
        self._earned_s, self._bytes_per_s = at_s, bytes_per_s
        self._allowance = min(SAVED * self.fine_bytes, self._allowance + elapsed_s * bytes_per_s)

    def pay(self, source: SourcePicture, coded: Coded) -> None:
        """Take a picture from the account, and learn from it what the next one will weigh."""
        if source.fine:
            self.fine_bytes = len(source.data)
        elif coded == "picture":
            self.picture_bytes = len(source.data)
        self._allowance -= len(source.data)
