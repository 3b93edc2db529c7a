"""The look at oneself before a call, without a camera."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np

from call.consent import ANOTHER, Consent
from call.keeper import Keeper
from call.ringing import Manners
from call.state import CallState


class Sender:
    """Has a source picture whenever somebody is to be seen."""

    def __init__(self) -> None:
        self.seen = asyncio.Event()
        self.source: Any = None

    async def prepare(self) -> None:
        await self.seen.wait()
        self.source = SimpleNamespace(picture=np.zeros((8, 8, 3), np.uint8))

    def forget_source(self) -> None:
        self.source = None
        self.seen.clear()


async def test_who_wants_another_picture_is_told_that_it_is_taken_and_may_go_without_a_camera() -> None:
    told: asyncio.Queue[CallState] = asyncio.Queue()
    keeper = Keeper(CallState("connecting", ""), on_state=told.put_nowait, on_notice=None, asks=True)
    consent = Consent(keeper, Manners(), on_preview=None, on_lost=lambda sentence: None)
    sender = Sender()
    sender.seen.set()
    asking = asyncio.create_task(consent.ask(sender, "Send it?"))  # type: ignore[arg-type]
    assert (await told.get()).phase == "consent"
    keeper.settle("consent", False)
    state = await told.get()
    assert (state.phase, state.sentence) == ("connecting", ANOTHER)
    sender.seen.set()
    assert (await told.get()).phase == "consent"
    keeper.settle("consent", False)
    assert (await told.get()).phase == "connecting"
    keeper.change(camera_on=False)
    await asking
    await consent.close()
