"""The page of a call in a browser: what it draws, and what it asks for."""

import asyncio
import re
from dataclasses import replace

import pytest
from playwright.async_api import Page, expect
from yarl import URL

from call.state import Figures, Line
from call.web import server
from tests.call.page_double import (
    FIGURES,
    INVITATION,
    PATIENCE_MS,
    FakeCall,
    Open,
    draw_head,
    until,
    until_loaded,
)

pytest_plugins = ("tests.call.browser",)
pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=PATIENCE_MS)

REFUSED = """navigator.mediaDevices.getUserMedia = () =>
    Promise.reject(new DOMException("Permission denied", "NotAllowedError"));"""

# A browser that asks its user for the microphone, and what is answered in the end.
ASKING = """
const ask = MediaDevices.prototype.getUserMedia;
navigator.mediaDevices.getUserMedia = (wanted) => new Promise((resolve, reject) => {
  window.answer = {
    give: async () => resolve(window.lent = await ask.call(navigator.mediaDevices, wanted)),
    refuse: () => reject(new Error("Failed to load worklet")),
  };
});"""

# How many notes were rung, and whether the screen is kept awake.
LISTENING = """
window.notes = 0, window.locks = [];
const { OscillatorNode: Note } = window;
window.OscillatorNode = class extends Note { constructor(...how) { super(...how); window.notes += 1; } };
Object.defineProperty(navigator, "wakeLock", { value: { request: async () => {
  const lock = { released: false, release: async () => { lock.released = true; } };
  locks.push(lock);
  return lock;
} } });"""

# A browser that takes its time to keep the screen from going dark.
SLOWLY_AWAKE = """
window.answers = [], window.locks = [];
Object.defineProperty(navigator, "wakeLock", { value: { request: () => new Promise((resolve) => answers.push(() => {
  const lock = { released: false, release: async () => { lock.released = true; } };
  locks.push(lock);
  resolve(lock);
})) } });"""
LOCKS_HELD = """async () => {
  while (answers.length > 0) {
    answers.shift()();
    await new Promise((later) => setTimeout(later));
  }
  return locks.filter((lock) => !lock.released).length;
}"""


async def canvas(tab: Page, name: str = "picture") -> str:
    """What a canvas shows, as text that changes with it."""
    drawn: str = await tab.evaluate(f"document.getElementById('{name}').toDataURL()")
    return drawn


async def until_canvas(tab: Page, *, differs: str, name: str = "picture") -> None:
    await tab.wait_for_function(
        f"before => document.getElementById('{name}').toDataURL() !== before", arg=differs
    )


async def drawn_tab(open_tab: Open) -> Page:
    tab = await open_tab()
    await tab.wait_for_selector(".frame.drawn")
    return tab


async def test_the_face_and_the_own_picture_are_drawn_and_move(open_tab: Open) -> None:
    tab = await drawn_tab(open_tab)
    size = await tab.evaluate("[picture.width, picture.height]")
    assert size == [256, 256]
    skin = await tab.evaluate("[...picture.getContext('2d').getImageData(128, 70, 1, 1).data]")
    assert all(abs(seen - drawn) < 8 for seen, drawn in zip(skin, (224, 182, 154, 255), strict=True))
    await until_canvas(tab, differs=await canvas(tab))
    await expect(tab.locator("#preview")).to_be_visible()
    await until_canvas(tab, differs=await canvas(tab, "preview"), name="preview")


async def test_a_drawn_picture_says_so_and_a_filmed_one_does_not(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    await expect(tab.locator("#badge-redrawn")).to_be_visible()
    call.redrawn = False
    await expect(tab.locator("#badge-redrawn")).to_be_hidden()
    await expect(tab.locator("#turner")).to_be_hidden()
    await expect(tab.get_by_role("img", name="The other's face, filmed")).to_be_visible()
    await expect(tab.locator("#badge-filmed")).to_be_visible()
    call.redrawn = True
    await expect(tab.locator("#badge-filmed")).to_be_hidden()


async def test_ordinary_video_is_a_click_away_and_says_what_it_shows(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    button = tab.locator("#ordinary")
    assert "room" in str(await button.get_attribute("title"))
    await button.click()
    await until(tab, lambda: call.wishes[-1:] == [("ordinary_video", True)])
    await expect(button).to_have_text("Redraw me")
    await expect(tab.locator("#own-text")).to_have_text("You, video")
    await expect(tab.locator("#own-filmed")).to_be_visible()
    call.change(muted=True)
    await expect(tab.locator("#own-muted")).to_be_visible()
    await expect(tab.locator("#new-source")).to_be_disabled()
    await button.click()
    await until(tab, lambda: call.wishes[-1:] == [("ordinary_video", False)])
    await expect(tab.locator("#own-text")).to_have_text("You")
    await expect(tab.locator("#new-source")).to_be_enabled()


async def test_one_switch_makes_the_call_thrifty_for_both_sides(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    switch = tab.get_by_role("switch", name="Thrifty")
    limit = tab.locator("#limit-text")  # follows what the call says, and not the switch
    await switch.check()
    await until(tab, lambda: call.wishes[-1:] == [("thrifty", True)])
    await expect(limit).to_have_text("30 kbit/s")
    await switch.uncheck()
    await until(tab, lambda: call.wishes[-1:] == [("thrifty", False)])
    await expect(limit).to_have_text("No limit")
    call.change(their_thrifty=True)
    await expect(switch).to_be_checked()
    await expect(switch).to_be_disabled()
    await expect(tab.locator("#thrifty-hint")).to_contain_text("the other side has asked")


async def test_dragging_and_arrow_keys_turn_the_head_to_thirty_degrees_and_no_further(
    open_tab: Open, call: FakeCall
) -> None:
    call.draw = lambda yaw, pitch, tick: draw_head(yaw, pitch, tick=0, colour=(40, 40, 40))
    tab = await drawn_tab(open_tab)
    # The one whose mouth moved before is no longer shown: from here on only turning changes the picture.
    await tab.wait_for_function("() => picture.getContext('2d').getImageData(2, 2, 1, 1).data[0] < 60")
    straight = await canvas(tab)
    box = await tab.locator("#turner").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await tab.mouse.move(x, y)
    await tab.mouse.down()
    await tab.mouse.move(x + box["width"] / 4, y - box["width"] / 12, steps=4)
    await tab.mouse.up()
    await expect(tab.locator("#turned-text")).to_have_text("Turned 15° right, 5° up")
    turned = ("turn", pytest.approx(15, abs=0.3), pytest.approx(-5, abs=0.3))
    await until(tab, lambda: call.wishes[-1:] == [turned])
    await until_canvas(tab, differs=straight)
    await tab.mouse.dblclick(x, y)
    await expect(tab.locator("#turned")).to_be_hidden()
    await until(tab, lambda: call.wishes[-1:] == [("turn", 0.0, 0.0)])

    await tab.focus("#turner")
    for angle in (*range(3, 31, 3), 30, 30):
        await tab.keyboard.press("ArrowLeft")
        # Each step begins where the call says that the head is by then.
        await expect(tab.locator("#turned-text")).to_have_text(f"Turned {angle}° left")
    await tab.keyboard.press("ArrowDown")
    await expect(tab.locator("#turned-text")).to_have_text("Turned 30° left, 3° down")
    await until(tab, lambda: call.state.view == (-30.0, 3.0))
    await tab.keyboard.press("Home")
    await expect(tab.locator("#turned")).to_be_hidden()


async def test_a_drag_ends_where_ordinary_video_comes_under_it(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    box = await tab.locator("#turner").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await tab.mouse.move(x, y)
    await tab.mouse.down()
    await tab.mouse.move(x, y + box["width"] / 12, steps=4)
    turned = ("turn", 0.0, pytest.approx(5, abs=0.3))
    await until(tab, lambda: call.wishes[-1:] == [turned])
    call.redrawn = False
    await expect(tab.locator("#turner")).to_be_hidden()
    await tab.mouse.move(x, y + box["width"] / 6, steps=4)
    await tab.mouse.up()
    await tab.get_by_role("button", name="Mute", exact=True).click()
    await until(tab, lambda: call.wishes[-1:] == [("mute", True)])
    assert call.wishes[-2] == turned


async def test_every_button_asks_for_what_it_says(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    for button, wish in (
        ("Mute", ("mute", True)),
        ("Unmute", ("mute", False)),
        ("Camera off", ("camera", False)),
        ("Camera on", ("camera", True)),
        ("New picture", ("new_source",)),
        ("Repair", ("repair",)),
        ("Record", ("record", True)),
        ("Stop", ("record", False)),
        ("Hang up", ("hang_up",)),
    ):
        await tab.get_by_role("button", name=button, exact=True).click()
        await until(tab, lambda wish=wish: call.wishes[-1:] == [wish])  # type: ignore[misc]
    await expect(tab.get_by_role("heading", name="The call has ended")).to_be_visible()
    await expect(tab.get_by_text("You have hung up.").last).to_be_visible()


async def test_what_wants_a_camera_is_not_offered_while_that_is_off(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    new, repair = (tab.get_by_role("button", name=name, exact=True) for name in ("New picture", "Repair"))
    call.change(camera_on=False)
    await expect(new).to_be_disabled()
    await expect(repair).to_be_enabled()
    call.change(camera_on=True, their_camera_on=False)
    await expect(new).to_be_enabled()
    await expect(repair).to_be_disabled()


async def test_a_recording_is_stopped_by_a_button_that_says_so(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    await tab.get_by_title("Record the other side, picture and sound, to a file").click()
    await tab.get_by_title("Stop recording and save the file; the call goes on").click()
    await until(tab, lambda: call.wishes == [("record", True), ("record", False)])


async def test_a_microphone_that_is_gone_is_said_to_be(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    await until_loaded(tab)
    await tab.evaluate("document.getElementById('microphone').options[0].value = 'unplugged'")
    await tab.evaluate("document.getElementById('microphone').dispatchEvent(new Event('change'))")
    await expect(tab.locator("#notices")).to_contain_text("That microphone is gone.")


async def test_the_keyboard_goes_on_at_the_calls_end_from_a_line_that_was_written(
    open_tab: Open, call: FakeCall
) -> None:
    tab = await drawn_tab(open_tab)
    await tab.get_by_role("button", name="Chat", exact=True).click()
    await expect(tab.get_by_label("Write a message")).to_be_focused()
    call.change(phase="ended", sentence="The other side has ended the call.")
    await expect(tab.locator("#screen-over")).to_be_focused()


async def test_the_other_sides_condition_is_told_on_the_picture(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    badges = tab.locator("#badges")
    told = ("Camera off", "Muted", "Not their camera", "They record")
    for words in told:
        await expect(badges.get_by_text(words)).to_be_hidden()
    call.change(their_camera_on=False, their_muted=True, their_picture_is_foreign=True, their_recording=True)
    for words in told:
        await expect(badges.get_by_text(words)).to_be_visible()
    call.change(their_camera_on=True)
    await expect(badges.get_by_text("Camera off")).to_be_hidden()


async def test_the_figures_follow_the_call(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    await expect(tab.locator("#cost-now")).to_have_text("24")
    await expect(tab.locator("#compared")).to_have_text(
        "H.264 would need 171 kbit/s for the same picture: 7.1 times as much."
    )
    await expect(tab.locator("#figure-loss")).to_have_text("2.1 %")
    call.change(figures=replace(FIGURES, received_kbps=22.2, h264_kbps=133.0))
    await expect(tab.locator("#compared")).to_have_text(
        "H.264 would need 152 kbit/s for the same picture: 6.6 times as much."
    )
    call.change(figures=Figures(received_kbps=31.0, frames_per_s=18.2, latency_ms=140.0))
    await expect(tab.locator("#cost-now")).to_have_text("31")
    await expect(tab.locator("#figure-fps")).to_have_text("18 a second")
    await expect(tab.locator("#figure-latency")).to_have_text("140 ms")
    await expect(tab.locator("#compared")).to_be_empty()
    for unknown in ("#figure-loss", "#figure-sent"):
        await expect(tab.locator(unknown)).to_have_text("–")
    call.change(figures=FIGURES)
    await expect(tab.locator("#graph .received-line")).to_have_attribute("d", re.compile("L"))


async def test_notices_are_shown_as_they_come_and_once(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    shown = tab.locator("#notices p")
    call.change(notices=("The light has changed.",))
    await expect(shown).to_have_text(["The light has changed."])
    call.change(notices=("The light has changed.", "Two faces: the larger one is followed."))
    await expect(shown).to_have_text(["The light has changed.", "Two faces: the larger one is followed."])
    await tab.get_by_role("button", name="Dismiss this notice").first.click()
    await expect(shown).to_have_text(["Two faces: the larger one is followed."])


async def test_a_microphone_that_is_refused_is_a_sentence_and_the_call_goes_on(
    open_tab: Open, call: FakeCall
) -> None:
    tab = await open_tab(script=REFUSED)
    await expect(tab.get_by_text("This page may not use the microphone.")).to_be_visible()
    await expect(tab.locator("#microphone option").first).to_have_text("No microphone")
    await until_canvas(tab, differs=await canvas(tab))
    call.change(muted=True)
    await tab.evaluate("delete navigator.mediaDevices.getUserMedia")
    await tab.get_by_role("button", name="No microphone").click()
    await tab.get_by_role("button", name="Unmute").click()
    await until(tab, lambda: len(call.wishes) > 0)
    assert call.wishes == [("mute", False)]  # with the first click nothing was asked of the call


@pytest.mark.parametrize("outcome", ["give", "refuse"])
async def test_a_call_that_ends_while_the_browser_asks_for_the_microphone_leaves_it_alone(
    open_tab: Open, call: FakeCall, outcome: str
) -> None:
    tab = await open_tab(script=ASKING)
    await tab.wait_for_function("() => window.answer !== undefined")
    call.change(phase="failed", sentence="The line is lost.")
    await expect(tab.locator("#over-sentence")).to_have_text("The line is lost.")
    await tab.evaluate(f"answer.{outcome}()")
    # What would be said is said by then.
    await tab.evaluate("() => new Promise((done) => setTimeout(done, 100))")
    if outcome == "give":
        await tab.wait_for_function("() => lent.getTracks().every((track) => track.readyState === 'ended')")
    assert await tab.locator("#notices p").count() == 0


async def test_a_guest_who_waits_is_not_told_to_invite(open_tab: Open, call: FakeCall) -> None:
    call.change(phase="waiting", sentence="Looking for the other side.")
    tab = await open_tab()
    await expect(tab.get_by_role("heading", name="Waiting for the other side")).to_be_visible()
    call.change(invitation=INVITATION)
    await expect(tab.get_by_role("heading", name="Invite the other side")).to_be_visible()


async def test_a_call_begins_with_a_look_at_oneself_and_ends_in_talk(open_tab: Open, call: FakeCall) -> None:
    call.change(phase="consent", sentence="Is this picture all right?")
    tab = await open_tab()
    await expect(tab.get_by_role("img", name="Your own picture", exact=True)).to_be_visible()
    await expect(tab.locator("#bar")).to_be_hidden()
    await tab.get_by_role("button", name="Take another").click()
    await tab.get_by_role("button", name="Use this picture").click()
    await expect(tab.get_by_text(INVITATION.command)).to_be_visible()
    assert call.wishes == [("agree", False), ("agree", True)]
    await tab.wait_for_function("() => document.getElementById('qr').naturalWidth > 0")
    call.change(phase="ringing", sentence="Somebody with the code asks to come in.", invitation=None)
    await expect(tab.get_by_text("asks to come in").last).to_be_visible()
    await tab.get_by_role("button", name="Accept").click()
    await expect(tab.locator("#picture")).to_be_visible()
    assert call.wishes[-1] == ("accept", True)


async def test_a_broken_line_keeps_the_face_and_says_what_happens(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    call.change(phase="reconnecting", sentence="The line is lost. Reconnecting.")
    await expect(tab.locator("#interrupted")).to_have_text("The line is lost. Reconnecting.")
    await expect(tab.locator("#picture")).to_be_visible()
    await expect(tab.get_by_role("button", name="Repair")).to_be_disabled()
    call.change(phase="connected")
    await expect(tab.locator("#interrupted")).to_be_hidden()


async def test_what_made_a_call_fail_is_the_sentence_on_the_page(open_tab: Open, call: FakeCall) -> None:
    tab = await open_tab()
    call.change(phase="failed", sentence="The other side runs another version. Install the same on both.")
    await expect(tab.locator("#over-sentence")).to_have_text(call.state.sentence)


async def test_chat_goes_both_ways_and_counts_what_was_not_seen(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    call.change(chat=(Line(False, "Can you hear me?"), Line(False, "<b>Hello</b>")))
    await tab.get_by_role("button", name="Chat, 2 unread").click()
    await expect(tab.locator("#lines").get_by_text("<b>Hello</b>")).to_be_visible()
    await expect(tab.locator("#notices p")).to_have_count(0)
    await expect(tab.locator("#unread")).to_be_hidden()
    await tab.get_by_label("Write a message").fill("  Quite well.  ")
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#lines .mine")).to_have_text("You: Quite well.")
    assert call.wishes == [("say", "Quite well.")]


async def test_the_chat_goes_on_where_the_call_keeps_the_newest_lines_only(
    open_tab: Open, call: FakeCall
) -> None:
    tab = await drawn_tab(open_tab)
    call.change(their_name="Berta", chat=(Line(False, "1"), Line(True, "2"), Line(False, "3")))
    await expect(tab.locator("#lines-list li")).to_have_count(3)
    call.change(chat=(*call.state.chat[1:], Line(False, "See https://example.org/a?b=1.")))
    await expect(tab.locator("#lines-list li")).to_have_text(
        ["You: 2", re.compile("3"), re.compile("See https")]
    )
    await expect(tab.locator("#notices p").last).to_have_text("Berta: See https://example.org/a?b=1.")
    await tab.get_by_role("button", name="Chat, 3 unread").click()
    link = tab.get_by_role("link")
    await expect(link).to_have_attribute("href", "https://example.org/a?b=1")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")
    call.change(chat=())
    await expect(tab.locator("#no-lines")).to_be_visible()


async def test_what_is_written_while_the_program_does_not_answer_stays_in_its_field(
    open_tab: Open, call: FakeCall
) -> None:
    tab = await drawn_tab(open_tab)
    await tab.get_by_role("button", name="Chat", exact=True).click()
    await tab.evaluate("WebSocket.prototype.send = () => {}")
    await tab.evaluate(
        "Object.defineProperty(WebSocket.prototype, 'readyState', { get: () => WebSocket.CLOSED })"
    )
    await tab.get_by_label("Write a message").fill("Are you there?")
    await tab.keyboard.press("Enter")
    await expect(tab.get_by_label("Write a message")).to_have_value("Are you there?")
    assert call.wishes == []


async def test_who_comes_next_is_not_shown_with_the_face_of_the_one_before(
    open_tab: Open, call: FakeCall
) -> None:
    tab = await drawn_tab(open_tab)
    # The next one has no face yet, and nothing of the one before is still on its way.
    call.page.picture = lambda rgb, *, redrawn=True: None  # type: ignore[method-assign]
    await asyncio.to_thread(call.page._face.close)
    sentence = "Somebody else has come: this is another call."
    call.change(phase="consent", sentence=sentence)
    await expect(tab.locator("#consent-sentence")).to_have_text(sentence)
    await expect(tab.locator("#panel")).to_be_hidden()
    call.change(phase="connected", sentence="The call is on.")
    await expect(tab.get_by_text("Their picture is on its way")).to_be_visible()
    await expect(tab.locator("#badge-redrawn")).to_be_hidden()
    await expect(tab.locator(".frame.drawn")).to_have_count(0)
    again = await open_tab()
    await expect(again.get_by_text("Their picture is on its way")).to_be_visible()


async def test_a_film_does_not_stand_still_where_the_camera_is_off(open_tab: Open, call: FakeCall) -> None:
    call.redrawn = False
    tab = await drawn_tab(open_tab)
    await expect(tab.locator("#badge-filmed")).to_be_visible()
    call.change(their_camera_on=False)
    await expect(tab.get_by_text("Their camera is off")).to_be_visible()
    await expect(tab.locator("#badge-filmed")).to_be_hidden()
    call.redrawn = True
    await expect(tab.locator("#badge-redrawn")).to_be_visible()
    await expect(tab.get_by_text("Their camera is off")).to_be_hidden()


async def test_the_page_counts_how_long_the_call_lasts_and_says_it_at_the_end(
    open_tab: Open, call: FakeCall
) -> None:
    tab = await drawn_tab(open_tab)
    await expect(tab.get_by_role("timer")).to_have_text(re.compile(r"^\d\d:\d\d$"))
    call.page._outbox._began_s -= 3720  # type: ignore[operator]
    call.change(phase="reconnecting", sentence="The line is lost.")
    await expect(tab.get_by_role("timer")).to_have_text(re.compile(r"^1:0\d:\d\d$"))
    call.change(phase="ended", sentence="You have ended the call.")
    await expect(tab.locator("#over-lasted")).to_have_text(re.compile(r"It lasted 1 h \d+ min\."))
    await expect(tab.get_by_role("timer")).to_be_hidden()


async def test_the_screen_is_kept_awake_once_and_for_as_long_as_the_call_lasts(
    open_tab: Open, call: FakeCall
) -> None:
    tab = await open_tab(script=SLOWLY_AWAKE)
    for phase in ("waiting", "connected"):
        call.change(phase=phase)
        await tab.wait_for_selector(f"#app[data-phase='{phase}']")
    await tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert await tab.evaluate(LOCKS_HELD) == 1

    tab = await open_tab(script=SLOWLY_AWAKE)
    call.hang_up()
    await tab.wait_for_selector("#app[data-phase='ended']")
    assert await tab.evaluate(LOCKS_HELD) == 0
    assert await tab.evaluate("locks.length") == 1


async def test_the_slider_limits_what_is_sent(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    slider = tab.get_by_role("slider", name="What I send at most")
    await expect(slider).to_have_attribute("aria-valuetext", "No limit")
    await slider.press("Home")
    await expect(tab.locator("#limit-text")).to_have_text("20 kbit/s")
    await slider.press("End")
    await expect(tab.locator("#limit-text")).to_have_text("No limit")
    await until(tab, lambda: call.wishes == [("limit", 20.0), ("limit", None)])


async def test_the_safety_words_lead_to_what_they_are_for(open_tab: Open) -> None:
    tab = await drawn_tab(open_tab)
    await tab.get_by_role("button", name="Close details and chat").click()
    await tab.get_by_role("button", name="Safety words: apple river candle moon").click()
    await expect(tab.get_by_text("nobody listens in")).to_be_in_viewport()


async def test_the_newest_tab_takes_over_and_the_old_one_says_so(open_tab: Open, call: FakeCall) -> None:
    old = await drawn_tab(open_tab)
    new = await drawn_tab(open_tab)
    await expect(old.get_by_role("heading", name="This call is open in another tab")).to_be_visible()
    await until_canvas(new, differs=await canvas(new))
    await old.get_by_role("button", name="Use it here").click()
    await expect(new.get_by_role("heading", name="This call is open in another tab")).to_be_visible()
    await until_canvas(old, differs=await canvas(old))


async def test_a_tab_that_was_taken_over_neither_rings_nor_passes_for_the_call(
    open_tab: Open, call: FakeCall
) -> None:
    call.change(phase="ringing", sentence="Somebody asks to come in.")
    old = await open_tab(script=LISTENING)
    await old.wait_for_function("() => notes > 0 && locks.length === 1")
    new = await open_tab(script=LISTENING)
    await expect(old).to_have_title("This call is open in another tab – Visavis")
    await old.wait_for_function("() => locks[0].released")
    rung = await old.evaluate("notes")
    await new.wait_for_function("() => notes >= 6")
    assert await old.evaluate("notes") == rung


async def test_a_page_that_is_opened_again_sees_the_call_as_it_is_then(
    open_tab: Open, call: FakeCall
) -> None:
    tab = await drawn_tab(open_tab)
    await tab.close()
    call.change(muted=True, chat=(Line(False, "Are you there?"),))
    again = await drawn_tab(open_tab)
    await expect(again.get_by_role("button", name="Unmute")).to_be_visible()
    await expect(again.locator("#lines li")).to_have_count(1)


async def test_a_program_that_ends_without_a_word_is_told_by_the_page(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    await until_loaded(tab)
    await call.close()
    await expect(tab.get_by_role("heading", name="Visavis has stopped")).to_be_visible()


async def test_a_page_comes_back_as_soon_as_the_program_answers(open_tab: Open, call: FakeCall) -> None:
    tab = await drawn_tab(open_tab)
    await until_loaded(tab)
    address = URL(call.address)
    runner = call.page._runner
    assert runner is not None
    await runner.cleanup()
    await expect(tab.get_by_role("heading", name="Visavis does not answer")).to_be_visible()
    await call.page.close()
    call.page = server.Page(call, token=address.query["token"], port=address.port or 0)
    assert await call.page.start() == call.address
    call.page.show(call.state)
    await expect(tab.locator("#picture")).to_be_visible()
    await until_canvas(tab, differs=await canvas(tab))
