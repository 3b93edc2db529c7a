"""A headless Chromium for the tests of the page, with a microphone that beeps, and a tab that shows a call."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from call.web import server
from tests.call.page_double import PATIENCE_MS, FakeCall, Open
from tests.patience import PATIENCE_S

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)

# Notices, which go by themselves after a while, stay for as long as the test takes.
NOTICES_STAY = """const { setTimeout: later } = window;
window.setTimeout = (act, ms, ...more) => (ms > 5000 ? 0 : later(act, ms, ...more));"""


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium; skips where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium found: apt install chromium")
    # Chromium's sandbox does not run as root.
    arguments = [*ARGUMENTS, "--no-sandbox"] if os.geteuid() == 0 else [*ARGUMENTS]
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, args=arguments, timeout=PATIENCE_MS)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session")
async def call() -> AsyncIterator[FakeCall]:
    """A call whose page is served at `call.address`, and which waits for a slow browser."""
    held = FakeCall()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(server, "HEARTBEAT_S", PATIENCE_S)
        await held.start()
        # Not before: the server takes it for its own end as well, which does not wait for a page.
        patched.setattr(server, "FAREWELL_S", PATIENCE_S)
        yield held
        await held.close()


def is_fault(line: ConsoleMessage) -> bool:
    """Tell the page's own errors from the browser's word that a program does not answer, which is no fault of it."""
    return line.type == "error" and not line.text.startswith("WebSocket connection to")


@pytest_asyncio.fixture(loop_scope="session")
async def open_tab(browser: Browser, call: FakeCall) -> AsyncIterator[Open]:
    """Open the call's page in a browser window of its own; fails where the page had an error."""
    errors: list[str] = []
    windows = []

    async def begin(
        *,
        width: int = 1366,
        height: int = 800,
        scheme: str = "light",
        script: str = "",
        loads_anything: bool = False,
    ) -> Page:
        window = await browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            bypass_csp=loads_anything,
        )
        windows.append(window)
        window.set_default_timeout(PATIENCE_MS)
        await window.add_init_script(NOTICES_STAY)
        if script:
            await window.add_init_script(script)
        tab = await window.new_page()
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda line: errors.append(line.text) if is_fault(line) else None)
        await tab.goto(call.address)
        await tab.wait_for_selector("#app:not([data-phase='opening'])")
        return tab

    yield begin
    for window in windows:
        await window.close()
    assert not errors
