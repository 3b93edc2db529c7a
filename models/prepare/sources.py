"""The videos of a folder: who is in each, and under which licence."""

import csv
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from models.prepare.settings import PrepareError
from models.prepare.video import SUFFIXES


@dataclass(frozen=True)
class Source:
    """A video of the folder."""

    path: str  # in the folder, with / between its parts
    name: str  # of its clips, before their numbers
    identity: str
    licence: str


def find_sources(videos: Path, *, people: Literal["folder", "file"], licence: str | None) -> list[Source]:
    """List the videos below a folder in the order of their names.

    Args:
        videos: the folder; a `licences.csv` in it has the columns path (of a file or a folder) and licence.
        people: a person is a folder (videos that lie in no folder are a person each), or a file.
        licence: of every video that licences.csv does not name.

    Raises:
        PrepareError: no folder, no video, no licence for one.
    """
    if not videos.is_dir():
        raise PrepareError(f"{videos} is no folder of videos")
    paths = sorted(
        path.relative_to(videos)
        for path in videos.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not paths:
        raise PrepareError(f"{videos} holds no videos ({', '.join(sorted(SUFFIXES))})")
    licences = _read_licences(videos / "licences.csv")
    sources = []
    for path in paths:
        near = (licences.get(each.as_posix()) for each in (path, *path.parents))
        found = next((named for named in near if named), licence)
        if not found:
            raise PrepareError(
                f"{path} has no licence: give --licence, or a line for it or its folder in {videos}/licences.csv"
            )
        inside = path.parent if people == "folder" and path.parent != Path(".") else path.with_suffix("")
        sources.append(Source(path.as_posix(), _slug(path.with_suffix("")), inside.as_posix(), found))
    names = Counter(source.name for source in sources)
    return [  # a.mp4 beside a.mov: the hash of the path keeps names the same whatever else lies there
        source
        if names[source.name] == 1
        else replace(source, name=f"{source.name}_{hashlib.sha256(source.path.encode()).hexdigest()[:8]}")
        for source in sources
    ]


def _slug(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", path.as_posix()).strip("_").lower() or "video"


def _read_licences(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {row["path"].strip("/"): row["licence"].strip() for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise PrepareError(f"{path} needs the columns path and licence ({error})") from None
