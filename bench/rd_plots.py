"""The plots of the rate-distortion bench, as SVG: quality over rate as in the paper's figure 16, and the rate ratios
clip by clip. It knows the result's keys; it measures nothing."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from typing import Any

from bench.rd_rows import ANCHORS, FROZEN
from bench.rd_tables import NAMES, entries_of

# The bench's rows in colours that stay apart for the colour-blind (Okabe and Ito, 2008).
COLOURS = {
    "h264": "#0072B2",
    "h264_veryslow": "#56B4E9",
    "h265": "#D55E00",
    "h265_veryslow": "#E69F00",
    "vp9": "#009E73",
    "av1": "#CC79A7",
}
OURS = "#000000"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
# What stands on a plot's axes: rate, quality, headings.
PANELS = (
    ("bpp", "lpips", "payload, bits a pixel", "LPIPS (lower is better)"),
    ("bpp", "face_lpips", "payload, bits a pixel", "face LPIPS"),
    ("bpp", "mouth_expression", "payload, bits a pixel", "mouth expression error, %"),
    ("wire_kbps", "lpips", "on the wire, kbit/s", "LPIPS"),
)
PANEL_INCHES = (5.2, 4.2)
# Of the one plot: rates, codecs, ours with their markers, and the LPIPS at which nobody wants to look any more.
CHIEF_RATES = {
    "payload_kbps": "payload, kbit/s",
    "wire_kbps": "on the wire with all headers, kbit/s",
}
CHIEF_CODECS = ("h264", "h265", "vp9", "av1")
CHIEF_OURS = {
    "ours_gallery": ("*", "ours, as a call begins"),
    "ours_predictive": ("o", "ours, source picture uncompressed"),
    "ours_flow": ("P", "the same, with residual flow"),
}
CHIEF_CURVES = ("ours_flow",)  # of ours, those of which all points are shown
CHIEF_WORST = 0.35


def curves_svg(result: Mapping[str, Any], size: int) -> str:
    """Return quality over rate at a size, a panel a judge: curves for codecs, markers for ours, a line for frozen."""
    figure, axes = _figure(2, 2)
    for place, (rate, quality, rate_name, quality_name) in zip(axes.flat, PANELS, strict=True):
        _curves(place, result, size, rate, quality)
        place.set(xscale="log", xlabel=rate_name, ylabel=quality_name)
        _label_decades(place)
        place.set_ylim(bottom=0)
        place.grid(True, which="both", linewidth=0.3, color="#cccccc")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle(f"{size} x {size}: means over the clips, geometric ones of rates", fontsize=11)
    return _svg(figure)


def ratios_svg(result: Mapping[str, Any], size: int) -> str:
    """Return the clips' rate ratios in order, for payload and wire; clips outside the codec's curve have no point, but
    their place among all: where many are, a line begins high or ends low."""
    figure, axes = _figure(1, 1)
    place = axes.flat[0]
    entry = next((entry for entry in entries_of(result, size) if entry["ours"]), None)
    for anchor in ANCHORS:
        for suffix, name, line in (("", "payload", "-"), ("_wire", "wire", ":")):
            key = f"rate_ratio_{anchor}{suffix}"
            by_clip = {} if entry is None else entry["by_clip"][key]
            ratios = sorted(value for value in by_clip.values() if value is not None)
            below = 0 if entry is None else entry[f"{key}_below"]
            shares = [(below + index + 0.5) / len(by_clip) for index in range(len(ratios))]
            label = f"{NAMES[anchor]}, {name}"
            place.plot(ratios, shares, line, marker=".", color=COLOURS[anchor], label=label)
    place.axvline(1, color="grey", linewidth=1)
    place.set(
        xscale="log",
        xlabel="rate over ours at our LPIPS (right is better)",
        ylabel="share of the clips",
        ylim=(0, 1),
    )
    _label_decades(place)
    place.legend(fontsize=8)
    figure.suptitle(f"{size} x {size}: rate ratios, clip by clip", fontsize=11)
    return _svg(figure)


def chief_svg(result: Mapping[str, Any]) -> str:
    """Return the one plot that says it all: LPIPS over the rate, payload above and wire below, a column a size; ours as
    a call begins, with an uncompressed source picture, and from that with residual flow."""
    sizes = [size for size in result["sizes"] if entries_of(result, size)]
    figure, axes = _figure(len(CHIEF_RATES), len(sizes))
    for row, (rate, name) in zip(axes, CHIEF_RATES.items(), strict=True):
        for place, size in zip(row, sizes, strict=True):
            _chief_panel(place, result, size, rate)
            place.set(xscale="log", xlabel=f"{size} x {size}: {name}", ylim=(0, CHIEF_WORST))
            _label_decades(place)
            place.grid(True, which="major", linewidth=0.3, color="#cccccc")
        row[0].set_ylabel("LPIPS (lower is better)")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 * len(sizes), fontsize=8)
    return _svg(figure)


def _chief_panel(place: Any, result: Mapping[str, Any], size: int, rate: str) -> None:
    for entry in entries_of(result, size):
        codec, points = entry["codec"], entry["points"]
        if codec == FROZEN:
            place.axhline(
                points[0]["lpips"], color="grey", linestyle="--", linewidth=1, label=entry["heading"]
            )
        elif codec in CHIEF_CODECS:
            curve = [(point[f"{rate}_geometric"], point["lpips"]) for point in points]
            place.plot(
                *zip(*curve, strict=True), "-", marker=".", color=COLOURS[codec], label=entry["heading"]
            )
        elif codec in CHIEF_OURS:
            marker, name = CHIEF_OURS[codec]
            shown = points if codec in CHIEF_CURVES else points[:1]
            place.plot(
                [point[f"{rate}_geometric"] for point in shown],
                [point["lpips"] for point in shown],
                f"{marker}-",
                linewidth=0.8,
                color=OURS,
                markersize=8,
                label=name,
            )


def _curves(place: Any, result: Mapping[str, Any], size: int, rate: str, quality: str) -> None:
    markers = itertools.cycle(MARKERS)
    for entry in entries_of(result, size):
        points = [point for point in entry["points"] if point.get(quality) is not None]
        rates = [point.get(f"{rate}_geometric", point[rate]) for point in points]  # a paper's has one alone
        values = [point[quality] for point in points]
        name = entry["heading"]
        if entry["codec"] == FROZEN and points:
            place.axhline(values[0], color="grey", linestyle="--", linewidth=1, label=name)
        elif entry["ours"]:
            style = {"color": OURS, "fillstyle": "none", "markersize": 6, "linewidth": 0.8}
            place.plot(rates, values, marker=next(markers), label=name, **style)
        elif entry["codec"] in COLOURS:
            lines = "none" if entry["codec"].endswith("veryslow") else "-"
            place.plot(rates, values, lines, marker=".", color=COLOURS[entry["codec"]], label=name)
        elif rate == "bpp":  # a paper's message size: bits without a picture
            place.axvline(entry["points"][0]["bpp"], color="grey", linestyle=":", linewidth=1)
            place.annotate(
                name.split(",")[0] + (", adaptive" if "adaptive" in name else ""),
                (entry["points"][0]["bpp"], 0.98),
                xycoords=("data", "axes fraction"),
                rotation=90,
                fontsize=6.5,
                va="top",
                ha="right",
                color="grey",
            )


def _label_decades(place: Any) -> None:
    """Label 1, 2 and 5 of each decade, and nothing between."""
    from matplotlib.ticker import LogLocator, NullFormatter

    place.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    place.xaxis.set_major_formatter("{x:g}")
    place.xaxis.set_minor_formatter(NullFormatter())


def _figure(rows: int, columns: int) -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    width, height = PANEL_INCHES
    size = (width * columns, height * rows + (0.9 if rows > 1 else 0))
    return pyplot.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)


def _svg(figure: Any) -> str:
    from matplotlib import pyplot

    text = io.StringIO()
    with pyplot.rc_context({"svg.hashsalt": "visavis"}):  # the same figures make the same file
        figure.savefig(text, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    whole = text.getvalue()
    return whole[whole.index("<svg") :]
