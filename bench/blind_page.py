"""The blind test's page: one self-contained HTML file of paired films, from the first pair to the person's result.

Its markup, look and script stand in `bench/static`, and what a visitor does is the script's. The page loads nothing
from anywhere. Each visitor gets an order and sides of their own; which film is whose is not to be seen before the end,
and who decodes the page's source can find out, as with any page that works without a server. Choices are saved as JSON,
which `bench.blind_count` reads.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from string import Template

from bench.blind import Pair
from bench.blind_count import Comparison

STATIC = Path(__file__).parent / "static"


def make_blind_page(pairs: Sequence[Pair], compared: Comparison) -> str:
    """Return the page's HTML for at least one pair.

    Its id is a digest of what it shows: the same films make the same page. Films stand in the order of their digests,
    which are their names too, so that neither tells whose they are.
    """
    films = {_name(film): film for pair in pairs for film in (pair.original, pair.ours, pair.rival)}
    test = asdict(compared) | {
        "rival": compared.rival,
        "pairs": [
            {
                "clip": pair.clip,
                "camera": _name(pair.original),
                "ours": _name(pair.ours),
                "rival": _name(pair.rival),
                "our_kbps": pair.our_kbps,
                "rival_kbps": pair.rival_kbps,
            }
            for pair in pairs
        ],
    }
    page = _name(json.dumps(test, sort_keys=True).encode())
    return Template(_static("blind.html")).substitute(
        style=_static("blind.css"),
        script=_static("blind.js"),
        films="\n".join(_hold(name, films[name]) for name in sorted(films)),
        key=_text(json.dumps(test | {"page": page}).encode()),
    )


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _hold(name: str, film: bytes) -> str:
    return f'<script id="{name}" type="application/octet-stream">{_text(film)}</script>'


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
