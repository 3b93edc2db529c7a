"""The blind test: its films, its page in a real browser from the first pair to the saved file, and the count."""

import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench_fakes import FakeTalker, scene, setup, write_film
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from typer.testing import CliRunner

from bench.__main__ import app
from bench.blind import Pair, make_pairs
from bench.blind_count import Answers, Choice, Comparison, Preferred, count, read_answers, without_repeats
from bench.blind_page import make_blind_page
from bench.clips import Clip
from bench.codecs import CODECS
from bench.errors import BenchError
from call.film import read_film, write_clip
from tests.patience import PATIENCE_S

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
COMPARED = Comparison("laptop-256", "H.264 <at>", 10.0)
# Sides in pixels by which a test tells whose film is shown.
OURS, RIVAL = 96, 64
NO_STORE = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("not here", "SecurityError"); } });"""
NO_AUTOPLAY = """window.realPlay = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException("not by itself", "NotAllowedError"));"""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[int, bytes]:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    made = {}
    for size in (OURS, RIVAL, 80):
        write_clip(path, scene(6, size=size), frame_rate=25)
        made[size] = path.read_bytes()
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium found: apt install chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


@pytest.fixture
def window(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor's browser; fails where the page had an error."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_S * 1000)
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    yield context
    context.close()
    assert errors == []


@pytest.fixture
def page(films: dict[int, bytes], tmp_path: Path) -> str:
    """The address of a page of three pairs."""
    path = tmp_path / "blind.html"
    path.write_text(make_blind_page(pairs_of(films, 3), COMPARED), encoding="utf-8")
    return path.as_uri()


def pairs_of(films: dict[int, bytes], number: int) -> list[Pair]:
    return [Pair(f"clip-{index}", films[80], films[OURS], films[RIVAL], 4.0, 40.0) for index in range(number)]


def until(tab: Page, condition: str) -> None:
    """Wait for a condition; Playwright's own way to wait needs eval, which the page forbids."""
    end_s = time.monotonic() + PATIENCE_S
    while not tab.evaluate(condition):
        assert time.monotonic() < end_s, condition
        time.sleep(0.05)


def watch(tab: Page) -> str:
    """Wait until the pair can be answered; return whose film is the first."""
    tab.wait_for_selector("[data-choice=first][aria-disabled=false]")
    until(tab, "films.every((film) => film.played.length && film.played.end(0) > 0)")
    widths = tab.evaluate("[find('first').videoWidth, find('second').videoWidth]")
    assert sorted(widths) == [RIVAL, OURS]
    return "ours" if widths[0] == OURS else "rival"


def reload(tab: Page, kept: str) -> None:
    """Reload until the page recalls a condition: the browser stores in its own time, and a reload may overtake that."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        tab.reload()
        if tab.evaluate(kept):
            return
        assert time.monotonic() < end_s, kept
        time.sleep(0.05)


def place(tab: Page) -> str:
    return tab.locator("#place").inner_text()


def save(tab: Page, path: Path) -> Path:
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Save your choices").click()
    download.value.save_as(path)
    return path


def test_the_page_leads_from_the_first_pair_to_a_file_of_choices(
    window: BrowserContext, page: str, tmp_path: Path
) -> None:
    tab = window.new_page()
    tab.goto(page)
    assert place(tab) == "Pair 1 of 3"
    firsts = [watch(tab)]
    assert "Visavis" not in tab.locator("main").inner_text()
    tab.get_by_role("button", name="1 is better").click()
    assert place(tab) == "Pair 2 of 3"
    firsts.append(watch(tab))
    tab.keyboard.press("2")
    firsts.append(watch(tab))
    tab.keyboard.press("0")
    assert "Visavis" not in tab.locator("main").inner_text()
    tab.get_by_role("button", name="Show which was which").click()
    preferred = [firsts[0], {"ours": "rival", "rival": "ours"}[firsts[1]], "same"]
    assert tab.locator("#verdict").inner_text() == (
        f"Of 3 pairs you preferred Visavis in {preferred.count('ours')}, H.264 <at> at 10 times the rate in "
        f"{preferred.count('rival')}, and saw no difference in 1."
    )
    path = save(tab, tmp_path / "choices.json")
    rows = json.loads(path.read_text())["choices"]
    assert [(row["place"], row["first"], row["preferred"]) for row in rows] == list(
        zip((1, 2, 3), firsts, preferred, strict=True)
    )
    answers = read_answers(path)
    assert answers.compared == COMPARED
    assert sorted(answers.choices) == ["clip-0", "clip-1", "clip-2"]


def test_a_reload_goes_on_where_the_visitor_was(window: BrowserContext, page: str, tmp_path: Path) -> None:
    tab = window.new_page()
    tab.goto(page)
    watch(tab)
    tab.keyboard.press("1")
    first, visitor = watch(tab), tab.evaluate("visit.visitor")
    reload(tab, "visit.choices.length === 1")
    assert place(tab) == "Pair 2 of 3"
    assert watch(tab) == first
    tab.keyboard.press("2")
    watch(tab)
    tab.keyboard.press("2")
    tab.get_by_role("button", name="Show which was which").click()
    reload(tab, "visit.ended")
    assert len(read_answers(save(tab, tmp_path / "one.json")).choices) == 3
    tab.get_by_role("button", name="Start over for another person").click()
    assert place(tab) == "Pair 1 of 3"
    assert tab.evaluate("visit.visitor") != visitor


def test_a_choice_can_be_taken_back_until_the_films_are_named(window: BrowserContext, page: str) -> None:
    tab = window.new_page()
    tab.goto(page)
    back = tab.get_by_role("button", name="Back to the previous pair")
    assert back.is_hidden()
    for _ in range(3):
        watch(tab)
        tab.keyboard.press("1")
    back.click()
    assert place(tab) == "Pair 3 of 3"
    tab.keyboard.press("2")  # it was seen: nobody has to watch it again
    assert tab.evaluate("visit.choices") == ["first", "first", "second"]
    tab.get_by_role("button", name="Show which was which").click()
    assert back.is_hidden()


def test_unsaved_choices_are_not_dropped_without_asking(window: BrowserContext, page: str) -> None:
    tab = window.new_page()
    tab.goto(page)
    watch(tab)
    tab.keyboard.press("1")
    tab.on("dialog", lambda dialog: dialog.dismiss())
    tab.get_by_role("button", name="Start over for another person").click()
    assert place(tab) == "Pair 2 of 3"


def test_a_key_with_another_or_held_down_is_no_answer(window: BrowserContext, page: str) -> None:
    tab = window.new_page()
    tab.goto(page)
    watch(tab)
    for keys in ("Control+0", "Meta+0", "Alt+1", "Control+2"):
        tab.keyboard.press(keys)
    tab.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', { key: '1', repeat: true }))")
    assert place(tab) == "Pair 1 of 3"
    tab.keyboard.press("0")
    assert place(tab) == "Pair 2 of 3"


def test_nothing_can_be_answered_before_it_has_played(window: BrowserContext, page: str) -> None:
    window.add_init_script(NO_AUTOPLAY)
    tab = window.new_page()
    tab.goto(page)
    until(tab, "films.every((film) => film.readyState > 2)")
    assert "once both have ended" in tab.locator("#hint").inner_text()
    tab.keyboard.press("1")
    tab.get_by_role("button", name="1 is better").click(force=True)
    assert place(tab) == "Pair 1 of 3"
    assert tab.evaluate("visit.choices") == []
    tab.evaluate("() => { HTMLMediaElement.prototype.play = window.realPlay; }")
    tab.get_by_role("button", name="Play").click()
    watch(tab)
    tab.keyboard.press("1")
    assert place(tab) == "Pair 2 of 3"


def test_a_held_film_stands_still_and_goes_on(window: BrowserContext, page: str) -> None:
    tab = window.new_page()
    tab.goto(page)
    watch(tab)
    tab.get_by_role("button", name="Pause").click()
    assert tab.evaluate("films.every((film) => film.paused)")
    tab.get_by_role("button", name="Play").click()
    until(tab, "films.some((film) => !film.paused)")


def test_without_a_store_the_page_works_and_says_so(window: BrowserContext, page: str) -> None:
    window.add_init_script(NO_STORE)
    tab = window.new_page()
    tab.goto(page)
    assert "does not keep what you choose" in tab.locator("main").inner_text()
    watch(tab)
    tab.keyboard.press("1")
    assert place(tab) == "Pair 2 of 3"


def test_a_store_that_holds_something_else_is_a_new_visit(window: BrowserContext, page: str) -> None:
    tab = window.new_page()
    tab.goto(page)
    for kept in ("[", "null", '{"visitor": 1, "order": [0, 0, 0]}'):
        tab.evaluate("(kept) => localStorage.setItem(PLACE, kept)", kept)
        tab.reload()
        assert place(tab) == "Pair 1 of 3"
        assert tab.evaluate("fits(JSON.parse(localStorage.getItem(PLACE)))")


def test_each_visitor_has_an_order_and_balanced_sides_of_their_own(
    window: BrowserContext, films: dict[int, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "blind.html"
    path.write_text(make_blind_page(pairs_of(films, 7), COMPARED), encoding="utf-8")
    tab = window.new_page()
    tab.goto(path.as_uri())
    visits = tab.evaluate("Array.from({ length: 60 }, newVisit)")
    assert {visit["firsts"].count("ours") for visit in visits} == {3, 4}
    assert all(sorted(visit["order"]) == list(range(7)) for visit in visits)
    for drawn in ("order", "firsts"):  # a pair's place, and a place's side, are not always the same
        assert all(len({visit[drawn][index] for visit in visits}) > 1 for index in range(7))
    assert len({visit["visitor"] for visit in visits}) == 60


def test_neither_names_nor_order_in_the_source_tell_whose_a_film_is(films: dict[int, bytes]) -> None:
    def swapped(pair: Pair) -> Pair:
        return Pair(pair.clip, pair.original, pair.rival, pair.ours, pair.our_kbps, pair.rival_kbps)

    pairs = pairs_of(films, 1)
    one, other = (make_blind_page(each, COMPARED) for each in (pairs, [swapped(pair) for pair in pairs]))
    differing = [
        line for line, instead in zip(one.splitlines(), other.splitlines(), strict=True) if line != instead
    ]
    assert [line.split(">")[0] for line in differing] == ['<script id="key" type="application/octet-stream"']
    assert "clip-0" not in one


def answers(
    chosen: dict[str, Preferred], *, visitor: int = 1, page: int = 1, compared: Comparison = COMPARED
) -> Answers:
    choices = {clip: Choice(preferred, "ours") for clip, preferred in chosen.items()}
    return Answers(Path(f"{visitor}.json"), f"{page:032x}", f"{visitor:032x}", compared, choices)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The interval of a share as if every choice were a trial of its own (Wilson 1927)."""
    z = 1.959964
    share, spread = successes / trials, z * z / trials
    half = z * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return (share + spread / 2 - half) / (1 + spread), (share + spread / 2 + half) / (1 + spread)


def test_choices_are_counted_in_all_and_by_clip() -> None:
    counted = count([answers({"a": "ours", "b": "ours"}), answers({"a": "rival", "b": "same"}, visitor=2)])
    assert (counted["people"], counted["ours"], counted["rival"], counted["same"]) == (2, 2, 1, 1)
    assert counted["preference"] == pytest.approx(2 / 3)
    assert counted["preference_half"] == pytest.approx(2.5 / 4)
    assert counted["first_share"] == pytest.approx(2 / 3)
    assert counted["interval_over"] == "people and clips"
    assert counted["clips"] == [
        {"clip": "a", "ours": 1, "rival": 1, "same": 0},
        {"clip": "b", "ours": 1, "rival": 0, "same": 1},
    ]


def test_the_interval_knows_that_answers_come_in_people_and_in_clips() -> None:
    # Whose taste it is decides all, or which clip: 96 choices, but 8 people who differ, or 12 clips that do.
    clips = [f"clip-{index:02}" for index in range(12)]
    by_person = [
        answers(dict.fromkeys(clips, "ours" if person < 5 else "rival"), visitor=person)
        for person in range(8)
    ]
    by_clip = [
        answers({clip: "ours" if clip < "clip-07" else "rival" for clip in clips}, visitor=person)
        for person in range(8)
    ]
    for people, chosen in ((by_person, 60), (by_clip, 56)):
        counted = count(people)
        low, high = wilson(chosen, 96)
        assert counted["preference"] == pytest.approx(chosen / 96)
        assert counted["preference_low"] < low - 0.1
        assert counted["preference_high"] > high + 0.1


def test_independent_choices_have_about_the_textbook_s_interval() -> None:
    # One clip, many people: resampling people is all there is, and Wilson is right.
    people = [answers({"a": "ours" if person < 60 else "rival"}, visitor=person) for person in range(100)]
    counted = count(people)
    assert counted["interval_over"] == "people"
    assert (counted["preference_low"], counted["preference_high"]) == pytest.approx(wilson(60, 100), abs=0.02)


def test_one_person_has_an_interval_over_clips_alone() -> None:
    counted = count([answers({"a": "ours", "b": "rival", "c": "ours"})])
    assert counted["interval_over"] == "clips"
    assert counted["preference_low"] < 2 / 3 < counted["preference_high"]


@pytest.mark.parametrize(
    ("chosen", "why"), [({"a": "ours"}, "one person and one clip"), ({"a": "ours", "b": "ours"}, "alike")]
)
def test_what_resampling_cannot_tell_is_not_told(chosen: dict[str, Preferred], why: str) -> None:
    counted = count([answers(chosen)])
    assert counted["preference"] == 1
    assert counted["preference_low"] is None
    assert why in counted["why"]["preference_low"]


def test_where_nobody_decided_there_is_no_share() -> None:
    counted = count([answers({"a": "same", "b": "same"})])
    assert counted["preference"] is None
    assert counted["preference_half"] == 0.5
    assert "nobody" in counted["why"]["preference"]


def test_a_person_s_file_counts_once() -> None:
    people = [answers({"a": "ours"}), answers({"a": "ours"}), answers({"a": "rival"}, page=2)]
    once, repeats = without_repeats(people)
    assert once == [people[0], people[2]]
    assert repeats == [(people[1], people[0])]


def test_answers_about_different_comparisons_are_not_pooled() -> None:
    other = Comparison("laptop-256", "H.265", 10.0)
    with pytest.raises(BenchError, match=r"different comparisons .*H\.265 at 10 times"):
        count([answers({"a": "ours"}), answers({"a": "ours"}, visitor=2, compared=other)])
    same = count([answers({"a": "ours"}), answers({"b": "ours"}, visitor=2, page=2)])
    assert (same["people"], same["pages"], same["ours"]) == (2, 2, 2)


def saved(**changes: Any) -> dict[str, Any]:
    """What a file of the page holds, with changes."""
    row = {"clip": "[/a] [red]b", "preferred": "ours", "first": "rival", "place": 1}
    ids = {"page": "0" * 32, "visitor": "1" * 32}
    return {**ids, "profile": "p", "codec": "H.264", "ratio": 10, "choices": [row]} | changes


def test_the_command_counts_a_repeated_file_once_and_says_so(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.json", "again.json", "other.json")]
    for path, visitor in zip(paths, ("1", "1", "2"), strict=True):
        path.write_text(json.dumps(saved(visitor=visitor * 32)))
    done = CliRunner().invoke(app, ["blind-count", *map(str, paths)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert f"{paths[1]}: the same person's choices as {paths[0]}" in " ".join(done.stderr.split())
    assert "[/a] [red]b" in done.stdout
    counted = CliRunner().invoke(app, ["blind-count", "--json", *map(str, paths)])
    assert json.loads(counted.stdout)["people"] == 2


HOSTILE = (
    {"page": "x"},
    {"visitor": None},
    {"profile": ""},
    {"codec": "\x1b[2J"},
    {"ratio": "ten"},
    {"ratio": True},
    {"ratio": math.inf},
    {"ratio": -1},
    {"choices": {}},
    {"choices": [1]},
    {"choices": []},
    {"choices": [saved()["choices"][0]] * 2},
    {"choices": [saved()["choices"][0] | {"preferred": ["ours"]}]},
    {"choices": [saved()["choices"][0] | {"first": "left"}]},
    {"choices": [saved()["choices"][0] | {"clip": "\ud800"}]},
)
CONTENTS = ("", "[]", "{}", "null", "[" * 100_000, '{"ratio": ' + "9" * 9000 + "}", "\udcff")


@pytest.mark.parametrize("content", [*CONTENTS, *(json.dumps(saved(**one)) for one in HOSTILE)])
def test_another_file_is_refused_with_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "choices.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(BenchError, match=r"choices\.json .*the (blind test's )?page saved"):
        read_answers(path)


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "choices.json"
    path.write_bytes(b" " * 1_000_001)
    with pytest.raises(BenchError, match="too large"):
        read_answers(path)


def test_a_pair_has_the_rival_within_its_rate(tmp_path: Path) -> None:
    write_film(tmp_path / "one.mkv", scene(20))
    clips = [Clip(f"one-{index}", tmp_path / "one.mkv", None) for index in range(2)]
    still = setup(FakeTalker(frozen=True))
    begun: list[str] = []
    pairs = make_pairs(still, clips, CODECS["h264"], ratio=40, on_clip=begun.append)
    assert [pair.clip for pair in pairs] == begun == ["one-0", "one-1"]
    assert all(pair.rival_kbps <= 40 * pair.our_kbps for pair in pairs)
    for pair in pairs:  # the talker draws the source as it was: ours stands still
        stills = [
            stands_still(film, tmp_path / "film.mp4") for film in (pair.ours, pair.rival, pair.original)
        ]
        assert stills == [True, False, False]


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("inf"), float("nan")])
def test_a_ratio_that_is_none_makes_no_page(ratio: float) -> None:
    with pytest.raises(BenchError, match="a multiple of ours above 0"):
        make_pairs(setup(), [], CODECS["h264"], ratio=ratio, on_clip=lambda name: None)


def stands_still(film: bytes, path: Path) -> bool:
    path.write_bytes(film)
    pictures = [picture.astype(float) for picture in read_film(path)]
    return bool(abs(pictures[-1] - pictures[0]).mean() < 3)
