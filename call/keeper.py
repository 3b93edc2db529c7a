"""Keeps a call's state, tells changes of it, and puts a question to the person; nothing of what a call is.

Everything but `notice` happens on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from call.state import CallState

MOST_NOTICES = 5

Question = Literal["consent", "ringing"]


class Keeper:
    """Holds `state`. Make it inside a running event loop.

    on_state: called once for all the changes of one turn of the event loop, with the newest state. on_notice: called
    with every sentence for the person; the state has the newest of them. asks: whether a person is there to answer.
    """

    def __init__(
        self,
        state: CallState,
        *,
        on_state: Callable[[CallState], None] | None,
        on_notice: Callable[[str], None] | None,
        asks: bool,
    ) -> None:
        self.state = state
        self._loop = asyncio.get_running_loop()
        self._on_state = on_state
        self._on_notice = on_notice
        self._asks = asks
        self._scheduled = False
        self._answer: asyncio.Future[bool] | None = None

    def change(self, **changes: Any) -> None:
        """Change fields of the state."""
        changed = replace(self.state, **changes)
        if changed == self.state:
            return
        self.state = changed
        if not self._scheduled and self._on_state is not None:
            self._scheduled = True
            self._loop.call_soon(self._tell, self._on_state)

    def notice(self, sentence: str) -> None:
        """Tell the person something; from any thread."""
        self._loop.call_soon_threadsafe(self._take_notice, sentence)

    async def ask(self, phase: Question, sentence: str) -> bool:
        """Go into this phase and wait for the person's answer; no, where nobody is there to give one."""
        if not self._asks:
            return False
        self._answer = self._loop.create_future()
        self.change(phase=phase, sentence=sentence)
        return await self._answer

    def settle(self, phase: Question, yes: bool) -> None:
        """Take the person's answer; one to a question that is not being asked changes nothing."""
        if self.state.phase == phase and self._answer is not None and not self._answer.done():
            self._answer.set_result(yes)

    def _tell(self, on_state: Callable[[CallState], None]) -> None:
        self._scheduled = False
        on_state(self.state)

    def _take_notice(self, sentence: str) -> None:
        if self._on_notice is not None:
            self._on_notice(sentence)
        self.change(notices=(*self.state.notices, sentence)[-MOST_NOTICES:])
