"""What the rate controller decides, done: how motion is coded, how fast pictures go, what the mirror may spend."""

from __future__ import annotations

import asyncio

from codec.feedback import Feedback
from sender.adapting import LEAST_PIECES_BPS, Adapting, Wanted
from sender.coding import Coder, PredictiveUse
from sender.delivery import Wire
from sender.mirror import Mirror
from sender.operating_points import Mode as RateMode
from sender.present import Presentation
from sender.residual_flow import BUDGET_BYTES_PER_S as FLOW_BUDGET_BYTES_PER_S
from sender.residual_flow import FlowCoder
from sender.settings import SenderSettings
from sender.spending import BUDGET_BYTES_PER_S

# Of what motion leaves of the line residual flow takes so much at most: the rest is for pictures and repairs.
FLOW_SHARE = 0.5

_MODES: dict[PredictiveUse, RateMode | None] = {
    "never": "static",
    "always": "predictive",
    "where acknowledged": None,
}


def wanted(settings: SenderSettings, use: PredictiveUse, *, camera_fps: float, bundle: int | None) -> Wanted:
    """Say what the rate controller is to keep to, `bundle` where the settings have none."""
    return Wanted(
        camera_fps=camera_fps,
        limit_bps=settings.limit_bps,
        mode=_MODES[use],
        bundle=settings.bundle or bundle,
        keypoints=settings.keypoints,
    )


class Steering:
    """Holds all that goes out to the line, from the first motion on; on the event loop."""

    def __init__(
        self,
        adapting: Adapting,
        coder: Coder,
        peer: Wire,
        *,
        presentation: Presentation,
        mirror: Mirror | None,
        flow: FlowCoder | None,
        limit_bps: float | None,
    ) -> None:
        self.adapting = adapting
        self._coder = coder
        self._peer = peer
        self._presentation = presentation
        self._mirror = mirror
        self._flow = flow
        self._limit_bps = limit_bps
        self._pace()

    def learn(self, feedback: Feedback, *, predictive: bool) -> None:
        """Let the rate controller learn from feedback on what is sent in this way, and do what it decides."""
        sent_bytes, now_s = self._peer.stats().sent_bytes, asyncio.get_running_loop().time()
        if self.adapting.take(feedback, at_s=now_s, sent_bytes=sent_bytes, predictive=predictive):
            self._follow()

    def limit(self, limit_bps: float | None) -> None:
        """Keep to this rate from now on."""
        self._limit_bps = limit_bps
        self.adapting.limit(limit_bps, at_s=asyncio.get_running_loop().time())
        self._follow()

    def beside(self, beside_bps: float, *, ride_s: float | None) -> None:
        """Leave so much of the line to what else is sent, in which motion may ride (`Adapting.beside`)."""
        self.adapting.beside(beside_bps, ride_s=ride_s, at_s=asyncio.get_running_loop().time())
        self._follow()

    def _follow(self) -> None:
        self._coder.follow(self.adapting.decision)
        self._pace()

    def _pace(self) -> None:
        """Hold pictures back to what motion leaves of the line."""
        spare, pieces_bps = self.adapting.decision.repair_bytes_per_s, self.adapting.pieces_bps
        if self._flow is not None:
            self._flow.bytes_per_s = min(FLOW_SHARE * spare, FLOW_BUDGET_BYTES_PER_S)
            spare -= self._flow.bytes_per_s
            pieces_bps = max(pieces_bps - 8 * self._flow.bytes_per_s, LEAST_PIECES_BPS)
        self._peer.pace(pieces_bps=pieces_bps, limit_bps=self._limit_bps)
        self._presentation.piece_bytes = self.adapting.piece_bytes
        if self._mirror is not None:
            self._mirror.budget_bytes_per_s = min(spare, BUDGET_BYTES_PER_S)
