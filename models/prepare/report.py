"""What a preparation says at its end: a table with a line a video."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from models.prepare.dataset import Outcome


def print_table(outcomes: Sequence[Outcome]) -> None:
    """Print what became of each video, and the sums."""
    table = Table(box=None, pad_edge=False)
    for heading in ("video", "person", "clips", "seconds"):
        table.add_column(heading, justify="left" if heading in ("video", "person") else "right")
    table.add_column("left out", overflow="fold")
    for outcome in outcomes:
        clips = outcome.record.clips if outcome.record else ()
        table.add_row(
            outcome.source.path,
            outcome.source.identity,
            str(len(clips)),
            f"{sum(clip.frames / clip.fps for clip in clips):.1f}",
            _left_out(outcome),
        )
    console = Console(markup=False, highlight=False)
    console.print(table)
    kept = [clip for outcome in outcomes if outcome.record for clip in outcome.record.clips]
    people = {outcome.source.identity for outcome in outcomes if outcome.record and outcome.record.clips}
    failed = sum(outcome.error is not None for outcome in outcomes)
    minutes = sum(clip.frames / clip.fps for clip in kept) / 60
    console.print(
        f"{len(kept)} clips of {len(people)} people, {minutes:.1f} minutes;"
        f" {failed} of {len(outcomes)} videos could not be prepared"
    )


def _left_out(outcome: Outcome) -> str:
    if outcome.record is None:
        return outcome.error or ""
    return "; ".join(
        f"{stretch.start_s:.1f}-{stretch.end_s:.1f} s {stretch.why}" for stretch in outcome.record.dropped
    )
