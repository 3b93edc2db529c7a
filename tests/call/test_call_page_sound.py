"""Sound between page and program: the queues, the browser's microphone, and the player's jitter buffer."""

import asyncio
import time

import numpy as np
import pytest
from playwright.async_api import expect

from call.errors import CallError
from call.web.outbox import Outbox
from call.web.sound import MICROPHONE_BLOCKS, SAMPLES, SPEAKER_BLOCKS, PageMicrophone
from tests.call.page_double import PATIENCE_MS, FakeCall, Open, until_loaded
from tests.patience import PATIENCE_S

pytest_plugins = ("tests.call.browser",)
pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=PATIENCE_MS)

# Loaded before the page's own worklet, it lets this say so when it has taken a block.
ANSWERING = """const { registerProcessor: register } = globalThis;
globalThis.registerProcessor = (name, Processor) => register(name, class extends Processor {
  constructor(...given) {
    super(...given);
    const take = this.port.onmessage;
    this.port.onmessage = (event) => {
      take(event);
      this.port.postMessage("taken");
    };
  }
});"""

# Plays blocks of a ramp through the page's own worklet, offline, and returns what was heard: for every block its time
# in seconds, and when it arrives.
PLAYED = """async ([answering, blocks]) => {
  const context = new OfflineAudioContext(1, 48000 * 0.6, 48000);
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([answering], { type: "text/javascript" })));
  await context.audioWorklet.addModule("/static/playback.js");
  const player = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
  player.connect(context.destination);
  const place = ({ atS, from }) => new Promise((done) => {
    player.port.onmessage = done;
    player.port.postMessage({ atS, samples: Int16Array.from({ length: 960 }, (_, index) => from + index) });
  });
  for (const block of blocks.filter(({ arrivesS }) => arrivesS === 0)) await place(block);
  for (const block of blocks.filter(({ arrivesS }) => arrivesS > 0)) {
    context.suspend(block.arrivesS).then(() => place(block)).then(() => context.resume());
  }
  const heard = await context.startRendering();
  return Array.from(heard.getChannelData(0), (sample) => Math.round(sample * 32768));
}"""

# Notes what the page hands to its player, and how long before it is to be heard.
NOTED = """
const hand = MessagePort.prototype.postMessage;
window.noted = [];
MessagePort.prototype.postMessage = function (message, ...rest) {
  if (message.atS !== undefined) window.noted.push([...message.samples.slice(0, 2), message.samples.length]);
  return hand.call(this, message, ...rest);
};"""


# Notes which microphones the page is lent, and which it connects; `hold` keeps one from it, or what it is heard with.
LENDING = """
const [ask, add, connect] = [
  MediaDevices.prototype.getUserMedia, AudioWorklet.prototype.addModule, AudioNode.prototype.connect,
];
const [lent, held, connected, hold] = [[], [], [], { lent: false, heard: false }];
Object.assign(window, { lent, held, connected, hold });
const pass = (holds) => (holds ? new Promise((done) => held.push(done)) : undefined);
MediaDevices.prototype.getUserMedia = async function (wanted) {
  const waits = hold.lent;
  const stream = await ask.call(this, wanted);
  await pass(waits);
  lent.push(stream);
  return stream;
};
AudioWorklet.prototype.addModule = async function (...given) {
  const waits = hold.heard;
  await add.apply(this, given);
  await pass(waits);
};
AudioNode.prototype.connect = function (...given) {
  if (this instanceof MediaStreamAudioSourceNode) connected.push(this);
  return connect.apply(this, given);
};"""


def block(value: int) -> bytes:
    return np.full(SAMPLES, value, "<i2").tobytes()


async def test_the_microphone_gives_blocks_as_they_came() -> None:
    microphone = PageMicrophone()
    for value in (3, 4):
        microphone.put(block(value))
    assert [(await microphone.read())[0] for _ in range(2)] == [3, 4]


async def test_a_page_that_sends_no_sound_is_silent_at_the_same_pace() -> None:
    microphone = PageMicrophone()
    began = time.monotonic()
    for _ in range(10):
        silence = await microphone.read()
        assert silence.shape == (SAMPLES,)
        assert not silence.any()
    assert time.monotonic() - began > 0.15
    microphone.put(block(7))
    assert (await microphone.read())[0] == 7


async def test_sound_that_nobody_fetches_is_forgotten_oldest_first() -> None:
    microphone = PageMicrophone()
    for value in range(MICROPHONE_BLOCKS + 5):
        microphone.put(block(value))
    assert (await microphone.read())[0] == 5
    outbox = Outbox()
    for value in range(SPEAKER_BLOCKS + 5):
        outbox.speaker.play(np.full(SAMPLES, value, np.int16), 0.0)
    assert len(outbox.take()) == SPEAKER_BLOCKS


@pytest.mark.parametrize("size", [0, 1919, 1921, 3840])
async def test_a_block_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(CallError, match=f"{size} bytes"):
        PageMicrophone().put(bytes(size))


@pytest.mark.parametrize("turns", range(5))
async def test_who_listens_to_the_microphone_ends_when_told_though_a_block_comes_just_then(
    turns: int,
) -> None:
    microphone = PageMicrophone()

    async def listen() -> None:
        while True:
            await microphone.read()

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # it waits for a block now
    microphone.put(bytes(2 * SAMPLES))
    for _ in range(turns):  # of the event loop, until the block has been handed over
        await asyncio.sleep(0)
    listening.cancel()
    ended, _ = await asyncio.wait({listening}, timeout=PATIENCE_S / 10)
    listening.cancel()  # where it goes on
    assert ended


async def test_the_browsers_microphone_is_heard_and_muted(open_tab: Open, call: FakeCall) -> None:
    tab = await open_tab()
    microphone = call.page.microphone
    async with asyncio.timeout(PATIENCE_S):
        while not (await microphone.read()).any():
            pass
        await tab.get_by_role("button", name="Mute", exact=True).click()
        await tab.get_by_role("button", name="Unmute", exact=True).wait_for()
        silent = 0
        while silent < 75:  # the browser's own beeps come twice a second
            silent = 0 if (await microphone.read()).any() else silent + 1
    await expect(tab.get_by_role("combobox", name="Microphone")).not_to_have_text("No microphone")


@pytest.mark.parametrize("late", ["lent", "heard"])
async def test_of_two_microphones_that_were_asked_for_one_after_the_other_the_last_alone_is_heard(
    open_tab: Open, late: str
) -> None:
    tab = await open_tab(script=LENDING)
    await until_loaded(tab)
    await tab.evaluate(f"hold.{late} = true")
    choose = "document.getElementById('microphone').dispatchEvent(new Event('change'))"
    await tab.evaluate(choose)
    await tab.wait_for_function("() => held.length === 1")
    await tab.evaluate(f"hold.{late} = false")
    await tab.evaluate(choose)
    await tab.wait_for_function("() => lent.length === 3 || (lent.length === 2 && held.length === 1)")
    await tab.evaluate("held.pop()()")
    await tab.wait_for_function("() => lent.length === 3")
    alive = "lent.filter((stream) => stream.getTracks()[0].readyState === 'live').length"
    await tab.wait_for_function(f"() => {alive} === 1")
    await tab.wait_for_function("() => connected.length > 1")
    # What would be connected is connected by then.
    await tab.evaluate("() => new Promise((done) => setTimeout(done, 100))")
    assert await tab.evaluate("connected.length") == 2


async def test_what_the_program_plays_reaches_the_player_as_it_is(open_tab: Open, call: FakeCall) -> None:
    tab = await open_tab(script=NOTED)
    async with asyncio.timeout(PATIENCE_S):
        while not await tab.evaluate("window.noted.length"):
            call.page.speaker.play(np.arange(-300, 660, dtype=np.int16), time.monotonic() + 0.04)
            await tab.wait_for_timeout(20)
    assert await tab.evaluate("window.noted[0]") == [-300, -299, SAMPLES]


async def played(open_tab: Open, blocks: list[dict[str, float]]) -> np.ndarray:
    """What the page's player lets be heard of these blocks, as samples of int16's scale."""
    tab = await open_tab(loads_anything=True)
    return np.array(await tab.evaluate(PLAYED, [ANSWERING, blocks]))


async def test_the_player_joins_blocks_without_a_seam_and_keeps_their_time(open_tab: Open) -> None:
    # The times of the second and the third tremble by a few milliseconds.
    blocks = [
        {"atS": 0.1 + 0.02 * index + tremble, "from": 1 + 960 * index, "arrivesS": 0}
        for index, tremble in enumerate((0.0, 0.006, -0.006))
    ]
    heard = await played(open_tab, blocks)
    sounding = np.flatnonzero(heard)
    assert sounding[0] == pytest.approx(4800, abs=1)
    assert heard[sounding].tolist() == list(range(1, 2881))
    assert len(sounding) == sounding[-1] - sounding[0] + 1


async def test_the_player_plays_on_in_time_after_a_gap_and_leaves_out_what_is_late(open_tab: Open) -> None:
    blocks = [
        {"atS": 0.1, "from": 1, "arrivesS": 0},
        {"atS": 0.3, "from": 1, "arrivesS": 0},
        {"atS": 0.39, "from": 1, "arrivesS": 0.4},
    ]
    heard = await played(open_tab, blocks)
    assert heard[14_400:15_360].tolist() == list(range(1, 961))
    assert not heard[5_760:14_400].any()
    late = heard[19_200:]
    assert 1 not in late
    assert late.max() == 960
