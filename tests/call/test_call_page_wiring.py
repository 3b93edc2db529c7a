"""A person's whole call through the page: what the browser would say and get, with the program in its own process."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np

from tests.call.conftest import LIMIT_S
from tests.call.program import Start
from tests.patience import PATIENCE_S

COMMON = ["--crop", "full", "--source", "first", "--repeat", "600"]
FACE, PREVIEW = 1, 2


async def test_the_page_leads_through_a_call_from_consent_to_its_end(
    start: Start, profile_folder: Path, face_clip: Path
) -> None:
    video = ["--video", str(face_clip), *COMMON]
    host = start("call", "--listen", "127.0.0.1:0", "--no-browser", *video)
    assert host.stderr is not None
    page = next(found[1] for line in host.stderr if (found := re.search(r"page: (http\S+)", line)))
    base, token = page.split("/?")
    phases: list[str] = []
    pictures: dict[int, bytes] = {}
    state: dict[str, Any] = {}
    wished: set[str] = set()
    async with (
        asyncio.timeout(LIMIT_S),
        aiohttp.ClientSession() as browser,
        browser.ws_connect(f"{base}/socket?{token}", headers={"Origin": base}) as socket,
    ):

        async def wish(name: str, **what: Any) -> None:
            """Ask for it once: a page asks nothing of a program that has gone meanwhile."""
            if name not in wished:
                wished.add(name)
                await socket.send_str(json.dumps({"wish": name, **what}))

        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                pictures[message.data[0]] = message.data[1:]
            elif message.type is aiohttp.WSMsgType.TEXT:
                state |= json.loads(message.data)  # what has changed
            if "phase" not in state:
                continue
            # Where the machine is too busy a line may be lost, and comes back.
            now = "connected" if state["phase"] == "reconnecting" else state["phase"]
            if not phases or phases[-1] != now:
                phases.append(now)
                if now == "consent":
                    await wish("agree", yes=True)
                elif now == "waiting":
                    invitation = state["invitation"]
                    start("call", invitation["address"], invitation["code"], "--headless", "--yes", *video)
                elif now == "connected":
                    await wish("turn", yaw=20, pitch=-10)
            if now == "ringing" and PREVIEW in pictures:
                assert FACE not in pictures
                await wish("accept", yes=True)
            if FACE in pictures and tuple(state["view"]) == (20, -10) and state["safety_words"]:
                await wish("hang_up")
    face = cv2.imdecode(np.frombuffer(pictures[FACE], np.uint8), cv2.IMREAD_COLOR)
    assert face is not None
    assert face.shape == (256, 256, 3)
    expected = ["consent", "waiting", "connecting", "ringing", "connected", "ended"]
    assert [phase for phase in phases if phase in expected and phase != "connecting"] == [
        phase for phase in expected if phase != "connecting"
    ]
    assert state["sentence"] == "You have ended the call."
    host.communicate(timeout=PATIENCE_S)
    assert host.returncode == 0
