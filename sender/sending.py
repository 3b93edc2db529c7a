"""What goes out once both sides have agreed: the first source picture, then a packet for every frame's motion until the
input ends. It puts together what that takes; who may end a call, and why, is not its business."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from codec.feedback import Feedback
from codec.format import MotionFormat
from codec.transfer import PictureReady, PictureRefused
from runtime.talker import Talker
from sender.adapting import Adapting
from sender.coding import Coder, predictive_use
from sender.delivery import Delivery, InOrder, Live, Wire
from sender.first_source import FirstSource
from sender.frames import FrameLoop
from sender.mirror import Mirror
from sender.present import Presentation
from sender.residual_flow import FlowInTurn, FlowWatch
from sender.settings import SenderSettings
from sender.source import SourcePicture
from sender.sources import Sources
from sender.stats import SenderStats
from sender.steering import Steering, wanted


class Sending:
    """One call's pictures and motions; on the event loop, but for `stats`.

    in_order: all of the input is kept and sent at the receiver's pace. motion_thread: the one thread that runs graphs.
    """

    def __init__(
        self,
        talker: Talker,
        frames: FrameLoop,
        first_source: FirstSource,
        *,
        motion_format: MotionFormat,
        settings: SenderSettings,
        camera_fps: float,
        in_order: bool,
        motion_thread: ThreadPoolExecutor,
        mirror: Mirror | None,
        on_notice: Callable[[str], None],
    ) -> None:
        self._talker = talker
        self._frames = frames
        self._first_source = first_source
        self._format = motion_format
        self._settings = settings
        self._camera_fps = camera_fps
        self._in_order = in_order
        self._motion_thread = motion_thread
        self._mirror = mirror
        self._on_notice = on_notice
        self._beside_bps = 0.0
        self._ride_s: float | None = None
        self._presentation = Presentation()
        self._coder: Coder | None = None  # this and what follows: once motions may go
        self._delivery: Delivery | None = None
        self.dropped_beside: Callable[[], int] = lambda: (
            0
        )  # by what else this side does, as its receiver draws
        self._steering: Steering | None = None  # unless in order
        self._sources: Sources | None = None

    @property
    def began(self) -> bool:
        """Whether motion has been sent."""
        return self._delivery is not None and self._delivery.sent > 0

    def stats(self, *, packets_bad: int) -> SenderStats:
        """Return the counters as they are now; from any thread."""
        sent, refused, payload_bytes = 0, 0, 0
        if (delivery := self._delivery) is not None:
            sent, refused, payload_bytes = delivery.frames, delivery.refused, delivery.payload_bytes
        return SenderStats(
            frames_in=self._frames.frames_in,
            frames_sent=sent,
            frames_dropped=self._frames.dropped + self._frames.too_soon + refused,
            frames_left_out=self._frames.left_out,
            no_face_frames=self._frames.no_face,
            payload_bytes=payload_bytes,
            source_bytes=self._presentation.sent_bytes,
            packets_bad=packets_bad,
            feedback=self._frames.feedback,
            mode=None if self._coder is None else self._coder.mode,
            frames_by_mode={} if self._coder is None else dict(self._coder.frames),
            rate=None if self._steering is None else self._steering.adapting.stats,
            mirror=None if self._mirror is None else replace(self._mirror.counts),
        )

    def take(self, message: PictureReady | PictureRefused | Feedback) -> None:
        """Take what the receiver says of pictures and motions."""
        if not isinstance(message, Feedback):
            self._presentation.take(message)
            return
        self._frames.feedback = message
        self._presentation.learn(message.ready)
        if self._delivery is not None:
            self._delivery.take(message)
        if self._steering is not None:
            self._steering.learn(message, predictive=self._frames.predicts)

    def limit(self, limit_bps: float | None) -> None:
        """Keep all that is sent under this rate at the IP layer, None: what the line carries."""
        self._settings = replace(self._settings, limit_bps=limit_bps)
        if self._steering is not None:
            self._steering.limit(limit_bps)

    def beside(self, beside_bps: float, *, ride_s: float | None) -> None:
        """Leave so much of the line to what else this side sends, in which motion may ride (`Adapting.beside`)."""
        self._beside_bps, self._ride_s = beside_bps, ride_s
        if self._steering is not None:
            self._steering.beside(beside_bps, ride_s=ride_s)

    async def run(
        self,
        source: SourcePicture,
        peer: Wire,
        *,
        decodes_predictive: bool,
        remembers: bool,
        draws_flow: bool,
    ) -> None:
        """Send the picture, then motion until the input ends and the last of it is where it should be.

        decodes_predictive, remembers, draws_flow: what the receiver is able to. Raises SenderError, or whatever a graph
        raises.
        """
        loop, settings = asyncio.get_running_loop(), self._settings
        use = predictive_use(
            self._format,
            mode=settings.mode,
            rounding=settings.rounding,
            decodes_predictive=decodes_predictive,
            loses_nothing=self._in_order,
        )
        bundle = 1 if self._in_order else None
        adapting = Adapting(
            wanted(settings, use, camera_fps=self._camera_fps, bundle=bundle), at_s=loop.time()
        )
        coder = Coder(
            self._format,
            adapting.decision,
            rounding=settings.rounding,
            keypoints=settings.keypoints,
            predictive=use,
        )
        first = await self._present(source, peer, adapting, remembers=remembers)
        adapting.beside(self._beside_bps, ride_s=self._ride_s, at_s=loop.time())
        adapting.begin(carried=self._presentation.carried, at_s=loop.time())
        # Only now: what was carried, was carried under the limit as it stood before.
        adapting.limit(self._settings.limit_bps, at_s=loop.time())
        coder.follow(adapting.decision)
        self._coder = coder
        live = None if self._in_order else Live(peer, loop, adapting)
        delivery: Delivery = InOrder(peer, loop) if live is None else live
        self._delivery = delivery

        def dropped() -> int:
            return self._frames.dropped + self.dropped_beside()

        flow: FlowWatch | None = None
        in_turn: FlowInTurn | None = None
        # Only a camera's own picture is bent onto what the camera sees: where there is no mirror it is another's.
        if draws_flow and self._mirror is not None and self._talker.bends:
            if live is None:
                in_turn = FlowInTurn(self._talker)
            else:
                flow = FlowWatch(self._talker, dropped=dropped, on_flow=live.bend, on_error=self._flow_failed)
        if not self._in_order:
            self._steering = Steering(
                adapting,
                coder,
                peer,
                presentation=self._presentation,
                mirror=self._mirror,
                flow=None if flow is None else flow.coder,
                limit_bps=self._settings.limit_bps,
            )
        self._sources = sources = Sources(
            first,
            self._mirror,
            flow=flow,
            flow_in_turn=in_turn,
            presentation=self._presentation,
            peer=peer,
            dropped=dropped,
            on_notice=self._on_notice,
        )
        if first is not source:
            sources.improve(source)
        steered = None if self._in_order else adapting
        await loop.run_in_executor(
            self._motion_thread, lambda: self._frames.run(coder, delivery, sources, adapting=steered)
        )
        await delivery.finish()

    def _flow_failed(self, error: Exception) -> None:
        self._on_notice(f"The picture is not bent onto what the camera sees any more: {error}")

    async def _present(
        self, source: SourcePicture, peer: Wire, adapting: Adapting, *, remembers: bool
    ) -> SourcePicture:
        """Return the picture, or its smaller code, once the receiver can draw from it."""
        limit_bps = self._settings.limit_bps
        peer.pace(pieces_bps=None, limit_bps=limit_bps)
        self._presentation.remembers = remembers
        self._presentation.piece_bytes = adapting.first_piece_bytes
        round_trip_s = peer.stats().round_trip_s
        first = source
        if not self._in_order or limit_bps is not None:  # else nobody waits: the best from the first frame on
            first = await asyncio.get_running_loop().run_in_executor(
                self._motion_thread,
                lambda: self._first_source.fitting(source, limit_bps=limit_bps, round_trip_s=round_trip_s),
            )
        await self._presentation.send(first.data, peer)
        await self._first_source.keep(source)
        return first

    def halt(self) -> None:
        """Send nothing more; waits for nothing."""
        if self._delivery is not None:
            self._delivery.stop()
        if self._sources is not None:
            self._sources.halt()

    async def stop(self) -> None:
        """Halt, and wait until the mirror has ended."""
        self.halt()
        if self._sources is not None:
            await self._sources.stop()
