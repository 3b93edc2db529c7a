"""The blind test: its films, its page in a real browser from the first pair to the result, and the count."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench_fakes import FakeTalker, scene, setup, write_film
from playwright.sync_api import Page, sync_playwright

from bench.blind import Pair, make_pairs
from bench.blind_count import Answers, count, read_answers, wilson
from bench.blind_page import make_blind_page
from bench.clips import Clip
from bench.codecs import CODECS
from bench.errors import BenchError
from call.film import read_film, write_clip

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write_clip(path, scene(12), frame_rate=25)
    return path.read_bytes()


@pytest.fixture
def tab() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium found: apt install chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser.new_page()
        browser.close()


def test_the_page_leads_from_the_first_pair_to_a_file_of_choices(
    tab: Page, film: bytes, tmp_path: Path
) -> None:
    sides = (True, False, True)
    pairs = [
        Pair(f"clip-{index}", film, film, film, ours_first, 4.0, 40.0)
        for index, ours_first in enumerate(sides)
    ]
    page = tmp_path / "blind.html"
    page.write_text(make_blind_page(pairs, rival="H.264 <at> 10 times"), encoding="utf-8")
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(page.as_uri())
    assert tab.locator("#place").inner_text() == "Pair 1 of 3"
    tab.wait_for_function("[...document.querySelectorAll('video')].every((film) => film.readyState >= 2)")
    assert "Visavis" not in tab.locator("#test").inner_text()
    tab.get_by_role("button", name="1 is better").click()
    tab.keyboard.press("1")
    assert tab.locator("#result").is_hidden()
    tab.keyboard.press("0")
    assert tab.locator("#verdict").inner_text() == (
        "You preferred Visavis 1 times, H.264 <at> 10 times 1 times, and saw no difference 1 times."
    )
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Save your choices").click()
    saved = tmp_path / "choices.json"
    download.value.save_as(saved)
    assert read_answers(saved).choices == {"clip-0": "ours", "clip-1": "rival", "clip-2": "same"}
    assert errors == []


def test_choices_are_pooled_with_an_interval() -> None:
    people = [Answers("H.264", {"a": "ours", "b": "ours"}), Answers("H.264", {"a": "rival", "b": "same"})]
    counted = count(people)
    assert (counted["ours"], counted["rival"], counted["same"]) == (2, 1, 1)
    assert counted["preference"] == pytest.approx(2 / 3)
    assert counted["preference_low"] < 2 / 3 < counted["preference_high"]
    assert counted["clips"] == [
        {"clip": "a", "ours": 1, "rival": 1, "same": 0},
        {"clip": "b", "ours": 1, "rival": 0, "same": 1},
    ]


def test_where_nobody_decided_there_is_no_share() -> None:
    counted = count([Answers("H.264", {"a": "same"})])
    assert counted["preference"] is None
    assert "nobody" in counted["why"]["preference"]


def test_the_interval_is_wilson_s() -> None:
    # Newcombe 1998, table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_answers_about_different_rivals_are_not_pooled() -> None:
    with pytest.raises(BenchError, match=r"different rivals: H\.264, H\.265"):
        count([Answers("H.265", {"a": "ours"}), Answers("H.264", {"a": "ours"})])


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"rival": 1, "choices": []}', '{"rival": "x", "choices": [{"clip": "a"}]}']
)
def test_another_file_is_refused_with_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "choices.json"
    path.write_text(content)
    with pytest.raises(BenchError, match="not a file that the blind test's page saved"):
        read_answers(path)


def test_a_pair_has_the_rival_within_its_rate_and_sides_by_the_seed(tmp_path: Path) -> None:
    write_film(tmp_path / "one.mkv", scene(20))
    clips = [Clip(f"one-{index}", tmp_path / "one.mkv", None) for index in range(6)]

    still = setup(FakeTalker(frozen=True))

    def make(seed: int) -> list[Pair]:
        return make_pairs(still, clips, CODECS["h264"], ratio=40, seed=seed, on_clip=lambda name: None)

    pairs = make(1)
    assert {pair.first_is_ours for pair in pairs} == {True, False}
    assert [(pair.clip, pair.first_is_ours) for pair in pairs] == [
        (pair.clip, pair.first_is_ours) for pair in make(1)
    ]
    assert all(pair.rival_kbps <= 40 * pair.our_kbps for pair in pairs)
    for pair in pairs:  # the talker draws the source as it was: ours stands still
        stills = [
            stands_still(film, tmp_path / "film.mp4") for film in (pair.first, pair.second, pair.original)
        ]
        assert stills == [pair.first_is_ours, not pair.first_is_ours, False]


def stands_still(film: bytes, path: Path) -> bool:
    path.write_bytes(film)
    pictures = [picture.astype(float) for picture in read_film(path)]
    return bool(abs(pictures[-1] - pictures[0]).mean() < 3)
