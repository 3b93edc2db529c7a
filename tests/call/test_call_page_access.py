"""The page for everybody: by keyboard alone, with a screen reader, light and dark, on a phone."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from call.session import CONSENT
from call.state import Figures, Line
from tests.call.page_double import INVITATION, PATIENCE_MS, FakeCall, Open, until, until_loaded

pytest_plugins = ("tests.call.browser",)
pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=PATIENCE_MS)

LONG_NAME = "Maximiliane-Theodora von Hohenlohe-Lange"  # as long as a name may be
SCREENS: dict[str, dict[str, Any]] = {
    "consent": {"sentence": "Is this picture all right?"},
    "waiting": {"sentence": "Waiting for the other side.", "invitation": INVITATION},
    "ringing": {"sentence": "Somebody with the code asks to come in.", "their_name": LONG_NAME},
    "connecting": {"sentence": "The two computers find a way to each other."},
    "connected": {
        "their_camera_on": False,
        "their_name": LONG_NAME,
        "their_picture_is_foreign": True,
        "their_muted": True,
        "their_recording": True,
        "muted": True,
        "camera_on": False,
        "recording": "call.mp4",
        "view": (12.0, 0.0),
        "chat": (Line(False, "Hello"), Line(True, "Good morning")),
        "notices": ("The light has changed.",),
    },
    "reconnecting": {"sentence": "The line is lost. Reconnecting.", "figures": Figures()},
    "ended": {"sentence": "You have hung up."},
}
SERIOUS = {"serious", "critical"}
# What a person can do something with, as far as it is in sight.
CONTROLS = """() => [...document.querySelectorAll("button, input, select, [tabindex='0']")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .filter((element) => !element.disabled && element.tabIndex >= 0)
  .map((element) => element.id || element.getAttribute("aria-label"))"""
FOCUSED = """() => {
  const { activeElement: element } = document;
  const ring = getComputedStyle(element);
  const seen = element === document.body || (ring.outlineStyle !== "none" && parseFloat(ring.outlineWidth) >= 2);
  return { name: element.id || element.getAttribute("aria-label"), seen };
}"""

SCROLLED = """() => {
  const stage = document.querySelector(".stage");
  stage.scrollTo(50, 50);
  return [stage.scrollLeft, stage.scrollTop];
}"""

CUT_NAMES = """() => [...document.querySelectorAll("#bar .name")]
  .filter((name) => getComputedStyle(name).position !== "absolute")
  .filter((name) => name.scrollWidth > name.parentElement.clientWidth + 1)
  .map((name) => name.textContent)"""


async def walk(tab: Page, steps: int) -> set[str]:
    """Press Tab so many times and return what had the focus; each must show that it has it."""
    reached = set()
    for _ in range(steps):
        await tab.keyboard.press("Tab")
        focused = await tab.evaluate(FOCUSED)
        assert focused["seen"], f"{focused['name']} has the focus and does not show it"
        reached.add(focused["name"])
    return reached


@pytest.mark.parametrize("phase", ["consent", "waiting", "ringing", "connected"])
async def test_the_keyboard_alone_reaches_every_control(open_tab: Open, call: FakeCall, phase: str) -> None:
    call.change(phase=phase, **SCREENS[phase])
    tab = await open_tab()
    if phase != "consent":
        await until_loaded(tab)
    if phase == "connected":
        await tab.wait_for_selector(".frame.drawn")
    controls = await tab.evaluate(CONTROLS)
    assert len(controls) >= 3
    assert set(controls) <= await walk(tab, len(controls) + 3)


async def test_the_keyboard_works_the_chat_and_finds_back(open_tab: Open, call: FakeCall) -> None:
    tab = await open_tab()
    await tab.focus("#open-chat")
    await tab.keyboard.press("Enter")
    await expect(tab.get_by_label("Write a message")).to_be_focused()
    await tab.keyboard.type("Hello")
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#lines li")).to_have_count(1)
    await tab.focus("#tab-chat")
    await tab.keyboard.press("ArrowLeft")
    await expect(tab.get_by_role("tab", name="Details")).to_be_focused()
    await expect(tab.get_by_role("tabpanel", name="Details")).to_be_visible()
    await tab.keyboard.press("Escape")
    await expect(tab.locator("#panel")).to_be_hidden()
    await expect(tab.locator("#open-details")).to_be_focused()


async def test_a_new_card_is_where_the_keyboard_goes_on(open_tab: Open, call: FakeCall) -> None:
    call.change(phase="waiting", **SCREENS["waiting"])
    tab = await open_tab()
    call.change(phase="ringing", **SCREENS["ringing"])
    await tab.get_by_role("button", name="Accept").wait_for()
    await tab.keyboard.press("Tab")
    await expect(tab.get_by_role("button", name="Accept")).to_be_focused()


async def test_a_call_that_rings_takes_nobody_out_of_what_is_written(open_tab: Open, call: FakeCall) -> None:
    call.change(phase="waiting", **SCREENS["waiting"])
    tab = await open_tab()
    await tab.click("#open-chat")
    call.change(phase="ringing", **SCREENS["ringing"])
    await tab.get_by_role("button", name="Accept").wait_for()
    await expect(tab.get_by_label("Write a message")).to_be_focused()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1366), ("dark", 390)])
async def test_axe_finds_nothing_serious(open_tab: Open, call: FakeCall, scheme: str, width: int) -> None:
    tab = await open_tab(scheme=scheme, width=width, height=844)
    for phase, news in SCREENS.items():
        call.change(phase=phase, **news)
        await tab.wait_for_selector(f"#app[data-phase='{phase}']")
        if phase == "connected":
            await tab.wait_for_selector(".frame.drawn")
            await tab.evaluate("panel.hidden && document.getElementById('open-details').click()")
        await check(tab, f"{phase}, {scheme}, {width}")
        if phase == "connected":
            await tab.click("#open-chat")
            await check(tab, f"chat, {scheme}, {width}")


async def check(tab: Page, where: str) -> None:
    found = await Axe().run(tab)
    serious = [
        f"{where}: {violation['id']}: {node['html']}: {node['failureSummary']}"
        for violation in found.response["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]
    assert not serious


@pytest.mark.parametrize("width", [320, 768, 1024])
async def test_nothing_is_cut_off_on_a_narrow_screen(open_tab: Open, call: FakeCall, width: int) -> None:
    tab = await open_tab(width=width, height=700)
    await tab.wait_for_selector(".frame.drawn")
    call.change(**SCREENS["connected"])
    await tab.get_by_role("button", name="Unmute").wait_for()
    for element in await tab.locator(
        "#bar button:visible, #words, #badges li:visible, .preview, .notices li"
    ).all():
        box = await element.bounding_box()
        assert box is not None
        assert box["x"] >= 0, await element.inner_text()
        assert box["x"] + box["width"] <= width, await element.inner_text()
        assert box["y"] + box["height"] <= 700
    assert await tab.evaluate(CUT_NAMES) == []
    if width < 900:
        call.change(their_camera_on=True)  # no repair is had of one that is off
        await tab.get_by_role("button", name="More").click()
        await tab.get_by_role("button", name="Repair").click()
        await expect(tab.locator("#repair")).to_be_hidden()
        await expect(tab.locator("#more")).to_be_focused()
        await until(tab, lambda: call.wishes == [("repair",)])


async def test_the_invitation_is_whole_on_a_phone_and_the_stage_stays_where_it_is(
    open_tab: Open, call: FakeCall
) -> None:
    long = replace(INVITATION, address="wss://meeting.example-of-a-long-name.org:8765", code="F7K2QX-WWMMWW")
    call.change(phase="waiting", sentence="Waiting for the other side.", invitation=long)
    tab = await open_tab(width=390, height=844)
    await tab.wait_for_function("() => document.getElementById('qr').naturalWidth > 0")
    card = await tab.locator("#screen-waiting").bounding_box()
    assert card is not None
    for part in await tab.locator("#invitation, #code, #address, #qr, #command, #copy").all():
        box = await part.bounding_box()
        assert box is not None
        assert box["x"] >= card["x"]
        assert box["x"] + box["width"] <= card["x"] + card["width"]
    assert await tab.evaluate("document.getElementById('screen-waiting').scrollWidth") <= card["width"]


@pytest.mark.parametrize(("width", "height"), [(360, 640), (640, 320), (768, 1024), (940, 480), (1366, 800)])
async def test_the_own_picture_does_not_lie_on_the_invitation(
    open_tab: Open, call: FakeCall, width: int, height: int
) -> None:
    call.change(phase="waiting", sentence="Waiting.", invitation=INVITATION)
    tab = await open_tab(width=width, height=height)
    await expect(tab.locator("#command")).to_be_attached()
    own, invitation = [await tab.locator(name).bounding_box() for name in ("#own", "#invitation")]
    assert invitation is not None
    if own is not None:  # else there is no room for both
        below = own["y"] >= invitation["y"] + invitation["height"]
        assert below or own["x"] >= invitation["x"] + invitation["width"]
    assert await tab.evaluate(SCROLLED) == [0, 0]


@pytest.mark.parametrize(("width", "height"), [(320, 480), (360, 640), (390, 844), (844, 390)])
@pytest.mark.parametrize("panel", [False, True])
async def test_who_rings_can_be_answered_on_a_small_screen(
    open_tab: Open, call: FakeCall, width: int, height: int, panel: bool
) -> None:
    call.change(phase="ringing", **SCREENS["ringing"])
    tab = await open_tab(width=width, height=height)
    if panel:
        await tab.click("#open-chat")
    own = await tab.locator("#own").bounding_box()
    for name in ("#ringing-yes", "#ringing-no"):
        answer = await tab.locator(name).bounding_box()
        assert answer is not None
        assert own is None or apart(answer, own)
    bell = await tab.locator(".bell").bounding_box()
    assert bell is not None
    assert bell["width"] == pytest.approx(bell["height"])


@pytest.mark.parametrize(
    ("width", "height"),
    [(1280, 800), (920, 700), (844, 390), (667, 375), (700, 600), (390, 844), (360, 640), (820, 1180)],
)
async def test_with_the_panel_open_the_face_is_seen_and_its_head_can_be_turned_back(
    open_tab: Open, call: FakeCall, width: int, height: int
) -> None:
    call.change(view=(20.0, 0.0))
    tab = await open_tab(width=width, height=height)
    await expect(tab.locator("#turn-back")).to_be_visible()
    if not await tab.locator("#details").is_visible():
        await tab.click("#open-details")
    boxes = [await tab.locator(name).bounding_box() for name in (".frame", "#panel", "#turn-back", "#own")]
    frame, panel, button, own = boxes
    assert frame is not None
    assert panel is not None
    assert button is not None
    assert apart(frame, panel)
    assert min(frame["width"], frame["height"]) >= 200
    assert button["x"] + button["width"] <= frame["x"] + frame["width"]
    assert own is None or apart(button, own)


@pytest.mark.parametrize(("width", "height"), [(240, 240), (320, 480), (390, 844), (1280, 800)])
async def test_the_name_of_the_program_does_not_lie_on_the_question(
    open_tab: Open, call: FakeCall, width: int, height: int
) -> None:
    call.change(phase="consent", sentence="Is this picture all right?")
    tab = await open_tab(width=width, height=height)
    await expect(tab.locator("#consent-title")).to_be_visible()
    brand, title = [await tab.locator(name).bounding_box() for name in (".brand", "#consent-title")]
    assert brand is not None
    assert title is not None
    hidden = "getComputedStyle(document.querySelector('.brand')).clipPath !== 'none'"
    assert apart(brand, title) or await tab.evaluate(hidden)


@pytest.mark.parametrize(("width", "height"), [(360, 640), (390, 844), (1280, 720)])
async def test_every_answer_to_the_first_question_is_in_sight(
    open_tab: Open, call: FakeCall, width: int, height: int
) -> None:
    call.change(phase="consent", sentence=CONSENT)
    tab = await open_tab(width=width, height=height)
    for name in ("#consent-yes", "#consent-no", "#consent-leave"):
        await expect(tab.locator(name)).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(("width", "height"), [(360, 640), (844, 390)])
async def test_notices_and_badges_leave_something_of_a_small_face(
    open_tab: Open, call: FakeCall, width: int, height: int
) -> None:
    call.change(view=(-20.0, 10.0), notices=("The light has changed.",))
    tab = await open_tab(width=width, height=height)
    call.change(notices=("The light has changed.", "Nobody is there."))
    await expect(tab.get_by_text("Nobody is there.")).to_be_visible()
    await expect(tab.get_by_text("The light has changed.")).to_be_hidden()
    await tab.get_by_role("button", name="Dismiss this notice").click()
    await expect(tab.get_by_text("The light has changed.")).to_be_visible()
    turned = await tab.locator("#turned").bounding_box()
    button = await tab.locator("#turn-back").bounding_box()
    assert turned is not None
    assert button is not None
    assert turned["height"] <= button["height"] + 6


def apart(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Say whether two boxes have nothing in common."""
    return any(
        first[at] + first[size] <= second[at]
        for first, second in ((one, other), (other, one))
        for at, size in (("x", "width"), ("y", "height"))
    )


async def test_the_sheet_of_controls_goes_when_the_panel_comes(open_tab: Open) -> None:
    tab = await open_tab(width=390, height=844)
    await tab.get_by_role("button", name="More").click()
    await expect(tab.locator("#repair")).to_be_visible()
    await tab.click("#open-chat")
    await expect(tab.locator("#repair")).to_be_hidden()
    await expect(tab.get_by_label("Write a message")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_colours_follow_the_system(open_tab: Open, scheme: str) -> None:
    tab = await open_tab(scheme=scheme)
    colour = await tab.evaluate("getComputedStyle(document.body).backgroundColor")
    shades = [int(number) for number in re.findall(r"\d+", colour)]
    assert (max(shades) < 60) == (scheme == "dark")
