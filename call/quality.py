"""How good the redrawn pictures are, asked of the bench in a process of its own, so that a call loads no torch."""

import json
import math
import subprocess
import sys
from typing import Any

from call.pairs import PairedFilms
from runtime.installed import how_to_add

# A sample of a film's frames, evenly spread, gives its mean; `visavis bench quality` is the thorough one.
MOST_JUDGED = 25
KEYS = ("lpips", "face_lpips", "lpips_frozen", "face_lpips_frozen")


def compare(films: PairedFilms) -> dict[str, Any]:
    """Return the bench's figures of `films`: KEYS and whatever else it measured.

    What could not be measured is None, and `why` says for each such key what is missing.
    """
    command = [sys.executable, "-P", "-m", "bench", "compare", str(films.original), str(films.redrawn)]
    command += [
        "--source",
        str(films.source),
        "--every",
        str(math.ceil(films.frames / MOST_JUDGED)),
        "--json",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        figures = json.loads(result.stdout)
    except ValueError:
        figures = None
    if result.returncode == 0 and isinstance(figures, dict):
        unsaid = {
            key: "the bench did not measure it"
            for key in KEYS
            if figures.get(key) is None and key not in figures.get("why", {})
        }
        return dict.fromkeys(KEYS) | figures | {"why": figures.get("why", {}) | unsaid}
    return not_measured(_why(result.stderr))


def not_measured(why: str) -> dict[str, Any]:
    """Return KEYS as None, with the reason for each."""
    return {**dict.fromkeys(KEYS), "why": dict.fromkeys(KEYS, why)}


def _why(complaint: str) -> str:
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    last = lines[-1] if lines else "the bench ended without a word"
    if last.startswith("ModuleNotFoundError"):
        missing = last.rpartition(" ")[2].strip("'\"")
        return f"{missing} is not installed: {how_to_add('dev')}"
    return last
